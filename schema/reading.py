"""Reading in GraphQL: a reader's position in a story, and recording a view."""

import enum
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any

import strawberry
import strawberry_django

from backend.engine import idempotency
from backend.engine.errors import Invalid, Wrong
from backend.engine.idempotency import Outcome
from backend.reading import models, queries
from backend.reading.actions import Card
from backend.reading.places import ReadingPlace
from backend.sources import Value
from backend.stories.models import MAX_CHAPTERS
from resolvers import reading
from schema.answers import (
    Applied,
    BusyError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    KeyReusedError,
    NotFoundError,
    answer_to,
    applied_field,
    applied_of,
)
from schema.arguments import ANYTHING, Expect, Key, parse_expect, parse_version
from schema.chapters import Chapter
from schema.context import Info
from schema.mutations import mutation
from schema.nodes import PageInfo, Versioned, at_most, key_of, sourced
from schema.scalars import Version
from schema.stories import Story


@strawberry_django.type(
    models.Reading, description="Where one reader stands in one story. Its version is 0 until the first recordView."
)
class Reading(Versioned):
    """A reader's position."""

    look_up = queries.BY_STORY
    belongs_to_viewer = True

    id: strawberry.ID = sourced(
        Value("$row.reader_id || ':' || $row.story_id"),
        "Names this reader's place in this story. Opaque.",
    )
    updated_at: datetime = sourced(queries.UPDATED_AT, "When the place last changed.")
    story: Story = sourced(queries.STORY, "The story that is read.")
    chapter: Chapter | None = sourced(
        queries.CHAPTER,
        "The chapter that the reader has reached; null before the first, and in a replay if it was deleted since.",
    )
    offset: int = sourced(
        queries.OFFSET,
        "Characters (Unicode code points) into the chapter's body; never beyond its end, also where it was shortened since.",
    )
    changed_chapters: list[Chapter] = sourced(
        queries.CHANGED,
        "Chapters whose title or text was written since the reader was last here, new ones included, in order; empty for "
        "a reader who has never been here.",
        most=MAX_CHAPTERS,
    )


@strawberry.type(description="A reading in a list, with the place where the list can go on.")
class ReadingEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Where this reading stands in the list.")
    node: Reading = strawberry.field(description="The reading.")


@strawberry.type(description="A page of readings.")
class ReadingConnection:
    """Relay's connection."""

    edges: list[ReadingEdge] = strawberry.field(description="The readings of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")


@strawberry.enum(description="What to do when another device has moved the reader's place since the expected version.")
class PlacePolicy(enum.Enum):
    """EXACT or FURTHEST."""

    EXACT = strawberry.enum_value(
        "EXACT",
        description="Move the place, forward or back, only if it is still as it was at the expected version: otherwise a "
        "ConflictError shows where the other device is.",
    )
    FURTHEST = strawberry.enum_value(
        "FURTHEST",
        description="Move the place forward only, and never conflict: whatever expect says is not checked. A later "
        "chapter is further, and so are more characters into the same chapter; the beginning, where no place is yet, is "
        "before all. If the place is as far already, it stays, and the answer shows it.",
    )


@strawberry.input(description="A place in a story.")
class PlaceInput:
    """A position."""

    chapter: strawberry.ID = strawberry.field(description="The id of a chapter of the story.")
    offset: int = strawberry.field(
        default=0,
        description="Characters (Unicode code points) into the chapter's body; not negative. Beyond its end, which may have been "
        "moved meanwhile, it is the end that is stored; the answer shows it.",
    )


@strawberry.type(description="The reader's place after the view was recorded.")
class ReadingSuccess:
    """A view was recorded."""

    reading: Reading = strawberry.field(description="The place, with the new version.")
    counted: bool = strawberry.field(description="Whether this was the reader's first view of the story today.")
    applied: Applied = applied_field()


RecordViewResult = Annotated[
    ReadingSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("RecordViewResult", description="What recordView can answer."),
]


MAX_VIEWS = 100
"""The maximum number of views in one request: as many as a page has cards."""


@strawberry.input(description="A story that is read: its card, of a page of them.")
class ViewInput:
    """A view."""

    story: strawberry.ID = strawberry.field(description="The id of the story.")
    place: PlaceInput | None = strawberry.field(
        default=None,
        description="Where the reader is; left out, the place stays. It moves forward only, as with FURTHEST.",
    )
    seen: Version | None = strawberry.field(
        default=None,
        description="The version of the story that the reader has before their eyes; the present one if left out.",
    )


@strawberry.type(description="What became of each view.")
class ViewsSuccess:
    """Several views."""

    views: list[RecordViewResult] = strawberry.field(
        description="For each view, in the order in which they were sent: its place, or why nothing of it was written.",
        metadata=at_most(MAX_VIEWS),
    )
    applied: Applied = applied_field()


RecordViewsResult = Annotated[
    ViewsSuccess | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("RecordViewsResult", description="What recordViews can answer."),
]


