"""Reading in GraphQL: a reader's place in a story, and recording a view."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from backend.reading import models
from backend.reading.actions import Place
from resolvers import reading
from schema.answers import (
    Applied,
    BusyError,
    ConflictError,
    ExpectArgument,
    ForbiddenError,
    InvalidError,
    Key,
    KeyReusedError,
    NotFoundError,
    applied_field,
    applied_of,
    mutation,
    what_is_expected,
)
from schema.context import Info
from schema.nodes import Versioned, computed, key_of, to_id
from schema.stories import Chapter, Story


@strawberry.type(description="Where one reader stands in one story. Its version is 0 until the first recordView.")
class Reading(Versioned):
    """A reader's place."""

    id: strawberry.ID = computed(
        lambda row: to_id("Reading", row.reader_id, row.story_id),
        "Names this reader's place in this story. Opaque.",
    )
    updated_at: datetime = computed(reading.updated_at, "When the place last changed.")
    story: Story = computed(reading.story, "The story that is read.")
    chapter: Chapter | None = computed(
        reading.chapter, "The chapter that the reader has reached; null before the first."
    )
    offset: int = strawberry.field(description="Characters into the chapter's body.")

    @classmethod
    def is_type_of(cls, value: object, _info: Any) -> bool:
        """Rows of readings are what this type shows."""
        return isinstance(value, models.Reading)


@strawberry.input(description="A place in a story.")
class PlaceInput:
    """A place."""

    chapter: strawberry.ID = strawberry.field(description="The id of a chapter of the story.")
    offset: int = strawberry.field(default=0, description="Characters into the chapter's body; not negative.")


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


@strawberry.type
class ReadingMutation:
    """Writes to readings."""

    @mutation(
        description="Counts one view for each reader, story and day (UTC), and remembers the place; expect names the "
        "reading's version. The author's own views and those of a draft are not counted."
    )
    def record_view(
        self,
        info: Info,
        story: Annotated[strawberry.ID, strawberry.argument(description="The id of the story that is read.")],
        expect: ExpectArgument,
        place: Annotated[
            PlaceInput | None,
            strawberry.argument(description="Where the reader is; left out, the place stays."),
        ] = None,
        key: Key = None,
    ) -> RecordViewResult:
        """Record a view."""
        me = info.context.me
        where = None if place is None else Place(key_of(place.chapter, "Chapter", "place.chapter"), place.offset)
        outcome = reading.record_view(
            me,
            story=key_of(story, "Story", "story"),
            place=where,
            expect=what_is_expected(expect),
            key=key,
        )
        row: Any = outcome.rows["reading"]
        return ReadingSuccess(reading=row, counted=outcome.facts["counted"], applied=applied_of(outcome))
