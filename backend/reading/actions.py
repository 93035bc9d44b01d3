"""Records a view: the reader's position, the view of the day and the story's total, in one transaction."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from backend.engine import tallies
from backend.engine.declarations import query
from backend.engine.errors import Invalid, NotFound, Wrong
from backend.engine.idempotency import Applied
from backend.engine.statements import Declared, Result, compiled
from backend.engine.text import Checker
from backend.engine.versions import Expected
from backend.reading import places
from backend.reading.models import Reading
from backend.reading.places import ReadingPlace, Visit
from backend.stories import rank
from backend.stories.explain import UNKNOWN_STORY
from backend.stories.models import Story, StoryTally
from backend.stories.rights import right_of
from backend.stories.row_locks import locked_story

ANYTHING = Expected(None)


def record_view(
    reader_id: uuid.UUID,
    story_id: uuid.UUID,
    place: ReadingPlace | None,
    expected: Expected,
    *,
    furthest: bool = False,
    seen: int | None = None,
) -> tuple[Reading, bool, Applied]:
    """Store the position if it has not changed since `expected`, and count the reader's first view of the story today.

    With `furthest` the position only moves forward, without a condition. A position beyond the chapter's end is stored as its
    end: the chapter may have been shortened while the reader had it open, and the view must not be lost for that. `seen` is
    the version of the story that the reader has open; None for the present one. Returns the reading, whether a view was
    counted, and what was done. Raises `Conflict` (with the position that another device stored), `NotFound`, `Invalid`.
    """
    opened = locked_story(story_id, viewer=reader_id)
    story, place, length = _checked(opened, _held(story_id, place), place, seen)
    visit = Visit(story_id, reader_id, seen, story.version, place)
    tries = places.advance(visit) if furthest else places.move(visit, expected)
    views = _count_views([story], reader_id)
    written = places.written_by(tries)
    reading = written or places.present(visit, ANYTHING if furthest else expected)
    if place is not None and reading.chapter_id == place.chapter_id:
        reading.chapter_length = length
    counted = bool(_raise_ranks(views))
    return reading, counted, Applied.WRITTEN if written or counted else Applied.NOOP


def count_view(reader_id: uuid.UUID, story_id: uuid.UUID) -> None:
    """Count the reader's first view of the story today, and nothing else: for one whose position was refused.

    Whoever has no position yet is not counted; the view belongs to the first one that is stored.
    """
    story = locked_story(story_id, viewer=reader_id).row
    if story is not None:
        _raise_ranks(_count_views([story], reader_id))


@dataclass(frozen=True)
class Card:
    """A story that a reader has before their eyes: where they are in it, and its version there, None for the present one."""

    story_id: uuid.UUID
    place: ReadingPlace | None = None
    seen: int | None = None


Viewed = tuple[Reading, bool, Applied]


def record_views(reader_id: uuid.UUID, cards: Mapping[int, Card]) -> dict[int, Viewed | NotFound | Invalid]:
    """As `record_view` with `furthest`, for several stories by number, each once: what was done, or why nothing was.

    A card that is refused writes nothing and holds up no other; but the view of a reader who has been here counts, as it does of
    `record_view`. All statements of one kind go together, in the order of the stories, whose rows are locked first.
    """
    order = sorted(cards, key=lambda number: cards[number].story_id)
    opened = {number: locked_story(cards[number].story_id, viewer=reader_id) for number in order}
    held = {number: _held(cards[number].story_id, cards[number].place) for number in order}
    found: dict[int, Viewed | NotFound | Invalid] = {}
    visits: dict[int, Visit] = {}
    for number in order:
        card = cards[number]
        try:
            present_story, place, _ = _checked(opened[number], held[number], card.place, card.seen)
            visits[number] = Visit(card.story_id, reader_id, card.seen, present_story.version, place)
        except (NotFound, Invalid) as refusal:
            found[number] = refusal
    tries = {number: places.advance(visit) for number, visit in visits.items()}
    present = {number: places.asked(visit) for number, visit in visits.items()}
    views = _count_views([story for one in opened.values() if (story := one.row) is not None], reader_id)
    counted = _raise_ranks(views)
    for number, visit in visits.items():
        written, is_counted = places.written_by(tries[number]), visit.story_id in counted
        applied = Applied.WRITTEN if written or is_counted else Applied.NOOP
        found[number] = (written or present[number].rows[0], is_counted, applied)
    return found


def _held(story_id: uuid.UUID, place: ReadingPlace | None) -> "Result[tuple[int]] | None":
    """The chapter of a position, locked: its length."""
    return None if place is None else _lock_chapter(chapter=place.chapter_id, story=story_id)


def _checked(
    opened: Result[Story], chapter: "Result[tuple[int]] | None", place: ReadingPlace | None, seen: int | None
) -> tuple[Story, ReadingPlace | None, int | None]:
    """The story, the position, at most the end of its chapter, and the chapter's length.

    Raises `NotFound`, `Invalid`.
    """
    story = opened.row
    if story is None:
        raise NotFound(UNKNOWN_STORY)
    check, length = Checker(), None
    if place is not None and chapter is not None:
        if place.offset < 0:
            check.wrong("place.offset", "must not be negative.", Wrong.TOO_SMALL, 0)
        if chapter.row is None:
            check.wrong("place.chapter", "is not a chapter of this story.")
        else:
            (length,) = chapter.row
            place = ReadingPlace(place.chapter_id, min(place.offset, length))
    if seen is not None and not 1 <= seen <= story.version:
        check.wrong("seen", "is not a version that this story has had.", Wrong.NOT_HANDED_OUT)
    check.done()
    return story, place, length


LOCKED_CHAPTER = (
    "SELECT length(body) FROM stories_chapter WHERE id = %(chapter)s AND story_id = %(story)s FOR KEY SHARE"
)


@compiled
def _lock_chapter(*, chapter: uuid.UUID, story: uuid.UUID) -> Declared[tuple[int]]:
    return query(LOCKED_CHAPTER, chapter=chapter, story=story)


TOTAL = tallies.total(StoryTally, "views", "raised.subject_id")
"""SQL: all views of a story before this statement, which does not see what it writes itself."""


def _counting(*, one: bool) -> str:
    """SQL that counts a view of each story: in their order, so that no two wait for each other; one alone needs none."""
    key, order = ("(%(stories)s)[1]", "") if one else ("ANY(%(stories)s)", " ORDER BY story_id")
    return f"""
