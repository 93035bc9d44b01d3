"""Every way to change a password obeys the same rules: which password, how many tries, and what it ends."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command, get_commands

from backend.limits.rates import Rate
from backend.management.commands import changepassword
from backend.people.models import AccessToken, Account
from tests.api import PASSWORD, ApiClient
from tests.api.http import Client
from tests.races.rivals import Rival
from tests.races.statements import before

NEW = "another good password"
SLOW = 1_000_000
PAGE = "/admin/password_change/"

CHANGE = (
    "mutation ($c: String!, $n: String!) { changePassword(current: $c, new: $n) { __typename "
    "... on Failure { code } ... on InvalidError { fields { path message } } } }"
)


def browser_of(caller: ApiClient, address: str = "192.0.2.1") -> Client:
    """A browser in which somebody who is staff is signed in to the admin."""
    Account.objects.filter(pk=caller.person.pk).update(is_staff=True)
    browser = Client(REMOTE_ADDR=address)
    browser.force_login(Account.objects.get(pk=caller.person.pk))
    return browser


def on_the_page(browser: Client, current: str = PASSWORD, new: str = NEW, again: str | None = None) -> Any:
    """The answer to the admin's form."""
    given = {"old_password": current, "new_password1": new, "new_password2": new if again is None else again}
    return browser.post(PAGE, given)


def by_command(handle: str, new: str, monkeypatch: pytest.MonkeyPatch, again: str | None = None) -> str:
    """What the command says, where this is typed."""
    typed = iter((new, new if again is None else again))
    monkeypatch.setattr(changepassword, "getpass", lambda _prompt: next(typed))
    said = io.StringIO()
    call_command("changepassword", handle, stdout=said)
    return said.getvalue()


def is_in(browser: Client) -> bool:
    """Whether a browser is still signed in to the admin."""
    return browser.get("/admin/").status_code == 200


def the_password() -> str:
    """Asha's password, of the two that it can be."""
    (right,) = (one for one in (PASSWORD, NEW) if authenticate(username="asha", password=one))
    return right


def test_the_page_ends_every_token_and_every_other_session(asha: ApiClient) -> None:
    """As changePassword does; the browser that changed it stays signed in, without any other password having been typed."""
    browser, other = browser_of(asha), browser_of(asha)
    assert asha.ask("{ viewer { handle } }")["viewer"] == {"handle": "asha"}
    response = on_the_page(browser)
    assert (response.status_code, response["Location"]) == (302, "/admin/password_change/done/")
    assert the_password() == NEW
    assert asha.ask("{ viewer { handle } }")["viewer"] is None
    assert not AccessToken.objects.exists()
    assert (is_in(browser), is_in(other)) == (True, False)


