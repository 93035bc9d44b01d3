"""Who tries too often, or asks for too much, is told so and when to come back; everybody else is served."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher

from backend.engine.metrics import LIMITED
from backend.limits import spending
from backend.limits.admission import EXPENSIVE, HASHING, MUTATIONS, REQUESTS
from backend.limits.models import Bucket
from backend.limits.rates import Rate
from backend.limits.spending import Spending
from backend.people.models import Account
from schema.execution import plans
from tests.api import PASSWORD, ApiClient
from tests.api.http import Client
from tests.schema.lanes import AFTER_MS, taken

pytestmark = pytest.mark.django_db(transaction=True)

FAILED = "__typename ... on Failure { code message retry { kind afterMs } }"
SIGN_IN = f"mutation ($h: String!, $p: String!) {{ signIn(handle: $h, password: $p) {{ {FAILED} }} }}"
SIGN_UP = f"mutation ($h: String!, $p: String!) {{ signUp(handle: $h, name: $h, password: $p) {{ {FAILED} }} }}"
SLOW = 1_000_000


def sign_in(handle: str, password: str = "a wrong password", address: str = "192.0.2.1") -> dict[str, Any]:
    """What signIn says to somebody at this address."""
    body = {"query": SIGN_IN, "variables": {"h": handle, "p": password}}
    answer: dict[str, Any] = Client(REMOTE_ADDR=address).post("/graphql", body, content_type="application/json").json()
    found: dict[str, Any] = answer["data"]["signIn"]
    return found


def codes(*answers: dict[str, Any]) -> list[str | None]:
    """Their codes; None where somebody was let in."""
    return [answer.get("code") for answer in answers]


@pytest.mark.parametrize("handle", ["asha", "nobody-of-that-name"])
def test_who_fails_too_often_is_told_when_to_come_back(asha: ApiClient, settings: Any, handle: str) -> None:
    """In the same words whether or not there is such a person; even the right password is not looked at then."""
    settings.SIGN_INS = Rate(3, 30.0)
    assert codes(*(sign_in(handle) for _ in range(4))) == ["UNAUTHENTICATED"] * 3 + ["RATE_LIMITED"]
    answer = sign_in(handle.upper(), PASSWORD)
    assert answer["__typename"] == "RateLimitedError"
    assert answer["message"] == "There were too many of these lately. Wait, then send the same again."
    assert answer["retry"]["kind"] == "SAME_REQUEST"
    assert 0 < answer["retry"]["afterMs"] <= 30_000


def test_a_stranger_does_not_keep_the_owner_out(asha: ApiClient, settings: Any) -> None:
    """What is refused to one address does not count for the handle."""
    settings.SIGN_INS = Rate(3, SLOW)
    for _ in range(200):
        sign_in("asha", address="198.51.100.7")
    assert codes(sign_in("asha", PASSWORD)) == [None]


def test_many_strangers_together_meet_the_limit_of_the_handle(asha: ApiClient, settings: Any) -> None:
    settings.FAILED_SIGN_INS_BY_HANDLE = Rate(5, SLOW)
    said = codes(*(sign_in("asha", address=f"198.51.100.{n}") for n in range(6)))
    assert said == ["UNAUTHENTICATED"] * 5 + ["RATE_LIMITED"]


def test_one_address_that_tries_many_handles_meets_its_own_limit(nobody: ApiClient, settings: Any) -> None:
    """And another address does not."""
    settings.FAILED_SIGN_INS_BY_ADDRESS = Rate(5, SLOW)
    assert codes(*(sign_in(f"person{n}") for n in range(6))) == ["UNAUTHENTICATED"] * 5 + ["RATE_LIMITED"]
    assert codes(sign_in("person9", address="192.0.2.2")) == ["UNAUTHENTICATED"]


def test_who_gets_in_has_all_tries_again(asha: ApiClient, settings: Any) -> None:
    """However often: only failures are counted for the handle and the address."""
    settings.SIGN_INS = Rate(3, SLOW)
    settings.FAILED_SIGN_INS_BY_HANDLE = settings.FAILED_SIGN_INS_BY_ADDRESS = Rate(6, SLOW)
    for _ in range(10):
        assert codes(sign_in("asha", PASSWORD)) == [None]
    for _ in range(2):
        assert codes(sign_in("asha"), sign_in("asha"), sign_in("asha", PASSWORD)) == [*["UNAUTHENTICATED"] * 2, None]


def test_aliases_of_one_document_are_counted_one_by_one(asha: ApiClient, settings: Any) -> None:
    settings.SIGN_INS = Rate(3, SLOW)
    fields = "".join(f'a{n}: signIn(handle: "asha", password: "guess {n}") {{ {FAILED} }} ' for n in range(8))
    answers = ApiClient().ask(f"mutation {{ {fields} }}")
    assert codes(*answers.values()) == ["UNAUTHENTICATED"] * 3 + ["RATE_LIMITED"] * 5


def test_sign_ups_of_one_address_are_counted(nobody: ApiClient, settings: Any) -> None:
    settings.SIGN_UPS_BY_ADDRESS = Rate(2, SLOW)
    answers = [ApiClient().ask(SIGN_UP, h=f"person{n}", p=PASSWORD)["signUp"] for n in range(3)]
    assert codes(*answers) == [None, None, "RATE_LIMITED"]
    assert Account.objects.count() == 2


def test_the_admin_counts_the_same_attempts(asha: ApiClient, settings: Any) -> None:
    """Its form is another door to the same password."""
    settings.SIGN_INS = Rate(3, SLOW)
    Account.objects.filter(login="asha").update(is_moderator=True)
    browser = Client(REMOTE_ADDR="192.0.2.1")

    def knock(password: str) -> Any:
        return browser.post("/admin/login/?next=/admin/", {"username": "Asha", "password": password})

    for _ in range(3):
        assert b"Please enter the correct" in knock("a wrong password").content
    refused = knock(PASSWORD)
    assert (refused.status_code, b"too many" in refused.content) == (200, True)
    assert codes(sign_in("asha", PASSWORD)) == ["RATE_LIMITED"]
    Bucket.objects.all().delete()
    assert knock(PASSWORD).status_code == 302
    assert codes(*(sign_in("asha") for _ in range(4))) == ["UNAUTHENTICATED"] * 3 + ["RATE_LIMITED"]


def test_what_is_refused_is_counted_by_limit(asha: ApiClient, settings: Any) -> None:
    settings.SIGN_INS = Rate(1, SLOW)
    counter = LIMITED.labels("sign_in")
    before = counter._value.get()
    for _ in range(3):
        sign_in("asha")
    assert counter._value.get() == before + 2


# --- Passwords hashed at once -----------------------------------------------------------------------------------


HASHES = {
    "signUp": f'signUp(handle: "bilal", name: "B.", password: "{PASSWORD}")',
    "signIn": f'signIn(handle: "asha", password: "{PASSWORD}")',
    "changePassword": f'changePassword(current: "{PASSWORD}", new: "another good {PASSWORD}")',
    "deleteAccount": f'deleteAccount(password: "{PASSWORD}")',
}
"""Everything that hashes a password, as it would be done."""


@pytest.mark.parametrize("name", HASHES)
def test_what_hashes_a_password_takes_a_slot_for_that(asha: ApiClient, name: str) -> None:
    """And no other, so that it holds up nobody; a remembered document also."""
    for _ in range(2):
        with taken() as lanes:
            asha.ask(f"mutation {{ {HASHES[name]} {{ {FAILED} }} }}")
        assert lanes == [REQUESTS, HASHING]


@pytest.mark.parametrize("name", HASHES)
def test_without_a_slot_for_hashing_nothing_is_hashed(
    asha: ApiClient, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The mutation says so in its own type, with what the lane has said; nothing is counted as an attempt, and nothing done."""
    monkeypatch.setattr(MD5PasswordHasher, "encode", lambda *_: pytest.fail("a password is hashed"))
    counter = LIMITED.labels("hashing")
    before = counter._value.get()
    with taken(full={HASHING}) as lanes:
        answer = asha.ask(f"mutation {{ {HASHES[name]} {{ {FAILED} }} }}")[name]
    assert (answer["__typename"], answer["code"]) == ("RateLimitedError", "RATE_LIMITED")
    assert answer["retry"] == {"kind": "SAME_REQUEST", "afterMs": AFTER_MS}
    assert lanes == [REQUESTS, MUTATIONS]
    assert counter._value.get() == before + 1
    assert not Bucket.objects.exists()
    assert list(Account.objects.values_list("login", "is_active")) == [("asha", True)]


