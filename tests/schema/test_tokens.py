"""What signs one in: one's own tokens, revoking them, and a change of password that revokes all others."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from backend.engine import deadline
from backend.engine.models import IdempotencyKey
from backend.people.models import AccessToken, Person
from resolvers import monitoring
from schema.nodes import to_id
from tests.api import PASSWORD, ApiClient
from tests.api.account import another_token
from tests.api.http import Client
from tests.schema.counting import counting
from tests.schema.footprint import nothing_written
from tests.schema.mutation_fixture import UNKNOWN

SIGN_IN = (
    'mutation ($p: String!) { signIn(handle: "asha", password: $p) { __typename ... on SignSuccess { token } '
    "... on Failure { code } } }"
)
NEW = "another good password"
KEY = "01890000-0000-7000-8000-000000000007"


def sign_in(password: str, client: str = "") -> Any:
    """The answer to asha's signing in with a client that calls itself so."""
    body = json.dumps({"query": SIGN_IN, "variables": {"p": password}})
    response = Client().post("/graphql", body, content_type="application/json", HTTP_USER_AGENT=client)
    return response.json()["data"]["signIn"]


def viewer(token: str | None) -> Any:
    """Whom a token signs in."""
    return ApiClient(token).ask("{ viewer { handle } }")["viewer"]


def aged(hours: int) -> None:
    """Let all tokens have been used so long ago."""
    AccessToken.objects.update(last_used_at=timezone.now() - timedelta(hours=hours))


# --- Listing ----------------------------------------------------------------------------------------------------


def test_tokens_are_listed_newest_first(asha: ApiClient) -> None:
    """Each sign-in makes one, named by its client; the one of the request is known."""
    phone = sign_in(PASSWORD, "Katha for phones/1.0\t" + "x" * 300)["token"]
    newest, oldest = asha.tokens()
    assert (newest["current"], oldest["current"]) == (False, True)
    assert newest["label"].startswith("Katha for phones/1.0xxx")
    assert len(newest["label"]) == 100
    assert newest["createdAt"] > oldest["createdAt"]
    assert newest["createdAt"] < newest["expiresAt"]
    assert [one["current"] for one in ApiClient(phone).tokens()] == [True, False]


def test_a_write_tells_too_which_token_is_the_requests(asha: ApiClient) -> None:
    another_token(asha)
    document = """mutation {
      updateProfile(patch: {bio: "New"}, expect: {version: "1"}) {
        ... on ProfileSuccess { person { tokens { edges { node { current } } } } }
      }
    }"""
    edges = asha.ask(document)["updateProfile"]["person"]["tokens"]["edges"]
    assert [one["node"]["current"] for one in edges] == [False, True]


def test_tokens_never_show_what_they_are(asha: ApiClient) -> None:
    """Neither the token nor its digest, nor anything made from them."""
    shown = json.dumps(asha.tokens())
    assert str(asha.token) not in shown
    assert AccessToken.objects.get().digest.hex() not in shown


def test_tokens_are_their_persons_alone(asha: ApiClient, bilal: ApiClient, nobody: ApiClient) -> None:
    """Nobody else lists or finds them."""
    token = another_token(asha)
    node = "query ($id: ID!) { node(id: $id) { id } }"
    assert asha.ask(node, id=token) == {"node": {"id": token}}
    for other in (bilal, nobody):
        assert other.ask(node, id=token) == {"node": None}
        assert other.ask('{ person(handle: "asha") { tokens { edges { cursor } } } }') == {"person": {"tokens": None}}


def test_an_expired_token_is_not_there(asha: ApiClient) -> None:
    """It signs nobody in, is not listed, not found and cannot be revoked."""
    token = another_token(asha)
    AccessToken.objects.exclude(digest=AccessToken.objects.earliest("created_at").digest).update(
        expires_at=timezone.now() - timedelta(seconds=1)
    )
    assert len(asha.tokens()) == 1
    assert asha.ask("query ($id: ID!) { node(id: $id) { id } }", id=token) == {"node": None}
    assert asha.revoke_token(token)["code"] == "NOT_FOUND"


