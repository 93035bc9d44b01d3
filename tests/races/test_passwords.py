"""A change of password against everything that signs in with the old one at the same moment."""

import uuid
from functools import partial
from typing import Any

from backend.engine.transactions import unit_of_work
from backend.people import passwords
from backend.people.models import AccessToken, Account
from tests import depth
from tests.api import PASSWORD, ApiClient, join
from tests.races.rivals import Rival, race
from tests.races.statements import before

SIGN_IN = (
    "mutation ($h: String!, $p: String!) { signIn(handle: $h, password: $p) { __typename ... on SignSuccess { token } "
    "... on Failure { code } } }"
)
NEW = "another good password"


def sign_in(who: ApiClient, password: str) -> Any:
    """The answer to a sign-in on another device."""
    return ApiClient().ask(SIGN_IN, h=who.person.handle, p=password)["signIn"]


def test_no_token_of_the_old_password_outlives_the_change(transactional_db: None) -> None:
    """Who signs in meanwhile gets a token that the change revokes, or none; only the one that changed it is left."""
    outcomes = set()
    for attempt in range(depth.rounds(12, at_least=4)):
        asha = join(f"asha{attempt}")
        changed, signed_in = race(
            [
                partial(asha.change_password, PASSWORD, NEW),
                partial(sign_in, asha, PASSWORD),
            ]
        )
        assert changed["__typename"] == "PasswordSuccess"
        outcomes.add(signed_in["__typename"])
        assert outcomes <= {"SignSuccess", "ForbiddenError"}
        assert AccessToken.objects.filter(account_id=asha.person.pk).count() == 1
        assert asha.ask("{ viewer { handle } }")["viewer"] == {"handle": asha.person.handle}


def test_a_change_waits_for_who_is_signing_in(transactional_db: None) -> None:
    """The password that let them in is held until their token is there: so the change finds it, and revokes it."""
    asha, changes = join("asha"), list[Rival]()
    change = lambda: changes.append(Rival(partial(asha.change_password, PASSWORD, NEW)).until_it_waits())  # noqa: E731
    with before('INSERT INTO "people_accesstoken"', change):
        assert sign_in(asha, PASSWORD)["__typename"] == "SignSuccess"
    assert changes[0].result()["__typename"] == "PasswordSuccess"
    assert AccessToken.objects.filter(account_id=asha.person.pk).count() == 1


def test_it_is_the_password_that_a_change_waits_for(transactional_db: None) -> None:
    """Attempts are counted in rows that both lock as well; here the change does not touch them."""
    asha, changes = join("asha"), list[Rival]()
    prepared = passwords.prepared_by_operator(Account.objects.get(), NEW)
    change = partial(passwords.change, prepared, kept=None)
    late = lambda: changes.append(Rival(partial(unit_of_work, change)).until_it_waits())  # noqa: E731
    with before('INSERT INTO "people_accesstoken"', late):
        assert sign_in(asha, PASSWORD)["__typename"] == "SignSuccess"
    assert changes[0].result() == 2
    assert not AccessToken.objects.exists()


def test_of_two_changes_one_wins(transactional_db: None) -> None:
    """The other one named a password that is not the present one any more, and its device is signed out."""
    for attempt in range(depth.rounds(6, at_least=3)):
        asha = join(f"asha{attempt}")
        token = sign_in(asha, PASSWORD)["token"]
        phone = ApiClient(token, asha.person)
        answers = race(
            [partial(asha.change_password, PASSWORD, NEW), partial(phone.change_password, PASSWORD, NEW + "!")]
        )
        codes = sorted(answer.get("code", "") for answer in answers)
        assert codes[0] == ""
        assert codes[1] in ("FORBIDDEN", "UNAUTHENTICATED")
        assert AccessToken.objects.filter(account_id=asha.person.pk).count() == 1
        winner = NEW if answers[0]["__typename"] == "PasswordSuccess" else NEW + "!"
        assert sign_in(asha, winner)["__typename"] == "SignSuccess"


def test_a_token_is_revoked_once(transactional_db: None) -> None:
    """Eight devices that revoke the same one: one does, the others find it gone."""
    asha = join("asha")
    sign_in(asha, PASSWORD)
    token = asha.tokens()[0]["id"]
    answers = race([lambda: asha.revoke_token(token, str(uuid.uuid4()))] * 8)
    assert sorted(answer["__typename"] for answer in answers) == ["NotFoundError"] * 7 + ["TokenRevoked"]
