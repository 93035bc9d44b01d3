"""Pages of lists of stories, each read from an index. `viewer` is a person's id, or None when signed out.

Who may see a draft: only its author, in `on_shelf` and with the filter `drafts`. Stories for adults are listed if the viewer
asks for them (`mature`) or wrote them.
"""

import enum
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from backend.engine.text import Checker
from backend.pages import NUMBER, TIME, By, Page, Window, pages_by_owner
from backend.stories.models import Story
from backend.visibility import gone, met

SEARCH_CHARACTERS = 200

STRAY_HYPHENS = re.compile(r'-{2,}|-(?![\w"])')
"""Hyphens other than a single one before a word. PostgreSQL parses each as "not", and fails at about thirty."""

SHOWN = "(NOT story.mature OR %s OR story.author_id = %s::uuid)"
"""SQL: whether lists show a story by its maturity. Parameters: `mature`, `viewer`."""

STORIES = "SELECT story.*, {at} AS place_at FROM {tables} WHERE {conditions}{between} {end}"

FEED = f"""
SELECT story.*, story.published_at AS place_at
FROM follow CROSS JOIN LATERAL (
    SELECT * FROM stories_story AS story
    WHERE story.author_id = follow.followee_id AND story.published_at IS NOT NULL AND {SHOWN}{{between}} {{order}}
) AS story
WHERE follow.follower_id = %s AND NOT {gone("follow.followee_id")} {{order}}
"""

BY_AUTHORS = f"""
SELECT owner.id AS owner_id, story.*, story.published_at AS place_at
FROM unnest(%s::uuid[]) AS owner (id) CROSS JOIN LATERAL (
    SELECT * FROM stories_story AS story
    WHERE story.author_id = owner.id AND story.published_at IS NOT NULL AND {SHOWN}{{between}} {{order}}
) AS story
WHERE {{shown}}
ORDER BY owner.id, story.published_at {{direction}}, story.id {{direction}}
"""

ON_SHELF = """
SELECT story.*, story.created_at AS place_at FROM stories_story AS story
WHERE story.author_id = %s{between} {order}
"""


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

Condition = tuple[str, Sequence[Any]]


def stories(
    wanted: Wanted, order: StoryOrder, window: Window, *, viewer: uuid.UUID | None, mature: bool
) -> Page[Story]:
    """A page of the stories that match the filter. Raises `Invalid` for an unusable search text."""
    text = None if wanted.text is None else _checked_text(wanted.text)
    if wanted.drafts and viewer is None:
        return Page.of([], window)
    source = (DRAFTS if wanted.drafts else PUBLISHED)[order]
    conditions = [*_visible(wanted.drafts, viewer, mature), *_asked_for(wanted)]
    if text is not None:
        return Page.of(_with_text(text, source, conditions, window), window)
    sql, parameters = _listed(source, conditions, window, window.order(source.at, source.id))
    return Page.of(Story.objects.raw(sql, parameters), window)


def _listed(source: _Source, conditions: Iterable[Condition], window: Window, end: str) -> tuple[str, list[Any]]:
    conditions = list(conditions)
    between, places = window.condition(source.at, source.id)
    required = " AND ".join(sql for sql, _ in conditions)
    sql = STORIES.format(at=source.at, tables=source.tables, conditions=required, between=between, end=end)
    return sql, [*(parameter for _, of in conditions for parameter in of), *places]


def _with_text(text: str, source: _Source, conditions: Sequence[Condition], window: Window) -> list[Story]:
    """The first stories of a list that contain these words: frequent words are found near its start, rare ones by the index.

    PostgreSQL's planner has to estimate how frequent a word is. For a rare word it may be wrong and scan the whole list;
    OFFSET 0 prevents that plan.
    """
    order = window.order("story.place_at", "story.id")
    near, parameters = _listed(source, conditions, window, replace(window, size=NEAR - 1).order(source.at, source.id))
    found = list(Story.objects.raw(f"SELECT * FROM ({near}) AS story WHERE {FOUND} {order}", [*parameters, text]))
    if len(found) > window.size:
        return found
    anywhere, parameters = _listed(source, [*conditions, (FOUND, [text])], window, "OFFSET 0")
    return list(Story.objects.raw(f"SELECT * FROM ({anywhere}) AS story {order}", parameters))


def _checked_text(text: str) -> str:
    check, text = Checker(), text.strip()
    # Invisible characters are allowed in a search.
    check.text("filter.text", text, most=SEARCH_CHARACTERS, blank=bool(text))
    check.done()
    return STRAY_HYPHENS.sub(" ", text)


def _visible(drafts: bool, viewer: uuid.UUID | None, mature: bool) -> Iterable[Condition]:
    """SQL conditions: what the viewer may see and wants to see. Drafts of others never match."""
    if drafts:
        yield "story.published_at IS NULL AND story.author_id = %s", [viewer]
    else:
        yield f"story.published_at IS NOT NULL AND {met('story.author_id', '%s::uuid')}", [viewer, viewer]
        yield SHOWN, [mature, viewer]


def _asked_for(wanted: Wanted) -> Iterable[Condition]:
    if wanted.author is not None:
        yield "story.author_id = %s", [wanted.author]
    if wanted.with_warnings:
        yield "story.warnings @> %s::varchar[]", [list(wanted.with_warnings)]
    if wanted.without_warnings:
        yield "NOT story.warnings && %s::varchar[]", [list(wanted.without_warnings)]


def feed(window: Window, *, viewer: uuid.UUID, mature: bool) -> Page[Story]:
    """Published stories of the people whom the viewer follows, newest first. Blocks need no check, because they end follows.

    Reads at most a page for each followed author from the index, and keeps the newest of those.
    """
    between, places = window.condition("story.published_at", "story.id")
    sql = FEED.format(between=between, order=window.order("story.published_at", "story.id"))
    return Page.of(Story.objects.raw(sql, [mature, viewer, *places, viewer]), window)


def by_authors(
    authors: Sequence[uuid.UUID], window: Window, *, viewer: uuid.UUID | None, mature: bool
) -> dict[uuid.UUID, Page[Story]]:
    """A page of published stories for each author, newest first, in one query."""
    between, places = window.condition("story.published_at", "story.id")
    sql = BY_AUTHORS.format(
        between=between,
        order=window.order("story.published_at", "story.id"),
        shown=met("owner.id", "%s::uuid"),
        direction="ASC" if window.backward else "DESC",
    )
    parameters = [list(authors), mature, viewer, *places, viewer, viewer]
    return pages_by_owner(Story.objects.raw(sql, parameters), authors, window)


def on_shelf(author: uuid.UUID, window: Window) -> Page[Story]:
    """All stories of an author, drafts included, newest first: for the author alone."""
    between, places = window.condition("story.created_at", "story.id")
    sql = ON_SHELF.format(between=between, order=window.order("story.created_at", "story.id"))
    return Page.of(Story.objects.raw(sql, [author, *places]), window)
