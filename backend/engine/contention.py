"""Says how long a client that lost had better wait: longer, the more others lost on the same thing lately."""

import math
import random
import threading
import time
from collections import OrderedDict
from collections.abc import Hashable

WINDOW_SECONDS = 5.0
STEP_MS = 25
MOST_MS = 2_000
MOST_THINGS = 10_000


class Contention:
    """Conflicts of the last few seconds by thing, kept in this process, at most `MOST_THINGS` of them.

    Each worker process counts what it saw itself. That is enough: it is advice, not a rule, and requests
    for a thing spread evenly over the workers.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def note(self, thing: Hashable, *, now: float | None = None) -> float:
        """Count one more conflict on `thing`; returns its recent conflicts, decayed to half each window."""
        now = time.monotonic() if now is None else now
        with self._lock:
            count, seen = self._recent.pop(thing, (0.0, now))
            count = 1.0 + count * math.pow(0.5, (now - seen) / WINDOW_SECONDS)
            self._recent[thing] = (count, now)
            while len(self._recent) > MOST_THINGS:
                self._recent.popitem(last=False)
        return count


_contention = Contention()


def after_conflict_ms(thing: Hashable) -> int:
    """Advice for the loser of a race on `thing`, in milliseconds.

    Grows with recent contention, because a retry storm grows with the square of the writers; half of it is
    chance, so that those who lost together do not come back together.
    """
    most = min(MOST_MS, STEP_MS * _contention.note(thing))
    return round(random.uniform(most / 2, most))


def after_busy_ms() -> int:
    """Advice for a write that the database could not serve, in milliseconds."""
    return random.randint(50, 250)
