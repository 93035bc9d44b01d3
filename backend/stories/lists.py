"""Pages of lists of stories, each read from an index. `viewer` is a person's id, or None when signed out.

Drafts are listed for their author, in `on_shelf` and with the filter `drafts`; for co-authors see `coauthors.queries`. Stories
for adults are listed if the viewer asks for them (`mature`) or writes them.
"""

import enum
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from string import Template

from backend.engine.searches import QUERY, asked_for, pages
from backend.pages import NUMBER, TIME, By, Window
from backend.sources import Bound, Row
from backend.sources import Page as Sourced
from backend.stories.rights import writes
from backend.visibility import gone, met


class StoryOrder(enum.Enum):
    """The sort order. A rank follows the view count; see `rank`."""

    NEWEST = TIME
    MOST_READ = NUMBER

    @property
    def by(self) -> By:
        """The kind of cursor of such a list."""
        return self.value


@dataclass(frozen=True)
class Wanted:
    """A filter; None means no condition."""

    author: uuid.UUID | None = None
    with_warnings: Sequence[str] = ()
    without_warnings: Sequence[str] = ()
    drafts: bool = False
    """The viewer's own drafts instead of published stories."""
    text: str | None = None


@dataclass(frozen=True)
class _Source:
    """The table of a list and its sort key."""

    tables: str
    at: str
    id: str = "story.id"


RANKED = "stories_storyrank AS rank JOIN stories_story AS story ON story.id = rank.story_id"
MAYBE_RANKED = "stories_story AS story LEFT JOIN stories_storyrank AS rank ON rank.story_id = story.id"

PUBLISHED = {
    StoryOrder.NEWEST: _Source("stories_story AS story", "story.published_at"),
    StoryOrder.MOST_READ: _Source(RANKED, "rank.views", "rank.story_id"),
}
DRAFTS = {
    StoryOrder.NEWEST: _Source("stories_story AS story", "story.created_at"),
    StoryOrder.MOST_READ: _Source(MAYBE_RANKED, "COALESCE(rank.views, 0)"),
}

# --- Sources ----------------------------------------------------------------------------------------------------

LISTED = f"(NOT story.mature OR $mature OR {writes('$viewer')})"
"""SQL: whether lists show a story by its maturity."""

FEED_PAGE = Sourced(
    f"""
SELECT story.*, story.published_at AS place_at
FROM follow CROSS JOIN LATERAL (
    SELECT * FROM stories_story AS story
    WHERE story.author_id = follow.followee_id AND story.published_at IS NOT NULL AND {LISTED}$between $order
) AS story
WHERE follow.follower_id = $viewer AND NOT {gone("follow.followee_id")} $order""",
    "story.published_at",
    "story.id",
)
"""Published stories of the people whom the viewer follows, newest first; none when signed out. Blocks end follows,
so they need no check.

Reads at most a page for each followed author from the index, and keeps the newest of those.
"""

FEED_HEAD = Row(
    Template(FEED_PAGE.sql).safe_substitute(between="", order="ORDER BY published_at DESC, id DESC LIMIT 1")
)
"""The first story of the viewer's feed."""

BY_AUTHOR = Sourced(
    f"""
SELECT story.*, story.published_at AS place_at FROM stories_story AS story
WHERE story.author_id = $row.id AND {met("$row.id", "$viewer")} AND story.published_at IS NOT NULL AND {LISTED}$between $order""",
    "story.published_at",
    "story.id",
)

SHELF_PAGE = Sourced(
    """
SELECT story.*, story.created_at AS place_at FROM stories_story AS story
WHERE story.author_id = $row.author_id$between $order""",
    "story.created_at",
    "story.id",
)
"""All stories of an author, drafts included, newest first: for the author alone."""


def listed(wanted: Wanted, order: StoryOrder, window: Window) -> Bound:
    """The stories that match the filter. Raises `Invalid` for an unusable search text."""
    text = None if wanted.text is None else asked_for("filter.text", wanted.text)
    given = {
        "author": wanted.author,
        "with_warnings": list(wanted.with_warnings) or None,
        "without_warnings": list(wanted.without_warnings) or None,
        "text": text,
    }
    values = {name: value for name, value in given.items() if value is not None}
    return Bound(_listed_by(order, wanted.drafts, frozenset(values)), values, window)


ASKED = {
    "author": "story.author_id = $author::uuid",
    "with_warnings": "story.warnings @> $with_warnings::varchar[]",
    "without_warnings": "NOT story.warnings && $without_warnings::varchar[]",
}
"""SQL conditions by what a filter gives."""


@cache
def _listed_by(order: StoryOrder, drafts: bool, given: frozenset[str]) -> Sourced:
    source = (DRAFTS if drafts else PUBLISHED)[order]
    conditions = ["story.published_at IS NULL AND story.author_id = $viewer"]
    if not drafts:
        conditions = [f"story.published_at IS NOT NULL AND {met('story.author_id', '$viewer')}", LISTED]
    conditions += [sql for name, sql in ASKED.items() if name in given]
    rows = f"SELECT story.*, {source.at} AS place_at FROM {source.tables} WHERE {' AND '.join(conditions)}"
    if "text" in given:
        is_of_one = drafts or "author" in given
        sql = f"{rows} AND {HAS_WORDS}$between $order" if is_of_one else _with_words(source, conditions, order)
        return Sourced(sql, source.at, source.id, by=order.by)
    return Sourced(f"{rows}$between $order", source.at, source.id, by=order.by)


HAS_WORDS = f"(SELECT words.words @@ {QUERY} FROM stories_storywords AS words WHERE words.story_id = story.id)"
"""SQL: whether the story has the words. A value and no join, so that the list is read in its own order."""

FOUND = (
    "SELECT words.story_id, words.published_at FROM stories_storywords AS words WHERE words.published_at IS NOT NULL"
)

FEW_PLACES = {
    StoryOrder.NEWEST: "(SELECT found.story_id AS id, found.published_at FROM found) AS story WHERE TRUE",
    StoryOrder.MOST_READ: "found JOIN stories_storyrank AS rank ON rank.story_id = found.story_id WHERE TRUE",
}
MANY_PLACES = {
    # `coalesce` keeps PostgreSQL from using the index of words.
    StoryOrder.NEWEST: "(SELECT story_id AS id, published_at, words FROM stories_storywords) AS story "
    f"WHERE story.published_at IS NOT NULL AND coalesce(story.words @@ {QUERY}, FALSE)",
    StoryOrder.MOST_READ: "stories_storyrank AS rank WHERE coalesce("
    f"(SELECT words.words @@ {QUERY} FROM stories_storywords AS words WHERE words.story_id = rank.story_id), FALSE)",
}
"""SQL: the places of stories that have the words."""


def _with_words(source: _Source, conditions: Sequence[str], order: StoryOrder) -> str:
    """The published stories of everybody that have the words."""
    row = f"SELECT story.* FROM stories_story AS story WHERE story.id = place.id AND {' AND '.join(conditions)}"
    return pages(FOUND, FEW_PLACES[order], MANY_PLACES[order], row, at=source.at, id_=source.id)
