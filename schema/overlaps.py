"""What two writers wrote in GraphQL: the values of a field, and a text in parts, as JSON and with types."""

import uuid
from datetime import datetime
from typing import Annotated, Any

import strawberry
from strawberry.scalars import JSON

from backend.engine import errors
from backend.engine.values import moment
from backend.stories.models import MAX_CHAPTERS
from backend.stories.revisions import CHAPTERS
from schema.nodes import at_most, to_id

MAX_PARTS = 200
"""The maximum number of parts of a text with types: their cost is reckoned before anything is known of the text."""

# Each type names its field otherwise, because GraphQL lets no two of a union have the same name for different types.


@strawberry.type(description="A text, or the name of an enum's value, such as a status.")
class TextValue:
    """A text."""

    text: str = strawberry.field(description="The text.")


@strawberry.type(description="Yes or no.")
class FlagValue:
    """A Boolean."""

    flag: bool = strawberry.field(description="Whether it is so.")


@strawberry.type(description="A whole number.")
class NumberValue:
    """A number."""

    number: int = strawberry.field(description="The number.")


@strawberry.type(description="A moment.")
class MomentValue:
    """A time."""

    moment: datetime = strawberry.field(description="When.")


@strawberry.type(description="Several names, such as content warnings.")
class NamesValue:
    """A list of names."""

    names: list[str] = strawberry.field(description="The names.", metadata=at_most(MAX_CHAPTERS))


@strawberry.type(description="A chapter.")
class ChapterValue:
    """A chapter by its id."""

    chapter: strawberry.ID = strawberry.field(description="Its id.")
    title: str | None = strawberry.field(default=None, description="Its title, where that is told.")


@strawberry.type(description="The chapters of a story, in order.")
class ChaptersValue:
    """An order of chapters."""

    chapters: list[strawberry.ID] = strawberry.field(description="Their ids.", metadata=at_most(MAX_CHAPTERS))


FieldValue = Annotated[
    TextValue | FlagValue | NumberValue | MomentValue | NamesValue | ChapterValue | ChaptersValue,
    strawberry.union("FieldValue", description="A value of a field, by its type."),
]


@strawberry.type(description="A field that this write sets and somebody else changed as well.")
class FieldConflict:
    """A field that two writers set."""

    path: str = strawberry.field(description="The field's name.")
    base: JSON | None = strawberry.field(
        description="Its value at the expected version; null where that is not known any more."
    )
    mine: JSON | None = strawberry.field(description="The value that this write wanted.")
    theirs: JSON | None = strawberry.field(description="The value that it has now.")
    base_value: FieldValue | None = strawberry.field(description="`base` with its type.")
    mine_value: FieldValue | None = strawberry.field(description="`mine` with its type.")
    theirs_value: FieldValue | None = strawberry.field(description="`theirs` with its type.")


def overlap_shown(one: errors.FieldConflict) -> FieldConflict:
    """A field that two writers set, as a client is told of it."""
    return FieldConflict(
        path=one.path,
        base=_as_sent(one.base),
        mine=_as_sent(one.mine),
        theirs=_as_sent(one.theirs),
        base_value=_typed(one.path, one.base),
        mine_value=_typed(one.path, one.mine),
        theirs_value=_typed(one.path, one.theirs),
    )


def _as_sent(value: Any) -> Any:
    """A value as clients know it: UUIDs (always of chapters) become global ids, times have the shape of a DateTime."""
    if isinstance(value, list):
        return [_as_sent(one) for one in value]
    if isinstance(value, dict):
        return {name: _as_sent(one) for name, one in value.items()}
    if isinstance(value, datetime):
        return moment(value)
    return to_id("Chapter", value) if isinstance(value, uuid.UUID) else value


def _typed(path: str, value: Any) -> Any:
    match value:
        case None:
            return None
        case bool():
            return FlagValue(flag=value)
        case int():
            return NumberValue(number=value)
        case str():
            return TextValue(text=str(value))
        case datetime():
            return MomentValue(moment=value)
        case uuid.UUID():
            return ChapterValue(chapter=to_id("Chapter", value))
        case {"id": id_, "title": title}:
            return ChapterValue(chapter=to_id("Chapter", id_), title=title)
        case list() if path == CHAPTERS:
            return ChaptersValue(chapters=[to_id("Chapter", one) for one in value])
    return NamesValue(names=list(value))


# --- A text in parts --------------------------------------------------------------------------------------------


@strawberry.type(description="Text that at most one of two changed, or both in the same way.")
class CleanPart:
    """A part that does not collide."""

    text: str = strawberry.field(description="The text.")


@strawberry.type(description="Text that both changed differently. What one of them deleted is empty.")
class CollidingPart:
    """A part that collides."""

    base: str = strawberry.field(description="The text before.")
    mine: str = strawberry.field(description="The text that this write wanted.")
    theirs: str = strawberry.field(description="The text that it is now.")


BodyPart = Annotated[
    CleanPart | CollidingPart, strawberry.union("BodyPart", description="A part of a text that two have changed.")
]


def body_parts(suggestion: Any) -> list[Any] | None:
    """The parts of a suggested text; None without a suggestion, and if there are too many."""
    if suggestion is None or len(suggestion["body"]) > MAX_PARTS:
        return None
    return [
        CleanPart(text=part["text"])
        if part["kind"] == "CLEAN"
        else CollidingPart(base=part["base"], mine=part["mine"], theirs=part["theirs"])
        for part in suggestion["body"]
    ]
