"""The printed contract: what the code serves, what clients of the last release rely on, and that it explains itself."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    build_schema,
    find_breaking_changes,
    get_named_type,
    is_input_object_type,
    is_introspection_type,
    is_specified_scalar_type,
    validate_schema,
)

from backend.sources import Page
from schema.mutations import ANYBODY
from schema.nodes import SOURCE, TEXTS, node_types
from schema.root import POSITION, schema
from tests.api.http import Client
from tests.schema.mutation_fixture import CONDITIONED

HERE = Path(__file__).parent
PRINTED = HERE.parents[1] / "schema" / "schema.graphql"
RELEASED = HERE / "released.graphql"
NOW = build_schema(PRINTED.read_text())
OURS = {
    name: type_
    for name, type_ in NOW.type_map.items()
    if not is_introspection_type(type_) and not is_specified_scalar_type(type_)
}


def fields(type_: Any) -> dict[str, Any]:
    """The fields of a type that has some."""
    return getattr(type_, "fields", {})


def test_the_file_is_what_the_code_serves() -> None:
    """`manage.py export_schema` writes it again."""
    assert PRINTED.read_text().strip() == schema.as_str().strip()
    assert validate_schema(NOW) == []


def test_tools_can_fetch_it() -> None:
    """The server hands out the file, for those who generate code from it."""
    response = Client().get("/schema.graphql")
    assert (response.status_code, response.content) == (200, PRINTED.read_bytes())


DATED = re.compile(r"^Use (\w+), .+\. It goes on (\d{4}-\d\d-\d\d) at the earliest\.$")


def test_what_is_deprecated_says_what_to_use_until_when() -> None:
    """The reason names a field that there is, and clients.md has the same day."""
    listed = (HERE.parents[1] / "docs" / "clients.md").read_text()
    deprecated = {
        name: (type_.fields, field.deprecation_reason)
        for type_ in OURS.values()
        for name, field in fields(type_).items()
        if field.deprecation_reason is not None
    }
    assert set(deprecated) == {"signOut"}
    for name, (beside, reason) in deprecated.items():
        said = DATED.match(reason)
        assert said, reason
        assert said[1] in beside
        assert f"| `{name}` | `{said[1]}`, " in listed
        assert f"| {date.fromisoformat(said[2])} at the earliest |" in listed


def test_nothing_that_was_released_is_broken() -> None:
    """A client of the last release still works."""
    changes = find_breaking_changes(build_schema(RELEASED.read_text()), NOW)
    assert [change.description for change in changes] == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("viewCount: Int!", "viewCount: Int"),
        ("  followedBy: Boolean!\n", ""),
        ("person(handle: String!)", "person(name: String!)"),
        ("  REPLAYED\n", ""),
    ],
)
def test_a_broken_promise_is_seen(before: str, after: str) -> None:
    """The check above can fail."""
    released = RELEASED.read_text()
    assert before in released
    assert find_breaking_changes(build_schema(released), build_schema(released.replace(before, after)))


def explained(schema_: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    """Everything that GraphiQL shows a description of, with it."""
    for name, type_ in OURS.items():
        yield name, type_.description
        if isinstance(type_, GraphQLEnumType):
            yield from ((f"{name}.{value}", one.description) for value, one in type_.values.items())
        for field, one in fields(type_).items():
            yield f"{name}.{field}", one.description
            yield from (
                (f"{name}.{field}({argument})", two.description) for argument, two in getattr(one, "args", {}).items()
            )


def test_everything_is_described() -> None:
    """Each type, field, argument, input field and enum value, in a sentence that ends."""
    described = dict(explained(NOW))
    assert len(described) > 200
    assert [name for name, text in described.items() if not text or not text.strip()] == []
    unfinished = [name for name, text in described.items() if not (text or "").rstrip().endswith((".", ")"))]
    assert unfinished == []


def test_all_text_is_normalized() -> None:
    """A root field that takes arguments normalizes them before its resolver, but for lookups: there it would spoil other ids."""
    for field in schema.query.__strawberry_definition__.fields:  # type: ignore[attr-defined]
        lookup = field.name in ("node", "nodes", "relationships")
        normal = TEXTS in field.metadata or isinstance(field.metadata.get(SOURCE), Page)
        assert lookup or normal or not field.arguments, field.name
    for field in schema.mutation.__strawberry_definition__.fields:  # type: ignore[union-attr]
        assert is_run(field), field.name


def is_run(field: Any) -> bool:
    """Whether a mutation is declared by `mutations.mutation`, so that it says who may ask for it."""
    return ANYBODY in field.metadata


# --- Mutations --------------------------------------------------------------------------------------------------


def members(field: Any) -> set[str]:
    """What a mutation can answer."""
    answer = get_named_type(field.type)
    assert isinstance(answer, GraphQLUnionType)
    return {type_.name for type_ in answer.types}


MUTATIONS = {name: field for name, field in NOW.mutation_type.fields.items() if name != "signOut"}  # type: ignore[union-attr]


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_mutation_can_answer_with_its_refusals(name: str) -> None:
    """One success, and each refusal that its arguments make possible; all of those are failures."""
    field, answers = MUTATIONS[name], members(MUTATIONS[name])
    success = [one for one in answers if not one.endswith("Error")]
    assert len(success) == 1
    expected = {"InvalidError", "ForbiddenError", "BusyError"}
    expected |= {"ConflictError"} if "expect" in field.args else set()
    expected |= {"KeyReusedError"} if "key" in field.args else set()
    subjects = {"person", "story", "id", "subject", "edition", "lines"}
    made = name in ("createStory", "createWhisper")  # sent again, when what was made is gone
    expected |= {"NotFoundError"} if made or subjects & field.args.keys() else set()
    expected |= {"OutOfStockError"} if name in ("adjustStock", "placeOrder") else set()
    expected |= (
        {"RateLimitedError"} if name == "inviteCoauthor" or {"password", "current"} & field.args.keys() else set()
    )
    assert answers - set(success) == expected
    failure = NOW.type_map["Failure"]
    for one in expected:
        assert failure in NOW.type_map[one].interfaces  # type: ignore[union-attr]


@pytest.mark.parametrize("name", CONDITIONED)
def test_a_conditioned_mutation_takes_and_gives_versions(name: str) -> None:
    """An expectation, a key, and in the success something versioned and what was applied."""
    field = MUTATIONS[name]
    assert {"expect", "key"} <= field.args.keys()
    assert str(field.args["expect"].type) == "Expect!"
    assert str(field.args["key"].type) == "UUID"
    (success,) = (NOW.type_map[one] for one in members(field) if not one.endswith("Error"))
    assert str(fields(success)["applied"].type) == "Applied!"
    versioned = NOW.type_map["Versioned"]
    types = [get_named_type(one.type) for one in fields(success).values()]
    # Of a whisper that is gone nothing is left that has a version, nor of a draft for who writes it no more.
    assert name in ("deleteWhisper", "leaveStory") or any(versioned in getattr(one, "interfaces", ()) for one in types)


def test_an_expectation_is_exactly_one_thing() -> None:
    """Tools read it off the schema."""
    expect = NOW.type_map["Expect"]
    assert is_input_object_type(expect)
    assert expect.is_one_of


# --- Relay ------------------------------------------------------------------------------------------------------


GONE = ("StoryDeleted", "ChapterDeleted", "WhisperDeleted", "TokenRevoked", "AccountDeleted", "LeaveSuccess")
UNVERSIONED = ("Node", "Revision", "AccessToken", "ModerationAction")


def test_whatever_has_an_id_is_a_node_with_a_version() -> None:
    """So that any client can fetch it again, and knows what to send back. A revision and a step of a moderator
    never change; what is gone is gone, and a change names what it is of.
    """
    for name, type_ in OURS.items():
        if (
            isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
            and "id" in type_.fields
            and name not in (*GONE, "Change")
        ):
            interfaces = {one.name for one in type_.interfaces} | {name}
            assert {"Node"} if name in UNVERSIONED else {"Node", "Versioned"} <= interfaces, name
            assert str(type_.fields["id"].type) == "ID!"


def test_connections_are_relays() -> None:
    """Edges with cursor and node, a PageInfo, and at least the four arguments wherever one is a field."""
    connections = {name for name in OURS if name.endswith("Connection")}
    assert connections
    for name in connections:
        edge = get_named_type(fields(OURS[name])["edges"].type)
        assert str(fields(OURS[name])["pageInfo"].type) == "PageInfo!"
        assert str(fields(edge)["cursor"].type) == "String!"
        assert "node" in fields(edge)
    for type_ in OURS.values():
        for field in fields(type_).values():
            if get_named_type(field.type).name in connections:
                taken = {argument: str(one.type) for argument, one in field.args.items()}
                assert taken.items() >= {"first": "Int", "after": "String", "last": "Int", "before": "String"}.items()
    page_info = {name: str(field.type) for name, field in fields(OURS["PageInfo"]).items()}
    assert page_info == {
        "hasNextPage": "Boolean!",
        "hasPreviousPage": "Boolean!",
        "startCursor": "String",
        "endCursor": "String",
    }


def test_nodes_are_found_as_relay_asks() -> None:
    """`node(id: ID!): Node` and `nodes(ids: [ID!]!): [Node]!`."""
    query = NOW.query_type
    assert query
    assert (str(query.fields["node"].type), str(query.fields["node"].args["id"].type)) == ("Node", "ID!")
    assert (str(query.fields["nodes"].type), str(query.fields["nodes"].args["ids"].type)) == ("[Node]!", "[ID!]!")


def test_introspection_lists_the_kinds_of_node_in_the_order_of_the_nouns() -> None:
    """The answer does not depend on which module happened to be imported first."""
    answer = schema.execute_sync('{ __type(name: "Node") { possibleTypes { name } } }')
    assert answer.data
    listed = [POSITION[node_types()[one["name"]].__module__] for one in answer.data["__type"]["possibleTypes"]]
    assert listed == sorted(listed)
    assert len(listed) == len(node_types())
