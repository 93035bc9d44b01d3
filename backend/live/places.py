"""How many subscriptions run in this process, for each person, each address and in all, and the most that may."""

from collections import Counter
from collections.abc import Hashable

from django.conf import settings

from backend.engine import metrics
from backend.engine.errors import RateLimited

LIMIT = "subscriptions"
AFTER_MS = 5_000
FULL = "This server has as many subscriptions as it can serve. Ask again later."
MANY = "You have as many subscriptions as one may have at a time: {}. Close one, or watch more things with one."


class Places:
    """The places of this process."""

    def __init__(self) -> None:
        self._taken: Counter[Hashable] = Counter()
        self.total = 0

    def take(self, person: Hashable | None, address: str) -> None:
        """Take one. Raises `RateLimited` if there is none."""
        if self.total >= settings.SUBSCRIPTIONS:
            raise _refusal(FULL)
        for who, most in _limits(person, address):
            if self._taken[who] >= most:
                raise _refusal(MANY.format(most))
        self.total += 1
        for who, _ in _limits(person, address):
            self._taken[who] += 1

    def leave(self, person: Hashable | None, address: str) -> None:
        """Give it back."""
        self.total -= 1
        for who, _ in _limits(person, address):
            self._taken[who] -= 1
            if not self._taken[who]:
                del self._taken[who]


def _limits(person: Hashable | None, address: str) -> list[tuple[Hashable, int]]:
    of_address = ("address", address), settings.SUBSCRIPTIONS_BY_ADDRESS
    return [of_address] if person is None else [(("person", person), settings.SUBSCRIPTIONS_BY_PERSON), of_address]


def _refusal(message: str) -> RateLimited:
    metrics.LIMITED.labels(LIMIT).inc()
    return RateLimited(LIMIT, message, after_ms=AFTER_MS)