def test_the_command_ends_every_token_and_every_session(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the server needs no present password."""
    browser = browser_of(asha)
    said = by_command("ASHA", NEW, monkeypatch)
    assert said == "ASHA has a new password. Every session has ended; tokens revoked: 1.\n"
    assert the_password() == NEW
    assert not AccessToken.objects.exists()
    assert not is_in(browser)


@pytest.mark.parametrize("bad", ["short", "12345678901", "password123", "x" * 1_001])
def test_a_bad_password_is_refused_everywhere(bad: str, asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the same validators; nothing has changed."""
    assert asha.ask(CHANGE, c=PASSWORD, n=bad)["changePassword"]["__typename"] == "InvalidError"
    assert on_the_page(browser_of(asha), new=bad).status_code == 200
    with pytest.raises(CommandError):
        by_command("asha", bad, monkeypatch)
    assert the_password() == PASSWORD
    assert AccessToken.objects.count() == 1


def test_a_bad_password_is_no_try(asha: ApiClient, settings: Any) -> None:
    """Whoever types one again and again is not kept from changing it, nor from signing in."""
    settings.SIGN_INS = Rate(2, SLOW)
    browser = browser_of(asha, "127.0.0.1")
    for _ in range(2):
        assert asha.ask(CHANGE, c=PASSWORD, n="short")["changePassword"]["__typename"] == "InvalidError"
        assert on_the_page(browser, new="short").status_code == 200
    assert asha.ask(CHANGE, c=PASSWORD, n=NEW)["changePassword"]["__typename"] == "PasswordSuccess"


def test_two_that_differ_are_refused(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the page and by the command, which ask twice."""
    assert b"match" in on_the_page(browser_of(asha), again=f"{NEW}!").content
    with pytest.raises(CommandError, match="not the same"):
        by_command("asha", NEW, monkeypatch, again=f"{NEW}!")
    assert the_password() == PASSWORD


def test_wrong_tries_on_the_page_are_counted_with_all_others(asha: ApiClient, settings: Any) -> None:
    """Three of one handle from one address; then the right one is not looked at either, here, at the sign-in or in the API."""
    settings.SIGN_INS = Rate(3, SLOW)
    browser = browser_of(asha)
    for _ in range(3):
        assert b"not your present password" in on_the_page(browser, "a wrong password").content
    refused = on_the_page(browser)
    assert (refused.status_code, b"too many" in refused.content) == (200, True)
    sign_in = Client(REMOTE_ADDR="192.0.2.1").post("/admin/login/", {"username": "asha", "password": PASSWORD})
    assert b"too many" in sign_in.content
    assert the_password() == PASSWORD
    assert on_the_page(browser_of(asha, "192.0.2.2")).status_code == 302


@pytest.mark.parametrize("limit", ["FAILED_SIGN_INS_BY_HANDLE", "FAILED_SIGN_INS_BY_ADDRESS"])
def test_the_other_limits_hold_on_the_page(limit: str, asha: ApiClient, settings: Any) -> None:
    """By handle and by address alone."""
    setattr(settings, limit, Rate(2, SLOW))
    browser = browser_of(asha)
    for _ in range(2):
        on_the_page(browser, "a wrong password")
    assert b"too many" in on_the_page(browser).content
    assert the_password() == PASSWORD


def test_who_succeeds_has_all_tries_again(asha: ApiClient, settings: Any) -> None:
    """On the page too."""
    settings.SIGN_INS = Rate(2, SLOW)
    browser = browser_of(asha)
    on_the_page(browser, "a wrong password")
    assert on_the_page(browser).status_code == 302
    on_the_page(browser, "a wrong password")
    assert on_the_page(browser, NEW, PASSWORD).status_code == 302


def test_nobody_changes_a_closed_account(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has left, or was deactivated, has no page, and the command finds nobody."""
    browser = browser_of(asha)
    Account.objects.update(is_active=False)
    assert on_the_page(browser)["Location"].startswith("/admin/login/")
    with pytest.raises(CommandError, match="nobody"):
        by_command("asha", NEW, monkeypatch)


@pytest.mark.parametrize("change", ["page", "command"])
def test_no_token_of_the_old_password_outlives_the_change(
    change: str, asha: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change waits for whoever is signing in with the old password, and revokes the token of that."""
    browser, changes = browser_of(asha, "192.0.2.9"), list[Rival]()
    ways: dict[str, Callable[[], Any]] = {
        "page": lambda: on_the_page(browser),
        "command": lambda: by_command("asha", NEW, monkeypatch),
    }
    late = lambda: changes.append(Rival(ways[change]).until_it_waits())  # noqa: E731
    query = 'mutation ($p: String!) { signIn(handle: "asha", password: $p) { __typename } }'
    with before('INSERT INTO "people_accesstoken"', late):
        assert ApiClient().ask(query, p=PASSWORD)["signIn"]["__typename"] == "SignSuccess"
    changes[0].result()
    assert the_password() == NEW
    assert not AccessToken.objects.exists()


def test_there_is_no_other_way() -> None:
    """Django's own commands for passwords are replaced, and the admin has one page that changes one: the viewer's own."""
    assert {get_commands()[name] for name in ("changepassword", "createsuperuser")} == {"backend"}
    for page in ("people/account/1/password/", "auth/user/1/password/", "password_reset/"):
        assert Client().get(f"/admin/{page}", follow=True).redirect_chain[-1][0].startswith("/admin/login/")