def test_what_else_it_asks_for_decides_where_it_goes_on() -> None:
    """Without a slot for hashing, in one for what is expensive: that is done in a thread, and few may have one."""
    dear = "person { stories(first: 100) { edges { node { title chapters { title } } } } }"
    with taken(full={HASHING}) as lanes:
        ApiClient().ask(f"mutation {{ {HASHES['signIn']} {{ {FAILED} ... on SignSuccess {{ {dear} }} }} }}")
    assert lanes == [REQUESTS, EXPENSIVE]


def test_without_a_slot_for_hashing_others_are_served(asha: ApiClient) -> None:
    """A query is answered, and so is a write; later who wants a password hashed is served too."""
    with taken(full={HASHING}):
        assert codes(sign_in("asha", PASSWORD), sign_in("nobody")) == ["RATE_LIMITED"] * 2
        assert asha.ask("{ viewer { handle } }") == {"viewer": {"handle": "asha"}}
        assert asha.update_profile({"name": "A."}, "1")["applied"] == "WRITTEN"
    assert codes(sign_in("asha", PASSWORD)) == [None]


# --- Whole requests ---------------------------------------------------------------------------------------------


@pytest.fixture
def narrow(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Spending:
    """So little a minute that a few requests are too many."""
    settings.COST_A_MINUTE = 400
    monkeypatch.setattr(plans, "CHARACTERS_A_FIELD", 10**9)  # so that new statements cost nothing
    book = Spending()
    monkeypatch.setattr(spending, "SPENDING", book)
    return book


STORIES = "{ stories(first: 50) { edges { node { title } } } }"
"""Costs 102."""


def send(token: str | None = None, query: str = STORIES, address: str = "192.0.2.1") -> Any:
    """The whole HTTP answer."""
    headers = {"authorization": f"Bearer {token}"} if token else {}
    body = {"query": query}
    return Client(REMOTE_ADDR=address).post("/graphql", body, content_type="application/json", headers=headers)


def test_who_asks_for_too_much_gets_429(nobody: ApiClient, narrow: Spending) -> None:
    """With the time to wait, in both ways of saying it."""
    assert [send().status_code for _ in range(4)] == [200, 200, 200, 429]
    response = send()
    (error,) = response.json()["errors"]
    assert error["extensions"]["code"] == "RATE_LIMITED"
    assert 0 < error["extensions"]["afterMs"] <= 60_000
    assert 0 < int(response["Retry-After"]) <= 60
    assert "data" not in response.json()
    assert send(address="192.0.2.2").status_code == 200


def test_people_are_counted_apart_and_made_up_tokens_are_not(
    asha: ApiClient, bilal: ApiClient, narrow: Spending
) -> None:
    """A token counts for its person once it has signed them in."""
    me = "{ viewer { handle } }"
    assert [send(asha.token, me).status_code, send(bilal.token, me).status_code] == [200, 200]
    assert [send(asha.token).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert send(bilal.token).status_code == 200
    assert 429 in [send(f"made up {n}").status_code for n in range(5)]
    assert send(bilal.token).status_code == 200


def test_a_revoked_token_counts_for_nobody(asha: ApiClient, narrow: Spending) -> None:
    me = "{ viewer { handle } }"
    send(asha.token, me)
    assert len(narrow._owners) == 1
    assert send(asha.token, "mutation { signOut }").json() == {"data": {"signOut": True}}
    send(asha.token, me)
    assert not narrow._owners


COSTLY = "{ stories(first: 100) { edges { node { author { stories(first: 100) { edges { node { chapters { id } } } } } } } } }"
OF_DOCUMENT = "query One { __typename more%d: __typename }"


@pytest.mark.parametrize(
    "unfit",
    [
        lambda n: {"query": f"{{ nothing{n} }}"},
        lambda n: {"query": OF_DOCUMENT % n, "operationName": "Other"},
        lambda n: {"query": "query One { __typename } query Other { __typename }"},
        lambda n: {"query": COSTLY},
        lambda n: {"query": f"{{ nothing{n} }}", "extensions": persisted(f"{{ nothing{n} }}")},
        lambda n: {"query": OF_DOCUMENT % n, "extensions": persisted("another")},
        lambda n: {"query": "query ($a: [Int]) { __typename }", "variables": {"a": [1] * 20_001}},
    ],
    ids=["document", "name", "no name", "cost", "persisted", "hash", "variables"],
)
def test_what_cannot_be_executed_is_counted_too(
    nobody: ApiClient, narrow: Spending, unfit: Callable[[int], dict[str, Any]]
) -> None:
    """It has to be read to find that out."""
    answers = [Client().post("/graphql", unfit(n), content_type="application/json") for n in range(6)]
    assert answers[0].status_code in (200, 400)
    assert answers[0].json()["errors"]
    assert answers[-1].status_code == 429


def persisted(text: str) -> dict[str, Any]:
    """What a client says of a document that has this text."""
    return {"persistedQuery": {"version": 1, "sha256Hash": hashlib.sha256(text.encode()).hexdigest()}}


# --- What is told can be followed -------------------------------------------------------------------------------


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The time of the allowances, in nanoseconds; it stands still."""
    now = [time.monotonic_ns()]
    monkeypatch.setattr(spending.time, "monotonic_ns", lambda: now[0])
    return now


def wait(clock: list[int], response: Any) -> None:
    """As long as the response says, and no longer."""
    assert response.status_code == 429
    clock[0] += response.json()["errors"][0]["extensions"]["afterMs"] * 1_000_000


@pytest.mark.parametrize("before", [0, 1, 3])
def test_what_costs_the_whole_allowance_is_served(
    nobody: ApiClient, narrow: Spending, settings: Any, clock: list[int], before: int
) -> None:
    """From a fresh address at once, otherwise after the wait that is told, to the millisecond."""
    settings.COST_A_MINUTE = 102
    for _ in range(before):
        if send(query="{ __typename }").status_code == 429:
            break
    response = send()
    if before:
        wait(clock, response)
        response = send()
    assert (response.status_code, "errors" in response.json()) == (200, False)
    wait(clock, send(query="{ __typename }"))
    assert send().status_code == 200


def test_what_costs_more_than_the_allowance_is_refused_for_good(
    nobody: ApiClient, narrow: Spending, settings: Any
) -> None:
    """As what costs more than any request may, and without advice that could not help."""
    settings.COST_A_MINUTE = 101
    response = send()
    (error,) = response.json()["errors"]
    assert error["extensions"] == {"code": "LIMIT_EXCEEDED", "limit": "cost", "most": 101, "found": 102}
    assert "Retry-After" not in response


def test_what_waits_for_a_slot_is_counted_once(
    nobody: ApiClient, narrow: Spending, settings: Any, clock: list[int]
) -> None:
    """When it is executed, and not when it was read or refused."""
    settings.COST_A_MINUTE = settings.EXPENSIVE_QUERY_COST = 102
    with taken(full={EXPENSIVE}):
        assert send().status_code == 503
    assert not narrow._empty_at
    assert send().status_code == 200
    assert send().status_code == 429


def test_who_asked_for_what_cannot_be_executed_hears_why_to_the_last(
    nobody: ApiClient, narrow: Spending, clock: list[int]
) -> None:
    """The error, as long as anything is left; then what to wait for."""
    said = [send(query=f"{{ nothing{n} }}") for n in range(5)]
    assert [response.status_code for response in said] == [200, 200, 200, 200, 429]
    wait(clock, said[-1])
    assert send(query="{ nothing }").json()["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"


def test_a_new_statement_is_paid_for_once(
    nobody: ApiClient, narrow: Spending, clock: list[int], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its length; whoever sends the same document again pays for the fields alone."""
    settings.COST_A_MINUTE = 1_000_000
    monkeypatch.setattr(plans, "CHARACTERS_A_FIELD", 10)
    query = "{ stories(first: 50) { edges { node { once: title } } } }"
    spent = []
    for _ in range(3):
        before = max(narrow._empty_at.values(), default=clock[0])
        assert "errors" not in send(query=query).json()
        spent.append(round((max(narrow._empty_at.values()) - before) * 1_000_000 / spending.MINUTE))
    assert 50 < spent[0] - 102 < 500
    assert spent[1:] == [102, 102]
