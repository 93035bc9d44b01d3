"""Demo stories: a few authors write most of them, and each named person has some."""

import uuid
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from backend.demo.chance import LIVING, Chance
from backend.demo.people import BILAL, NAMED, Someone
from backend.demo.sizes import Sizes
from backend.demo.words import summary, title
from backend.stories.models import ContentWarning

LAST = datetime(2025, 12, 1, tzinfo=LIVING.tzinfo)
"""The latest date at which a story begins, so that it can have readers before 2026."""

LONGEST_DRAFT = timedelta(days=7)
PUBLISHED = 0.85
MATURE = 0.08
WARNED = 0.05
"""The share of stories with warnings among those not for adults; all stories for adults have warnings."""

MAX_WARNINGS = 3
AUTHOR_SKEW = 0.6
FIRST_AUTHORS = (BILAL, BILAL, BILAL, *NAMED)
"""The authors of the first stories, which are always published."""


@dataclass(frozen=True, slots=True)
class Tale:
    """A demo story. `author` is the index of a person."""

    id: uuid.UUID
    author: int
    title: str
    summary: str
    mature: bool
    created_at: datetime
    published_at: datetime | None
    chapters: tuple[uuid.UUID, ...]
    warnings: tuple[str, ...] = ()
    writers: tuple[int, ...] = ()
    """The indexes of its co-authors, each of whom was invited and has accepted before it was published."""
    managers: tuple[int, ...] = ()
    """Those of them with the right MANAGE."""
    invited: int | None = None
    """Who was invited then too, and has not answered."""

    @property
    def shared_version(self) -> int:
        """The version after all of them were invited, and the co-authors have accepted."""
        return 1 + 2 * len(self.writers) + (self.invited is not None)

    @property
    def version(self) -> int:
        """One more when it is published."""
        return self.shared_version + (self.published_at is not None)

    @property
    def changed_at(self) -> datetime:
        """When the last write to it happened."""
        return self.published_at or self.created_at


def stories(seed: int, sizes: Sizes) -> list[Tale]:
    """All stories, in the order of creation."""
    chance = Chance(seed, "stories")
    authors = chance.ranks(sizes.people, AUTHOR_SKEW)
    lengths = _lengths(chance, sizes)
    made = []
    for number in range(sizes.stories):
        first = number < len(FIRST_AUTHORS)
        author = FIRST_AUTHORS[number] if first else next(authors)
        made.append(_tale(chance, author, lengths[number], published=first or chance.random() < PUBLISHED))
    return _warned(seed, sorted(made, key=lambda tale: tale.id))


def _warned(seed: int, tales: list[Tale]) -> list[Tale]:
    """Add content warnings, with a separate random generator."""
    chance = Chance(seed, "warnings")
    return [replace(tale, warnings=_warnings(chance, tale)) for tale in tales]


def _warnings(chance: Chance, tale: Tale) -> tuple[str, ...]:
    if not tale.mature and chance.random() >= WARNED:
        return ()
    count = chance.randint(1, MAX_WARNINGS) if tale.mature else 1
    return tuple(sorted(chance.sample(ContentWarning.values, count)))


def favourites(tales: list[Tale], count: int) -> list[int]:
    """The indexes of the authors who published most."""
    return [author for author, _count in Counter(t.author for t in tales if t.published_at).most_common(count)]


def hero(tale: Tale, people: list[Someone]) -> str:
    """The first name of the hero, the same in each chapter."""
    return people[tale.id.int % len(people)].name.split()[0]


def _lengths(chance: Chance, sizes: Sizes) -> list[int]:
    """The number of chapters of each story: at least one each if there are enough, the others at random."""
    lengths = [int(number < sizes.chapters) for number in range(sizes.stories)]
    for number in chance.choices(range(sizes.stories), k=max(0, sizes.chapters - sizes.stories)) if lengths else ():
        lengths[number] += 1
    return lengths


def _tale(chance: Chance, author: int, length: int, *, published: bool) -> Tale:
    created_at = chance.moment(LIVING, LAST)
    return Tale(
        id=chance.id(created_at),
        author=author,
        title=title(chance),
        summary=summary(chance),
        mature=chance.random() < MATURE,
        created_at=created_at,
        published_at=chance.moment(created_at, created_at + LONGEST_DRAFT) if published else None,
        chapters=tuple(chance.id(created_at) for _ in range(length)),
    )
