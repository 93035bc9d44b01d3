"""Chance that is the same for the same seed, with the ids and moments that come from it."""

import random
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from backend.engine.ids import uuid7_of

JOINING = datetime(2024, 1, 1, tzinfo=UTC)
"""People join during 2024 …"""

LIVING = datetime(2025, 1, 1, tzinfo=UTC)
"""… and write, read, follow and block during 2025, so nobody does anything before they are there."""

END = datetime(2026, 1, 1, tzinfo=UTC)

DRAWS = 4_096
"""Weighted draws are made this many at a time, because one call for each is slow."""


class Chance(random.Random):
    """A source of chance for one part of the data: another size of one part leaves the others as they are."""

    def __init__(self, seed: int, part: str) -> None:
        super().__init__(f"{seed} {part}")

    def moment(self, start: datetime, end: datetime) -> datetime:
        """A second from `start` to just before `end`."""
        return start + timedelta(seconds=self.randrange(int((end - start).total_seconds())))

    def id(self, at: datetime) -> uuid.UUID:
        """A UUIDv7 of that moment, as `engine.ids.uuid7` would have made it then."""
        return uuid7_of(int(at.timestamp() * 1_000), self.getrandbits(74))

    def ranks(self, count: int, skew: float) -> Iterator[int]:
        """Numbers below `count` without end, number n with weight 1/(n + 1)^skew: a few come up most of the time."""
        weights = list(accumulate((rank + 1) ** -skew for rank in range(count)))
        while True:
            yield from self.choices(range(count), cum_weights=weights, k=DRAWS)

    def one(self, of: Sequence[str]) -> str:
        """One of these words."""
        return of[int(self.random() * len(of))]
