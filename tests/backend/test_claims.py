"""What a token says of whose it is: nobody can say it but this server, and it signs in only with what the database says."""

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from backend.engine.transactions import unit_of_work
from backend.limits.spending import SPENDING
from backend.people.actions import remember_token
from backend.people.claims import claimed, issue
from backend.people.models import Account
from backend.social.models import Relationship
from tests.api import ApiClient
from tests.races.rows import everything
from tests.races.trips import watched

PERSON, OTHER = uuid.UUID(int=7), uuid.UUID(int=8)
BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")
"""RFC 6750, section 2.1."""


def test_a_token_says_whose_it_is() -> None:
    """Each is another one, and goes into a header as it is."""
    tokens = {issue(PERSON) for _ in range(50)}
    assert len(tokens) == 50
    assert {claimed(one) for one in tokens} == {PERSON}
    assert all(BEARER.fullmatch(one) for one in tokens)


@pytest.mark.parametrize(
    "changed",
    [
        lambda token: token.replace(PERSON.hex, OTHER.hex),
        lambda token: f"x{token}",
        lambda token: token[:-1],
        lambda token: token.upper(),
        lambda token: token.rpartition(".")[0],
        lambda token: f"{token}.",
        lambda token: f"{token} ",
        lambda _: "",
        lambda _: ".",
        lambda _: "..",
        lambda _: "é.ü.ß",
        lambda _: "\udc80.x.y",
        lambda _: "demo-asha-0123456789",
    ],
)
def test_what_was_changed_says_nothing(changed: Callable[[str], str]) -> None:
    """Whatever is not, to the letter, what was issued."""
    assert claimed(changed(issue(PERSON))) is None


def test_another_key_makes_other_tokens(settings: Any) -> None:
    """So a new SECRET_KEY lets no token say anything any more; whom it signs in is asked for again."""
    token = issue(PERSON)
    settings.SECRET_KEY = "that of another server"
    assert claimed(token) is None


FOLLOW = (
    'mutation ($person: ID!) { follow(person: $person, expect: {version: "0"}) { __typename ... on Failure { code } } }'
)


@pytest.mark.django_db(transaction=True)
class TestRequests:
    """What a token says counts only with what is stored."""

    def test_the_first_request_asks_in_one_trip_with_its_writes(self, asha: ApiClient, bilal: ApiClient) -> None:
        """A process that has just begun knows nobody."""
        SPENDING.forget_owners()
        with watched() as trips:
            assert asha.follow(bilal)["applied"] == "WRITTEN"
        assert len(trips.made) == 2

    def test_a_token_that_was_issued_and_never_stored_writes_nothing(self, asha: ApiClient, bilal: ApiClient) -> None:
        """As one that was revoked: it was a token once."""
        untouched = everything()
        answer = ApiClient(issue(asha.person.pk)).ask(FOLLOW, person=bilal.id)
        assert answer["follow"]["code"] == "UNAUTHENTICATED"
        assert everything() == untouched

    def test_a_token_that_is_stored_for_somebody_else_signs_in_nobody(self, asha: ApiClient, bilal: ApiClient) -> None:
        """It begins as the one, and is found to be the other's."""
        token = issue(asha.person.pk)
        account = Account.objects.get(person=bilal.person.pk)
        unit_of_work(lambda: remember_token(account, token))
        answer = ApiClient(token).ask(FOLLOW, person=bilal.id)
        assert answer["follow"]["code"] == "UNAUTHENTICATED"
        assert not Relationship.objects.exists()

    def test_a_token_that_says_nothing_signs_in(self, asha: ApiClient, bilal: ApiClient) -> None:
        """Such as those of the demo people."""
        account = Account.objects.get(person=asha.person.pk)
        unit_of_work(lambda: remember_token(account, "plain"))
        assert ApiClient("plain").ask(FOLLOW, person=bilal.id)["follow"]["__typename"] == "RelationshipSuccess"
