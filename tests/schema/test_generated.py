"""Requests made up from the contract itself: any field, with arguments of any kind. Each is answered, in plain words."""

import json
import re
import uuid
from typing import Any

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLOutputType,
    get_named_type,
    is_composite_type,
    is_enum_type,
    is_input_object_type,
    is_required_argument,
)
from hypothesis import given
from hypothesis import strategies as st

from schema.execution.graphql_schema import GRAPHQL
from tests.schema.raw_http import GRAPHQL_RESPONSE, post

PYTHON = (
    r"\b(None|True|False|Undefined|Traceback|dict|tuple|lambda|self|kwargs|int\(|str\(|__init__)\b|\w(Error|Exception):"
)
INSIDES = (
    r"<\w+[ .]|\b(django|psycopg|strawberry|graphql-core|postgres|SELECT|INSERT|UPDATE .* SET|people_|stories_|social_)"
)
FORBIDDEN = re.compile(f"{PYTHON}|{INSIDES}|[Dd]id you mean")
"""What no message may hold: Python's notation, our own insides, guesses at what was meant."""

LITERALS = (
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "99999999999",
    "9" * 5_000,
    "1e999",
    '""',
    '"x"',
    '"\\u0000"',
    '"\\ud800"',
)
LITERALS += (
    "NEWEST",
    "MERGE",
    "[]",
    "[[]]",
    "[null]",
    "{}",
    "{x: 1}",
    '{version: "1"}',
    "{current: true}",
    '"""b"""',
    "$v",
)
ODD: Any = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    ODD, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=3), one, max_size=3), max_leaves=5
)
FITTING: dict[str, list[Any]] = {"Int": [0, 5, -1], "Boolean": [True, False]}
SELECTED = 3
DEEPEST = 4


@st.composite
def fitting(draw: st.DrawFn, type_: Any) -> str:
    """A literal that may fit: of an enum one of its values, of an object some of its fields."""
    named = get_named_type(type_)
    if is_enum_type(named):
        return draw(st.sampled_from(sorted(named.values)))
    if is_input_object_type(named):
        assert isinstance(named, GraphQLInputObjectType)
        fields = draw(st.lists(st.sampled_from(sorted(named.fields)), max_size=SELECTED, unique=True))
        return "{" + ", ".join(f"{name}: {draw(literal(named.fields[name].type))}" for name in fields) + "}"
    return draw(st.sampled_from(['"x"', "1", "true"]))


def literal(type_: Any) -> st.SearchStrategy[str]:
    """Any literal for an argument of this type."""
    return st.sampled_from(LITERALS) | fitting(type_)


@st.composite
def selection(draw: st.DrawFn, type_: GraphQLOutputType, levels: int = 0) -> str:
    """Some fields of a type, each with some arguments."""
    named = get_named_type(type_)
    parts = ["__typename"]
    if isinstance(named, GraphQLObjectType | GraphQLInterfaceType) and levels < DEEPEST:
        for name in draw(st.lists(st.sampled_from(sorted(named.fields)), max_size=SELECTED, unique=True)):
            field = named.fields[name]
            given_ = {
                one: draw(literal(argument.type))
                for one, argument in field.args.items()
                if is_required_argument(argument) or draw(st.booleans())
            }
            arguments = "(" + ", ".join(f"{one}: {value}" for one, value in given_.items()) + ")" if given_ else ""
            inside = draw(selection(field.type, levels + 1)) if is_composite_type(get_named_type(field.type)) else ""
            parts.append(f"{name}{arguments} {inside}")
    return "{ " + " ".join(parts) + " }"


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """A request."""
    kind, root = draw(st.sampled_from([("query", GRAPHQL.query_type), ("mutation", GRAPHQL.mutation_type)]))
    assert root is not None
    declared = draw(
        st.sampled_from(["", "", "($v: ID)", "($v: Int! = 1)", "($v: Expect!)", "($v: [StoryOrder!])", "($v: X)"])
    )
    return {"query": f"{kind} {declared} {draw(selection(root))}", "variables": {"v": draw(VALUES)}}


@pytest.mark.django_db(transaction=True)
@given(request_=requests())
def test_any_request_is_answered_in_plain_words(request_: dict[str, Any]) -> None:
    """Data, or errors that each have a code."""
    check_plain(request_)


def check_plain(request_: dict[str, Any]) -> None:
    """The request is answered, and nothing that is said shows what this is made of."""
    response = post(request_, GRAPHQL_RESPONSE)
    assert response.status_code in (200, 400), request_
    for error in json.loads(response.content).get("errors", []):
        assert error["message"]
        assert error["extensions"]["code"] not in ("INTERNAL_SERVER_ERROR", ""), (request_, error)
        assert not FORBIDDEN.search(error["message"]), (request_, error)


@st.composite
def value_of(draw: st.DrawFn, type_: Any) -> Any:
    """A value for a variable of this type, which fits more often than not."""
    named, wrapped = get_named_type(type_), str(type_)
    if draw(st.integers(0, 5)) == 0:
        return draw(VALUES)
    if "[" in wrapped and draw(st.booleans()):
        return draw(st.lists(value_of(named), max_size=SELECTED))
    if is_enum_type(named):
        return draw(st.sampled_from(sorted(named.values)))
    if isinstance(named, GraphQLInputObjectType):
        given_ = draw(st.lists(st.sampled_from(sorted(named.fields)), max_size=SELECTED, unique=True))
        return {name: draw(value_of(named.fields[name].type)) for name in given_}
    return draw(st.sampled_from(FITTING.get(named.name, ["x", "1", str(uuid.UUID(int=1))])))


@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    """One root field, with a variable for each of its arguments."""
    kind, root = draw(st.sampled_from([("query", GRAPHQL.query_type), ("mutation", GRAPHQL.mutation_type)]))
    assert root is not None
    name = draw(st.sampled_from(sorted(root.fields)))
    field = root.fields[name]
    declared = " ".join(f"${one}: {argument.type}" for one, argument in field.args.items())
    passed = " ".join(f"{one}: ${one}" for one in field.args)
    inside = "{ __typename }" if is_composite_type(get_named_type(field.type)) else ""
    given_ = {one: draw(value_of(argument.type)) for one, argument in field.args.items() if draw(st.integers(0, 5))}
    query = f"{kind} ({declared}) {{ {name}({passed}) {inside} }}" if field.args else f"{kind} {{ {name} {inside} }}"
    return {"query": query, "variables": given_}


@pytest.mark.django_db(transaction=True)
@given(request_=calls())
def test_any_value_is_answered_in_plain_words(request_: dict[str, Any]) -> None:
    """What does not fit its type is a request error; what fits and makes no sense is the field's own answer."""
    check_plain(request_)


@pytest.mark.parametrize(
    "text", ["Expected not to be None.", "<class 'str'>", "Did you mean x?", "SELECT 1", "KeyError: 'x'"]
)
def test_the_words_are_looked_for(text: str) -> None:
    """What is searched for is found."""
    assert FORBIDDEN.search(text)
