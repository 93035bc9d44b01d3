"""docs/access.md holds: each viewer gets what its tables say of every field, query and mutation, and nothing of the rest."""

import json
from typing import Any

import pytest
from graphql import GraphQLField, GraphQLObjectType, get_named_type, is_leaf_type, is_object_type

from backend.engine.errors import Refusal
from schema.root import schema
from tests.api import ApiClient
from tests.live.watched import told, watching
from tests.schema.access_fixture import THINGS, VIEWERS, AccessFixture, Row, kind_of, raw, table
from tests.schema.asking import DOCUMENTS, missing, outcome, sent
from tests.schema.footprint import nothing_written
from tests.worlds import MadeOnce

CARRIERS = table("What only carries things")
QUERIES, MUTATIONS = table("Queries"), table("Mutations")
TYPES = schema._schema.type_map
ROOTS = ("Query", "Mutation", "Subscription")
SUBSCRIPTIONS = table("Subscriptions")


@pytest.fixture(scope="module")
def scene(made_once: MadeOnce) -> AccessFixture:
    """The author, their things and everybody; the same for all."""
    return made_once(AccessFixture)


def fields_of(name: str) -> dict[str, GraphQLField]:
    """The fields of an object type of the schema."""
    found = TYPES[name]
    assert isinstance(found, GraphQLObjectType), name
    return found.fields


def object_types() -> set[str]:
    """All but those of introspection."""
    return {name for name, type_ in TYPES.items() if is_object_type(type_) and not name.startswith("__")}


# --- The tables name everything ---------------------------------------------------------------------------------


def test_every_field_is_in_the_table() -> None:
    """Each field of a type once for each thing of that type; a new one has to be thought of."""
    named: dict[str, list[str]] = {}
    for row in (*THINGS, *CARRIERS):
        named.setdefault(row.what, []).extend(row.names)
    assert {kind_of(thing) for thing in named} == object_types() - set(ROOTS)
    for thing, names in named.items():
        assert sorted(names) == sorted(fields_of(kind_of(thing))), thing


def test_every_query_and_mutation_is_in_the_table() -> None:
    """Each at least once."""
    for root, rows in zip(ROOTS, (QUERIES, MUTATIONS, SUBSCRIPTIONS), strict=True):
        assert {row.what for row in rows} == set(fields_of(root)), root


def test_every_cell_is_filled() -> None:
    """For each viewer."""
    for row in (*THINGS, *QUERIES, *MUTATIONS, *SUBSCRIPTIONS):
        assert set(row.cells) == set(VIEWERS), row
        assert all(row.cells.values()), row


# --- Things and their fields ------------------------------------------------------------------------------------


def asked(name: str, field: GraphQLField) -> str:
    """The field with something to select from it."""
    type_ = get_named_type(field.type)
    if is_leaf_type(type_):
        return name
    inner = "edges { cursor node { __typename } }" if type_.name.endswith("Connection") else "__typename"
    return f"{name} {{ {inner} }}"


def seen(value: Any) -> str:
    """What a viewer got of a field, in the table's words."""
    if value is None:
        return "null"
    return "empty" if isinstance(value, dict) and value.get("edges") == [] else "✓"


def of_thing(caller: ApiClient, id_: str, row: Row) -> dict[str, str]:
    """What a viewer gets of the row's fields of a thing that they look up by id."""
    kind = kind_of(row.what)
    fields = " ".join(asked(name, fields_of(kind)[name]) for name in row.names)
    node = caller.ask(f"query ($id: ID!) {{ node(id: $id) {{ ... on {kind} {{ {fields} }} }} }}", id=id_)["node"]
    return {name: "–" if node is None else seen(node[name]) for name in row.names}


@pytest.mark.parametrize("viewer", VIEWERS)
def test_things(scene: AccessFixture, viewer: str) -> None:
    """Each field of each thing."""
    caller = scene.callers[viewer]
    for row in THINGS:
        cell = "–" if row.cells[viewer] == "order" else row.cells[viewer]
        assert of_thing(caller, scene.ids[row.what](caller), row) == dict.fromkeys(row.names, cell), row.what


