"""Notifications in GraphQL: the type, the viewer's list, and marking one read."""

import enum
from datetime import date
from typing import TYPE_CHECKING, Annotated

import strawberry
import strawberry_django
from strawberry import auto

from backend.coauthors import queries as coauthors
from backend.moderation import queries as moderation
from backend.notifications import models, queries
from backend.sources import Value
from resolvers import notifications
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
from schema.mutations import mutation
from schema.nodes import PageInfo, Versioned, key_of, sourced

if TYPE_CHECKING:
    from schema.coauthors import Invitation
    from schema.decisions import Decision
    from schema.moderation import Report
    from schema.stories import Story


@strawberry.enum(description="What somebody is told of.")
class NotificationKind(enum.Enum):
    """The kinds of events."""

    STORY_PUBLISHED = strawberry.enum_value(
        "STORY_PUBLISHED",
        description="Somebody whom you follow has published a story. You are told once of each story.",
    )
    MODERATION_DIGEST = strawberry.enum_value(
        "MODERATION_DIGEST", description="A day of moderation is over: its figures are in `digest`. For moderators."
    )
    DECISION_MADE = strawberry.enum_value(
        "DECISION_MADE", description="The moderators have decided against you or something of yours: see `decision`."
    )
    DECISION_LIFTED = strawberry.enum_value(
        "DECISION_LIFTED", description="The moderators have lifted a decision against you: see `decision`."
    )
    APPEAL_JUDGED = strawberry.enum_value(
        "APPEAL_JUDGED", description="The moderators have judged your appeal: see `decision.appeal`."
    )
    REPORT_RESOLVED = strawberry.enum_value(
        "REPORT_RESOLVED", description="The moderators have resolved a report of yours: see `report.outcome`."
    )
    INVITED = strawberry.enum_value(
        "INVITED", description="Somebody offers you to write a story with them, or the story itself: see `invitation`."
    )


@strawberry.type(description="The figures of a day of moderation.")
class ModerationDigest:
    """A digest."""

    day: date = strawberry.field(description="Which day (UTC).")
    open_reports: int = strawberry.field(description="How many reports were open when the digest was made.")
    claimed_reports: int = strawberry.field(description="How many were claimed then.")
    resolved_reports: int = strawberry.field(description="How many were resolved on that day, and still were.")


@strawberry_django.type(
    models.Notification,
    description="That you are told of an event, once. It never changes; whether you have read it may. Nobody else finds it.",
)
class Notification(Versioned):
    """A notification."""

    look_up = queries.BY_ID

    id: strawberry.ID = sourced(Value("$row.id"), "Names this notification. Opaque.")
    kind: NotificationKind = sourced(Value("$row.kind"), "What happened.")
    created_at: auto = strawberry_django.field(description="When you were told.")
    read_at: auto = strawberry_django.field(description="When you have marked it read; null until then.")
    story: Annotated["Story", strawberry.lazy("schema.stories")] | None = sourced(
        queries.STORY,
        "The story that was published. Null of anything else, and if you cannot find the story now; lists leave such a "
        "notification out. It goes when the story is deleted.",
    )
    digest: ModerationDigest | None = sourced(queries.DIGEST, "The figures of a digest; null otherwise.")
    decision: Annotated["Decision", strawberry.lazy("schema.decisions")] | None = sourced(
        moderation.DECISION_OF_NOTIFICATION, "The decision that was made, lifted or appealed; null otherwise."
    )
    report: Annotated["Report", strawberry.lazy("schema.moderation")] | None = sourced(
        moderation.REPORT_OF_NOTIFICATION,
        "Your report that was resolved; null otherwise, and once whom it was about has left.",
    )
    invitation: Annotated["Invitation", strawberry.lazy("schema.coauthors")] | None = sourced(
        coauthors.OF_NOTIFICATION,
        "What you were invited to; null otherwise, once the story is deleted, and across a block from its author.",
    )


@strawberry.type(description="A notification in a list, with the place where the list can go on.")
class NotificationEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Where this notification stands in the list.")
    node: Notification = strawberry.field(description="The notification.")


@strawberry.type(description="A page of notifications.")
class NotificationConnection:
    """Relay's connection."""

    edges: list[NotificationEdge] = strawberry.field(description="The notifications of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")


# --- Writes -----------------------------------------------------------------------------------------------------


@strawberry.type(description="The notification as it is after the write.")
class NotificationSuccess:
    """A notification was marked."""

    notification: Notification = strawberry.field(description="The notification, with its version.")
    applied: Applied = applied_field()


MarkNotificationReadResult = Annotated[
    NotificationSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("MarkNotificationReadResult", description="What markNotificationRead can answer."),
]


@strawberry.type
class NotificationsMutation:
    """Writes to notifications."""

    @mutation(
        description="Remember that you have read a notification of yours. Of two devices that do it at once one writes, and the "
        "other's conflict says when it was read; NOOP if you saw that it is read."
    )
    def mark_notification_read(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The notification's id.")],
        expect: ExpectArgument,
        key: Key = None,
    ) -> MarkNotificationReadResult:
        """Mark a notification read."""
        me, notification = info.context.me, key_of(id, "Notification", "id")
        expected = parse_expect(expect)
        outcome = notifications.mark_notification_read(me, notification=notification, expect=expected, key=key)
        return NotificationSuccess(
            notification=outcome.rows["notification"],  # type: ignore[arg-type]
            applied=applied_of(outcome),
        )
