"""Blocks and co-authors: nobody comes to write the story of somebody whom they block or who blocks them, and a block ends it.

The row of a pair is locked before the stories of the two. So of a block and an invitation that is made or accepted at the same
moment one comes first: the block ends what has come about, or what comes after the block is refused.
"""

import uuid
from collections.abc import Iterable

from backend.engine.declarations import query
from backend.engine.statements import Declared, Result, compiled
from backend.social.pairs import Pair, meet

HOLD = """
SELECT pair.low_blocks_at IS NOT NULL OR pair.high_blocks_at IS NOT NULL
FROM social_relationship AS pair JOIN unnest(%(lows)s, %(highs)s) AS of (low, high)
    ON pair.low_id = of.low AND pair.high_id = of.high
ORDER BY pair.id FOR SHARE OF pair
"""

PART = """
WITH theirs AS (
    SELECT story.id, coauthor.person_id FROM coauthors_coauthor AS coauthor
    JOIN stories_story AS story ON story.id = coauthor.story_id
    WHERE (coauthor.person_id = %(one)s AND story.author_id = %(other)s)
       OR (coauthor.person_id = %(other)s AND story.author_id = %(one)s)
    ORDER BY story.id FOR NO KEY UPDATE OF story
)
UPDATE stories_story AS story SET writers = array_remove(story.writers, theirs.person_id),
    managers = array_remove(story.managers, theirs.person_id),
    version = story.version + 1, coauthors_changed = story.version + 1, updated_at = statement_timestamp()
FROM theirs WHERE story.id = theirs.id
"""
"""SQL: neither writes the stories of the other any more."""

WITHDRAW = """
WITH open AS (
    SELECT invitation.id FROM coauthors_invitation AS invitation
    JOIN stories_story AS story ON story.id = invitation.story_id
    WHERE invitation.status = 'PENDING' AND (
        (invitation.person_id = %(one)s AND %(other)s IN (story.author_id, invitation.invited_by_id))
        OR (invitation.person_id = %(other)s AND %(one)s IN (story.author_id, invitation.invited_by_id))
    )
    ORDER BY invitation.id FOR NO KEY UPDATE OF invitation
)
UPDATE coauthors_invitation AS invitation SET status = 'WITHDRAWN', version = invitation.version + 1,
    status_changed = invitation.version + 1, updated_at = statement_timestamp()
FROM open WHERE invitation.id = open.id
"""
"""SQL: what one of the two has invited the other to, or may accept of them, is withdrawn."""


def hold_pairs(person: uuid.UUID, others: Iterable[uuid.UUID]) -> "Held":
    """Lock the pairs of a person with these others, so that no block comes between them until the unit of work ends."""
    pairs = [Pair.of(one, person) for one in sorted(set(others) - {person})]
    for pair in pairs:
        meet(pair)
    return Held(_hold(lows=[pair.key["low_id"] for pair in pairs], highs=[pair.key["high_id"] for pair in pairs]))


class Held:
    """Pairs that are locked. To look at them sends the query."""

    def __init__(self, asked: Result[tuple[bool]]) -> None:
        self._asked = asked

    @property
    def are_apart(self) -> bool:
        """Whether in one of them one blocks the other."""
        return any(is_apart for (is_apart,) in self._asked.rows)


@compiled
def _hold(*, lows: list[uuid.UUID], highs: list[uuid.UUID]) -> Declared[tuple[bool]]:
    return query(HOLD, lows=lows, highs=highs)


def part(one: uuid.UUID, other: uuid.UUID) -> None:
    """End what the two write together, and the invitations between them. Their pair is locked, and one blocks the other."""
    _part(one=one, other=other)
    _withdraw(one=one, other=other)


@compiled
def _part(*, one: uuid.UUID, other: uuid.UUID) -> Declared[tuple[()]]:
    return query(PART, one=one, other=other)


@compiled
def _withdraw(*, one: uuid.UUID, other: uuid.UUID) -> Declared[tuple[()]]:
    return query(WITHDRAW, one=one, other=other)
