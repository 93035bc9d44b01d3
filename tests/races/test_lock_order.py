"""Locks are taken in the declared order by every mutation, so that no two of them can wait for each other in a circle."""

import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from backend.engine.locks import lock_order
from backend.engine.transactions import unit_of_work
from backend.erasure import sweeping
from tests.api import ApiClient
from tests.departure_fixture import leave, live
from tests.races.every_write import everything_that_writes
from tests.races.statements import Statement, recorded

pytestmark = pytest.mark.django_db(transaction=True)

TALLIES = ("people_persontally", "stories_storytally")
HELD_BEFORE = ("people_person", "stories_story", "market_edition", "whispers_screening", "notifications_announcement")
LEAVING = ["stories_story", "people_person"]
"""Who leaves holds the stories that others write with them before their own row, which those lock when they commit."""
KEPT_BY_TRIGGERS = {"people_personwords", "stories_storywords", "coauthors_coauthor"}
"""Whoever writes them holds the person or the story that they belong to; no statement names them."""


def statements_of(mutation: Callable[[], Any]) -> list[Statement]:
    with recorded() as statements:
        mutation()
    return [statement for statement in statements if statement.locks]


def test_every_mutation_locks_in_the_declared_order(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """A deadlock is impossible between transactions that lock the same tables in the same order."""
    seen: set[str] = set()
    for mutation in everything_that_writes(asha, bilal, chitra):
        statements = statements_of(mutation)
        assert statements
        assert all(statement.in_unit for statement in statements), "a write outside a unit of work"
        tables = [table for statement in statements for table in statement.locked]
        # The key is filled last: its row has been locked since it was claimed.
        assert [one for one in tables[1:-1] if one == lock_order()[0]] == []
        tables = tables[:-1] if tables[-1] == lock_order()[0] else tables
        # A story is locked before its chapters and written after them, editions before an order, and the mark of a job before
        # what it moves past: rows locked once.
        tables = [table for n, table in enumerate(tables) if table not in HELD_BEFORE or table not in tables[:n]]
        seen |= set(tables)
        tables = [table for n, table in enumerate(tables) if tables[n : n + 2] != LEAVING]
        places = [lock_order().index(table) for table in tables]
        assert places == sorted(places), tables
    assert seen == set(lock_order()) - KEPT_BY_TRIGGERS, (
        "a table of the declared order that no mutation here has locked"
    )


@pytest.mark.parametrize("batch", [1, 200])
def test_every_step_of_sweeping_locks_in_the_declared_order(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for its mark, which nobody else locks; shelf, story and places are held before what belongs to them."""
    monkeypatch.setattr(sweeping, "BATCH", batch)
    person = live().asha
    leave(person)
    held, goes_on, steps = {*HELD_BEFORE, "stories_shelf", "reading_reading"}, True, 0
    while goes_on:
        with recorded() as statements:
            goes_on = unit_of_work(lambda: sweeping.sweep_some(person.person.pk))
        locked = [table for statement in statements for table in statement.locked]
        tables = [table for table in locked if table in lock_order() and table != "people_departure"]
        tables = [table for n, table in enumerate(tables) if table not in held or table not in tables[:n]]
        places = [lock_order().index(table) for table in tables]
        assert places == sorted(places), tables
        steps += bool(tables)
    assert steps >= len(sweeping.stages())


@pytest.mark.parametrize("policy", ["EXACT", "FURTHEST"])
def test_a_view_holds_what_is_viewed_first(asha: ApiClient, bilal: ApiClient, policy: str) -> None:
    """Story, chapter, place: whoever deletes them takes them in this order too."""
    story = bilal.published_story()
    chapter = story["chapters"][0]["id"]
    for offset in (1, 2):
        statements = statements_of(
            lambda offset=offset: asha.record_view(story["id"], str(offset - 1), chapter, offset, policy=policy)
        )
        held = [statement.locks for statement in statements if statement.sql.rstrip().endswith(("SHARE", "OF story"))]
        assert held == ["stories_story", "stories_chapter"]
        assert [statement.locks for statement in statements][:3] == [*held, "reading_reading"]


def test_editions_are_held_in_the_order_of_their_ids(asha: ApiClient, bilal: ApiClient) -> None:
    """Before anything else of an order is written, and before an order is cancelled."""
    story = asha.published_story()["id"]
    one, two = (asha.create_edition(story)["edition"]["id"] for _ in range(2))
    order = bilal.place_order((two, 1), (one, 1))["order"]["id"]
    for trade in (lambda: bilal.place_order((two, 1), (one, 1)), lambda: bilal.update_order(order, "CANCELLED", "1")):
        sender = (lock_order()[0], "people_account")  # the key, and that its sender is not suspended
        first = next(statement for statement in statements_of(trade) if statement.locks not in sender)
        assert first.locks == "market_edition"
        assert re.search("ORDER BY (1 ASC|edition.id) FOR NO KEY UPDATE", first.sql), first.sql


def test_totals_are_locked_in_the_order_of_their_keys(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Several slots are raised by one statement: in the order of subject, kind and slot."""
    several = 0
    for mutation in everything_that_writes(asha, bilal, chitra):
        for statement in statements_of(mutation):
            if statement.locks in TALLIES and statement.sql.startswith("INSERT"):
                subjects, kinds, *_ = (values.strip("{}").split(",") for values in statement.parameters)
                keys = list(zip(subjects, kinds, strict=True))
                assert all(one < other for one, other in pairwise(keys))
                several += len(keys) > 1
    assert several >= 6


def test_what_unrelated_people_share_comes_last() -> None:
    """Totals, and the ranks that follow from them: nobody holds them while waiting for anything else."""
    shared = (*TALLIES, "stories_storyrank")
    assert lock_order()[-len(shared) :] == shared