WITH counted AS (
    INSERT INTO reading_view (story_id, reader_id, day)
    SELECT story_id, reader_id, (statement_timestamp() AT TIME ZONE 'UTC')::date FROM reading_reading
    WHERE story_id = {key} AND reader_id = %(reader)s{order} ON CONFLICT DO NOTHING RETURNING story_id
), raised AS (
    {tallies.raising(StoryTally, f"SELECT story_id, 'views', %(slot)s, 1 FROM counted{order}")},
        raised.subject_id AS story_id, {TOTAL}::bigint AS before
), ranked AS ({rank.counted(one=one)})
SELECT story_id, count, before FROM raised
"""


Counted = Result[tuple[uuid.UUID, int, int]]


def _count_views(stories: Sequence[Story], reader_id: uuid.UUID) -> Counted | None:
    """Count today's view of each unless it was counted already, or the reader has no position. The day is UTC, by the database's
    clock. A row is a story, what a slot of it counts now, and all its views before; None if no story counts for this reader.
    """
    counts = [story.pk for story in stories if right_of(reader_id, story) is None and story.published_at is not None]
    return _count(len(counts) == 1, stories=counts, reader=reader_id, slot=tallies.some_slot()) if counts else None


@compiled
def _count(
    one: bool, *, stories: list[uuid.UUID], reader: uuid.UUID, slot: int
) -> Declared[tuple[uuid.UUID, int, int]]:
    return query(_counting(one=one), stories=stories, reader=reader, slot=slot)


def _raise_ranks(views: Counted | None) -> set[uuid.UUID]:
    """Update the ranks after views, where they were counted; returns of which stories they were."""
    counted = [] if views is None else sorted(views.rows)
    for story_id, in_slot, before in counted:
        rank.raised(story_id, in_slot, before)
    return {story_id for story_id, *_ in counted}
