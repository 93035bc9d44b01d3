"""Who has which story open: of this process in memory, of the others by a row that each rewrites at most once a second."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Protocol

import orjson

from backend.engine.deadline import Deadline
from backend.engine.ids import uuid7
from backend.engine.values import as_text, moment
from backend.postgresql.reads import Row, Statement

WRITE_SECONDS = 1.0
"""How often a process rewrites its row at most."""
RENEW_SECONDS = 2.0
"""How often it does if nothing has changed, as long as it has anybody to tell of."""
VOID_SECONDS = 5
"""After so long without that its row counts no more: the process has ended."""
CROWD_SECONDS = 1.0
"""How often a story that many have open is told of at most: each who comes is told to all of them."""
CROWD = 20
MAX_PEOPLE = 100
"""How many people of one story are told of."""
STATEMENT_SECONDS = 5.0

WRITE = Statement.of(
    "WITH old AS (DELETE FROM live_presence WHERE at < now() - interval '1 minute') "
    "INSERT INTO live_presence (process, at, people) VALUES ($1::uuid, now(), $2::jsonb) "
    "ON CONFLICT (process) DO UPDATE SET at = now(), people = excluded.people RETURNING 1"
)
READ = Statement.of(
    f"SELECT json_object_agg(process, people) FROM live_presence "
    f"WHERE process <> $1::uuid AND at > now() - interval '{VOID_SECONDS} seconds'"
)

Others = Mapping[str, Mapping[str, list[list[Any]]]]


class Database(Protocol):
    """Runs statements."""

    async def fetch(self, statement: Statement, parameters: Any, deadline: Deadline) -> Row | None:
        """The first row."""


@dataclass(slots=True)
class Stay:
    """One subscription of somebody to one story."""

    person: str
    story: uuid.UUID
    chapter: str | None
    since: str
    came: str
    """When this subscription began; the last one says which chapter is open."""
    until: float | None = None
    """When it is over if nothing follows it (monotonic seconds); None as long as it runs."""


class Presence:
    """Who has what open, as this process knows it."""

    def __init__(self) -> None:
        self._process = uuid7()
        self._stays: defaultdict[uuid.UUID, list[Stay]] = defaultdict(list)
        self._leaving: list[Stay] = []
        self._others: Others = {}
        self._heard: bytes | None = None
        self._changed: dict[uuid.UUID, None] = {}
        """The stories of which there is something new to tell."""
        self._told_at: dict[uuid.UUID, float] = {}
        self._is_written = True
        self._written_at = 0.0

    @property
    def is_asked(self) -> bool:
        """Whether anybody here has anything open, or the others have still to hear that nobody has."""
        return bool(self._stays) or not self._is_written

    def arrive(self, person: uuid.UUID, story: uuid.UUID, chapter: uuid.UUID | None) -> Stay:
        """Somebody opens a story. Who has it open already has never been away."""
        now = moment(datetime.now(UTC))
        known = [since for one, _, since, _ in self._all(story) if one == str(person)]
        stay = Stay(str(person), story, None if chapter is None else str(chapter), min(known, default=now), now)
        self._stays[story].append(stay)
        self._note(story)
        return stay

    def depart(self, stay: Stay, grace: float = 0.0) -> None:
        """It is closed. With a grace, the person stays for so many seconds, in which another subscription may follow."""
        if grace:
            stay.until = monotonic() + grace
            self._leaving.append(stay)
        else:
            self._forget(stay)

    def people_of(self, story: uuid.UUID) -> str:
        """Those who have a story open, once each, as JSON."""
        found: dict[str, dict[str, Any]] = {}
        for person, chapter, since, _ in sorted(self._all(story), key=lambda one: one[3]):
            before = found.get(person, {}).get("since", since)
            found[person] = {"person_id": person, "chapter_id": chapter, "since": min(before, since)}
        first = sorted(found.values(), key=lambda one: one["since"])[:MAX_PEOPLE]
        return orjson.dumps(first).decode()

    async def exchange(self, database: Database) -> list[uuid.UUID]:
        """Tell the other processes, hear of them, and return the stories of which there is something new to tell."""
        now = monotonic()
        for stay in [one for one in self._leaving if one.until is not None and now >= one.until]:
            self._leaving.remove(stay)
            self._forget(stay)
        await self._write(database, now)
        await self._read(database)
        return list(self._due(now))

    # --- Others -------------------------------------------------------------------------------------------------

    async def _write(self, database: Database, now: float) -> None:
        is_due = now - self._written_at >= (RENEW_SECONDS if self._is_written else WRITE_SECONDS)
        if is_due and (self._stays or not self._is_written):
            self._is_written, self._written_at = True, now
            people = orjson.dumps({str(story): self._mine(story)[:MAX_PEOPLE] for story in self._stays}).decode()
            await database.fetch(WRITE, [as_text(self._process), as_text(people)], Deadline(STATEMENT_SECONDS))

    async def _read(self, database: Database) -> None:
        row = await database.fetch(READ, [as_text(self._process)], Deadline(STATEMENT_SECONDS))
        heard = row[0] if row else None
        if heard != self._heard:
            before, self._others, self._heard = self._others, orjson.loads(heard or b"{}"), heard
            for story in _stories(before) | _stories(self._others):
                if _of(before, story) != _of(self._others, story):
                    self._changed[uuid.UUID(story)] = None
        for changed in self._changed:
            self._remember_since(changed)

    def _remember_since(self, story: uuid.UUID) -> None:
        """Who was there by another process before has been since then, also when that one has forgotten it."""
        since: dict[str, str] = {}
        for person, _, at, _ in _of(self._others, str(story)):
            since[person] = min(at, since.get(person, at))
        for stay in self._stays.get(story, ()):
            if since.get(stay.person, stay.since) < stay.since:
                stay.since, self._is_written = since[stay.person], False

    def _due(self, now: float) -> Iterable[uuid.UUID]:
        """Those that are told of now; a crowd waits."""
        for story in list(self._changed):
            crowded = len(self._stays.get(story, ())) > CROWD
            if not crowded or now - self._told_at.get(story, 0.0) >= CROWD_SECONDS:
                del self._changed[story]
                if crowded:
                    self._told_at[story] = now
                else:
                    self._told_at.pop(story, None)
                yield story

    # --- One story ----------------------------------------------------------------------------------------------

    def _all(self, story: uuid.UUID) -> list[list[Any]]:
        return self._mine(story) + _of(self._others, str(story))

    def _mine(self, story: uuid.UUID) -> list[list[Any]]:
        return [[one.person, one.chapter, one.since, one.came] for one in self._stays.get(story, ())]

    def _note(self, story: uuid.UUID) -> None:
        self._changed[story] = None
        self._is_written = False

    def _forget(self, stay: Stay) -> None:
        stays = self._stays[stay.story]
        stays.remove(stay)
        if not stays:
            del self._stays[stay.story]
        self._note(stay.story)


def _stories(others: Others) -> set[str]:
    return {story for people in others.values() for story in people}


def _of(others: Others, story: str) -> list[list[Any]]:
    return [one for people in others.values() for one in people.get(story, ())]
