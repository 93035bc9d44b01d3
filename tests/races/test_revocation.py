"""A token that is revoked while a request with it is under way: the look-up of the token decides, wherever it travels."""

from typing import Any

import pytest
from django.db import transaction

from backend.engine.transactions import unit_of_work
from backend.limits.spending import SPENDING
from backend.people import tokens
from backend.people.models import AccessToken, Person
from backend.stories.models import Story
from tests import depth
from tests.api import ApiClient
from tests.races.rivals import Rival, elsewhere
from tests.races.rows import everything
from tests.races.statements import fault_at
from tests.races.test_faults import EDITS, MODERATION, OF_NOUNS, TRADES, WITH_KEY, new_key, prepared, sent, wrote
from tests.races.trips import Trips, before_trip

pytestmark = pytest.mark.django_db(transaction=True)

ENDS_TOKENS = {"revokeToken", "changePassword", "deleteAccount"}
"""Those that are about tokens, or end them all."""
SENDERS = [*WITH_KEY, *EDITS, *MODERATION, *TRADES, *OF_NOUNS]
WRITERS = [name for name in SENDERS if name not in ENDS_TOKENS]
TOKENS = "people_accesstoken"
AFTER_LOOK_UP = 2
"""The number of the statement that comes after the token's look-up."""


def revoke_all() -> None:
    """Revoke every token, and return when that is committed."""

    def work() -> None:
        for person in Person.objects.all():
            tokens.revoke_others(person.pk, kept=None)

    elsewhere(lambda: unit_of_work(work))


def but_for_tokens() -> dict[str, list[str]]:
    """All rows but those that are revoked, and the log that says so."""
    return {table: rows for table, rows in everything().items() if table not in (TOKENS, "changes_change")}


KNOWN, SAYS, SAYS_NOTHING = "of a person this process knows", "that says whose it is", "that says nothing"
CASES = [(mutation, KNOWN) for mutation in SENDERS]
CASES += [(mutation, token) for token in (SAYS, SAYS_NOTHING) for mutation in depth.some(SENDERS, 4)]


def comes_as(token: str, settings: Any) -> None:
    """Let the tokens that are there be of this kind."""
    if token != KNOWN:
        SPENDING.forget_owners()
    if token == SAYS_NOTHING:
        settings.SECRET_KEY = "that of another server"


@pytest.mark.parametrize(("mutation", "token"), CASES)
def test_what_is_sent_after_a_revocation_writes_nothing(mutation: str, token: str, settings: Any) -> None:
    """Where it is known whose it is, the look-up is sent with the first writes, and all of that is ready when the token goes."""
    send, key = prepared(mutation, ""), new_key(keyed=True)
    comes_as(token, settings)
    untouched = but_for_tokens()
    answer, trips = sent(send, key, before_trip(0, revoke_all))
    assert trips.struck
    if mutation not in ENDS_TOKENS:  # those look the token up by itself anyway
        assert (token == SAYS_NOTHING) == (trips.made[0].size == 1)
    assert answer["code"] == "UNAUTHENTICATED"
    assert but_for_tokens() == untouched
    assert not AccessToken.objects.exists()


LET_IN = [(mutation, KNOWN) for mutation in depth.some(WRITERS, 10)]
LET_IN += [(mutation, token) for token in (SAYS, SAYS_NOTHING) for mutation in depth.some(WRITERS, 6)]


@pytest.mark.parametrize("each", [True, False], ids=["each statement by itself", "in trips"])
@pytest.mark.parametrize(("mutation", "token"), LET_IN)
def test_a_request_that_was_let_in_goes_on(mutation: str, token: str, each: bool, settings: Any) -> None:
    """Its look-up came first, and what follows after the revocation was committed. The next request with the token is refused.

    Also where the token only says whose it is: its look-up, in the first trip, has decided, and nothing asks again.
    """
    send, again = prepared(mutation, ""), prepared(mutation, "again")
    comes_as(token, settings)
    revoked = fault_at(AFTER_LOOK_UP, revoke_all) if each else before_trip(1, revoke_all)
    answer, found = sent(send, new_key(keyed=True), revoked)
    if isinstance(found, Trips):
        assert (token == SAYS_NOTHING) == (found.made[0].size == 1)
    else:
        assert TOKENS in found[0].sql
    assert not AccessToken.objects.exists()
    assert wrote(answer)
    untouched = but_for_tokens()
    assert again(new_key(keyed=True))["code"] == "UNAUTHENTICATED"
    assert but_for_tokens() == untouched


def test_a_write_that_waits_for_a_row_was_let_in(asha: ApiClient) -> None:
    """It has been sent with its look-up, and holds nothing that a revocation would wait for."""
    story = asha.create_story("0")["story"]
    with transaction.atomic():
        list(Story.objects.select_for_update())
        writer = Rival(lambda: asha.update_story(story["id"], {"title": "New"}, "1")).until_it_waits()
        revoke_all()
    assert writer.result()["applied"] == "WRITTEN"
    assert asha.update_story(story["id"], {"title": "Newer"}, "2")["code"] == "UNAUTHENTICATED"
    assert Story.objects.get().title == "New"


def test_each_mutation_of_a_document_after_a_revocation_by_itself_is_refused(asha: ApiClient, bilal: ApiClient) -> None:
    """They run one after the other, and the second looks the token up anew."""
    (token,) = asha.tokens()
    document = """
        mutation ($token: ID!, $person: ID!) {
            revokeToken(id: $token) { __typename }
            follow(person: $person, expect: {current: true}) { ... on Failure { code } }
        }
    """
    answer = asha.ask(document, token=token["id"], person=bilal.id)
    assert answer == {
        "revokeToken": {"__typename": "TokenRevoked"},
        "follow": {"code": "UNAUTHENTICATED"},
    }
    assert everything()["social_relationship"] == []
