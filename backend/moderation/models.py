"""The rows of moderation: reports."""

import uuid

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from backend.engine.guard import VersionGuard
from backend.engine.ids import uuid7
from backend.engine.presence import PresenceGuard
from backend.people.models import Person

REASON_CHARACTERS = 1_000

SUBJECTS = ("whisper", "story", "chapter", "person")
"""What can be reported: each a foreign key of its own."""


class ReportStatus(models.TextChoices):
    """Where a report stands."""

    OPEN = "OPEN", "open"
    CLAIMED = "CLAIMED", "claimed"
    RESOLVED = "RESOLVED", "resolved"


class ReportOutcome(models.TextChoices):
    """What became of a report."""

    DISMISSED = "DISMISSED", "dismissed"
    MARKED_NSFW = "MARKED_NSFW", "marked NSFW"
    REMOVED = "REMOVED", "removed"


def _has_one_subject() -> Q:
    """Exactly one; none where the subject has been deleted, which resolves its reports."""
    one = Q()
    for subject in SUBJECTS:
        one |= Q(**{f"{other}__isnull": other != subject for other in SUBJECTS})
    none = Q(**{f"{other}__isnull": True for other in SUBJECTS})
    return one | (none & Q(status=ReportStatus.RESOLVED))


def _one_open(subject: str, *, or_nobody: bool = False) -> models.UniqueConstraint:
    """One reporter has one report of a thing that is not resolved; for a whisper the server counts as a reporter."""
    return models.UniqueConstraint(
        fields=[subject, "reporter"],
        name=f"report_one_open_of_a_{subject}",
        condition=Q(**{f"{subject}__isnull": False}) & ~Q(status=ReportStatus.RESOLVED),
        nulls_distinct=False if or_nobody else None,
    )


class Report(models.Model):
    """That somebody, or the screening of a whisper, asks the moderators to look at something."""

    LOCK_RANK = 700

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    about = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    """Whose thing is reported; it stays when the thing has been deleted."""
    reporter = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False, null=True)
    """None where the screening of a whisper made it."""
    whisper = models.ForeignKey("whispers.Whisper", on_delete=models.PROTECT, related_name="+", null=True)
    story = models.ForeignKey("stories.Story", on_delete=models.PROTECT, related_name="+", null=True)
    chapter = models.ForeignKey("stories.Chapter", on_delete=models.PROTECT, related_name="+", null=True)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", db_index=False, null=True)
    reason = models.CharField(max_length=REASON_CHARACTERS)
    status = models.CharField(max_length=8, choices=ReportStatus.choices, default=ReportStatus.OPEN)
    outcome = models.CharField(max_length=11, choices=ReportOutcome.choices, null=True)  # noqa: DJ001
    claimed_by = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False, null=True)
    """The moderator who works on it, or who has resolved it."""
    created_at = models.DateTimeField(db_default=Now())
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())
    state_changed = models.BigIntegerField(default=1)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=_has_one_subject(), name="report_has_one_subject"),
            models.CheckConstraint(
                condition=Q(status=ReportStatus.OPEN, claimed_by__isnull=True, outcome__isnull=True)
                | Q(status=ReportStatus.CLAIMED, claimed_by__isnull=False, outcome__isnull=True)
                | Q(status=ReportStatus.RESOLVED, outcome__isnull=False),
                name="report_status_fits",
            ),
            models.CheckConstraint(
                condition=Q(person__isnull=True) | Q(person=F("about")), name="report_is_about_them"
            ),
            _one_open("whisper", or_nobody=True),
            _one_open("story"),
            _one_open("chapter"),
            _one_open("person"),
            VersionGuard(
                name="report_version_guard",
                sides={"": {"state": ["status", "outcome", "claimed_by", "whisper", "story", "chapter"]}},
                fixed=["id", "about", "reporter", "person", "reason", "created_at"],
            ),
            PresenceGuard(name="report_of_somebody", people=["about", "reporter"]),
            PresenceGuard(name="report_claimed_by_somebody", people=["claimed_by"], changes=True),
        )
        indexes = (
            models.Index(fields=["created_at", "id"], name="report_oldest"),
            models.Index(fields=["status", "created_at", "id"], name="report_oldest_by_status"),
            models.Index(fields=["reporter", "created_at"], name="report_by_reporter"),
            models.Index(fields=["about", "id"], name="report_about"),
            models.Index(
                fields=["claimed_by", "id"], condition=Q(claimed_by__isnull=False), name="report_by_moderator"
            ),
        )

    def __str__(self) -> str:
        return f"{self.status.lower()}: {self.reason}"

    @property
    def subject_key(self) -> tuple[str, uuid.UUID] | None:
        """What is reported: which kind, and its id; None where it has been deleted."""
        found = ((kind, getattr(self, f"{kind}_id")) for kind in SUBJECTS)
        return next((one for one in found if one[1] is not None), None)
