"""The change log against the history of what was committed: nothing missed, nothing twice, no thing ever backwards.

Writers use savepoints and rollbacks, and wait before they commit, so that transactions end in another order than they began.
"""

import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from backend.changes import log, pruning
from backend.changes.log import Entry
from backend.engine.removal import removing
from schema.nodes import from_id
from tests import depth
from tests.api import ApiClient
from tests.races.rivals import Rival, race
from tests.races.rows import query, scalar, until_all_is_over
from tests.schema.test_changes import asked, begun

pytestmark = pytest.mark.django_db(transaction=True)

WRITERS = 12 if depth.EXHAUSTIVE else 5
TRANSACTIONS = depth.rounds(250)
MAX_WAIT_SECONDS = 0.3 if depth.EXHAUSTIVE else 0.02
THINGS = 6
INSERT = """
INSERT INTO whispers_whisper (id, author_id, text, nsfw, created_at, version, updated_at, nsfw_changed)
VALUES (%s, %s, 'x', FALSE, now(), 1, now(), 1) RETURNING id, author_id, version, FALSE
"""
UPDATE = """
UPDATE whispers_whisper SET nsfw = NOT nsfw, version = version + 1, nsfw_changed = version + 1 WHERE id = %s
RETURNING id, author_id, version, FALSE
"""
DELETE = f"""
DELETE FROM whispers_whisper WHERE id = %s AND {removing("whispers_whisper")} RETURNING id, author_id, version, TRUE
"""

Written = tuple[uuid.UUID, uuid.UUID, int, bool]
"""A thing, its owner, its version, and whether it is gone."""


class RolledBack(Exception):
    """A writer thought better of it."""


@dataclass
class History:
    """What was committed, by all writers."""

    owners: list[uuid.UUID]
    things: list[uuid.UUID] = field(default_factory=list)
    committed: list[Written] = field(default_factory=list)
    rolled_back: int = 0
    running: int = WRITERS

    def write(self, seed: int) -> None:
        """One writer's transactions."""
        chance = random.Random(seed)
        try:
            for _ in range(TRANSACTIONS):
                self._write(chance)
        finally:
            self.running -= 1

    def _write(self, chance: random.Random) -> None:
        done: list[Written] = []
        try:
            with transaction.atomic():
                done += self._one(INSERT, uuid.uuid4(), chance.choice(self.owners)) if chance.random() < 0.2 else []
                for thing in sorted(chance.sample(self.things, 2)):  # in one order, so that nobody waits in a circle
                    if chance.random() < 0.3:
                        self._in_vain(thing)
                    with transaction.atomic():
                        done += self._one(DELETE if chance.random() < 0.02 else UPDATE, thing)
                time.sleep(chance.random() * MAX_WAIT_SECONDS)
                if chance.random() < 0.2:
                    raise RolledBack
        except RolledBack:
            self.rolled_back += 1
            return
        self.committed += done
        self.things += [thing for thing, _, version, gone in done if version == 1 and not gone]

    def _in_vain(self, thing: uuid.UUID) -> None:
        try:
            with transaction.atomic():
                self._one(UPDATE, thing)
                raise RolledBack
        except RolledBack:
            return

    @staticmethod
    def _one(sql: str, *parameters: Any) -> list[Written]:
        return query(sql, *parameters)  # type: ignore[return-value]

    def until_they_ended(self, step: Callable[[], Any]) -> None:
        """Do a step again and again, and twice after the last writer's end."""
        while self.running:
            step()
            time.sleep(0.005)
        step()
        step()


@pytest.fixture
def history(asha: ApiClient, bilal: ApiClient) -> History:
    """Whispers of two people, of before."""
    made = History([asha.person.pk, bilal.person.pk])
    made.things = [uuid.uuid4() for _ in range(THINGS)]
    for number, thing in enumerate(made.things):
        query(INSERT, thing, made.owners[number % 2])
    return made


def as_written(entry: Entry) -> Written:
    assert entry.kind == "w"
    assert entry.owner is not None
    return entry.id, entry.owner, entry.version, entry.gone


def rising(found: list[Written]) -> bool:
    """Whether no thing went backwards: an entry that it is gone has its last version."""
    seen: dict[uuid.UUID, tuple[int, bool]] = {}
    for thing, _, version, gone in found:
        if (version, gone) <= seen.get(thing, (0, False)):
            return False
        seen[thing] = version, gone
    return True


class Walks:
    """A person whose app asks for what changed, in small pages."""

    def __init__(self, caller: ApiClient) -> None:
        self.caller, self.cursor, self.walk = caller, begun(caller), set[str]()
        self.last: dict[uuid.UUID, int | None] = {}
        self.pages = 0

    def step(self) -> None:
        """One page."""
        page = asked(self.caller, self.cursor, 3)
        self.pages += 1
        for change in page["changes"]:
            found = from_id(change["id"])
            assert found is not None
            key, version = found[1][0], None if change["version"] is None else int(change["version"])
            assert change["id"] not in self.walk, "twice in one walk"
            before = self.last.get(key, 0)
            assert before is not None or version is None, "back from the dead"
            assert version is None or before is None or version >= before, "backwards"
            self.walk.add(change["id"])
            self.last[key] = version
        if not page["hasMore"]:
            self.walk.clear()
        self.cursor = page["cursor"]

    def end(self) -> None:
        """The pages that are left."""
        while asked(self.caller, self.cursor, 3)["changes"]:
            self.step()


