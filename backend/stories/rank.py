"""The order of the most read stories: an indexed copy of view counts, kept up to date.

Views are counted in slots, so that readers of one story do not wait for each other. A story's rank is one row with the sum of
its slots, written last in the unit of work:

- The first views of a story are each counted in the row too. So the order of stories with few views is exact.
- Later only every sixteenth view of a slot updates the sum. So the order is approximate: at most fifteen views of each slot
  and those in progress are missing; and a popular story has no row that all readers wait for.

A rank is never above the total, and views never lower it. It falls when a reader leaves and their views are deleted.
"""

import uuid

from backend.engine.declarations import query
from backend.engine.statements import Declared, compiled

SMALL = 128
"""The first so many views of a story each update the row."""

EVERY = 16

FEW = f"SELECT story_id FROM raised WHERE before < {SMALL}"
LOCKED = f"""
    SELECT rank.story_id FROM ({FEW}) AS few JOIN stories_storyrank AS rank ON rank.story_id = few.story_id
    ORDER BY rank.story_id FOR NO KEY UPDATE OF rank
"""


def counted(*, one: bool) -> str:
    """SQL: count a view of each story in its row while views are few. Must be the last write of its unit of work.

    `raised` are the stories whose slots were raised, and the views that each had `before`. Rows are locked in their order, unless
    there is no more than one.
    """
    return (
        f"UPDATE stories_storyrank AS rank SET views = rank.views + 1 FROM ({FEW if one else LOCKED}) AS few "
        "WHERE rank.story_id = few.story_id"
    )


def publish(story_id: uuid.UUID) -> None:
    """Insert the rank of a story that is published; one that was published before still has its rank."""
    _make(story=story_id)


@compiled
def _make(*, story: uuid.UUID) -> Declared[tuple[()]]:
    return query(
        "INSERT INTO stories_storyrank (story_id, views) VALUES (%(story)s, 0) ON CONFLICT (story_id) DO NOTHING",
        story=story,
    )


def raised(story_id: uuid.UUID, in_slot: int, before: int) -> None:
    """Update the rank after a view was counted in a slot, which is now `in_slot`; the story had `before` views. Must be the last
    write of its unit of work.
    """
    if before >= SMALL and in_slot % EVERY == 0:
        _hold(story=story_id)
        _sum_up("GREATEST", story=story_id)


def lowered(story_id: uuid.UUID) -> None:
    """Update the rank after views were subtracted from a story's total."""
    _hold(story=story_id)
    _sum_up("LEAST", story=story_id)


@compiled
def _hold(*, story: uuid.UUID) -> Declared[tuple[()]]:
    """Locks the row in a statement before the sum, so that the sum cannot include views that were deleted meanwhile."""
    return query("SELECT FROM stories_storyrank WHERE story_id = %(story)s FOR NO KEY UPDATE", story=story)


@compiled
def _sum_up(which: str, *, story: uuid.UUID) -> Declared[tuple[()]]:
    """Of two concurrent ones the second waits, and keeps the greater, or the lesser, sum."""
    return query(
        f"""
UPDATE stories_storyrank AS rank SET views = {which}(rank.views, tally.total)
FROM (
    SELECT coalesce(sum(count), 0) AS total FROM stories_storytally WHERE subject_id = %(story)s AND kind = 'views'
) AS tally
WHERE rank.story_id = %(story)s
""",
        story=story,
    )
