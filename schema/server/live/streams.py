"""The streams of this process: the hub that tells them of changes, and what is done for all of them about every second."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from backend.engine.errors import Refusal, Unauthenticated
from backend.live import metrics
from backend.live.hub import Hub
from backend.live.places import Places
from backend.live.presence import Stay
from backend.live.subscriptions import Ending, Outlet, Subscription, Thing
from backend.live.tail import Tail
from backend.postgresql.reads import Reads, connection_parameters
from resolvers.access import DEAD_TOKEN
from schema.execution.errors import fault
from schema.execution.watching import Watching
from schema.server.live.opening import told_as_json

log = logging.getLogger("katha")

CONNECTIONS = 1
"""Connections to the database for all subscriptions of a process: they never wait for those of requests, nor these for them."""
LEASE_SECONDS = 5.0
"""How long somebody counts as present who subscribes over SSE by a proxy, which keeps a stream open whose client has vanished."""
GRACE_SECONDS = 4.0
"""How long they still do after that, until they have subscribed again."""
PRESENCE = "presence"
MARK_BYTES = 16 * 1024
"""A client that has not read more than this gets nothing more, until it has."""


class Stream(Protocol):
    """One connection that is open for live updates."""

    async def look(self, now: float) -> None:
        """Do what depends on time. Called about every second."""


class Streams:
    """Those of one process."""

    def __init__(self, in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]) -> None:
        self.reads = Reads(CONNECTIONS, connection_parameters(only_reads=False))  # the row of presence is written
        self.hub = Hub(self.reads, Tail(self.reads), in_thread)
        self.places = Places()
        self._open: dict[Stream, str] = {}
        self._stays: dict[Subscription, Stay] = {}

    def open(self, stream: Stream, transport: str) -> None:
        """A connection has become one for live updates."""
        self._open[stream] = transport
        metrics.STREAMS.labels(transport).inc()

    def close(self, stream: Stream) -> None:
        """It is closed."""
        transport = self._open.pop(stream, None)
        if transport is not None:
            metrics.STREAMS.labels(transport).dec()

    def subscribe(self, watching: Watching, outlet: Outlet) -> Subscription:
        """Begin to tell a client. Raises `RateLimited` if there are too many already."""
        viewer = watching.viewer
        self.places.take(viewer.id, viewer.address)
        subscription = Subscription(viewer, watching.many, outlet, dict(watching.seen), watching.topics)
        if watching.many.field == PRESENCE:
            (thing,) = watching.seen
            assert viewer.id is not None
            assert thing.key is not None
            self._stays[subscription] = self.hub.presence.arrive(viewer.id, thing.key, thing.owner)
        self.hub.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription, ending: Ending = Ending.LEFT) -> None:
        """Nobody listens any more. Called once for each that was begun, whoever has ended it."""
        self.hub.remove(subscription, ending)
        stay = self._stays.pop(subscription, None)
        if stay is not None:
            self.hub.presence.depart(stay, GRACE_SECONDS if ending is Ending.LEASE else 0.0)
        self.places.leave(subscription.viewer.id, subscription.viewer.address)

    async def look(self, now: float) -> None:
        """Do what depends on time."""
        self.hub.look()
        for stream in list(self._open):
            await stream.look(now)

    def stop(self) -> None:
        """The server stops: end all of them, so that their clients go elsewhere."""
        self.hub.stop()

    async def close_all(self) -> None:
        """Close the connections to the database."""
        await self.reads.close()

    def extra(self, thing: Thing) -> str | None:
        """What the server knows of a thing that the database does not: who has the story open."""
        return None if thing.key is None else self.hub.presence.people_of(thing.key)


def why(ending: Ending) -> bytes | None:
    """The execution result that tells a client why its subscription ends for good; None where it may ask again."""
    if ending is Ending.SIGNED_OUT:
        refusal: Refusal = Unauthenticated(DEAD_TOKEN)
        return told_as_json(refusal)
    if ending is Ending.FAULT:
        return told_as_json(fault(None))
    return None
