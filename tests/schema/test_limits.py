"""What a document may ask for at most, and that looking costs no more than its text is long."""

from pathlib import Path
from typing import Any

import pytest
import strawberry
from graphql import OperationDefinitionNode, get_introspection_query, parse
from graphql.execution.values import get_variable_values

from backend.limits.admission import EXPENSIVE, HASHING, MUTATIONS, REQUESTS
from backend.market.models import MAX_LINES
from backend.pages import MAX_PAGE_SIZE
from backend.people.models import BIO_CHARACTERS
from backend.stories.models import BODY_CHARACTERS, MAX_CHAPTERS, ContentWarning
from schema.execution.cost import MUTATION, WEIGHTS, Costs, require_lengths
from schema.execution.document_limits import CAP, too_large, too_long
from schema.execution.documents import MAX_ERRORS
from schema.execution.graphql_schema import GRAPHQL
from tests.api import ApiClient
from tests.api.http import Client
from tests.schema.lanes import AFTER_MS, taken

DOCUMENTS = [*Path("docs/examples").glob("*.graphql"), *Path("tests/clients").glob("*.graphql")]
WHOLE = dict.fromkeys(("specified_by_url", "directive_is_repeatable", "schema_description"), True)


def doubling(levels: int) -> str:
    """Fragments that each spread the next one twice: a short text that stands for 2 ** levels fields."""
    spreads = "".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }} " for n in range(levels))
    return f"{{ ...F0 }} {spreads} fragment F{levels} on Query {{ viewer {{ id }} }}"


