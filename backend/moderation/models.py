"""Models: reports, what was reported as it was then, what moderators have decided, and the log of what they did."""

import uuid

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

REASON_CHARACTERS = 1_000

SUBJECTS = ("whisper", "story", "chapter", "person")
"""What can be reported; each has its own foreign key."""


class ReportStatus(models.TextChoices):
    """The status of a report."""

    OPEN = "OPEN", "open"
    CLAIMED = "CLAIMED", "claimed"
    RESOLVED = "RESOLVED", "resolved"


class ReportOutcome(models.TextChoices):
    """How a report was resolved."""

    DISMISSED = "DISMISSED", "dismissed"
    MARKED_NSFW = "MARKED_NSFW", "marked NSFW"
    REMOVED = "REMOVED", "removed"
    WARNED = "WARNED", "warned"
    SUSPENDED = "SUSPENDED", "suspended"


def _has_one_subject() -> Q:
    """Exactly one subject; none if it was deleted, which also resolves the report."""
    one = Q()
    for subject in SUBJECTS:
        one |= Q(**{f"{other}__isnull": other != subject for other in SUBJECTS})
    none = Q(**{f"{other}__isnull": True for other in SUBJECTS})
    return one | (none & Q(status=ReportStatus.RESOLVED))


def _one_open(subject: str, *, or_nobody: bool = False) -> models.UniqueConstraint:
    """A reporter has at most one unresolved report of a thing; for whispers the screening counts as a reporter."""
    return models.UniqueConstraint(
        fields=[subject, "reporter"],
        name=f"report_one_open_of_a_{subject}",
        condition=Q(**{f"{subject}__isnull": False}) & ~Q(status=ReportStatus.RESOLVED),
        nulls_distinct=False if or_nobody else None,
    )


class Evidence(models.Model):
    """A story, a chapter or a person as somebody reported it: once for each version that was reported. Never changes.

    A whisper needs none, because its text never changes. It is kept as long as the thing is.
    """

    LOCK_RANK = 690

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    subject = models.UUIDField()
    """The key of the thing. No foreign key, because it is of one of three tables; `erasure` deletes it with the thing."""
    version = models.BigIntegerField()
    """The thing's version then."""
    about = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    texts = models.JSONField()
    """What it said, by column; of a chapter what its story did."""
    chapters = models.JSONField(null=True)
    """The chapters of the story, or the one that was reported, in order; None of a person."""

    class Meta:
        verbose_name_plural = "evidence"
        constraints = (
            models.UniqueConstraint(fields=["subject", "version"], name="evidence_one_per_version"),
            PresenceGuard(name="evidence_about_somebody", people=["about"]),
            RemovalGuard(
                name="evidence_removal_guard", fixed=["id", "subject", "version", "about", "texts", "chapters"]
            ),
        )
        indexes = (models.Index(fields=["about", "id"], name="evidence_about"),)

    def __str__(self) -> str:
        return f"{self.subject} at version {self.version}"


