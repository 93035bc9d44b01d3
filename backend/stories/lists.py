"""Lists of stories, a page at a time, each read from its index. `viewer` is the id of who asks, or None.

Stories for adults are in a list if the viewer wants them shown (`mature`), or has written them.
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
"""Those that are not one sign before a word. PostgreSQL would take each to mean "not", and gives up at some thirty."""

SHOWN = "(NOT story.mature OR %s OR story.author_id = %s::uuid)"
"""Whether lists show a story of which nothing else is to be hidden: parameters `mature` and `viewer`."""

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
    """What comes first. A rank follows the views of a story; see `rank`."""

    NEWEST = TIME
    MOST_READ = NUMBER

    @property
    def by(self) -> By:
        """What places in such a list are."""
        return self.value


@dataclass(frozen=True)
class Wanted:
    """Which stories are asked for; what is left out does not matter."""

    author: uuid.UUID | None = None
    with_warnings: Sequence[str] = ()
    without_warnings: Sequence[str] = ()
    drafts: bool = False
    """One's own drafts, instead of what is published."""
    text: str | None = None


@dataclass(frozen=True)
class _Source:
    """Where the rows of a list come from, and what they are in the order of."""

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
"""Its left side is what the index `story_search` holds, in the words that it was made with, or it would not be used."""

NEAR = 1_000
"""So many stories at the beginning of a list are looked through for words, before the index is asked for the others."""

Condition = tuple[str, Sequence[Any]]


def stories(
    wanted: Wanted, order: StoryOrder, window: Window, *, viewer: uuid.UUID | None, mature: bool
) -> Page[Story]:
    """The stories that are wanted, newest or most read first. Raises `Invalid` for a text that nobody can look for."""
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
    """The first stories of a list that hold these words: frequent ones are near its beginning, others in the index.

    PostgreSQL itself would have to guess how frequent a word is, and guesses wrong just where nobody uses it: then it
    walks through the whole list. OFFSET 0 keeps it from that.
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
    # What is not to be seen can be looked for.
    check.text("filter.text", text, most=SEARCH_CHARACTERS, blank=bool(text))
    check.done()
    return STRAY_HYPHENS.sub(" ", text)


def _visible(drafts: bool, viewer: uuid.UUID | None, mature: bool) -> Iterable[Condition]:
    """What the viewer may see and wants to. Of others' drafts there is not even an empty place."""
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
    """Published stories of the people whom the viewer follows, newest first. No follow crosses a block, so none is hidden.

    Each followed author gives at most a page, straight from the index, and the newest of those are the page.
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
