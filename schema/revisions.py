"""Revisions in GraphQL: the values that writes to stories and chapters replaced, and restoring them."""

import uuid
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
import strawberry_django
from strawberry import auto
from strawberry.scalars import JSON

from backend.sources import Value
from backend.stories import models
from backend.stories import revisions as queries
from resolvers import revisions
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
from schema.chapters import Chapter
from schema.context import Info
from schema.mutations import mutation
from schema.nodes import Node, PageInfo, key_of, sourced, to_id
from schema.scalars import Version
from schema.stories import Shelf, Story

if TYPE_CHECKING:
    from schema.people import Person

MAX_FIELDS = 10
"""More fields than a write to a story or a chapter can set."""


def _as_sent(values: dict[str, Any]) -> dict[str, Any]:
    """The values, with chapters' keys as global ids."""
    sent = dict(values)
    if "chapters" in sent:
        sent["chapters"] = [to_id("Chapter", uuid.UUID(one)) for one in sent["chapters"]]
    if "removed" in sent:
        removed = sent["removed"]
        sent["removed"] = {
            **removed,
            "id": to_id("Chapter", uuid.UUID(removed["id"])),
            "version": str(removed["version"]),
        }
    return sent


@strawberry_django.type(
    models.Revision,
    description="What one write to a story or to a chapter replaced. It never changes; only those who write the story see it.",
)
class Revision(Node):
    """A revision."""

    look_up = queries.BY_ID

    id: strawberry.ID = sourced(Value("$row.id"), "Names this revision. Opaque.")
    version: Version = strawberry_django.field(
        description="The version that the write gave to the story, or to the chapter where this is one of a chapter."
    )
    at: auto = strawberry_django.field(description="When the write happened.")
    by: Annotated["Person", strawberry.lazy("schema.people")] | None = sourced(
        queries.AUTHOR,
        "Who wrote. Null where byModerator is true: who acts as a moderator is shown to moderators alone, and to them only "
        "where they can find the person.",
    )
    by_moderator: bool = sourced(
        queries.BY_MODERATOR, "Whether a moderator wrote, who marked the story mature or took it down."
    )
    changed: list[str] = sourced(queries.CHANGED, "The names of the fields that the write set.", most=MAX_FIELDS)
    values: JSON = sourced(
        Value("$row.values", convert=_as_sent),
        "What these fields held before, by name. `chapters` is the order of the chapters, by id; `removed` a chapter that "
        "was deleted: id, position, title, body, version.",
    )


@strawberry.type(description="A revision in a list, with the place where the list can go on.")
class RevisionEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Where this revision stands in the list.")
    node: Revision = strawberry.field(description="The revision.")


@strawberry.type(description="A page of revisions.")
class RevisionConnection:
    """Relay's connection."""

    edges: list[RevisionEdge] = strawberry.field(description="The revisions of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")


@strawberry.type(description="The story, and the chapter if it is one of a chapter, as they are after the write.")
class RevisionSuccess:
    """A revision was restored."""

    story: Story = strawberry.field(description="The story, with the new version.")
    chapter: Chapter | None = strawberry.field(description="The chapter that was written or came back, if one was.")
    shelf: Shelf = strawberry.field(description="Your own shelf, with its version.")
    applied: Applied = applied_field()


RestoreRevisionResult = Annotated[
    RevisionSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("RestoreRevisionResult", description="What restoreRevision can answer."),
]


@strawberry.type
class RevisionsMutation:
    """Restoring revisions."""

    @mutation(
        description="Give the fields of a revision the values that they held before. `expect` names the version of the story, "
        "or of the chapter if it is a chapter's revision; refused if any of these fields has changed since. Of the list of "
        "chapters the order comes back, and the chapter that was deleted, under its own id; no chapter is ever deleted. A "
        "write like any other: what it replaces is a revision in its turn."
    )
    def restore_revision(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The revision's id.")],
        expect: ExpectArgument,
        key: Key = None,
    ) -> RestoreRevisionResult:
        """Restore a revision."""
        me, revision = info.context.me, key_of(id, "Revision", "id")
        outcome = revisions.restore_revision(me, revision=revision, expect=parse_expect(expect), key=key)
        story: Any = outcome.rows["story"]
        chapter: Any = outcome.rows.get("chapter")
        shelf: Any = outcome.rows["shelf"]
        return RevisionSuccess(story=story, chapter=chapter, shelf=shelf, applied=applied_of(outcome))
