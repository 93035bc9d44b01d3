"""A write that has to wait too long ends as BUSY: nothing is written, and the same request works later."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from tests.api import ApiClient
from tests.api.http import Client
from tests.races.rivals import Rival, elsewhere, my_pid, terminate
from tests.races.rows import everything, query

pytestmark = pytest.mark.django_db(transaction=True)


def hurried(setting: str, work: Callable[[], Any]) -> Any:
    """What `work` gets on a connection of little patience."""
    query("SELECT set_config(%s, '100ms', false)", setting)
    return work()


@pytest.mark.parametrize("setting", ["lock_timeout", "statement_timeout"])
@pytest.mark.parametrize("keyed", [False, True], ids=["no key", "key"])
def test_a_lock_that_is_not_had_in_time_is_busy(asha: ApiClient, bilal: ApiClient, setting: str, keyed: bool) -> None:
    """Whoever holds the row may be stuck; others are told to come back."""
    key = str(uuid.uuid4()) if keyed else None
    asha.follow(bilal)
    untouched = everything()
    with transaction.atomic():
        query("SELECT 1 FROM social_relationship FOR UPDATE")
        answer = elsewhere(lambda: hurried(setting, lambda: asha.unfollow(bilal, "1", key)))
    assert (answer["code"], answer["retry"]["kind"]) == ("BUSY", "SAME_REQUEST")
    assert answer["retry"]["afterMs"] > 0
    assert everything() == untouched
    assert asha.unfollow(bilal, "1", key)["applied"] == "WRITTEN"


def test_who_waits_long_enough_gets_the_lock(asha: ApiClient, bilal: ApiClient) -> None:
    """Waiting is not a conflict: what was held and not changed is written."""
    asha.follow(bilal)
    with transaction.atomic():
        query("SELECT 1 FROM social_relationship FOR UPDATE")
        rival = Rival(lambda: asha.unfollow(bilal, "1")).until_it_waits()
    assert rival.result()["applied"] == "WRITTEN"


@pytest.mark.parametrize("path", ["/", "/graphql", "/readyz"])
def test_a_page_is_served_although_the_connection_has_broken(nobody: ApiClient, path: str) -> None:
    """PostgreSQL was started again: nobody gets an error for that who comes when it is there, of any view."""
    terminate(my_pid())
    assert Client().get(path, headers={"accept": "text/html"}).status_code == 200