def test_use_is_noted_once_an_hour(asha: ApiClient) -> None:
    """A request within the hour writes nothing; the first one after it writes once, also where it only reads."""
    for hours, writes in ((0, 0), (2, 1), (0, 0)):
        if hours:
            aged(hours)
        before = asha_used()
        with counting() as sent:
            assert viewer(asha.token) == {"handle": "asha"}
        assert sum("UPDATE" in sql for sql in sent) == writes
        assert (asha_used() > before) is bool(writes)


def asha_used() -> Any:
    """When the only token there is was last used."""
    return AccessToken.objects.get().last_used_at


def test_use_is_noted_by_what_no_statement_answers(asha: ApiClient) -> None:
    """Such as the server's health, also where it is refused."""
    aged(3)
    before = asha_used()
    assert asha.post("{ health { __typename } }")["errors"][0]["extensions"]["code"] == "FORBIDDEN"
    assert asha_used() > before


def test_a_query_that_is_broken_off_after_its_use_is_noted_has_written_nothing(
    asha: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the time is up for then is the health, which is read last."""

    def late(**_: Any) -> None:
        current = deadline._CURRENT.get()
        assert current is not None
        current.leave()
        deadline.check()

    monkeypatch.setattr(monitoring, "health", late)
    aged(3)
    before = asha_used()
    answer = asha.post("{ viewer { handle } health { __typename } }")
    assert asha_used() > before
    assert {one["extensions"]["code"] for one in answer["errors"]} == {"BUSY"}


def test_use_is_noted_by_writes_too(asha: ApiClient) -> None:
    """Also where they are refused."""
    aged(3)
    before = asha_used()
    assert asha.update_profile({}, "1")["code"] == "INVALID"
    assert asha_used() > before


# --- Revoking ---------------------------------------------------------------------------------------------------


def test_a_revoked_token_signs_nobody_in(asha: ApiClient) -> None:
    """At once, and it is gone for good: a second time it is not found, with the key the first reply comes again."""
    lost = sign_in(PASSWORD)["token"]
    token = asha.tokens()[0]["id"]
    answer = asha.revoke_token(token, KEY)
    assert answer == {"__typename": "TokenRevoked", "id": token, "applied": "WRITTEN"}
    assert viewer(lost) is None
    assert asha.revoke_token(token, KEY)["applied"] == "REPLAYED"
    again = asha.revoke_token(token)
    assert (again["code"], again["message"]) == ("NOT_FOUND", "There is no such token.")
    assert viewer(asha.token) == {"handle": "asha"}


def test_a_token_may_revoke_itself(asha: ApiClient) -> None:
    """Which signs out."""
    assert asha.revoke_token(asha.tokens()[0]["id"])["applied"] == "WRITTEN"
    assert viewer(asha.token) is None


def test_nobody_revokes_the_token_of_another(asha: ApiClient, bilal: ApiClient) -> None:
    """In the words for one that there never was."""
    token = another_token(asha)
    with nothing_written():
        assert bilal.revoke_token(token) == bilal.revoke_token(to_id("AccessToken", UNKNOWN))


# --- Changing the password --------------------------------------------------------------------------------------


def test_a_change_of_password_revokes_all_other_tokens(asha: ApiClient, bilal: ApiClient) -> None:
    """It says how many; the request's own stays, and so do other people's."""
    others = [sign_in(PASSWORD)["token"] for _ in range(3)]
    answer = asha.change_password(PASSWORD, NEW)
    assert answer == {
        **{"__typename": "PasswordSuccess", "applied": "WRITTEN", "revoked": 3},
        "person": {"handle": "asha"},
    }
    assert [viewer(token) for token in others] == [None] * 3
    assert (viewer(asha.token), viewer(bilal.token)) == ({"handle": "asha"}, {"handle": "bilal"})
    assert sign_in(PASSWORD)["code"] == "UNAUTHENTICATED"
    assert sign_in(NEW)["__typename"] == "SignSuccess"


def test_a_wrong_password_changes_nothing(asha: ApiClient) -> None:
    """FORBIDDEN; and so many of them as of sign-ins."""
    sign_in(PASSWORD)
    with nothing_written():
        answer = asha.change_password("a wrong password", NEW)
    assert (answer["__typename"], answer["code"]) == ("ForbiddenError", "FORBIDDEN")
    assert len(asha.tokens()) == 2
    codes = [asha.change_password("a wrong password", NEW)["code"] for _ in range(40)]
    assert set(codes) == {"FORBIDDEN", "RATE_LIMITED"}
    assert codes[-1] == "RATE_LIMITED"


@pytest.mark.parametrize("bad", ["", "short", "password", "12345678901", "x" * 1_001])
def test_a_new_password_is_hard_to_guess(asha: ApiClient, bad: str) -> None:
    """As in signUp."""
    with nothing_written():
        answer = asha.change_password(PASSWORD, bad)
    assert (answer["code"], {field["path"] for field in answer["fields"]}) == ("INVALID", {"new"})


def test_a_lost_reply_is_given_again(asha: ApiClient) -> None:
    """With its key, though the present password is another one now; the key is no other request's."""
    sign_in(PASSWORD)
    first = asha.change_password(PASSWORD, NEW, KEY)
    again = asha.change_password(PASSWORD, NEW, KEY)
    assert again == {**first, "applied": "REPLAYED"}
    assert asha.change_password(PASSWORD, "a third good password", KEY)["code"] == "KEY_REUSED"


def test_a_key_tells_nothing_of_a_password(asha: ApiClient) -> None:
    """What is remembered of the request is not what anybody could hold guesses against without the server's secret."""
    asha.change_password(PASSWORD, NEW, KEY)
    (row,) = IdempotencyKey.objects.values_list("fingerprint", "reply")
    assert PASSWORD not in str(row)
    assert NEW not in str(row)


def test_other_browsers_are_signed_out_and_this_one_stays(asha: ApiClient) -> None:
    """By cookie as by token."""
    here, there = signed_in_browser(), signed_in_browser()
    assert [asked(one, "{ viewer { handle } }")["viewer"] for one in (here, there)] == [{"handle": "asha"}] * 2
    change = (
        f'mutation {{ changePassword(current: "{PASSWORD}", new: "{NEW}") {{ ... on PasswordSuccess {{ revoked }} }} }}'
    )
    assert asked(here, change)["changePassword"] == {"revoked": 1 + 2}
    assert asked(here, "{ viewer { handle } }")["viewer"] == {"handle": "asha"}
    assert asked(there, "{ viewer { handle } }")["viewer"] is None


def signed_in_browser() -> Client:
    """A browser with a session of asha's; its sign-in made a token as well."""
    browser = Client(enforce_csrf_checks=True)
    browser.get("/graphql", HTTP_ACCEPT="text/html")
    asked(browser, SIGN_IN.replace("$p: String!", "$p: String! = " + json.dumps(PASSWORD)))
    return browser


def asked(browser: Client, query: str) -> Any:
    """The data of an answer to a page of this server."""
    headers = {"HTTP_X_CSRFTOKEN": browser.cookies["csrftoken"].value}
    body = json.dumps({"query": query})
    return browser.post("/graphql", body, content_type="application/json", **headers).json()["data"]  # type: ignore[arg-type]


def test_a_token_that_is_revoked_writes_nothing_though_its_look_up_must_be_prepared_again(asha: ApiClient) -> None:
    """As after a migration: the look-up fails once, and must not be left out when the write is run again."""
    assert asha.update_profile({"name": "Known"}, "1")["applied"] == "WRITTEN"
    AccessToken.objects.all().delete()
    connection.connection.pgconn.exec_(b"DEALLOCATE ALL")
    assert asha.update_profile({"name": "Refused"}, "2")["code"] == "UNAUTHENTICATED"
    assert Person.objects.get().name == "Known"


def test_the_person_whose_password_was_changed_is_shown_as_of_one_moment(
    asha: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not column by column: a version would then be told beside texts of another one."""
    assert asha.update_profile({"name": "Known"}, "1")["applied"] == "WRITTEN"
    monkeypatch.setattr(Person, "refresh_from_db", None)
    assert asha.change_password(PASSWORD, NEW)["person"] == {"handle": "asha"}