class Report(models.Model):
    """A report to the moderators, by a person or by the screening of a whisper."""

    LOCK_RANK = 700
    SHOWN_AS = {"state": ["status"]}

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    about = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    """The author of the reported thing; kept when the thing is deleted."""
    reporter = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False, null=True)
    """None if the screening created it."""
    whisper = models.ForeignKey("whispers.Whisper", on_delete=models.PROTECT, related_name="+", null=True)
    story = models.ForeignKey("stories.Story", on_delete=models.PROTECT, related_name="+", null=True)
    chapter = models.ForeignKey("stories.Chapter", on_delete=models.PROTECT, related_name="+", null=True)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="+", db_index=False, null=True)
    evidence = models.ForeignKey(Evidence, on_delete=models.PROTECT, related_name="+", null=True)
    """What the subject was when it was reported; None for a whisper, and once the subject is gone for good."""
    buried = models.UUIDField(null=True)
    """The chapter that it was of, which was deleted and can be restored: the report comes back with it."""
    buried_in = models.UUIDField(null=True)
    """The story which that chapter was deleted from."""
    buried_open = models.BooleanField(null=True)
    """Whether it was not resolved then."""
    reason = models.CharField(max_length=REASON_CHARACTERS)
    status = models.CharField(max_length=8, choices=ReportStatus.choices, default=ReportStatus.OPEN)
    outcome = models.CharField(max_length=11, choices=ReportOutcome.choices, null=True)  # noqa: DJ001
    claimed_by = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False, null=True)
    """The moderator who claimed or resolved it."""
    created_at = models.DateTimeField(db_default=Now())
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())
    state_changed = models.BigIntegerField(default=1)

    class Meta:
        constraints = (
            PlannedCheck(condition=_has_one_subject(), name="report_has_one_subject"),
            PlannedCheck(
                condition=Q(status=ReportStatus.OPEN, claimed_by__isnull=True, outcome__isnull=True)
                | Q(status=ReportStatus.CLAIMED, claimed_by__isnull=False, outcome__isnull=True)
                | Q(status=ReportStatus.RESOLVED, outcome__isnull=False),
                name="report_status_fits",
            ),
            models.CheckConstraint(
                condition=Q(person__isnull=True) | Q(person=F("about")), name="report_is_about_them"
            ),
            PlannedCheck(
                condition=Q(buried__isnull=True, buried_in__isnull=True, buried_open__isnull=True)
                | Q(
                    chapter__isnull=True,
                    status=ReportStatus.RESOLVED,
                    buried__isnull=False,
                    buried_in__isnull=False,
                    buried_open__isnull=False,
                ),
                name="report_buried_is_resolved",
            ),
            _one_open("whisper", or_nobody=True),
            _one_open("story"),
            _one_open("chapter"),
            _one_open("person"),
            VersionGuard(
                name="report_version_guard",
                sides={
                    "": {
                        "state": [
                            *("status", "outcome", "claimed_by", "whisper", "story", "chapter", "evidence"),
                            *("buried", "buried_in", "buried_open"),
                        ]
                    }
                },
                fixed=["id", "about", "reporter", "person", "reason", "created_at"],
            ),
            PresenceGuard(name="report_of_somebody", people=["about", "reporter"]),
            PresenceGuard(name="report_claimed_by_somebody", people=["claimed_by"], changes=True),
            RemovalGuard(name="report_removal_guard"),
            ChangeLog(name="report_change_log", kind="t", aggregate="about", sides=[{"owner": "reporter"}]),
        )
        indexes = (
            models.Index(fields=["created_at", "id"], name="report_oldest"),
            models.Index(fields=["status", "created_at", "id"], name="report_oldest_by_status"),
            models.Index(fields=["reporter", "created_at", "id"], name="report_by_reporter"),
            models.Index(fields=["buried"], name="report_buried"),
            models.Index(fields=["buried_in"], name="report_buried_in"),
            models.Index(fields=["about", "id"], name="report_about"),
            models.Index(
                fields=["claimed_by", "id"], condition=Q(claimed_by__isnull=False), name="report_by_moderator"
            ),
        )

    def __str__(self) -> str:
        return f"{self.status.lower()}: {self.reason}"

    @property
    def subject_key(self) -> tuple[str, uuid.UUID] | None:
        """The kind and the id of the subject; None if it was deleted."""
        found = ((kind, getattr(self, f"{kind}_id")) for kind in SUBJECTS)
        return next((one for one in found if one[1] is not None), None)


class AppealOutcome(models.TextChoices):
    """What became of an appeal."""

    UPHELD = "UPHELD", "upheld"
    OVERTURNED = "OVERTURNED", "overturned"


