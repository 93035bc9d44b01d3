"""Pages of lists of stories, each read from an index. `viewer` is a person's id, or None when signed out.

Who may see a draft: only its author, in `on_shelf` and with the filter `drafts`. Stories for adults are listed if the viewer
asks for them (`mature`) or wrote them.
"""

import enum
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from backend.engine.text import Checker
from backend.pages import NUMBER, TIME, By, Window
from backend.sources import Bound
from backend.sources import Page as Sourced
from backend.visibility import gone, met

SEARCH_CHARACTERS = 200

STRAY_HYPHENS = re.compile(r'-{2,}|-(?![\w"])')
"""Hyphens other than a single one before a word. PostgreSQL parses each as "not", and fails at about thirty."""


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

FOUND = """
to_tsvector('simple'::regconfig, COALESCE(story.title, '') || ' ' || COALESCE(story.summary, ''))
@@ websearch_to_tsquery('simple', %s)
"""
"""SQL: full-text match. The left side must be exactly the expression of the index `story_search`, or the index is not used."""

NEAR = 1_000
"""How many stories at the start of a list are scanned for the words before the full-text index is used."""


def _checked_text(text: str) -> str:
    check, text = Checker(), text.strip()
    # Invisible characters are allowed in a search.
    check.text("filter.text", text, most=SEARCH_CHARACTERS, blank=bool(text))
    check.done()
    return STRAY_HYPHENS.sub(" ", text)


# --- Sources ----------------------------------------------------------------------------------------------------

LISTED = "(NOT story.mature OR $mature OR story.author_id = $viewer)"
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

SEARCHED = FOUND.replace("%s", "$text")


def listed(wanted: Wanted, order: StoryOrder, window: Window) -> Bound:
    """The stories that match the filter. Raises `Invalid` for an unusable search text."""
    text = None if wanted.text is None else _checked_text(wanted.text)
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
    if "text" not in given:
        return Sourced(f"{rows}$between $order", source.at, source.id, by=order.by)
    return _with_words(rows, source, order)


def _with_words(rows: str, source: _Source, order: StoryOrder) -> Sourced:
    """The stories of a list that contain words: frequent ones are found near its start, rare ones by the index.

    PostgreSQL's planner has to estimate how frequent a word is. For a rare word it may be wrong and scan the whole list;
    OFFSET 0 prevents that plan.
    """
    order_of_list = f"ORDER BY {source.at} $way, {source.id} $way LIMIT {NEAR}"
    sorted_again = "ORDER BY story.place_at $way, story.id $way LIMIT $limit"
    near = f"SELECT story.* FROM ({rows}$between {order_of_list}) AS story WHERE {SEARCHED} {sorted_again}"
    anywhere = f"{rows} AND {SEARCHED}$between OFFSET 0"
    sql = (
        f"WITH near AS MATERIALIZED ({near}) SELECT * FROM near WHERE (SELECT count(*) FROM near) > $size "
        f"UNION ALL (SELECT story.* FROM ({anywhere}) AS story WHERE (SELECT count(*) FROM near) <= $size {sorted_again})"
    )
    return Sourced(sql, source.at, source.id, by=order.by)