def nested(levels: int) -> str:
    """A field within a field, so often."""
    return "{ viewer { " + "shelf { author { " * (levels // 2) + "id" + " }" * (levels // 2 * 2 + 2)


TOO_LARGE = {
    "depth": nested(14),
    "fields": doubling(20),
    "aliases": "{ " + " ".join(f"a{n}: __typename" for n in range(101)) + " }",
    "characters": "{ __typename }" + " " * 300_000,
    "lines": "{ __typename }" + "\n" * 10_000,
    "operations": " ".join(f"query Q{n} {{ __typename }}" for n in range(51)),
    "fragments": "{ __typename }" + "".join(f" fragment F{n} on Query {{ __typename }}" for n in range(101)),
    "variables": "query (" + " ".join(f"$v{n}: Int" for n in range(251)) + ") { __typename }",
    "same": '{ node(id: "x") { ' + "... on Story { id } ... on Person { id } " * 101 + "} }",
    "tokens": "{ " + "__typename " * 5_000 + "}",
    "directives": "{ __typename " + "@skip(if: false) " * 51 + "}",
    "rootFields": "{ " + "__typename " * 51 + "}",
    "repeats": "{ viewer { " + "shelf { id } " * 65 + "} }",
    "introspection": "{ __schema { types { " + "fields { type { " * 4 + "name" + " } }" * 4 + " } } }",
    "validation": "{ viewer { "
    + "".join(f"...F{n} " for n in range(60))
    + "} }"
    + "".join(f" fragment F{n} on Person {{ {'handle ' * 14} }}" for n in range(60)),
}


def refused(document: str, **variables: Any) -> dict[str, Any]:
    """What is said of a document that goes too far."""
    answer = ApiClient().post(document, **variables)
    assert "data" not in answer
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "LIMIT_EXCEEDED"
    said: dict[str, Any] = error["extensions"]
    assert str(said.get("most", "")) in error["message"]
    return said


@pytest.mark.parametrize("limit", TOO_LARGE)
def test_a_document_that_goes_too_far_is_refused(limit: str) -> None:
    """With the name of the limit, what it is, and what was found."""
    said = refused(TOO_LARGE[limit])
    assert said["limit"] == limit
    assert limit == "validation" or said["found"] > said["most"]


@pytest.mark.parametrize("limit", ["characters", "lines", "tokens"])
def test_a_document_that_is_too_long_is_not_read_to_its_end(limit: str) -> None:
    """Whatever it would come to."""
    assert refused(TOO_LARGE[limit] + "}}} nonsense")["limit"] == limit


def test_the_whole_schema_is_told_but_not_again_and_again() -> None:
    """Once for each alias would be much for a short text."""
    schemas = "".join(f" s{n}: __schema {{ queryType {{ name }} }}" for n in range(3))
    assert refused(f"{{ {schemas} }}")["limit"] == "introspection"
    assert refused(f"{{ ...F ...G }} fragment F on Query {{ {schemas} }} fragment G on Query {{ __typename }}")


@pytest.mark.parametrize(
    "value", [["x"] * 20_001, [["x", {"y": "z"}]] * 6_000, {str(n): n for n in range(20_001)}], ids=lambda v: str(v)[:9]
)
def test_variables_hold_only_so_many_values(value: Any) -> None:
    """Counted at whatever level, before any is looked at."""
    assert refused("query ($v: [ID!]!) { nodes(ids: $v) { id } }", v=value)["limit"] == "values"


def test_few_errors_are_told_of_one_document() -> None:
    """Each may quote much of it."""
    answer = ApiClient().post("{ " + " ".join(f"unknown{n}" for n in range(50)) + " }")
    assert len(answer["errors"]) == MAX_ERRORS + 1


def test_a_request_error_of_a_limit_is_400() -> None:
    """As every document that cannot be executed."""
    headers = {"accept": "application/graphql-response+json"}
    body = {"query": TOO_LARGE["aliases"]}
    assert Client().post("/graphql", body, content_type="application/json", headers=headers).status_code == 400


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_what_clients_send_stays_far_below(path: Path, settings: Any) -> None:
    """Half of each limit would do."""
    for name in ("CHARACTERS", "LINES", "OPERATIONS", "FRAGMENTS", "VARIABLES", "SAME_FIELDS"):
        setattr(settings, f"MAX_{name}", getattr(settings, f"MAX_{name}") // 2)
    for name in ("DEPTH", "FIELDS", "ALIASES", "DIRECTIVES", "ROOT_FIELDS", "REPEATED_FIELDS"):
        setattr(settings, f"MAX_{name}", getattr(settings, f"MAX_{name}") // 2)
    document = parse(path.read_text(encoding="utf-8"))
    assert too_long(path.read_text(encoding="utf-8")) is None
    assert too_large(document) is None
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            assert Costs(GRAPHQL, document, node).of({}) < settings.MAX_COST / 2


def costs_of(document: str, variables: dict[str, Any]) -> tuple[Costs, Any]:
    """Of the first operation, with its variables as they are coerced for execution."""
    parsed = parse(document)
    operation = parsed.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    coerced = get_variable_values(GRAPHQL, operation.variable_definitions or (), variables)
    assert not isinstance(coerced, list), coerced
    return Costs(GRAPHQL, parsed, operation), coerced.coerced


def cost(document: str, **variables: Any) -> int:
    """How many fields the answer can have."""
    costs, coerced = costs_of(document, variables)
    return costs.of(coerced)


def characters(document: str, **variables: Any) -> int:
    """How many characters the long texts of the answer can have."""
    costs, coerced = costs_of(document, variables)
    return costs.characters(coerced)


def test_the_size_of_a_fragment_bomb_is_found_without_counting_it_out() -> None:
    """Ninety levels of doubling would never end."""
    document = doubling(90)
    assert refused(document)["found"] == CAP
    assert cost(document) == CAP


PAGE = "query ($n: Int, $m: Int = 7) { stories(%s) { edges { node { title } } } }"
STORIES = {
    "first: 5": {},
    "last: 5": {},
    "first: $n": {"n": 5},
    "first: 2, last: $n": {"n": 5},
}


@pytest.mark.parametrize("arguments", STORIES)
def test_a_page_counts_each_row_that_it_can_have(arguments: str) -> None:
    """Literal or variable, the larger of first and last."""
    assert cost(PAGE % arguments, **STORIES[arguments]) == 1 + 1 + 5 * 2


@pytest.mark.parametrize(
    ("arguments", "variables", "size"),
    [
        ("first: $m", {}, 7),
        ("first: $n", {}, 20),
        ("first: $n", {"n": None}, 20),
        ("first: $n", {"n": 10**9}, MAX_PAGE_SIZE),
        ("first: $n", {"n": 1e9}, MAX_PAGE_SIZE),
        ("first: $n", {"n": -5}, 0),
        ("first: $n", {"n": 100.0}, 100),
        ("first: $n", {"n": -0.0}, 0),
        ("first: $m", {"m": 100.0}, 100),
        ("first: $m", {"m": None}, 20),
        ("first: null", {}, 20),
        ("first: null, last: $n", {"n": 50.0}, 50),
        ("first: 99999999999999999999", {}, MAX_PAGE_SIZE),
        ("", {}, 20),
    ],
)
def test_what_is_not_said_or_is_wrong_counts_as_it_will_be_taken(
    arguments: str, variables: dict[str, Any], size: int
) -> None:
    """The sizes are those that the execution sees, however they are written."""
    document = PAGE % arguments if arguments else PAGE.replace("(%s)", "")
    assert cost(document, **variables) == 2 + size * 2


LINES = "{ viewer { sales { edges { node { lines { quantity } } } } } }"
CHANGED = "{ viewer { readings(first: 1) { edges { node { changedChapters { id title } } } } } }"


def test_a_list_without_pages_counts_as_long_as_it_can_be() -> None:
    """Chapters, lines; what a list of values can hold counts too."""
    of_story = '{ story(id: "x") { %s } }'
    assert cost(of_story % "chapters { id title }") == 1 + 1 + MAX_CHAPTERS * 2
    assert cost(of_story % "chapters { story { chapters { id } } }") == 2 + MAX_CHAPTERS * (2 + MAX_CHAPTERS)
    assert cost(of_story % "warnings") == 1 + 1 + len(ContentWarning)
    assert cost(LINES) == 1 + 1 + 1 + 20 * (1 + 1 + MAX_LINES)
    assert cost(CHANGED) == 1 + 1 + 1 + (1 + 1 + MAX_CHAPTERS * 2)


def test_long_texts_count_as_long_as_they_can_be() -> None:
    """Each as often as it can be in the answer. Short ones do not count, and introspection neither."""
    assert characters("{ viewer { bio handle a: bio } __schema { description } __typename }") == 2 * BIO_CHARACTERS
    assert characters("query ($n: Int) { stories(first: $n) { edges { node { summary title } } } }", n=7.0) == 14_000
    whole = characters('{ story(id: "x") { chapters { title body } } }')
    assert MAX_CHAPTERS * BODY_CHARACTERS <= whole < MAX_CHAPTERS * BODY_CHARACTERS * 1.01


def test_ids_count_as_they_are() -> None:
    """However they are given."""
    assert cost("query ($i: [ID!]!) { nodes(ids: $i) { id } }", i=["a", "b", "c"]) == 1 + 3
    assert cost("query ($i: [ID!]!) { nodes(ids: $i) { id } }", i="a") == 1 + 1
    assert cost('query ($i: [ID!]! = ["a", "b"]) { nodes(ids: $i) { id } }') == 1 + 2
    assert cost('{ nodes(ids: ["a", "b"]) { id } }') == 1 + 2
    assert cost("query ($a: ID!) { nodes(ids: [$a, $a, $a]) { id } }", a="a") == 1 + 3
    assert cost("query ($i: [ID!]!) { relationships(people: $i) { id } }", i=["a"] * 1_000) == 1 + 1_000


def test_every_list_says_how_many_items_it_can_hold() -> None:
    """One that does not is no part of a schema that is served."""
    require_lengths(GRAPHQL)

    @strawberry.type
    class Query:
        """A list of nobody knows how many."""

        things: list[str] = strawberry.field(description="Things.")

    unsaid = strawberry.Schema(Query)._schema
    with pytest.raises(TypeError, match=r"Query\.things is a list: say how many"):
        require_lengths(unsaid)


DEEP = "story { chapters { id position title } }"
FORMS = {
    "chapters": f"... on Story {{ chapters {{ {DEEP} }} }}",
    "changedChapters": f"... on Reading {{ changedChapters {{ {DEEP} }} }}",
    "lines": f"... on Order {{ lines {{ edition {{ story {{ chapters {{ {DEEP} }} }} }} }} }}",
    "interface": f"... on Versioned {{ ... on Story {{ chapters {{ {DEEP} }} }} }}",
    "fragment": "... on Story { chapters { ...F } }",
}


@pytest.mark.parametrize("form", FORMS)
def test_long_lists_within_long_lists_are_refused_before_anything_runs(form: str, settings: Any) -> None:
    """However they are reached, and however long they are; this test may not use the database."""
    settings.MAX_COST = 30_000
    fragment = f"fragment F on Chapter {{ {DEEP} }}" if form == "fragment" else ""
    document = f"query ($id: ID!) {{ node(id: $id) {{ {FORMS[form]} }} }} {fragment}"
    said = refused(document, id="x")
    assert (said["limit"], said["most"], said["found"]) == ("cost", 30_000, cost(document, id="x"))


@pytest.mark.django_db(transaction=True)
def test_a_write_whose_answer_could_have_too_many_fields_is_not_written(asha: ApiClient, settings: Any) -> None:
    """It is known before."""
    settings.MAX_COST = 30_000
    document = """mutation ($input: CreateStoryInput!) { createStory(input: $input, expect: {version: "0"}) {
      ... on StorySuccess { story { chapters { story { chapters { id position title } } } } } } }"""
    assert refused(document, input={"title": "Long"})["limit"] == "cost"
    assert asha.ask("{ viewer { shelf { storyCount } } }") == {"viewer": {"shelf": {"storyCount": 0}}}


# --- Introspection ----------------------------------------------------------------------------------------------

MANY = "{ __schema { types { name fields { type { ofType { fields { %s } } } } } } }"
INTROSPECTIONS = [
    get_introspection_query(),
    get_introspection_query(**WHOLE, input_value_deprecation=True),
    "{ __schema { queryType { ...T } } } fragment T on __Type { name ... on __Type { fields { name args { name } } } }",
    '{ __type(name: "Mutation") { fields { name args { name type { name ofType { name } } } } } }',
    '{ whole: __type(name: "Mutation") { fields(includeDeprecated: true) { name } } '
    '__type(name: "Mutation") { fields(includeDeprecated: false) { name } } }',
    '{ __type(name: "Nothing") { fields { name } } __typename }',
    "{ __schema { directives { name locations args { name } } types { possibleTypes { name } enumValues { name } } } }",
    MANY % "name",
]


def values_in(answer: Any) -> int:
    """How many fields an answer has, and members of lists of values."""
    if isinstance(answer, dict):
        return len(answer) + sum(map(values_in, answer.values()))
    if isinstance(answer, list):
        return sum(values_in(one) if isinstance(one, dict) else 1 for one in answer)
    return 0


@pytest.mark.parametrize("document", INTROSPECTIONS, ids=lambda text: text[:40])
def test_introspection_costs_as_many_fields_as_it_answers(document: str) -> None:
    """Not one more or less."""
    answer = ApiClient().post(document)
    assert "errors" not in answer
    assert cost(document) == values_in(answer["data"])


def test_a_type_by_variable_costs_what_that_type_does() -> None:
    """Whatever was asked for before with the same document; what is no type costs nothing inside."""
    document = "query ($n: String!) { __type(name: $n) { fields { name } } }"
    parsed = parse(document)
    operation = parsed.definitions[0]
    assert isinstance(operation, OperationDefinitionNode)
    costs = Costs(GRAPHQL, parsed, operation)
    for name in ("PageInfo", "Query", "PageInfo", "x" * 1_000, "__Type"):
        answer = ApiClient().post(document, n=name)
        assert costs.of({"n": name}) == values_in(answer["data"])


def test_introspection_that_would_be_huge_is_refused_before_it_is_made(settings: Any) -> None:
    """By aliases and by fragments."""
    settings.MAX_COST = 40_000
    names = " ".join(f"a{n}: name" for n in range(95))
    assert refused(MANY % names)["limit"] == "cost"
    halves = [f" fragment {half} on __Field {{ {' '.join(f'{half}{n}: name' for n in range(45))} }}" for half in "NM"]
    assert refused(MANY % "...N ...M" + "".join(halves))["limit"] == "cost"


def test_tools_can_ask_for_the_whole_schema_where_the_allowance_is_small(settings: Any) -> None:
    settings.COST_A_MINUTE = 20_000
    document = get_introspection_query(**WHOLE, input_value_deprecation=True)
    assert "errors" not in ApiClient().post(document)


def test_a_fragment_counts_wherever_it_is_spread() -> None:
    """With the page of that place."""
    fragment = "fragment E on StoryConnection { edges { cursor } }"
    document = f"{{ a: stories(first: 2) {{ ...E }} b: stories(first: 3) {{ ...E }} }} {fragment}"
    assert cost(document) == (1 + 1 + 2) + (1 + 1 + 3)


def test_of_what_is_selected_for_several_types_the_dearest_counts() -> None:
    """A thing is of one type; what an interface gives counts with each."""
    of_story, of_person = "... on Story { title summary version }", "... on Person { name }"
    assert cost(f'{{ node(id: "x") {{ id {of_story} {of_person} ...F }} }} fragment F on Person {{ bio }}') == 1 + 1 + 3
    assert cost(f'{{ node(id: "x") {{ {of_person} ... on Versioned {{ version }} }} }}') == 1 + 1 + 1


def test_mutations_count_more_and_hashing_a_password_most() -> None:
    sign = 'signIn(handle: "h", password: "p") { __typename }'
    assert cost(f"mutation {{ a: {sign} b: {sign} }}") == 2 * (WEIGHTS["Mutation.signIn"] + 1)
    assert cost("mutation { signOut }") == MUTATION


def test_lists_within_lists_are_refused_before_anything_runs() -> None:
    """By variables as well as by literals; this test may not use the database."""
    document = """query ($n: Int) { stories(first: $n) { edges { node { author { stories(first: $n) { edges { node {
      author { stories(first: $n) { edges { node { title } } } } } } } } } } } }"""
    for size in (100, 100.0, 1e2):
        assert refused(document, n=size)["limit"] == "cost"
    assert refused(document.replace("$n: Int", "$n: Int = 100"))["limit"] == "cost"
    assert refused(document.replace("($n: Int)", "").replace("$n", "99"))["limit"] == "cost"


@pytest.mark.django_db(transaction=True)
def test_the_same_document_is_judged_anew_for_other_variables(settings: Any) -> None:
    settings.MAX_COST = 40_000
    document = (
        "query Judged($n: Int) { stories(first: $n) { edges { node { author { stories(first: $n) { edges { node { id "
    )
    document += "author { shelf { id } } } } } } } } } }"
    for _round in range(2):
        assert "errors" not in ApiClient().post(document, n=5)
        assert refused(document, n=100)["limit"] == "cost"


DEAR = "{ stories(first: 100) { edges { node { title summary author { name bio } chapters { title } } } } }"
FOLLOW = 'mutation { follow(person: "x", expect: {current: true}) { __typename } }'


def lanes_of(query: str) -> list[str]:
    """Those in which the request is answered, in their order."""
    with taken() as lanes:
        ApiClient().post(query)
    return lanes


@pytest.mark.django_db(transaction=True)
def test_what_asks_for_much_takes_a_slot_for_that(settings: Any) -> None:
    """What has a dear answer, and a document that is long and new. Neither who signs in, nor what is remembered."""
    long = "{ __typename " + " ".join(f"turn{n}: __typename" for n in range(40)) + "}" + "#" * 2_000
    sign_in = 'mutation { signIn(handle: "h", password: "p") { __typename } }'
    many = "stories(first: 100) { edges { node { title chapters { title } } } }"
    write = 'mutation { updateProfile(patch: {bio: ""}, expect: {version: "1"}) '
    write += f"{{ ... on ProfileSuccess {{ person {{ {many} }} }} }} }}"
    schema = get_introspection_query()
    story = '{ story(id: "x") { chapters { story { chapters { position } } } } }'
    assert min(cost(DEAR), cost(sign_in), cost(schema), cost(write), cost(story)) >= settings.EXPENSIVE_QUERY_COST
    for query in (long, DEAR, schema, write, story):
        assert lanes_of(query) == [REQUESTS, EXPENSIVE]
    assert lanes_of(sign_in) == [REQUESTS, HASHING]
    assert lanes_of("{ viewer { handle } }") == [REQUESTS]
    assert lanes_of(FOLLOW) == [REQUESTS, MUTATIONS]
    assert lanes_of(DEAR) == [REQUESTS, EXPENSIVE]
    assert lanes_of(long) == []  # always the same answer, and remembered


@pytest.mark.django_db(transaction=True)
def test_a_long_document_that_asks_for_much_takes_one_slot_for_both() -> None:
    """It goes on in the slot in which it was prepared; so does a short one that asks for little."""
    assert lanes_of(f"{DEAR} #{'.' * 3_000}") == [REQUESTS, EXPENSIVE]
    hashing = 'mutation { signIn(handle: "h", password: "p") { __typename } }'
    assert lanes_of(f"{hashing} #{'.' * 3_000}") == [REQUESTS, EXPENSIVE, HASHING]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("full", "document"), [(REQUESTS, DEAR), (EXPENSIVE, DEAR), (MUTATIONS, FOLLOW)])
def test_what_finds_no_slot_is_not_executed(full: str, document: str) -> None:
    """503 BUSY with the time to wait, in both ways of saying it."""
    with taken(full={full}) as lanes:
        response = Client().post("/graphql", {"query": document}, content_type="application/json")
    (error,) = response.json()["errors"]
    assert (response.status_code, error["extensions"]["code"]) == (503, "BUSY")
    assert error["extensions"]["retry"] == {"kind": "SAME_REQUEST", "afterMs": AFTER_MS}
    assert response["Retry-After"] == "2"
    assert lanes == ([] if full == REQUESTS else [REQUESTS])
