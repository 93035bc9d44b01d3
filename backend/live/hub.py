"""Tells subscribers what has changed: polls the change log while anybody subscribes, and reads what is dirty for many at once.

One task does all of it, one step after the other: poll, mark, read, send. So what is read is never older than what was sent
before, and while sending takes long, changes gather to fewer reads. What cannot be sent now stays dirty.
"""

import asyncio
import logging
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from functools import partial
from itertools import islice
from time import monotonic
from typing import Any, Protocol

from django.db import DatabaseError, InterfaceError

from backend.changes.kinds import ACCESS, LEFT, SIGHT
from backend.changes.triggers import logs_of
from backend.engine import metrics as engine_metrics
from backend.engine.deadline import Deadline
from backend.engine.errors import RateLimited, Refusal
from backend.engine.values import as_text
from backend.limits.spending import SPENDING
from backend.live import metrics
from backend.live.presence import Presence
from backend.live.subscriptions import FEEDS, PRESENT, Asked, Batch, Ending, Subscription, Thing
from backend.postgresql.reads import Row, Statement
from backend.stories.models import Chapter, Story

log = logging.getLogger("katha")

POLL_SECONDS = 0.1
"""How often the log is polled."""
AGAIN_SECONDS = 1.0
"""How long to wait after the database could not serve a poll."""
READ_SECONDS = 10.0
"""How long one statement may take."""
STORIES, CHAPTERS = (logs_of(model)[0].kind for model in (Story, Chapter))
"""What the log calls stories and chapters."""
SESSIONS_AT_ONCE = 50
"""How many sessions are looked up at a time."""
FOLLOWERS = Statement.of(
    "SELECT string_agg(DISTINCT follower_id::text, ' ') FROM follow "
    "WHERE followee_id = ANY($1::uuid[]) AND follower_id = ANY($2::uuid[])"
)
"""Who of the viewers follows any of the authors."""
PARTS = b"\x02"
"""What stands between what was printed for one and for the next."""
STATE = b"\x03"
"""What stands between the number, the state and the text of one."""


class Log(Protocol):
    """The change log, as the hub reads it."""

    async def begin(self) -> None:
        """Read what is committed from now on."""

    async def entries(self) -> Sequence[Any] | None:
        """What was committed since; None if that cannot be known any more, and it begins anew."""


class Database(Protocol):
    """Runs SELECTs."""

    async def fetch(self, statement: Statement, parameters: Sequence[bytes | None], deadline: Deadline) -> Row | None:
        """The first row."""


InThread = Callable[[Callable[[], list[Subscription]]], Awaitable[list[Subscription]]]
"""Calls something in a thread."""


