"""The rows of stories: the shelf, the story, its chapters, and the totals about a story."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from backend.engine.guard import VersionGuard
from backend.engine.ids import uuid7
from backend.engine.tallies import Tally
from backend.people.models import Person

TITLE_CHARACTERS = 200
SUMMARY_CHARACTERS = 2_000
BODY_CHARACTERS = 200_000
MOST_CHAPTERS = 200


class Shelf(models.Model):
    """An author's list of stories. Creating or deleting a story is a write to it; version 0 until the first one."""

    author = models.OneToOneField(Person, on_delete=models.CASCADE, primary_key=True, related_name="shelf")
    story_count = models.PositiveIntegerField(default=0)
    """All stories, drafts included."""
    version = models.BigIntegerField(default=0)
    updated_at = models.DateTimeField(db_default=Now())
    stories_changed = models.BigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "shelves"
        constraints = (
            VersionGuard(name="shelf_version_guard", sides={"": {"stories": ["story_count"]}}, fixed=["author"]),
        )

    def __str__(self) -> str:
        return f"shelf of {self.author_id}"


class StoryStatus(models.TextChoices):
    """Whether others can see a story."""

    DRAFT = "DRAFT", "draft"
    PUBLISHED = "PUBLISHED", "published"


class Story(models.Model):
    """A story. Its version covers its chapters too: every write to one of them is a write to the story."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    author = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="stories", db_index=False)
    title = models.CharField(max_length=TITLE_CHARACTERS)
    summary = models.CharField(max_length=SUMMARY_CHARACTERS, default="", blank=True)
    mature = models.BooleanField(default=False)
    status = models.CharField(max_length=9, choices=StoryStatus.choices, default=StoryStatus.DRAFT)
    published_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())
    title_changed = models.BigIntegerField(default=1)
    summary_changed = models.BigIntegerField(default=1)
    mature_changed = models.BigIntegerField(default=1)
    status_changed = models.BigIntegerField(default=1)
    chapters_changed = models.BigIntegerField(default=1)

    class Meta:
        verbose_name_plural = "stories"
        constraints = (
            models.CheckConstraint(
                condition=Q(status=StoryStatus.PUBLISHED, published_at__isnull=False)
                | Q(status=StoryStatus.DRAFT, published_at__isnull=True),
                name="story_published_has_a_date",
            ),
            VersionGuard(
                name="story_version_guard",
                sides={
                    "": {
                        "title": ["title"],
                        "summary": ["summary"],
                        "mature": ["mature"],
                        "status": ["status", "published_at"],
                        "chapters": [],
                    }
                },
                fixed=["id", "author", "created_at"],
            ),
        )
        indexes = (
            models.Index(F("author"), F("created_at").desc(), F("id").desc(), name="story_by_author"),
            models.Index(
                F("author"),
                F("published_at").desc(),
                F("id").desc(),
                condition=Q(published_at__isnull=False),
                name="story_published_by_author",
            ),
            models.Index(
                F("published_at").desc(),
                F("id").desc(),
                condition=Q(published_at__isnull=False),
                name="story_published",
            ),
        )

    def __str__(self) -> str:
        return self.title


class Chapter(models.Model):
    """One chapter of a story, at a position 1, 2, 3 … without gaps."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    story = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="chapters", db_index=False)
    position = models.PositiveIntegerField()
    title = models.CharField(max_length=TITLE_CHARACTERS)
    body = models.TextField()
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())
    position_changed = models.BigIntegerField(default=1)
    title_changed = models.BigIntegerField(default=1)
    body_changed = models.BigIntegerField(default=1)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["story", "position"],
                name="chapter_one_per_position",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.CheckConstraint(condition=Q(position__gte=1), name="chapter_position_from_one"),
            VersionGuard(
                name="chapter_version_guard",
                sides={"": {"position": ["position"], "title": ["title"], "body": ["body"]}},
                fixed=["id", "story"],
            ),
        )

    def __str__(self) -> str:
        return f"{self.position}. {self.title}"


class StoryTally(Tally):
    """Totals about a story: `views`."""

    pk = models.CompositePrimaryKey("subject", "kind", "slot")
    subject = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="+", db_index=False)
