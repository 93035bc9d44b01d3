"""What somebody who is suspended may do: what is about their own account, and nothing else that writes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from backend.people.models import Account
from tests.api import ApiClient
from tests.api.moderation import new_key
from tests.schema.footprint import nothing_written
from tests.schema.mutation_fixture import FIELDS, MutationFixture, send

GO_ON = {
    *("signUp", "signIn", "signOut", "endSession", "revokeToken", "changePassword", "deleteAccount"),
    *("recordView", "recordViews", "markNotificationRead", "appealDecision"),
}
"""Of their own account, where they read, and an appeal."""


def suspend(caller: ApiClient) -> None:
    """Let somebody be suspended."""
    Account.objects.filter(pk=caller.person.pk).update(suspended_until=timezone.now() + timedelta(days=1))


def test_every_other_mutation_is_refused(world: MutationFixture) -> None:
    """A new one too, unless it is named above."""
    suspend(world.me)
    with nothing_written():
        for mutation in set(FIELDS) - GO_ON:
            answer = send(world, mutation)["data"][mutation]
            assert (answer["__typename"], answer["code"]) == ("ForbiddenError", "SUSPENDED"), mutation


@pytest.mark.parametrize("mutation", sorted(GO_ON - {"signOut"}))
def test_these_go_on(world: MutationFixture, mutation: str) -> None:
    """As for everybody."""
    suspend(world.me)
    answer = send(world, mutation)["data"][mutation]
    assert answer.get("code") is None, answer


def test_the_reply_to_what_was_written_before_is_given_again(asha: ApiClient) -> None:
    """A retry is no new write: to be told that nothing was written would be untrue."""
    key = new_key()
    whisper = asha.create_whisper("Psst.", key=key)["whisper"]["id"]
    suspend(asha)
    again = asha.create_whisper("Psst.", key=key)
    assert (again["applied"], again["whisper"]["id"]) == ("REPLAYED", whisper)
    assert asha.create_whisper("Psst.", key=new_key())["code"] == "SUSPENDED"
