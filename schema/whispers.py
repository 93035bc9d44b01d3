"""Whispers in GraphQL: the type, lists of them, creating and deleting them."""

from typing import TYPE_CHECKING, Annotated, Any

import strawberry
import strawberry_django
from strawberry import auto

from backend.sources import Value
from backend.whispers import models, queries
from resolvers import whispers
from schema.answers import (
    Applied,
    BusyError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    KeyReusedError,
    NotFoundError,
    applied_field,
    applied_of,
)
from schema.arguments import ExpectArgument, Key, parse_expect
from schema.context import Info
from schema.moderation import Report
from schema.mutations import mutation
from schema.nodes import PageInfo, Versioned, key_of, paged, sourced, to_id

if TYPE_CHECKING:
    from schema.people import Person


@strawberry_django.type(
    models.Whisper,
    description="A short text. It never changes; whether it is marked NSFW may. Nobody sees it across a block from its author.",
)
class Whisper(Versioned):
    """A whisper."""

    look_up = queries.BY_ID

    id: strawberry.ID = sourced(Value("$row.id"), "Names this whisper. Opaque.")
    created_at: auto = strawberry_django.field(description="When it was created.")
    author: Annotated["Person", strawberry.lazy("schema.people")] = sourced(queries.AUTHOR, "Who wrote it.")
    text: auto = strawberry_django.field(description="What it says: at most 500 characters.")
    nsfw: auto = strawberry_django.field(
        description="Whether it is not safe for work: because its author said so, its screening found something, or a "
        "moderator decided so."
    )


@strawberry.type(description="A whisper in a list, with the place where the list can go on.")
class WhisperEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Where this whisper stands in the list.")
    node: Whisper = strawberry.field(description="The whisper.")


@strawberry.type(description="A page of whispers.")
class WhisperConnection:
    """Relay's connection."""

    edges: list[WhisperEdge] = strawberry.field(description="The whispers of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")


# --- Writes -----------------------------------------------------------------------------------------------------


@strawberry.type(description="The whisper as it was created, and the report that its screening made.")
class WhisperSuccess:
    """A whisper was created."""

    whisper: Whisper = strawberry.field(description="The whisper.")
    report: Report | None = strawberry.field(
        description="The report to the moderators, where the screening made one. Null otherwise."
    )
    applied: Applied = applied_field()


@strawberry.type(description="A whisper was deleted; nobody finds it any more.")
class WhisperDeleted:
    """A whisper is gone."""

    id: strawberry.ID = strawberry.field(description="The id that it had. It is never used again.")
    applied: Applied = applied_field()


CreateWhisperResult = Annotated[
    WhisperSuccess | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("CreateWhisperResult", description="What createWhisper can answer."),
]
DeleteWhisperResult = Annotated[
    WhisperDeleted | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("DeleteWhisperResult", description="What deleteWhisper can answer."),
]


@strawberry.type
class WhispersQuery:
    """Reads of whispers."""

    whispers: WhisperConnection = paged(
        queries.WHISPERS,
        "Whispers of the people that the viewer follows, and the viewer's own, newest first; everybody's when "
        "signed out. NSFW ones are left out, but your own, unless you have set showMature in your profile.",
    )


@strawberry.type
class WhispersMutation:
    """Writes to whispers."""

    @mutation(
        description="Create a whisper. Its text is screened by the moderators' policy: for words, whole and in any case of "
        "letters, and for too many links. What is found marks it NSFW, and some of it reports it to the moderators. The "
        "whisper, its flag and its report, or nothing."
    )
    def create_whisper(
        self,
        info: Info,
        text: Annotated[str, strawberry.argument(description="What it says: 1 to 500 characters, not blank.")],
        nsfw: Annotated[bool, strawberry.argument(description="Whether it is not safe for work.")] = False,
        key: Key = None,
    ) -> CreateWhisperResult:
        """Create a whisper."""
        outcome = whispers.create_whisper(info.context.me, text=text, nsfw=nsfw, key=key)
        whisper: Any = outcome.rows["whisper"]
        report: Any = outcome.rows.get("report")
        return WhisperSuccess(whisper=whisper, report=report, applied=applied_of(outcome))

    @mutation(
        description="Delete a whisper. Refused if it has been marked NSFW since `expect`. Reports of it are resolved. Whoever "
        "deletes it late is told NOT_FOUND and when it went."
    )
    def delete_whisper(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The whisper's id.")],
        expect: ExpectArgument,
        key: Key = None,
    ) -> DeleteWhisperResult:
        """Delete a whisper."""
        me, whisper = info.context.me, key_of(id, "Whisper", "id")
        outcome = whispers.delete_whisper(me, whisper=whisper, expect=parse_expect(expect), key=key)
        return WhisperDeleted(id=to_id("Whisper", whisper), applied=applied_of(outcome))