class Decision(models.Model):
    """What a moderator has decided against somebody or something of theirs, and the one appeal against it.

    It is in force until it is lifted. What it does to a story (`held`, `mature_held`) or an account (`suspended_until`) follows
    from all decisions that are in force.
    """

    LOCK_RANK = 720
    SHOWN_AS = {"state": ["liftedAt"]}

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    about = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    """Whom it is against: the author of what it is about."""
    moderator = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    """Who decided; the id stays when they leave."""
    report_id = models.UUIDField()
    """The report that it settled. No foreign key, because that goes with its reporter."""
    kind = models.CharField(max_length=7)
    """Whether it is about a whisper, a story or a person."""
    subject = models.UUIDField()
    """The key of that. No foreign key, because the decision stays when it is deleted."""
    outcome = models.CharField(max_length=11, choices=ReportOutcome.choices)
    reason = models.CharField(max_length=REASON_CHARACTERS, blank=True)
    """What the moderator told whom it is against; may be empty."""
    excerpt = models.TextField(blank=True)
    """The title of the story or the text of the whisper, as it was; empty of a person."""
    before = models.JSONField(null=True)
    """Of a whisper what it takes to undo the decision, by column."""
    decided_at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField(null=True)
    """When a suspension ends; None of anything else."""
    lifted_at = models.DateTimeField(null=True)
    appeal = models.CharField(max_length=REASON_CHARACTERS, default="", blank=True)
    appealed_at = models.DateTimeField(null=True)
    appeal_outcome = models.CharField(max_length=10, choices=AppealOutcome.choices, null=True)  # noqa: DJ001
    """None until the appeal is judged."""
    answer = models.CharField(max_length=REASON_CHARACTERS, default="", blank=True)
    """What the moderator who judged it told the author; may be empty."""
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())
    state_changed = models.BigIntegerField(default=1)
    appeal_changed = models.BigIntegerField(default=1)

    class Meta:
        constraints = (
            PlannedCheck(
                condition=Q(outcome=ReportOutcome.SUSPENDED, until__isnull=False)
                | (~Q(outcome=ReportOutcome.SUSPENDED) & Q(until__isnull=True)),
                name="decision_suspends_until",
            ),
            models.CheckConstraint(
                condition=Q(appeal_outcome__isnull=True) | Q(appealed_at__isnull=False),
                name="decision_judged_if_appealed",
            ),
            models.CheckConstraint(
                condition=Q(appeal_outcome__isnull=True)
                | Q(appeal_outcome=AppealOutcome.UPHELD)
                | Q(lifted_at__isnull=False),
                name="decision_overturned_is_lifted",
            ),
            VersionGuard(
                name="decision_version_guard",
                sides={
                    "": {
                        "state": ["lifted_at"],
                        "appeal": ["appeal", "appealed_at", "appeal_outcome", "answer"],
                    }
                },
                fixed=[
                    *("id", "about", "moderator", "report_id", "kind", "subject", "outcome", "reason", "excerpt"),
                    *("before", "decided_at", "until"),
                ],
            ),
            PresenceGuard(name="decision_about_somebody", people=["about"]),
            RemovalGuard(name="decision_removal_guard"),
            ChangeLog(name="decision_change_log", kind="d", aggregate="about", sides=[{"owner": "about"}]),
        )
        indexes = (
            models.Index(fields=["about", "decided_at", "id"], name="decision_about"),
            models.Index(fields=["subject", "outcome"], name="decision_of_subject"),
            models.Index(fields=["report_id", "decided_at"], name="decision_of_report"),
            models.Index(fields=["decided_at", "id"], name="decision_oldest"),
            models.Index(
                fields=["decided_at", "id"],
                condition=Q(appealed_at__isnull=False, appeal_outcome__isnull=True),
                name="decision_appealed",
            ),
        )

    def __str__(self) -> str:
        return f"{self.outcome.lower()}: {self.excerpt or self.about_id}"


class ActionKind(models.TextChoices):
    """What a moderator can do."""

    CLAIMED = "CLAIMED", "claimed a report"
    UNCLAIMED = "UNCLAIMED", "unclaimed a report"
    RESOLVED = "RESOLVED", "resolved a report"
    REOPENED = "REOPENED", "reopened a report"
    LIFTED = "LIFTED", "lifted a decision"
    UPHELD = "UPHELD", "upheld a decision on appeal"
    OVERTURNED = "OVERTURNED", "overturned a decision on appeal"


class ModerationAction(models.Model):
    """One step of a moderator, written with it. The log of these never changes, and nobody's leaving takes anything out of it.

    No foreign key but to the moderator: what a step was about may be gone.
    """

    LOCK_RANK = 730

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    at = models.DateTimeField(db_default=Now())
    moderator = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    kind = models.CharField(max_length=10, choices=ActionKind.choices)
    outcome = models.CharField(max_length=11, choices=ReportOutcome.choices, null=True)  # noqa: DJ001
    """How a report was resolved."""
    about_id = models.UUIDField()
    """Whom what it was about is of: they do not see it, if they moderate."""
    report_id = models.UUIDField()
    decision_id = models.UUIDField(null=True)
    """What was decided, lifted or judged; None of other steps with a report."""

    class Meta:
        constraints = (
            RemovalGuard(
                name="moderationaction_removal_guard",
                fixed=["id", "at", "moderator", "kind", "outcome", "about_id", "report_id", "decision_id"],
            ),
        )
        indexes = (models.Index(fields=["at", "id"], name="moderationaction_newest"),)

    def __str__(self) -> str:
        return f"{self.moderator_id} {self.get_kind_display()}"


class DailyReports(models.Model):
    """How many reports somebody has made on one day (UTC): what the daily limit is a condition on.

    Reports that were deleted since, with the person whom they were about, stay counted.
    """

    LOCK_RANK = 710

    pk = models.CompositePrimaryKey("reporter", "day")
    reporter = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()
    count = models.PositiveIntegerField()

    class Meta:
        verbose_name_plural = "daily reports"
        constraints = (RemovalGuard(name="dailyreports_removal_guard", fixed=["reporter", "day"]),)

    def __str__(self) -> str:
        return f"{self.count} reports by {self.reporter_id} on {self.day}"
