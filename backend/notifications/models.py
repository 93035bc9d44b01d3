"""The rows of notifications: what somebody is told of, and how far the telling of a story has come."""

import uuid
from datetime import datetime

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from backend.engine.guard import VersionGuard
from backend.engine.ids import uuid7
from backend.engine.presence import PresenceGuard
from backend.people.models import Person

FIGURES = ("open_reports", "claimed_reports", "resolved_reports")
"""What a digest tells."""


class NotificationKind(models.TextChoices):
    """What happened."""

    STORY_PUBLISHED = "STORY_PUBLISHED", "a story was published"
    MODERATION_DIGEST = "MODERATION_DIGEST", "a day of moderation is over"


def _given(*names: str, null: bool) -> Q:
    return Q(**{f"{name}__isnull": null for name in names})


class Notification(models.Model):
    """That somebody is told of an event. It never changes; whether it has been read may."""

    LOCK_RANK = 810

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=17, choices=NotificationKind.choices)
    story = models.ForeignKey("stories.Story", on_delete=models.PROTECT, related_name="+", db_index=False, null=True)
    day = models.DateField(null=True)
    """Of which day (UTC) this is the digest."""
    open_reports = models.PositiveIntegerField(null=True)
    """How many reports were open when the digest was made."""
    claimed_reports = models.PositiveIntegerField(null=True)
    """How many were claimed then."""
    resolved_reports = models.PositiveIntegerField(null=True)
    """How many were resolved on that day, and still were."""
    created_at = models.DateTimeField(db_default=Now())
    read_at = models.DateTimeField(null=True)
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())
    read_changed = models.BigIntegerField(default=1)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=(
                    Q(kind=NotificationKind.STORY_PUBLISHED)
                    & _given("story", null=False)
                    & _given("day", *FIGURES, null=True)
                )
                | (
                    Q(kind=NotificationKind.MODERATION_DIGEST)
                    & _given("story", null=True)
                    & _given("day", *FIGURES, null=False)
                ),
                name="notification_fits_its_kind",
            ),
            models.UniqueConstraint(fields=["story", "person"], name="notification_once_of_a_story"),
            models.UniqueConstraint(fields=["day", "person"], name="notification_once_a_day"),
            VersionGuard(
                name="notification_version_guard",
                sides={"": {"read": ["read_at"]}},
                fixed=["id", "person", "kind", "story", "day", *FIGURES, "created_at"],
            ),
            PresenceGuard(name="notification_for_somebody", people=["person"]),
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
    """How far the followers of an author have been told of a story: moved by the transaction that tells some more."""

    LOCK_RANK = 800

    story = models.OneToOneField("stories.Story", on_delete=models.PROTECT, primary_key=True, related_name="+")
    publication = models.BigIntegerField()
    """The version that the story got by the publication which is told."""
    reached_at = models.DateTimeField(null=True)
    reached_id = models.UUIDField(null=True)
    """The follower who was told last, and since when they follow; None before the first."""
    done = models.BooleanField(default=False)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=Q(reached_at__isnull=True, reached_id__isnull=True)
                | Q(reached_at__isnull=False, reached_id__isnull=False),
                name="announcement_reached_somebody",
            ),
        )

    def __str__(self) -> str:
        return f"{self.story_id} as published at {self.publication}: {'done' if self.done else 'under way'}"

    @property
    def place(self) -> tuple[datetime, uuid.UUID] | None:
        """Where the telling goes on among the followers; None for the beginning."""
        if self.reached_at is None or self.reached_id is None:
            return None
        return self.reached_at, self.reached_id
