"""Attempts to sign in are counted exactly: rivals on connections of their own get no more of them through than one could."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import transaction

from backend.limits import buckets
from backend.limits.buckets import Limit
from backend.limits.models import Bucket
from backend.limits.rates import Rate
from tests.api import PASSWORD, ApiClient
from tests.races.rivals import Rival, race, rounds
from tests.races.rows import query

pytestmark = pytest.mark.django_db(transaction=True)

SIGN_IN = (
    "mutation ($h: String!, $p: String!) { signIn(handle: $h, password: $p) { __typename ... on Failure { code } } }"
)
SLOW = 1_000_000
"""Seconds until there is room again: not while a test runs."""


def sign_in(handle: str, password: str) -> str:
    """What it says: a code, or that it went well."""
    answer = ApiClient().ask(SIGN_IN, h=handle, p=password)["signIn"]
    return answer.get("code", answer["__typename"])


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that were hashed, in the order in which they were."""
    seen: list[str] = []
    encode = MD5PasswordHasher.encode

    def seeing(self: Any, password: str, salt: str) -> str:
        seen.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", seeing)
    return seen


@pytest.mark.parametrize("name", ["SIGN_INS", "FAILED_SIGN_INS_BY_HANDLE", "FAILED_SIGN_INS_BY_ADDRESS"])
@pytest.mark.parametrize("handle", ["asha", "nobody-at-all"])
def test_of_rivals_no_more_than_the_limit_get_to_the_password(
    asha: ApiClient, settings: Any, hashed: list[str], name: str, handle: str
) -> None:
    """Whichever limit it is, and whether or not there is such a person."""
    setattr(settings, name, Rate(7, SLOW))
    hashed.clear()
    results = rounds([lambda _round: sign_in(handle, "a wrong password")] * 6, 4)
    said = [one for results_of_round in results for one in results_of_round]
    assert said.count("UNAUTHENTICATED") == len(hashed) == 7
    assert said.count("RATE_LIMITED") == 24 - 7


def test_rivals_who_are_let_in_leave_the_limits_as_they_were(asha: ApiClient, settings: Any) -> None:
    """Each takes its own attempt back, never one of another."""
    settings.FAILED_SIGN_INS_BY_HANDLE = settings.FAILED_SIGN_INS_BY_ADDRESS = Rate(8, SLOW)
    for _ in range(3):
        sign_in("asha", "a wrong password")
    assert race([lambda: sign_in("asha", PASSWORD)] * 4) == ["SignSuccess"] * 4
    assert [sign_in("asha", "a wrong password") for _ in range(6)] == ["UNAUTHENTICATED"] * 5 + ["RATE_LIMITED"]


def test_sign_ups_that_race_are_counted_exactly(nobody: ApiClient, settings: Any) -> None:
    settings.SIGN_UPS_BY_ADDRESS = Rate(3, SLOW)
    said = race([sign_up(f"person{n}") for n in range(6)])
    assert sorted(said) == ["RATE_LIMITED"] * 3 + ["SignSuccess"] * 3


def sign_up(handle: str) -> Callable[[], str]:
    """Signs somebody up."""
    document = (
        "mutation ($h: String!, $p: String!) { signUp(handle: $h, name: $h, password: $p) { __typename "
        "... on Failure { code } } }"
    )

    def signing() -> str:
        answer = ApiClient().ask(document, h=handle, p=PASSWORD)["signUp"]
        return answer.get("code", answer["__typename"])

    return signing


def test_an_attempt_that_waits_for_another_sees_what_that_one_left(nobody: ApiClient) -> None:
    """The row is looked at again once the rival has committed."""
    limit = Limit("sign_in", "asha", Rate(1, SLOW))
    with transaction.atomic():
        query("INSERT INTO limits_bucket VALUES (%s, now() + interval '1 day') RETURNING key", limit.key)
        rival = Rival(lambda: buckets.count([limit])).until_it_waits()
    assert getattr(rival.problem(), "code", None) == "RATE_LIMITED"
    assert Bucket.objects.count() == 1
