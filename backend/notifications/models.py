"""Models: notifications, and the progress of notifying followers of a story."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from functools import reduce
from operator import or_

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from backend.changes.triggers import ChangeLog
from backend.engine.guard import VersionGuard
from backend.engine.ids import uuid7
from backend.engine.planned_check import PlannedCheck
from backend.engine.presence import PresenceGuard
from backend.engine.removal import RemovalGuard
from backend.people.models import Person

FIGURES = ("open_reports", "claimed_reports", "resolved_reports")
"""The columns of a digest."""


class NotificationKind(models.TextChoices):
    """What happened."""

    STORY_PUBLISHED = "STORY_PUBLISHED", "a story was published"
    MODERATION_DIGEST = "MODERATION_DIGEST", "a day of moderation is over"
    DECISION_MADE = "DECISION_MADE", "the moderators decided against them"
    DECISION_LIFTED = "DECISION_LIFTED", "the moderators lifted a decision"
    APPEAL_JUDGED = "APPEAL_JUDGED", "the moderators judged their appeal"
    REPORT_RESOLVED = "REPORT_RESOLVED", "the moderators resolved their report"
    INVITED = "INVITED", "they were invited to write a story"


OF_DECISIONS = (NotificationKind.DECISION_MADE, NotificationKind.DECISION_LIFTED, NotificationKind.APPEAL_JUDGED)


GIVEN: Sequence[tuple[NotificationKind, *tuple[str, ...]]] = (
    (NotificationKind.STORY_PUBLISHED, "story"),
    (NotificationKind.MODERATION_DIGEST, "day", *FIGURES),
    *((kind, "decision_id") for kind in OF_DECISIONS),
    (NotificationKind.REPORT_RESOLVED, "report_id"),
    (NotificationKind.INVITED, "invitation_id"),
)
"""The columns that a notification of each kind has."""


def _fits(kind: Q, *given: str) -> Q:
    """A notification of this kind has these columns, and none of the others."""
    every = {name: name not in given for _, *names in GIVEN for name in names}
    return kind & Q(**{f"{name}__isnull": null for name, null in every.items()})


class Notification(models.Model):
    """A notification of one person about one event. Only its read mark can change."""

    LOCK_RANK = 810
    SHOWN_AS = {"read": ["readAt"]}

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=17, choices=NotificationKind.choices)
    story = models.ForeignKey("stories.Story", on_delete=models.PROTECT, related_name="+", db_index=False, null=True)
    day = models.DateField(null=True)
    """The day (UTC) of a digest."""
    open_reports = models.PositiveIntegerField(null=True)
    """Reports that were open when the digest was made."""
    claimed_reports = models.PositiveIntegerField(null=True)
    """Reports that were claimed then."""
    resolved_reports = models.PositiveIntegerField(null=True)
    """Reports that were resolved on that day and not reopened."""
    decision_id = models.UUIDField(null=True)
    """The moderators' decision against the person. No foreign key: both are swept with the person, each in its own time."""
    report_id = models.UUIDField(null=True)
    """The person's report that was resolved. No foreign key: it goes with whom it was about."""
    invitation_id = models.UUIDField(null=True)
    """What they were invited to. No foreign key: it goes with the story."""
    created_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField(null=True)
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())
    read_changed = models.BigIntegerField(default=1)

    class Meta:
        constraints = (
            PlannedCheck(
                condition=reduce(or_, (_fits(Q(kind=kind), *given) for kind, *given in GIVEN)),
                name="notification_fits_its_kind",
            ),
            models.UniqueConstraint(fields=["story", "person"], name="notification_once_of_a_story"),
            models.UniqueConstraint(fields=["day", "person"], name="notification_once_a_day"),
            VersionGuard(
                name="notification_version_guard",
                sides={"": {"read": ["read_at"]}},
                fixed=[
                    "id",
                    "person",
                    "kind",
                    "story",
                    "day",
                    *FIGURES,
                    "decision_id",
                    "report_id",
                    "invitation_id",
                    "created_at",
                ],
            ),
            PresenceGuard(name="notification_for_somebody", people=["person"]),
            RemovalGuard(name="notification_removal_guard"),
            ChangeLog(name="notification_change_log", kind="n", aggregate="person", sides=[{"owner": "person"}]),
        )
        indexes = (
            models.Index(F("person"), F("created_at").desc(), F("id").desc(), name="notification_newest"),
            models.Index(
                F("person"),
                F("created_at").desc(),
                F("id").desc(),
                condition=Q(read_at__isnull=True),
                name="notification_newest_unread",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} for {self.person_id}"


class Announcement(models.Model):
    """The progress of notifying an author's followers of a story. Each batch updates it in its own transaction."""

    LOCK_RANK = 800

    story = models.OneToOneField("stories.Story", on_delete=models.PROTECT, primary_key=True, related_name="+")
    publication = models.BigIntegerField()
    """The story's version made by the publication."""
    reached_at = models.DateTimeField(null=True)
    reached_id = models.UUIDField(null=True)
    """The follower who was notified last (`reached_at`: since when they follow); None before the first."""
    done = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(reached_at__isnull=True, reached_id__isnull=True)
                | Q(reached_at__isnull=False, reached_id__isnull=False),
                name="announcement_reached_somebody",
            ),
            RemovalGuard(name="announcement_removal_guard", fixed=["story"]),
        )

    def __str__(self) -> str:
        return f"{self.story_id} as published at {self.publication}: {'done' if self.done else 'under way'}"

    @property
    def place(self) -> tuple[datetime, uuid.UUID] | None:
        """After which follower to continue; None for the start."""
        if self.reached_at is None or self.reached_id is None:
            return None
        return self.reached_at, self.reached_id
