"""Where stories stand among the most read: an order that an index can give, kept up with totals that no index can.

Views are counted in slots, so that readers of one story do not wait for each other. A story's rank is one row, written
last of all, with what the slots sum up to:

- As long as every slot is small, each view is also counted in the row. So few views are in order exactly, at once.
- Later only every sixteenth view of a slot sums all of them up. So many views are in order nearly: at most fifteen
  views of each slot are missing, and those under way; and a story that everybody reads at once has no row that
  everybody waits for.

A rank is never above the total, and views never lower it. It falls when views are taken away, with a reader who leaves.
"""

import uuid

from django.db import connection

from backend.engine.versions import require_transaction

SMALL = 8
"""Up to so many views of a slot, the row counts each of them: some hundred of a story."""

EVERY = 16

MAKE = "INSERT INTO stories_storyrank (story_id, views) VALUES (%s, 0) ON CONFLICT (story_id) DO NOTHING"

COUNT = "UPDATE stories_storyrank SET views = views + 1 WHERE story_id = %s"

HOLD = "SELECT FROM stories_storyrank WHERE story_id = %s FOR NO KEY UPDATE"
"""Before the slots are summed up, by a statement of its own: so that the sum is not of before views were taken away."""

SUM_UP = """
UPDATE stories_storyrank AS rank SET views = GREATEST(rank.views, tally.total)
FROM (SELECT sum(count) AS total FROM stories_storytally WHERE subject_id = %s AND kind = 'views') AS tally
WHERE rank.story_id = %s
"""
"""Two at once: the second waits, and keeps the first one's sum where that is greater."""


def publish(story_id: uuid.UUID) -> None:
    """Give a story its place when it is published; one that had been published before has kept its own."""
    _execute(MAKE, [story_id])


def raised(story_id: uuid.UUID, count: int) -> None:
    """A view has been counted in a slot, which now holds `count`: let the rank follow. The last write of its unit."""
    if count <= SMALL:
        _execute(COUNT, [story_id])
    elif count % EVERY == 0:
        _execute(HOLD, [story_id])
        _execute(SUM_UP, [story_id, story_id])


LOWER = """
UPDATE stories_storyrank AS rank SET views = LEAST(rank.views, tally.total)
FROM (SELECT coalesce(sum(count), 0) AS total FROM stories_storytally WHERE subject_id = %s AND kind = 'views') AS tally
WHERE rank.story_id = %s
"""


def lowered(story_id: uuid.UUID) -> None:
    """Views of a story have been taken away from its total: let the rank follow."""
    _execute(HOLD, [story_id])
    _execute(LOWER, [story_id, story_id])


def _execute(sql: str, parameters: list[uuid.UUID]) -> None:
    require_transaction()
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
