"""The sizes of the demo data: as asked for, with defaults in proportion and limits."""

from dataclasses import dataclass

from backend.people.demo import HANDLES

PEOPLE = 1_000
"""The default number of people: loads in seconds, and is enough to scroll through."""

MAX_CHAPTERS_PER_STORY = 50
"""The limit of the average, below the limit of a single story because lengths vary."""


@dataclass(frozen=True)
class Sizes:
    """The number of rows of each kind."""

    people: int
    stories: int
    chapters: int
    follows: int
    blocks: int
    views: int
    editions: int
    orders: int

    @classmethod
    def of(
        cls,
        *,
        people: int | None = None,
        stories: int | None = None,
        chapters: int | None = None,
        follows: int | None = None,
        blocks: int | None = None,
        views: int | None = None,
        editions: int | None = None,
        orders: int | None = None,
    ) -> "Sizes":
        """The given sizes, with proportional defaults for the others. Raises ValueError for impossible sizes."""
        people = _within("people", people, PEOPLE, minimum=len(HANDLES), maximum=10_000_000)
        stories = _within("stories", stories, 2 * people, maximum=10_000_000)
        pairs = people * (people - 1) // 2
        among_named = len(HANDLES) * (len(HANDLES) - 1) // 2
        editions = _within("editions", editions, stories // 5, maximum=10 * stories)
        return cls(
            people=people,
            stories=stories,
            chapters=_within("chapters", chapters, 3 * stories, maximum=MAX_CHAPTERS_PER_STORY * stories),
            follows=_within("follows", follows, 20 * people, maximum=pairs // 2),
            blocks=_within("blocks", blocks, people // 20, maximum=(pairs - among_named) // 4),
            views=_within("views", views, 5 * stories, maximum=stories * people),
            editions=editions,
            orders=_within("orders", orders, 4 * editions, maximum=1_000 * editions),
        )


def _within(what: str, asked: int | None, usual: int, *, minimum: int = 0, maximum: int) -> int:
    if asked is None:
        return min(usual, maximum)
    if not minimum <= asked <= maximum:
        raise ValueError(f"--{what} {asked}: with the other numbers as they are, it can be {minimum} to {maximum}.")
    return asked
