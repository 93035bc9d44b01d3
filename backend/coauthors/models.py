"""Models: who writes a story beside its author, and who is invited to.

What decides whether somebody may write stands in the row of the story (`stories.rights`). Triggers keep a `Coauthor` for each of
those, for lists by person; no unit of work writes them.
"""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from backend.changes.kinds import SIGHT
from backend.changes.triggers import ChangeLog, RemovalLog, SignalLog
from backend.engine.guard import VersionGuard
from backend.engine.ids import uuid7
from backend.engine.presence import PresenceGuard
from backend.engine.removal import RemovalGuard
from backend.people.models import Person
from backend.stories.models import Story
from backend.stories.rights import Right

SEEN_UNTIL_NOW = (
    "SELECT 'c', chapter.id, OLD.story_id, OLD.person_id, chapter.version, FALSE "
    "FROM stories_chapter AS chapter WHERE chapter.story_id = OLD.story_id"
)
"""SQL: what the log says to who writes a story no more: these are the chapters that they have seen. Nothing that comes later."""


class Coauthor(models.Model):
    """Somebody who writes a story beside its author."""

    LOCK_RANK = 450

    pk = models.CompositePrimaryKey("story", "person")
    story = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="+", db_index=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    granted = models.CharField(max_length=6, choices=[(one.value, one.label) for one in (Right.WRITE, Right.MANAGE)])
    """Their right."""
    since = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (
            PresenceGuard(name="coauthor_is_somebody", people=["person"]),
            SignalLog(name="coauthor_sight_log", kind=SIGHT, owner="person", id="story"),
            RemovalLog(name="coauthor_removal_log", entries=SEEN_UNTIL_NOW),
        )
        indexes = (models.Index(F("person"), F("since").desc(), F("story").desc(), name="coauthor_newest"),)

    def __str__(self) -> str:
        return f"{self.person_id} in {self.story_id}: {self.granted}"


class InvitationStatus(models.TextChoices):
    """What has become of an invitation. Only a pending one can be answered, once."""

    PENDING = "PENDING", "not answered"
    ACCEPTED = "ACCEPTED", "accepted"
    DECLINED = "DECLINED", "declined"
    WITHDRAWN = "WITHDRAWN", "withdrawn"


class Invitation(models.Model):
    """The offer of a right to a story. OWN hands the story over when it is accepted."""

    LOCK_RANK = 550
    SHOWN_AS = {"inviter": ["invitedBy"]}

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    story = models.ForeignKey(Story, on_delete=models.PROTECT, related_name="+", db_index=False)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    """Who is invited."""
    invited_by = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False, null=True)
    """None once they have left."""
    offered = models.CharField(max_length=9, choices=Right)
    status = models.CharField(max_length=9, choices=InvitationStatus, default=InvitationStatus.PENDING)
    created_at = models.DateTimeField(db_default=Now())
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())
    status_changed = models.BigIntegerField(default=1)
    inviter_changed = models.BigIntegerField(default=1)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["story", "person"],
                condition=Q(status=InvitationStatus.PENDING),
                name="invitation_one_open_for_each",
            ),
            models.UniqueConstraint(
                fields=["story"],
                condition=Q(status=InvitationStatus.PENDING, offered=Right.OWN),
                name="invitation_one_open_hand_over",
            ),
            models.CheckConstraint(
                condition=Q(invited_by__isnull=True) | ~Q(invited_by=F("person")), name="invitation_of_another"
            ),
            VersionGuard(
                name="invitation_version_guard",
                sides={"": {"status": ["status"], "inviter": ["invited_by"]}},
                fixed=["id", "story", "person", "offered", "created_at"],
            ),
            PresenceGuard(name="invitation_of_somebody", people=["person", "invited_by"]),
            RemovalGuard(name="invitation_removal_guard"),
            ChangeLog(
                name="invitation_change_log",
                kind="i",
                aggregate="story",
                sides=[{"owner": "person"}, {"owner": "story__author"}],
                parent="s",
            ),
        )
        indexes = (
            models.Index(F("person"), F("created_at").desc(), F("id").desc(), name="invitation_newest"),
            models.Index(fields=["story", "created_at", "id"], name="invitation_of_story"),
            models.Index(
                fields=["invited_by", "id"], condition=Q(invited_by__isnull=False), name="invitation_by_somebody"
            ),
        )

    def __str__(self) -> str:
        return f"{self.offered} in {self.story_id} for {self.person_id}: {self.status}"