def test_nothing_is_missed_and_nothing_is_told_twice(asha: ApiClient, bilal: ApiClient, history: History) -> None:
    """To who follows the end of the log, and to who comes back now and then and reads page by page. Somebody elsewhere has a
    transaction open all the time, in which they wrote: that holds up nobody.
    """
    at, told, walks = log.begin(), [], Walks(asha)
    opened, ended = threading.Event(), threading.Event()

    def stay_open() -> None:
        with transaction.atomic():
            query("SELECT pg_current_xact_id()::text")
            opened.set()
            while not ended.wait(5):
                query("SELECT 1")  # a transaction that does nothing is ended

    def follow() -> None:
        nonlocal at
        at, found = log.since(at)
        told.extend(map(as_written, found))

    elsewhere = Rival(stay_open)
    assert opened.wait(60)
    race(
        [
            *(lambda seed=seed: history.write(seed) for seed in range(WRITERS)),
            lambda: history.until_they_ended(follow),
            lambda: history.until_they_ended(walks.step),
        ]
    )
    walks.end()
    assert Counter(told) == Counter(history.committed)
    assert len(history.committed) > WRITERS * TRANSACTIONS
    assert history.rolled_back > 0
    assert rising(told)
    assert any(gone for *_, gone in told)
    own = {thing for thing, owner, *_ in history.committed if owner == asha.person.pk}
    now = dict(query("SELECT id, version FROM whispers_whisper WHERE author_id = %s", asha.person.pk))
    assert walks.last == {thing: now.get(thing) for thing in own}
    ended.set()
    elsewhere.result()
    assert log.since(at)[1] == []


def by_number(last: int) -> tuple[int, list[Written]]:
    """What a reader would find whose cursor is the number of the last entry that it saw."""
    found = query("SELECT seq, id, owner, version, gone FROM changes_change WHERE seq > %s ORDER BY seq", last)
    return max([last, *(one[0] for one in found)]), [tuple(one[1:]) for one in found]


def by_oldest(last: int) -> tuple[int, list[Written]]:
    """The same of one who waits until everything older is over."""
    found = query(
        "SELECT xid::text::bigint, id, owner, version, gone FROM changes_change "
        "WHERE xid >= %s::text::xid8 AND xid < pg_snapshot_xmin(pg_current_snapshot())",
        str(last),
    )
    return int(scalar("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")), [tuple(one[1:]) for one in found]


def test_a_number_as_cursor_misses_or_waits(history: History) -> None:
    """What commits late lies behind the number of what was seen; who waits for it is held up by whoever stays open. The snapshot
    does neither.
    """
    first, second = history.things[:2]
    until_all_is_over()
    at, number = log.begin(), by_number(0)[0]
    oldest = int(scalar("SELECT pg_snapshot_xmin(pg_current_snapshot())::text"))
    written, commit = threading.Event(), threading.Event()

    def late() -> None:
        with transaction.atomic():
            query(UPDATE, first)
            written.set()
            assert commit.wait(60)

    rival = Rival(late)
    assert written.wait(60)
    query(UPDATE, second)
    at, snapshot = log.since(at)
    number, counted = by_number(number)
    oldest, waited = by_oldest(oldest)
    assert [entry.id for entry in snapshot] == [one[0] for one in counted] == [second]
    assert waited == []
    commit.set()
    rival.result()
    at, snapshot = log.since(at)
    assert [entry.id for entry in snapshot] == [first]
    assert by_number(number)[1] == []
    until_all_is_over()
    assert {one[0] for one in by_oldest(oldest)[1]} >= {first, second}


def test_the_later_writer_of_a_thing_comes_later_though_it_began_earlier(history: History) -> None:
    """Transactions are numbered when they begin to write, and a thing's versions rise in the order of their commits."""
    thing, other = history.things[:2]
    at = log.begin()
    began, go = threading.Event(), threading.Event()

    def early() -> None:
        with transaction.atomic():
            query(UPDATE, other)
            began.set()
            assert go.wait(60)
            query(UPDATE, thing)

    rival = Rival(early)
    assert began.wait(60)
    query(UPDATE, thing)
    go.set()
    rival.result()
    found = [as_written(entry) for entry in log.since(at)[1]]
    assert [version for one, _, version, _ in found if one == thing] == [2, 3]
    xids = [int(xid) for (xid,) in query("SELECT xid::text FROM changes_change WHERE id = %s ORDER BY seq", thing)]
    assert xids[-1] < xids[-2], "the interleaving that this is about did not happen"


def test_who_reads_beside_the_pruning_finds_all_or_is_refused(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a part of it."""
    monkeypatch.setattr(pruning, "DELETE", pruning.DELETE.replace(str(pruning.BATCH), "2"))
    monkeypatch.setattr(pruning, "BATCH", 2)
    at = log.begin()
    for _ in range(3):
        for thing in history.things:
            query(UPDATE, thing)
    whole = log.since(at)[1]
    until_all_is_over()
    pruning.prune(timedelta(days=1))
    query("UPDATE changes_mark SET at = at - interval '2 days' RETURNING 1")
    found: list[Any] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                found.append(len(log.since(at)[1]))
            except log.CursorExpired:
                found.append(None)

    def prune() -> None:
        try:
            assert pruning.prune(timedelta(days=1)) >= len(whole)
        finally:
            stop.set()

    race([read, prune])
    assert set(found) <= {len(whole), None}
    with pytest.raises(log.CursorExpired):
        log.since(at)
    assert scalar("SELECT count(*) FROM changes_change") == 0
    at = log.begin()
    query(UPDATE, history.things[0])
    assert len(log.since(at)[1]) == 1