# --- Queries ----------------------------------------------------------------------------------------------------

EDGES = "edges { node { id } }"
ASKED = {
    "viewer": "{ viewer { id } }",
    "person": 'query ($id: ID!) { person(handle: "The-Author") { id } node(id: $id) { id } }',
    "node": "query ($id: ID!) { node(id: $id) { id } }",
    "nodes": "query ($id: ID!) { nodes(ids: [$id]) { id } }",
    "relationships": "query ($id: ID!) { relationships(people: [$id]) { person { id } } }",
    "story": "query ($id: ID!) { story(id: $id) { id } }",
    "people": f'{{ people(text: "the-author") {{ {EDGES} }} }}',
    "stories": f"{{ stories {{ {EDGES} }} }}",
    "drafts": f"{{ stories(filter: {{status: DRAFT}}) {{ {EDGES} }} }}",
    "feed": f"{{ feed {{ {EDGES} }} }}",
    "whispers": f"{{ whispers {{ {EDGES} }} }}",
    "reports": f"{{ reports {{ {EDGES} }} }}",
    "editions": f"{{ editions {{ {EDGES} }} }}",
    "orders": f"{{ orders {{ {EDGES} }} }}",
    "decisions": f"{{ decisions {{ {EDGES} }} }}",
    "moderationLog": f"{{ moderationLog {{ {EDGES} }} }}",
    "health": "{ health { version } }",
    "changes": "query ($since: String!) { changes(since: $since) { ... on ChangePage { changes { id } hasMore } } }",
}


def answered(scene: AccessFixture, row: Row, viewer: str) -> str:
    """Whether what the row asks for is in the answer."""
    caller = scene.callers[viewer]
    id_ = scene.ids[row.names[0]](caller) if row.names else None
    drafts = row.what == "stories" and row.names == ("Story (draft)",)
    answer = caller.post(ASKED["drafts" if drafts else row.what], id=id_, since=scene.begun)
    if "errors" in answer:
        return str(answer["errors"][0]["extensions"]["code"])
    if id_ is None:
        return "null" if answer["data"][row.what] is None else "✓"
    return "✓" if f'"id": "{id_}"' in json.dumps(answer["data"]) else "–"


@pytest.mark.parametrize("viewer", VIEWERS)
def test_queries(scene: AccessFixture, viewer: str) -> None:
    """Each query, by each viewer."""
    got = {(row.what, row.names): answered(scene, row, viewer) for row in QUERIES}
    assert got == {(row.what, row.names): row.cells[viewer] for row in QUERIES}


def whole(type_: Any, levels: int, kind: str = "") -> str:
    """Every field of a type, and of what it leads to, so many levels of things deep; named after its kind, if one is given."""
    parts = [whole_field(name, field, levels, kind) for name, field in type_.fields.items()]
    if type_.name == "Node":
        kinds = sorted({kind_of(row.what) for row in THINGS})
        parts += [f"... on {kind} {{ {kind}: __typename {whole(TYPES[kind], levels - 1, kind)} }}" for kind in kinds]
    return " ".join(["__typename", *(part for part in parts if part)])


def whole_field(name: str, field: GraphQLField, levels: int, kind: str = "") -> str:
    """The field with all that it leads to; nothing where that would be too deep."""
    type_, shown = get_named_type(field.type), f"{kind}_{name}: {name}" if kind else name
    if is_leaf_type(type_):
        return shown
    deeper = levels if type_.name.endswith(("Connection", "Edge")) else levels - 1
    return f"{shown} {{ {whole(type_, deeper)} }}" if deeper > 0 else ""


WALKED = (
    *("viewer", "stories", "feed", "whispers", "reports", "decisions", "moderationLog", "editions", "orders"),
    "stories(filter: {status: DRAFT})",
    *(f'person(handle: "the-{name}")' for name in ("author", "follower", "buyer")),
)


