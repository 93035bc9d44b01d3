"""Models: a reader's position in a story, and views."""

from django.db import models
from django.db.models import F
from django.db.models.functions import Now

from backend.changes.triggers import ChangeLog
from backend.engine.guard import VersionGuard
from backend.engine.ids import uuid7
from backend.engine.presence import PresenceGuard
from backend.engine.removal import RemovalGuard
from backend.people.models import Person
from backend.stories.models import Chapter, Story


class Reading(models.Model):
    """One reader's position in one story. Versioned, because people read on several devices."""

    LOCK_RANK = 600
    SHOWN_AS = {"place": ["chapter", "offset"]}

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    story = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="readings", db_index=False)
    reader = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="readings", db_index=False)
    chapter = models.ForeignKey(Chapter, on_delete=models.SET_NULL, null=True, related_name="+", db_index=False)
    offset = models.PositiveIntegerField(default=0)
    """Characters into the chapter's body. May lie beyond its end, if the chapter was shortened later: see `offset_within`."""
    story_version = models.BigIntegerField(default=1, db_default=1)
    """The newest version of the story that the reader has opened."""
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())
    place_changed = models.BigIntegerField(default=1)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["story", "reader"], name="reading_one_per_reader"),
            VersionGuard(
                name="reading_version_guard",
                sides={"": {"place": ["chapter", "offset", "story_version"]}},
                fixed=["id", "story", "reader"],
            ),
            PresenceGuard(name="reading_by_somebody", people=["reader"]),
            RemovalGuard(name="reading_removal_guard"),
            ChangeLog(
                name="reading_change_log", kind="r", aggregate="story", sides=[{"owner": "reader", "id": "story"}]
            ),
        )
        indexes = (
            models.Index(F("reader"), F("updated_at").desc(), F("id").desc(), name="reading_by_reader"),
            models.Index(fields=["chapter"], name="reading_by_chapter"),
        )

    chapter_length: int | None = None
    """The characters of the chapter's body, where they were read along; not stored."""

    def __str__(self) -> str:
        return f"{self.reader_id} in {self.story_id}"

    def offset_within(self, length: int) -> int:
        """The offset in a body of `length` characters: its end, if it has become shorter than the offset.

        The end is found when the position is read, and an edit leaves positions as they are. So an author who shortens a
        chapter neither writes to all of its readers' rows nor makes their devices conflict.
        """
        return min(self.offset, length)


class View(models.Model):
    """A reader's view of a story on one day (UTC): the rows that the view count counts."""

    LOCK_RANK = 610

    pk = models.CompositePrimaryKey("story", "reader", "day")
    story = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="views", db_index=False)
    reader = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    day = models.DateField()

    class Meta:
        constraints = (
            PresenceGuard(name="view_by_somebody", people=["reader"]),
            RemovalGuard(name="view_removal_guard", fixed=["story", "reader"]),
        )

    def __str__(self) -> str:
        return f"{self.reader_id} saw {self.story_id} on {self.day}"
