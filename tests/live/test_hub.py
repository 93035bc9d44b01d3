"""What the hub reads for which entries of the change log, statement by statement."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import OperationalError

from backend.changes import log
from backend.changes.log import Entry
from backend.engine.deadline import Deadline
from backend.engine.errors import Busy
from backend.live import hub
from backend.live.hub import FOLLOWERS, Hub
from backend.live.subscriptions import OWN, Ending, Subscription, Viewer
from backend.postgresql.reads import Row, Statement
from tests.api import ApiClient
from tests.live.watched import CHANGED, Nowhere, seen, watching

pytestmark = pytest.mark.django_db(transaction=True)

PRESENCE = "subscription ($story: ID!) { presence(story: $story) { people { since } } }"
POLLS = 3


class Given:
    """A log of given entries, all at the second poll; and a database that counts what it is asked for, and tells nothing new."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._polls = [list(entries)] + [[] for _ in range(POLLS)]
        self.is_over = asyncio.Event()
        self.statements: list[Statement] = []

    async def begin(self) -> None:
        """Nothing has come yet."""

    async def entries(self) -> Sequence[Entry]:
        """The next of them."""
        self.statements.append(POLL)
        if len(self._polls) == 1:
            self.is_over.set()
        return self._polls.pop(0) if self._polls else []

    async def fetch(self, statement: Statement, parameters: Sequence[bytes | None], _deadline: Deadline) -> Row | None:
        """Each thing as its client has it already."""
        self.statements.append(statement)
        ids = parameters[0]
        assert ids is not None
        return [b"\x02".join(b"%d\x03same\x03{}" % (at + 1) for at in range(ids.count(b",") + 1))]


POLL = Statement.of("SELECT 'poll'")


def reads_after(entries: Sequence[Entry], *watched: Any) -> int:
    """How many statements it takes, but for the first look, to tell those who watch of these entries."""

    async def listen() -> int:
        given = Given(entries)
        hub = Hub(given, given, lambda ask: asyncio.to_thread(ask))
        for one in watched:
            hub.add(Subscription(one.viewer, one.many, Nowhere(), dict.fromkeys(one.seen, b"same"), one.topics))
        await asyncio.wait_for(given.is_over.wait(), 30)
        hub.stop()
        first = given.statements.index(POLL)
        return sum(1 for statement in given.statements[first:] if statement is not POLL)

    return asyncio.run(listen())


def test_who_reads_a_story_causes_no_read_for_who_watches_it(asha: ApiClient, bilal: ApiClient) -> None:
    """Of the story, its chapter, and who has it open; what is written of the story or the chapter is looked at once for each."""
    story = asha.published_story()
    chapter = story["chapters"][0]["id"]
    watched = [
        watching(asha, CHANGED, things=seen(story["id"], chapter)),
        watching(asha, PRESENCE, extra="[]", story=story["id"]),
    ]
    began = log.begin()
    for version in range(100):
        assert bilal.record_view(story["id"], str(version), chapter, 1 + version % 2)["applied"] == "WRITTEN"
    now, entries = log.since(began)
    assert len(entries) >= 100, "every view is an entry of the story"
    assert reads_after(entries, *watched) == 0
    assert asha.update_chapter(chapter, {"title": "Another"}, "1")["applied"] == "WRITTEN"
    assert reads_after(log.since(now)[1], *watched) == 2, "one for what changed, one for who is there"


class Interrupted(Given):
    """As `Given`, but the database fails once with the statement that finds followers, and with a look-up of sessions."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        super().__init__(entries)
        self.failures = {FOLLOWERS: 1}
        self.looks = 0

    async def fetch(self, statement: Statement, parameters: Sequence[bytes | None], deadline: Deadline) -> Row | None:
        """Followers at the second time."""
        if statement is not FOLLOWERS:
            return await super().fetch(statement, parameters, deadline)
        self.statements.append(statement)
        if self.failures.pop(FOLLOWERS, 0):
            raise Busy("There is no connection.", after_ms=5, cause="x")
        return [b""]

    async def look(self, ask: Callable[[], list[Subscription]]) -> list[Subscription]:
        """What it says at the second time."""
        self.looks += 1
        if self.looks == 1:
            raise OperationalError
        return await asyncio.to_thread(ask)


class Ended(Nowhere):
    """An outlet that keeps why it ended."""

    ending: Ending | None = None

    def end(self, ending: Ending) -> None:
        self.ending = ending


def test_what_a_failure_interrupts_is_done_later(
    asha: ApiClient, bilal: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log tells of each thing once, so whom a story concerns, and whose session may have ended, is kept until it is known."""
    monkeypatch.setattr(hub, "AGAIN_SECONDS", 0.01)
    began = log.begin()
    asha.published_story()
    _, entries = log.since(began)
    feed, session = (
        watching(bilal, "subscription { feedHead { title } }"),
        watching(bilal, CHANGED, things=seen(asha.id)),
    )
    by_cookie = Viewer(session.viewer.id, "", "", is_signed_in=lambda: False)
    outlet = Ended()

    async def listen() -> Interrupted:
        given = Interrupted(entries)
        running = Hub(given, given, given.look)
        running.add(Subscription(feed.viewer, feed.many, Nowhere(), {OWN: b"same"}, feed.topics))
        running.add(Subscription(by_cookie, session.many, outlet, dict.fromkeys(session.seen, b"same"), session.topics))
        await asyncio.wait_for(given.is_over.wait(), 30)
        running.stop()
        return given

    given = asyncio.run(listen())
    assert given.statements.count(FOLLOWERS) == 2, "they are asked for again"
    assert outlet.ending is Ending.SIGNED_OUT
