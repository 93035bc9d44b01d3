"""Demo follows and blocks: a few people have most of the followers, and no follow crosses a block."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from backend.demo.chance import END, LIVING, Chance
from backend.demo.people import ASHA, BILAL, NAMED, Someone
from backend.demo.sizes import Sizes

FOLLOWER_SKEW, FOLLOWING_SKEW = 0.8, 0.3
"""Of 10 000 people with 200 000 follows, the most popular have thousands of followers and most have a handful."""

MUTUAL = 0.2
FRIENDS_TURNED = 0.5
FEED = 30

Pair = tuple[int, int]
"""The indexes of the person who acts and of the other."""


@dataclass(slots=True)
class Side:
    """One side of a pair with its stamps; see `social.models.Relationship`."""

    updated_at: datetime
    follows_at: datetime | None = None
    blocks_at: datetime | None = None
    version: int = 0
    following_changed: int = 0
    followed_changed: int = 0
    blocking_changed: int = 0

    def write(self, at: datetime, *groups: str) -> None:
        """Raise the version and stamp the groups."""
        self.version += 1
        self.updated_at = at
        for group in groups:
            setattr(self, f"{group}_changed", self.version)


@dataclass
class Ties:
    """All follows and blocks, with their times."""

    follows: dict[Pair, datetime] = field(default_factory=dict)
    blocks: dict[Pair, datetime] = field(default_factory=dict)
    ended: dict[Pair, datetime] = field(default_factory=dict)
    """Follows that a block has ended."""

    def apart(self, one: int, other: int) -> bool:
        """Whether either blocks the other."""
        return (one, other) in self.blocks or (other, one) in self.blocks

    def may_follow(self, one: int, other: int) -> bool:
        """Whether the follow would be new and allowed. Asha follows no other named people, which the examples rely on."""
        left_for_the_examples = (other == ASHA and one in NAMED) or (one, other) == (ASHA, BILAL)
        return (
            one != other
            and (one, other) not in self.follows
            and not self.apart(one, other)
            and not left_for_the_examples
        )


def ties(seed: int, sizes: Sizes, favourites: list[int]) -> Ties:
    """All follows and blocks. Asha follows the `favourites`, so that her feed is full."""
    chance = Chance(seed, "ties")
    made = Ties()
    of_asha = [(ASHA, author) for author in favourites if made.may_follow(ASHA, author)]
    for pair in of_asha[: min(FEED, sizes.follows)]:
        made.follows[pair] = chance.moment(LIVING, END)
    _block(chance, sizes, made)
    _follow(chance, sizes, made)
    return made


def _block(chance: Chance, sizes: Sizes, made: Ties) -> None:
    while len(made.blocks) < sizes.blocks:
        pair = one, other = chance.randrange(sizes.people), chance.randrange(sizes.people)
        known = pair in made.follows or (other, one) in made.follows or made.apart(one, other)
        if one == other or known or (one in NAMED and other in NAMED):
            continue
        made.blocks[pair] = at = chance.moment(LIVING + timedelta(days=1), END)
        if chance.random() < FRIENDS_TURNED:
            made.ended[(other, one)] = chance.moment(LIVING, at)


def _follow(chance: Chance, sizes: Sizes, made: Ties) -> None:
    followers = chance.ranks(sizes.people, FOLLOWING_SKEW)
    followees = chance.ranks(sizes.people, FOLLOWER_SKEW)
    while len(made.follows) < sizes.follows:
        # Named people follow few others, so that their feeds do not contain everything.
        one, other = (next(followers) + len(NAMED)) % sizes.people, next(followees)
        if not made.may_follow(one, other):
            continue
        made.follows[one, other] = chance.moment(LIVING, END)
        back = other not in NAMED and made.may_follow(other, one) and chance.random() < MUTUAL
        if back and len(made.follows) < sizes.follows:
            made.follows[other, one] = chance.moment(LIVING, END)


Met = dict[Pair, list[tuple[datetime, int, bool]]]
"""For each pair, lower id first: the time, the actor, and whether it was a block."""


def met(made: Ties, people: list[Someone]) -> Met:
    """All follows and blocks of each pair, in the order of time."""
    pairs: Met = {}
    for blocking, events in ((False, made.ended), (False, made.follows), (True, made.blocks)):
        for (one, other), at in events.items():
            pair = (one, other) if people[one].id < people[other].id else (other, one)
            pairs.setdefault(pair, []).append((at, one, blocking))
    return {pair: sorted(history) for pair, history in pairs.items()}


def sides(pair: Pair, history: list[tuple[datetime, int, bool]]) -> tuple[Side, Side]:
    """Both sides of a pair, as the actions of `social` would have written them."""
    first = history[0][0]
    both = low, high = Side(updated_at=first), Side(updated_at=first)
    for at, one, blocking in history:
        mine, theirs = both if one == pair[0] else (high, low)
        (_block_side if blocking else _follow_side)(at, mine, theirs)
    return both


def _follow_side(at: datetime, mine: Side, theirs: Side) -> None:
    mine.follows_at = at
    mine.write(at, "following")
    theirs.write(at, "followed")


def _block_side(at: datetime, mine: Side, theirs: Side) -> None:
    mine.blocks_at = at
    ends = theirs.follows_at is not None
    theirs.follows_at = None
    mine.write(at, "blocking", *["followed"] * ends)
    if ends:
        theirs.write(at, "following")
