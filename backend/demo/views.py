"""Demo views: a few stories have most of the readers, and authors' own views do not count."""

from datetime import datetime, timedelta

from backend.demo.chance import END, Chance
from backend.demo.follows import Pair, Ties
from backend.demo.sizes import Sizes
from backend.demo.stories import Tale

STORY_SKEW = 0.7
DAYS_OF_INTEREST = 20
"""The average number of days between publication and a view."""


Visits = dict[Pair, list[datetime]]
"""The times, at most one a day, at which a reader opened a story; by the indexes of story and reader."""


def visits(seed: int, sizes: Sizes, tales: list[Tale], ties: Ties) -> Visits:
    """All views."""
    chance = Chance(seed, "views")
    shown = [number for number, tale in enumerate(tales) if tale.published_at]
    chance.shuffle(shown)
    ranks = chance.ranks(len(shown), STORY_SKEW)
    made: Visits = {}
    count = 0
    while count < sizes.views:
        number, reader = shown[next(ranks)], chance.randrange(sizes.people)
        author = tales[number].author
        if reader == author or ties.apart(reader, author):
            continue
        at = _moment(chance, tales[number])
        moments = made.setdefault((number, reader), [])
        if at.date() not in {moment.date() for moment in moments}:
            moments.append(at)
            count += 1
    return {pair: sorted(moments) for pair, moments in sorted(made.items())}


def _moment(chance: Chance, tale: Tale) -> datetime:
    assert tale.published_at is not None
    first = tale.published_at.replace(hour=0, minute=0, second=0) + timedelta(days=1)
    day = int(chance.expovariate(1 / DAYS_OF_INTEREST)) % (END - first).days
    return first + timedelta(days=day, seconds=chance.randrange(24 * 3600))
