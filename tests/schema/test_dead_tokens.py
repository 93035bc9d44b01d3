"""A token that signs nobody in: every answer says so, also those which refuse nothing for it."""

from typing import Any

import pytest

from resolvers.access import DEAD_TOKEN
from tests.api import ApiClient
from tests.api.moderation import make_moderator

REJECTED = {"authentication": {"code": "TOKEN_REJECTED", "message": DEAD_TOKEN}}
END = "mutation { endSession { ... on SessionEnded { applied } ... on Failure { code } } }"
VIEWER = "{ viewer { handle } stories { edges { node { title } } } }"


@pytest.fixture
def revoked(asha: ApiClient) -> ApiClient:
    """Asha's token, after she has signed out."""
    asha.ask(END)
    return ApiClient(asha.token)


@pytest.mark.parametrize(
    ("query", "data"),
    [
        (VIEWER, {"viewer": None, "stories": {"edges": []}}),
        ("{ feed(first: 1) { edges { cursor } } }", {"feed": {"edges": []}}),
        (
            "{ viewer { handle } __schema { queryType { name } } }",
            {"viewer": None, "__schema": {"queryType": {"name": "Query"}}},
        ),
        ("{ health { version } }", {"health": None}),
        ('{ stories(after: "x") { edges { cursor } } viewer { id } }', None),
        (
            'mutation { createWhisper(text: "Hello") { ... on Failure { code } } }',
            {"createWhisper": {"code": "UNAUTHENTICATED"}},
        ),
    ],
)
def test_an_answer_says_that_the_token_was_rejected(revoked: ApiClient, query: str, data: Any) -> None:
    """Revoked or made up, in a query that is known and one that is new, whether anything else is wrong or not."""
    for caller in (revoked, ApiClient("made-up"), revoked):
        answer = caller.post(query)
        assert (answer["data"], answer["extensions"]) == (data, REJECTED)


def test_nothing_is_said_of_a_token_that_signs_in_or_of_none(asha: ApiClient, nobody: ApiClient) -> None:
    """So that an app need not look at what it says."""
    make_moderator(asha)
    for caller in (asha, nobody):
        for query in (VIEWER, "{ health { version } }", END):
            assert "extensions" not in caller.post(query), query


def test_whoever_signs_in_with_a_dead_token_is_signed_in(revoked: ApiClient) -> None:
    """An app may send the old one by mistake: it is told of the new one alone."""
    query = 'mutation { signIn(handle: "asha", password: "a good enough password") { ... on SignSuccess { person { handle } } } }'
    assert revoked.post(query) == {"data": {"signIn": {"person": {"handle": "asha"}}}}


def test_a_session_ends_once(asha: ApiClient, nobody: ApiClient) -> None:
    """As every mutation, it says what it did; whoever has signed out already, or never signed in, is not refused."""
    assert asha.ask("{ viewer { handle } }")["viewer"] == {"handle": "asha"}
    assert asha.post(END)["data"]["endSession"] == {"applied": "WRITTEN"}
    assert asha.post("{ viewer { handle } }")["data"]["viewer"] is None
    assert asha.post(END)["data"]["endSession"] == {"applied": "NOOP"}
    assert nobody.post(END) == {"data": {"endSession": {"applied": "NOOP"}}}
