"""What a mutation selects is worked out once for each document, and what is remembered of all documents has an end."""

import gc

import pytest

from schema.execution import operations
from schema.execution.operations import Selected
from tests.api import ApiClient

FIELDS = "{ __typename ... on Failure { code message retry { kind afterMs } } ... on InvalidError { fields { path message } } }"
CHOICES = "abcd"
MOST = 1_000


def document(number: int) -> str:
    """A mutation with forty refusals, and variables that leave something out."""
    asked = " ".join(f'm{n}: createWhisper(text: "") {FIELDS}' for n in range(40))
    left_out = " ".join(f"{one}: __typename @skip(if: ${one})" for one in CHOICES)
    variables = ", ".join(f"${one}: Boolean!" for one in CHOICES)
    return f"mutation M{number}({variables}) {{ {left_out} {asked} }}"


def remembered() -> int:
    """How many selected fields there are in this process."""
    gc.collect()
    return sum(type(one) is Selected for one in gc.get_objects())


def test_what_is_selected_takes_bounded_memory(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many documents there are, and values of the variables that leave fields out."""
    monkeypatch.setattr(operations, "MAX_SELECTED", MOST, raising=False)
    for number in range(2):
        for chosen in range(8):
            values = {one: bool(chosen >> place & 1) for place, one in enumerate(CHOICES)}
            answer = asha.ask(document(number), **values)
            assert [name for name in answer if name in CHOICES] == [one for one in CHOICES if not values[one]]
            assert {answer[f"m{n}"]["code"] for n in range(40)} == {"INVALID"}
    assert remembered() <= MOST


def test_what_is_selected_is_worked_out_once(asha: ApiClient) -> None:
    """For all requests with a document."""
    values = dict.fromkeys(CHOICES, True)
    first = asha.ask(document(2), **values)
    found = remembered()
    assert asha.ask(document(2), **values) == first
    assert remembered() == found
