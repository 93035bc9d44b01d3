"""Seeded random numbers, with ids and timestamps made from them."""

import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from backend.engine.ids import uuid7_of

JOINING = datetime(2024, 1, 1, tzinfo=UTC)
"""The year in which people join."""

LIVING = datetime(2025, 1, 1, tzinfo=UTC)
"""The year in which people write, read, follow and block, so that nobody acts before they join."""

END = datetime(2026, 1, 1, tzinfo=UTC)

DRAWS = 4_096
"""The batch size of weighted draws, because a call for each is slow."""


class Chance(random.Random):
    """A random generator for one part of the data, so that the size of one part does not change the others."""

    def __init__(self, seed: int, part: str) -> None:
        super().__init__(f"{seed} {part}")

    def moment(self, start: datetime, end: datetime) -> datetime:
        """A random time from `start` to just before `end`, in whole seconds."""
        return start + timedelta(seconds=self.randrange(int((end - start).total_seconds())))

    def id(self, at: datetime) -> uuid.UUID:
        """A UUIDv7 with that timestamp."""
        return uuid7_of(int(at.timestamp() * 1_000), self.getrandbits(74))

    def ranks(self, count: int, skew: float) -> Iterator[int]:
        """An endless sequence of numbers below `count`; number n has the weight 1/(n + 1)^skew (Zipf's law)."""
        weights = list(accumulate((rank + 1) ** -skew for rank in range(count)))
        while True:
            yield from self.choices(range(count), cum_weights=weights, k=DRAWS)

    def one(self, of: Sequence[str]) -> str:
        """One of these words."""
        return of[int(self.random() * len(of))]