@strawberry.type
class ReadingMutation:
    """Writes to readings."""

    @mutation(
        description="Counts one view for each reader, story and day (UTC), and remembers the place; expect names the "
        "reading's version. With policy FURTHEST expect is not checked, and may be left out. Which version of the "
        "story the reader has seen is remembered too, and only ever rises; that alone is a write. The author's own views "
        "and those of a draft are not counted. A ConflictError or an InvalidError refuses the place, of which nothing is "
        "written; the view of the day counts all the same for a reader who has been here before."
    )
    def record_view(
        self,
        info: Info,
        story: Annotated[strawberry.ID, strawberry.argument(description="The id of the story that is read.")],
        expect: Annotated[
            Expect,
            strawberry.argument(
                description="The version that you last saw of the reading; needed with policy EXACT, and not looked at with "
                "FURTHEST."
            ),
        ] = ANYTHING,
        place: Annotated[
            PlaceInput | None,
            strawberry.argument(description="Where the reader is; left out, the place stays."),
        ] = None,
        policy: Annotated[
            PlacePolicy,
            strawberry.argument(description="What to do if another device has moved the place meanwhile."),
        ] = PlacePolicy.EXACT,
        seen: Annotated[
            Version | None,
            strawberry.argument(
                description="The version of the story that the reader has before their eyes; the present one if left out."
            ),
        ] = None,
        key: Key = None,
    ) -> RecordViewResult:
        """Record a view."""
        me = info.context.me
        where = None if place is None else ReadingPlace(key_of(place.chapter, "Chapter", "place.chapter"), place.offset)
        furthest = policy is PlacePolicy.FURTHEST
        outcome = reading.record_view(
            me,
            story=key_of(story, "Story", "story"),
            place=where,
            expect=parse_expect(expect, current_allowed=furthest),
            furthest=furthest,
            story_version=None if seen is None else parse_version(seen, "seen"),
            key=key,
        )
        row: Any = outcome.rows["reading"]
        return ReadingSuccess(reading=row, counted=outcome.facts["counted"], applied=applied_of(outcome))

    @mutation(
        description="recordView with policy FURTHEST for several stories at once, such as a page of cards, each with an "
        "answer of its own: a story that is not found, or a place that makes no sense, holds up none of the others. One unit "
        "of work, so BUSY means that none was recorded."
    )
    def record_views(
        self,
        info: Info,
        views: Annotated[
            list[ViewInput], strawberry.argument(description=f"What is read: at most {MAX_VIEWS} stories, each once.")
        ],
        key: Key = None,
    ) -> RecordViewsResult:
        """Record several views."""
        if len(views) > MAX_VIEWS:
            raise Invalid.one("views", f"are too many: {len(views)}, at most {MAX_VIEWS}.", Wrong.TOO_MANY, MAX_VIEWS)
        cards, wrong = _cards(views)
        sent = [[one.story, one.place and [one.place.chapter, one.place.offset], one.seen] for one in views]
        outcome = reading.record_views(info.context.me, cards=cards, sent=sent, key=key)
        answers = [_view(number, outcome, wrong.get(number)) for number in range(len(views))]
        return ViewsSuccess(views=answers, applied=applied_of(outcome))


def _cards(views: Sequence[ViewInput]) -> tuple[dict[int, Card], dict[int, Invalid]]:
    """The views by number, and why those that are left out make no sense."""
    cards: dict[int, Card] = {}
    wrong: dict[int, Invalid] = {}
    named: set[uuid.UUID] = set()
    for number, view in enumerate(views):
        try:
            card = _card(view)
            if card.story_id in named:
                raise Invalid.one("story", "is named before: name each story once.")
            named.add(card.story_id)
            cards[number] = card
        except Invalid as refusal:
            wrong[number] = refusal
    return cards, wrong


def _card(view: ViewInput) -> Card:
    story, place = key_of(view.story, "Story", "story"), view.place
    where = None if place is None else ReadingPlace(key_of(place.chapter, "Chapter", "place.chapter"), place.offset)
    return Card(story, where, None if view.seen is None else parse_version(view.seen, "seen"))


def _view(number: int, outcome: Outcome, wrong: Invalid | None) -> Any:
    """The answer to one of several views. Paths of what is wrong begin with its number."""
    row: Any = outcome.rows.get(str(number))
    if row is not None:
        fact = outcome.facts["views"][str(number)]
        is_replay = outcome.applied is idempotency.Applied.REPLAYED
        applied = Applied.REPLAYED if is_replay else Applied[fact["applied"]]
        return ReadingSuccess(reading=row, counted=fact["counted"], applied=applied)
    refusal = wrong or reading.refusal_of(outcome.facts["views"][str(number)])
    if isinstance(refusal, Invalid):
        refusal = Invalid(*(replace(one, path=f"views.{number}.{one.path}") for one in refusal.fields))
    return answer_to(refusal, ("NotFoundError", "InvalidError"))