class Hub:
    """The subscriptions of this process."""

    def __init__(self, database: Database, log_: Log, in_thread: InThread) -> None:
        self._database, self._log, self._in_thread = database, log_, in_thread
        self.presence = Presence()
        self._all: dict[Subscription, None] = {}
        self._by_topic: defaultdict[Hashable, set[tuple[Subscription, Thing]]] = defaultdict(set)
        self._by_viewer: defaultdict[Hashable, set[Subscription]] = defaultdict(set)
        self._dirty: dict[Subscription, None] = {}
        self._unsure: dict[Subscription, None] = {}
        """Those whose session may have ended."""
        self._authors: set[uuid.UUID | None] = set()
        """Whose followers' feeds are to be looked at. Kept, as the others are, until it was done: the log tells it once."""
        self._task: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._began = False
        """Whether the log is read from a known place."""
        self.stops = False

    def __len__(self) -> int:
        return len(self._all)

    def __contains__(self, subscription: Subscription) -> bool:
        return subscription in self._all

    # --- Subscribers --------------------------------------------------------------------------------------------

    def add(self, subscription: Subscription) -> None:
        """From now on tell it of changes, and at once of what differs from what its client has seen."""
        self._all[subscription] = None
        for topic, thing in subscription.topics:
            self._by_topic[topic].add((subscription, thing))
        self._by_viewer[subscription.viewer.id].add(subscription)
        metrics.SUBSCRIBERS.labels(subscription.batch.field).inc()
        self._look_again(subscription)  # a session may have ended since it was looked up, which the log has told nobody
        self._wake.set()
        if self.stops:
            self.end(subscription, Ending.STOPPING)
        elif self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    def remove(self, subscription: Subscription, ending: Ending = Ending.LEFT) -> None:
        """Nobody listens to it any more."""
        if subscription not in self._all:
            return
        subscription.is_over = True
        del self._all[subscription]
        self._dirty.pop(subscription, None)
        self._unsure.pop(subscription, None)
        for topic, thing in subscription.topics:
            _drop(self._by_topic, topic, (subscription, thing))
        _drop(self._by_viewer, subscription.viewer.id, subscription)
        metrics.SUBSCRIBERS.labels(subscription.batch.field).dec()
        metrics.ENDINGS.labels(ending.value).inc()
        if not self._all:
            self._wake.set()

    def end(self, subscription: Subscription, ending: Ending) -> None:
        """End it, and say why."""
        if subscription in self._all:
            self.remove(subscription, ending)
            log.info(
                "a subscription was ended",
                extra={"cause": ending.value, "type": subscription.batch.field, "viewer": str(subscription.viewer.id)},
            )
            subscription.outlet.end(ending)

    def stop(self) -> None:
        """The server stops: end everything."""
        self.stops = True
        if self._all:
            log.info("subscriptions were ended", extra={"cause": Ending.STOPPING.value, "times": len(self._all)})
        for subscription in list(self._all):
            self.remove(subscription, Ending.STOPPING)
            subscription.outlet.end(Ending.STOPPING)

    def mark(self, subscription: Subscription, things: Iterable[Thing]) -> None:
        """Look at these things again."""
        subscription.dirty.update(things)
        self._dirty[subscription] = None

    # --- The loop -----------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        """Until nobody subscribes."""
        self._began = False
        try:
            while self._all or self.presence.is_asked:
                self._wake.clear()
                try:
                    await self._step()
                except (Refusal, DatabaseError, InterfaceError) as error:
                    metrics.POLLS.labels(metrics.FAILED).inc()
                    log.warning("live updates wait for the database", exc_info=error)
                    await asyncio.sleep(AGAIN_SECONDS)
                await self._pause()
        except Exception as error:
            engine_metrics.FAULTS.inc()
            log.error("live updates have failed", exc_info=error)
            self._fail()
        finally:
            self._task = None

    def _fail(self) -> None:
        """What nobody expected: whoever subscribes is told, and may ask again."""
        for subscription in list(self._all):
            self.end(subscription, Ending.FAULT)

    async def _pause(self) -> None:
        """Until the next poll is due, or somebody new is to be told at once."""
        try:
            await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)
        except TimeoutError:
            return

    async def _step(self) -> None:
        """Poll once, and tell what there is to tell."""
        if self._began:
            entries = await self._log.entries()
        else:
            await self._log.begin()
            entries, self._began = (), True
        began = monotonic()
        if entries is None:
            metrics.POLLS.labels(metrics.EXPIRED).inc()
            for subscription in self._all:
                self._look_again(subscription)
        else:
            metrics.POLLS.labels(metrics.OK).inc()
            metrics.ENTRIES.inc(len(entries))
            for entry in entries:
                self._note(entry)
        await self._ask_sessions()
        await self._look_at_feeds()
        await self._look_around()
        if self._dirty:
            await self._tell()
            metrics.LAG_SECONDS.observe(monotonic() - began)

    def _note(self, entry: Any) -> None:
        """Mark what an entry of the log concerns."""
        if entry.kind == LEFT:  # all that is theirs is hidden, and nobody knows here whose what is
            for subscription in self._all:
                self.mark(subscription, subscription.sent)
        elif entry.kind in (SIGHT, ACCESS):
            for subscription in self._by_viewer.get(entry.owner, ()):
                self.mark(subscription, subscription.sent)
                if entry.kind == ACCESS:
                    self._doubt(subscription)
        else:
            kind, id_, owner = entry.kind, entry.id, entry.owner
            if kind == STORIES:
                self._authors.add(owner)
            topics: list[Hashable] = [(kind, id_), (kind, owner, id_)]
            if kind in (STORIES, CHAPTERS):  # what else hangs on a story, such as places in it, hides nothing
                topics.append(entry.aggregate)
            for topic in topics:
                for subscription, thing in self._by_topic.get(topic, ()):
                    self.mark(subscription, [thing])
            is_new = entry.version == 1 and not entry.gone
            for subscription, thing in self._by_topic.get((kind, owner), ()):
                is_one_more = is_new and subscription.batch.is_list
                self.mark(subscription, [Thing("", "", id_) if is_one_more else thing])

    def _look_again(self, subscription: Subscription) -> None:
        """Look at all that it watches, and whether its session still signs somebody in."""
        self.mark(subscription, subscription.sent)
        self._doubt(subscription)

    def _doubt(self, subscription: Subscription) -> None:
        if subscription.viewer.is_signed_in is not None:
            self._unsure[subscription] = None

    async def _ask_sessions(self) -> None:
        """End what a session that has ended had begun. Some at a time: a crowd that comes back would hold up all others."""
        some = list(islice(self._unsure, SESSIONS_AT_ONCE))
        for subscription in await self._in_thread(partial(_signed_out, some)) if some else ():
            self.end(subscription, Ending.SIGNED_OUT)
        for subscription in some:
            self._unsure.pop(subscription, None)

    async def _look_at_feeds(self) -> None:
        """Mark the feeds of those who follow who has written a story. One statement, whoever of them has published."""
        feeds, authors = self._by_topic.get(FEEDS), list(self._authors)
        if authors and feeds:
            viewers = list({subscription.viewer.id for subscription, _ in feeds})
            row = await self._database.fetch(FOLLOWERS, [as_text(authors), as_text(viewers)], Deadline(READ_SECONDS))
            found = {uuid.UUID(one) for one in (row[0] or b"").decode().split()} if row else set()
            for subscription, thing in feeds:
                if subscription.viewer.id in found:
                    self.mark(subscription, [thing])
        self._authors.clear()

    async def _look_around(self) -> None:
        """Hear who is there, if anybody asks."""
        if not self.presence.is_asked:
            return
        for story in await self.presence.exchange(self._database):
            for subscription, thing in self._by_topic.get((PRESENT, story), ()):
                self.mark(subscription, [thing])

    def look(self) -> None:
        """End what has expired. Called about every second."""
        now = monotonic()
        for subscription in list(self._all):
            ends_at = subscription.viewer.ends_at
            if ends_at is not None and now >= ends_at:
                self.end(subscription, Ending.SIGNED_OUT)

    # --- Telling ------------------------------------------------------------------------------------------------

    async def _tell(self) -> None:
        """Read what is dirty of those who have room, by one statement for all that share a batch."""
        batches: defaultdict[int, list[Asked]] = defaultdict(list)
        now = monotonic()
        for subscription in list(self._dirty):
            if subscription.outlet.is_ready and self._may(subscription, now):
                batches[id(subscription.batch)] += [Asked(subscription, thing) for thing in subscription.due()]
        for asked in batches.values():
            batch = asked[0].subscription.batch
            for start in range(0, len(asked), batch.most):
                part = [one for one in asked[start : start + batch.most] if not one.subscription.is_over]
                if part:
                    await self._read(batch, part)

    def _may(self, subscription: Subscription, now: float) -> bool:
        """Whether its sender has an allowance left; if not, it waits, as one who does not read."""
        a_minute = subscription.batch.a_minute
        if not a_minute:
            return True
        if now < subscription.waits_until:
            return False
        try:
            SPENDING.require(subscription.viewer.sender)
        except RateLimited as refusal:
            subscription.waits_until = now + refusal.after_ms / 1_000
            return False
        return True

    async def _read(self, batch: Batch, asked: Sequence[Asked]) -> None:
        """Read these things, each as its viewer may see it, and send what the client has not seen."""
        for subscription, thing in asked:  # what changes from here on is marked again
            self._clean(subscription, thing)
        try:
            row = await self._database.fetch(batch.statement, batch.bind(asked), Deadline(READ_SECONDS))
        except Refusal:
            self._mark_again(asked)
            raise
        except (DatabaseError, InterfaceError) as error:
            engine_metrics.FAULTS.inc()
            log.error("fault", exc_info=error, extra={"type": batch.field})
            for subscription, _ in asked:
                self.end(subscription, Ending.FAULT)
            return
        told = set()
        for part in (row[0] if row and row[0] else b"").split(PARTS):
            if part:
                number, state, printed = part.split(STATE, 2)
                at = int(number) - 1
                told.add(at)
                await self._send(asked[at], state, printed)
        for at, (subscription, _) in enumerate(asked):
            if at not in told:
                self.end(subscription, Ending.SIGNED_OUT)

    def _mark_again(self, asked: Sequence[Asked]) -> None:
        for subscription, thing in asked:
            if not subscription.is_over:
                self.mark(subscription, [thing])

    def _clean(self, subscription: Subscription, thing: Thing) -> None:
        subscription.dirty.discard(thing)
        if not subscription.dirty:
            self._dirty.pop(subscription, None)

    async def _send(self, asked: Asked, state: bytes, printed: bytes) -> None:
        subscription, thing = asked
        if subscription.is_over:
            return
        if not subscription.batch.differs(subscription.sent.get(thing), state):
            metrics.SKIPPED.inc()
            return
        if not subscription.outlet.is_ready:
            self.mark(subscription, [thing])
            return
        if thing in subscription.sent:
            subscription.sent[thing] = state
        else:  # a new one of its own: what is known of the rest may have changed with it
            subscription.sent = dict.fromkeys(subscription.sent)
        viewer = subscription.viewer
        if subscription.batch.a_minute:
            SPENDING.charge(viewer.sender, subscription.batch.cost, subscription.batch.a_minute)
        metrics.DELIVERIES.labels(subscription.batch.field).inc()
        await subscription.outlet.send(subscription.batch.payload(printed, str(viewer.id or "")))


def _signed_out(subscriptions: Iterable[Subscription]) -> list[Subscription]:
    """Those whose session signs nobody in any more."""
    asked = ((one, one.viewer.is_signed_in) for one in subscriptions)
    return [one for one, ask in asked if ask is not None and not ask()]


def _drop(index: dict[Any, set[Any]], key: Hashable, one: Any) -> None:
    found = index.get(key)
    if found is not None:
        found.discard(one)
        if not found:
            del index[key]
