"""Admission: who is served now, who waits, for how long, and who is told when to come back.

A process serves few requests at a time, each in a slot of a lane. Who finds none free waits in the lane's queue, first come
first served, if the queue moves fast enough to serve it before its deadline. Otherwise it is refused at once, and told when there
will be room: the more have been told so, the later, so that a crowd comes back spread over time.

lane        slots            who takes one
requests    THREADS          every GraphQL request, in the event loop or in a thread
mutations   THREADS          a mutation while it is executed, in a fiber, instead of a slot above: it may wait for a lock
expensive   half of THREADS  what costs EXPENSIVE_QUERY_COST or more, or has a long document; besides a slot for requests
hashing     HASHES_AT_ONCE   a mutation that hashes a password, instead of a slot for requests
pages       PAGES_AT_ONCE    Django's pages, but for /healthz, which takes none

Request bodies share a budget of MAX_BODY_MEMORY bytes. All of this belongs to the event loop's thread, so it needs no locks.
"""

import asyncio
import random
from collections import deque
from dataclasses import dataclass
from time import monotonic

from django.conf import settings

from backend.engine.errors import Busy, after_busy_ms

REQUESTS, MUTATIONS, EXPENSIVE, HASHING, PAGES = "requests", "mutations", "expensive", "hashing", "pages"
"""The names of the lanes."""
NO_SLOT = "The server had no time for this. Nothing was written. Send the same request again."
NO_MEMORY = "Too many large requests are arriving. Wait, then send the same again."

FIRST_GUESS_SECONDS, FIRST_GUESS_OF_HASHING_SECONDS = 0.005, 0.05
"""How long the queue of an unused lane is taken to wait for each slot that is left."""
WEIGHT = 0.1
"""The weight of the newest interval between two slots in their mean."""
SOONEST_MS, LATEST_MS = 50, 30_000
"""The range of what a client is told to wait."""
JITTER = 0.1
"""Added at random, as a part of the wait: processes do not know what the others have told."""
SMALL = 16 * 1024
"""Bodies up to so many bytes do not count against the budget."""


class NoSlot(Busy):
    """There is no slot in time: nothing has begun."""

    event, log_level = Busy.event, Busy.log_level


@dataclass(eq=False)
class _Waiter:
    """A request in a queue."""

    admitted: "asyncio.Future[None]"
    until: float


class Lane:
    """A number of slots, and the queue of those who wait for one."""

    def __init__(self, name: str, slots: int, *, interval: float = FIRST_GUESS_SECONDS) -> None:
        self.name = name
        self._free = slots
        self._queue: deque[_Waiter] = deque()
        self._interval = interval
        """The mean time between two slots that are left while somebody waits, in seconds."""
        self._moved = 0.0
        """When the queue last moved, or began."""
        self._promised = 0.0
        """When the last of those who were refused has been told to come back."""

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._queue)

    async def enter(self, until: float) -> None:
        """Take a slot, now or when one is left. Raises `NoSlot` if that will not be before `until` (monotonic seconds)."""
        if self._free:
            self._free -= 1
            return
        now = monotonic()
        if not self._queue:
            self._moved = now
        if now + self._wait(now, self.waiting + 1) >= until:
            raise self._refusal(now)
        await self._admitted(until)

    def leave(self) -> None:
        """Leave the slot to who has waited longest. Refuses those at the end of the queue that has become too slow for them."""
        if not self._queue:
            self._free += 1
            return
        now = monotonic()
        self._interval += (now - self._moved - self._interval) * WEIGHT
        self._moved = now
        if not self._admit_next():
            self._free += 1
        while self._queue and now + self._wait(now, self.waiting) >= self._queue[-1].until:
            self._refuse(self._queue.pop())

    def _admit_next(self) -> bool:
        while self._queue:
            admitted = self._queue.popleft().admitted
            if not admitted.done():  # its client may just have left
                admitted.set_result(None)
                return True
        return False

    async def _admitted(self, until: float) -> None:
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.create_future(), until)
        self._queue.append(waiter)
        too_late = loop.call_later(until - monotonic(), self._give_up, waiter)
        try:
            await waiter.admitted
        except asyncio.CancelledError:  # its client has left
            if waiter in self._queue:
                self._queue.remove(waiter)
            elif waiter.admitted.done() and not waiter.admitted.cancelled() and waiter.admitted.exception() is None:
                self.leave()
            raise
        finally:
            too_late.cancel()

    def _give_up(self, waiter: _Waiter) -> None:
        """Its time is up while it waits."""
        if waiter in self._queue:
            self._queue.remove(waiter)
            self._refuse(waiter)

    def _refuse(self, waiter: _Waiter) -> None:
        if not waiter.admitted.done():
            waiter.admitted.set_exception(self._refusal(monotonic()))

    def _wait(self, now: float, place: int) -> float:
        """How many seconds the request at this place of the queue is going to wait. A queue that stands may go on to."""
        return max(place * self._interval, now - self._moved)

    def _refusal(self, now: float) -> NoSlot:
        """Says when there will be room: after all who wait, and all who were told so before."""
        latest = now + LATEST_MS / 1_000
        self._promised = min(max(now + self._wait(now, self.waiting), self._promised) + self._interval, latest)
        after_ms = max(SOONEST_MS, round(1_000 * (self._promised - now)))
        return NoSlot(NO_SLOT, after_ms=after_ms + random.randint(0, round(after_ms * JITTER)), cause=self.name)


class Admission:
    """The lanes of a process, and its budget."""

    def __init__(self) -> None:
        slots = {
            REQUESTS: settings.THREADS,
            MUTATIONS: settings.THREADS,
            EXPENSIVE: max(1, settings.THREADS // 2),
            PAGES: settings.PAGES_AT_ONCE,
        }
        self._lanes = {name: Lane(name, number) for name, number in slots.items()}
        self._lanes[HASHING] = Lane(HASHING, settings.HASHES_AT_ONCE, interval=FIRST_GUESS_OF_HASHING_SECONDS)
        self.bodies = Budget(settings.MAX_BODY_MEMORY)

    def lanes(self, name: str) -> tuple[Lane, ...]:
        """The lanes in which a request for this one takes a slot, in order."""
        lane = self._lanes[name]
        return (lane, self._lanes[REQUESTS]) if name == EXPENSIVE else (lane,)


class Budget:
    """The memory in bytes that the bodies of all requests may take together."""

    def __init__(self, limit: int) -> None:
        self.free = limit


class Share:
    """One request's share of the budget, held until the request is answered."""

    def __init__(self, budget: Budget) -> None:
        self._budget, self._taken = budget, 0

    def hold(self, size: int) -> None:
        """Reserve memory for a body that has grown to this size. Raises `Busy` if the budget is used up."""
        more = max(size - SMALL, 0) - self._taken
        if more > self._budget.free:
            raise Busy(NO_MEMORY, after_ms=after_busy_ms(lasted=1.0), cause="bodies")
        self._budget.free -= more
        self._taken += more

    def release(self) -> None:
        """Give it back."""
        self._budget.free += self._taken
        self._taken = 0
