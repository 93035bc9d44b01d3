"""Demo notifications: the newest stories by people whom the reader followed at their publication."""

import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from backend.demo.chance import Chance
from backend.demo.follows import Ties
from backend.demo.stories import Tale

MAX_EACH = 3
"""The maximum number for each person."""
READ = 0.5


@dataclass(frozen=True, slots=True)
class Told:
    """A notification of a follower about a story, and when it was read, if it was."""

    id: uuid.UUID
    person: int
    tale: int
    at: datetime
    read_at: datetime | None

    @property
    def version(self) -> int:
        """1 when created, 2 when read."""
        return 1 if self.read_at is None else 2


def told(seed: int, tales: list[Tale], ties: Ties) -> list[Told]:
    """All notifications, deterministic by seed and sizes."""
    return sorted(_told(Chance(seed, "notifications"), tales, ties), key=lambda one: one.id)


def _told(chance: Chance, tales: list[Tale], ties: Ties) -> Iterator[Told]:
    newest: dict[int, tuple[datetime, int]] = {}
    for number, tale in enumerate(tales):
        if tale.published_at is not None and (tale.author not in newest or newest[tale.author][0] < tale.published_at):
            newest[tale.author] = (tale.published_at, number)
    each: defaultdict[int, int] = defaultdict(int)
    for (follower, author), since in ties.follows.items():
        published_at, number = newest.get(author, (since, -1))
        if since < published_at and each[follower] < MAX_EACH:
            each[follower] += 1
            at = published_at + timedelta(seconds=1)
            read_at = at + timedelta(hours=1) if chance.random() < READ else None
            yield Told(chance.id(at), follower, number, at, read_at)