def walk(caller: ApiClient) -> str:
    """All that a viewer gets who asks for everything, from every query that leads somewhere."""
    got = []
    for asked_for in WALKED:
        name = asked_for.partition("(")[0]
        part = whole_field(name, fields_of("Query")[name], 4).removeprefix(name)
        answer = caller.post(f"{{ {asked_for} {part} }}")
        codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
        assert codes <= {"UNAUTHENTICATED", "FORBIDDEN"}, answer["errors"][:2]
        got.append(json.dumps(answer["data"], ensure_ascii=False))
    return " ".join(got)


@pytest.mark.parametrize("viewer", VIEWERS)
def test_nobody_walks_to_what_they_do_not_find(scene: AccessFixture, viewer: str, settings: Any) -> None:
    """From anywhere to anything: neither ids nor texts of hidden things are in any answer; those of others are."""
    for limit in ("DEPTH", "FIELDS", "COST", "REPEATED_FIELDS", "TOKENS", "ALIASES", "STATEMENT_CHARACTERS"):
        setattr(settings, f"MAX_{limit}", 10**8)
    caller = scene.callers[viewer]
    got = walk(caller)
    cells = {row.what: row.cells[viewer] for row in THINGS if "id" in row.names}
    for thing, cell in cells.items():
        there = f'"{scene.ids[thing](caller)}"' in got
        assert there is (cell in ("✓", "order")), (thing, cell)
        if cell == "–":
            assert f"TEXT of {thing}" not in got, thing


WATCHED = {
    "changed": "subscription ($id: ID!) { changed(things: [{id: $id}]) { thing { id } } }",
    "notified": "subscription { notified { unreadCount } }",
    "feedHead": "subscription { feedHead { id } }",
    "presence": "subscription ($id: ID!) { presence(story: $id) { people { person { id } } } }",
}


def watched(scene: AccessFixture, row: Row, viewer: str) -> str:
    """Whether the subscription that the row asks for tells of it."""
    caller = scene.callers[viewer]
    variables = {"id": scene.ids[row.names[0]](caller)} if row.what in ("changed", "presence") else {}
    somebody = json.dumps([{"person_id": str(scene.author.person.pk), "since": "2026-01-01T00:00:00Z"}])
    try:
        (answer,) = told([watching(caller, WATCHED[row.what], somebody, **variables)])
    except Refusal as refusal:
        return refusal.code
    assert answer is not None
    if "errors" in answer:
        return "–" if row.what == "feedHead" else str(answer["errors"][0]["extensions"]["code"])
    said = answer["data"][row.what]
    return "–" if said.get("thing", said) is None or said.get("people") == [] else "✓"


@pytest.mark.parametrize("viewer", VIEWERS)
def test_subscriptions(scene: AccessFixture, viewer: str) -> None:
    """Each subscription, by each viewer; all that `changed` can tell of is in `tests/live/test_many.py`."""
    got = {(row.what, row.names): watched(scene, row, viewer) for row in SUBSCRIPTIONS}
    assert got == {(row.what, row.names): row.cells[viewer] for row in SUBSCRIPTIONS}


# --- Mutations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("viewer", VIEWERS)
def test_refused_mutations(scene: AccessFixture, viewer: str) -> None:
    """Each writes nothing, and what is hidden answers as what is missing, byte for byte."""
    caller = scene.callers[viewer]
    asked_for = [
        (row, sent(scene, row, viewer), missing(scene, row, viewer)) for row in MUTATIONS if row.cells[viewer] != "✓"
    ]
    with nothing_written():
        for row, arguments, of_nothing in asked_for:
            answer = raw(caller, DOCUMENTS[row.what], **arguments)
            assert outcome(json.loads(answer), row.what) == row.cells[viewer], row
            if row.cells[viewer] == "NOT_FOUND":
                assert answer == raw(caller, DOCUMENTS[row.what], **of_nothing), row
