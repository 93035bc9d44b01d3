"""Models: the shelf, the story, its chapters, revisions and tombstones, and totals about a story."""

from collections.abc import Sequence

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from backend.changes.triggers import ChangeLog, HandedLog, RemovalLog
from backend.engine.declarations import IsAny
from backend.engine.guard import VersionGuard
from backend.engine.ids import uuid7
from backend.engine.planned_check import PlannedCheck
from backend.engine.presence import PresenceGuard
from backend.engine.removal import RemovalGuard
from backend.engine.tallies import Tally
from backend.people.models import Person

TITLE_CHARACTERS = 200
SUMMARY_CHARACTERS = 2_000
BODY_CHARACTERS = 200_000
MAX_CHAPTERS = 200
MAX_COAUTHORS = 20


class Shelf(models.Model):
    """An author's list of stories. Creating or deleting a story is a write to it; version 0 until the first one."""

    LOCK_RANK = 230

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
            RemovalGuard(name="shelf_removal_guard"),
            ChangeLog(
                name="shelf_change_log", kind="f", aggregate="author", sides=[{"owner": "author", "id": "author"}]
            ),
        )

    def __str__(self) -> str:
        return f"shelf of {self.author_id}"


class StoryStatus(models.TextChoices):
    """Whether others can see a story."""

    DRAFT = "DRAFT", "draft"
    PUBLISHED = "PUBLISHED", "published"


class ContentWarning(models.TextChoices):
    """What readers may want to be warned of before they read."""

    ABUSE = "ABUSE", "abuse"
    DEATH = "DEATH", "death"
    GORE = "GORE", "gore"
    HATE = "HATE", "hate"
    SELF_HARM = "SELF_HARM", "self-harm"
    SEXUAL_CONTENT = "SEXUAL_CONTENT", "sexual content"
    STRONG_LANGUAGE = "STRONG_LANGUAGE", "strong language"
    SUBSTANCE_USE = "SUBSTANCE_USE", "substance use"
    VIOLENCE = "VIOLENCE", "violence"


class Story(models.Model):
    """A story. Its version covers its chapters too: every write to one of them is a write to the story.

    The moderators hold what a decision of theirs has set, as long as it is in force: see `moderated`. Two field groups have no
    column: `chapters` is the list of its chapters and their order, `texts` their titles and bodies.
    """

    LOCK_RANK = 400
    SHOWN_AS = {"texts": ["chapters"], "holds": ["decisions"]}

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    author = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="stories", db_index=False)
    handed_over_at = models.DateTimeField(null=True)
    """When it became the author's, if another one had it before."""
    writers = ArrayField(models.UUIDField(), default=list, db_default=[], blank=True)
    """The ids of its co-authors: each may read it as a draft, and write it. See `rights`."""
    managers = ArrayField(models.UUIDField(), default=list, db_default=[], blank=True)
    """Those of them who may also publish it, order its chapters, and say who writes it."""
    coauthors_by = models.UUIDField(null=True)
    """Who wrote the group `coauthors` last; None if nobody is told. They write the story, so the id goes with their right."""
    title = models.CharField(max_length=TITLE_CHARACTERS)
    summary = models.CharField(max_length=SUMMARY_CHARACTERS, default="", blank=True)
    mature = models.BooleanField(default=False)
    warnings = ArrayField(
        models.CharField(max_length=15, choices=ContentWarning), default=list, db_default=[], blank=True
    )
    """Content warnings, each once, in alphabetical order."""
    status = models.CharField(max_length=9, choices=StoryStatus.choices, default=StoryStatus.DRAFT)
    published_at = models.DateTimeField(null=True)
    """When it was first published, which is its place in every list; None for a draft."""
    republished_at = models.DateTimeField(null=True)
    """When it was published last, if it had been a draft again before."""
    was_published_at = models.DateTimeField(null=True)
    """Keeps `published_at` of a draft that was published before."""
    held = models.BooleanField(default=False, db_default=False)
    """Whether the moderators have taken it down: it stays a draft until they lift that."""
    mature_held = models.BooleanField(default=False, db_default=False)
    """Whether they have marked it mature: it stays so until they lift that."""
    created_at = models.DateTimeField(db_default=Now())
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())
    title_changed = models.BigIntegerField(default=1)
    summary_changed = models.BigIntegerField(default=1)
    mature_changed = models.BigIntegerField(default=1)
    warnings_changed = models.BigIntegerField(default=1, db_default=1)
    status_changed = models.BigIntegerField(default=1)
    holds_changed = models.BigIntegerField(default=1, db_default=1)
    chapters_changed = models.BigIntegerField(default=1)
    texts_changed = models.BigIntegerField(default=1, db_default=1)
    author_changed = models.BigIntegerField(default=1, db_default=1)
    coauthors_changed = models.BigIntegerField(default=1, db_default=1)

    class Meta:
        verbose_name_plural = "stories"
        constraints = (
            PlannedCheck(
                condition=Q(writers__contains=F("managers"), writers__len__lte=MAX_COAUTHORS)
                & ~Q(IsAny(F("author"), F("writers"))),
                name="story_written_by_others_too",
            ),
            models.CheckConstraint(
                condition=Q(coauthors_by__isnull=True)
                | Q(coauthors_by=F("author"))
                | Q(IsAny(F("coauthors_by"), F("writers"))),
                name="story_coauthors_by_who_writes",
            ),
            PlannedCheck(
                condition=Q(status=StoryStatus.PUBLISHED, published_at__isnull=False)
                | Q(status=StoryStatus.DRAFT, published_at__isnull=True),
                name="story_published_has_a_date",
            ),
            models.CheckConstraint(condition=Q(held=False) | Q(status=StoryStatus.DRAFT), name="story_held_is_a_draft"),
            models.CheckConstraint(condition=Q(mature_held=False) | Q(mature=True), name="story_held_is_mature"),
            PlannedCheck(condition=Q(warnings__contained_by=ContentWarning.values), name="story_warnings_are_known"),
            VersionGuard(
                name="story_version_guard",
                sides={
                    "": {
                        "title": ["title"],
                        "summary": ["summary"],
                        "mature": ["mature"],
                        "warnings": ["warnings"],
                        "status": ["status", "published_at", "republished_at", "was_published_at"],
                        "holds": ["held", "mature_held"],
                        "chapters": [],
                        "texts": [],
                        "author": ["author", "handed_over_at"],
                        "coauthors": ["writers", "managers", "coauthors_by"],
                    }
                },
                fixed=["id", "created_at"],
            ),
            PresenceGuard(name="story_of_somebody", people=["author"], changes=True),
            RemovalGuard(name="story_removal_guard"),
            ChangeLog(
                name="story_change_log", kind="s", aggregate="id", sides=[{"owner": "author"}], public="published_at"
            ),
            HandedLog(name="story_handed_log", owner="author"),
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

    new_chapters: "Sequence[Chapter] | None" = None
    """All its chapters in order, where they were written with it; not stored."""

    def __str__(self) -> str:
        return self.title


GONE_FOR_WRITERS = (
    "SELECT 'c', OLD.id, OLD.story_id, unnest(story.writers), OLD.version, TRUE "
    "FROM stories_story AS story WHERE story.id = OLD.story_id"
)
"""SQL: what the log says to co-authors when a chapter goes. If the story went before, they have been told that already."""


class Chapter(models.Model):
    """One chapter of a story, at a position 1, 2, 3 … without gaps."""

    LOCK_RANK = 410

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    story = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="chapters", db_index=False)
    position = models.PositiveIntegerField()
    title = models.CharField(max_length=TITLE_CHARACTERS)
    body = models.TextField()
    story_version = models.BigIntegerField(default=1, db_default=1)
    """The story's version at the last write to title or body. If it is above the version that a reader saw, the chapter has
    changed since.
    """
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
                stamps=["story_version"],
            ),
            RemovalGuard(name="chapter_removal_guard"),
            ChangeLog(
                name="chapter_change_log", kind="c", aggregate="story", sides=[{"owner": "story__author"}], parent="s"
            ),
            RemovalLog(name="chapter_removal_log", entries=GONE_FOR_WRITERS),
        )

    def __str__(self) -> str:
        return f"{self.position}. {self.title}"


class Revision(models.Model):
    """The values that one write to a story or chapter replaced. Immutable; `prune_revisions` deletes the oldest."""

    LOCK_RANK = 420

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    story = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="revisions", db_index=False)
    chapter_id = models.UUIDField(null=True)
    """The chapter that was written; None for the story itself. No foreign key, because the chapter may be deleted and
    restored.
    """
    version = models.BigIntegerField()
    """The version of the story or chapter that the write made."""
    moderated = models.BooleanField(default=False, db_default=False)
    """Whether a moderator wrote."""
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    values = models.JSONField()
    """The replaced values, by field."""
    since = models.JSONField()
    """The version since which each replaced value had been current, by field."""
    size = models.PositiveIntegerField()
    """Characters of `values` as JSON."""

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["story", "chapter_id", "version"], name="revision_one_per_write", nulls_distinct=False
            ),
            PresenceGuard(name="revision_by_somebody", people=["by"]),
            RemovalGuard(
                name="revision_removal_guard",
                fixed=["id", "story", "chapter_id", "version", "moderated", "at", "by", "values", "since", "size"],
            ),
        )

    def __str__(self) -> str:
        return f"{', '.join(self.values)} before version {self.version}"


class Tombstone(models.Model):
    """The id of a deleted story, chapter or whisper, so that those whose it was can be told when it was deleted."""

    LOCK_RANK = 430

    id = models.UUIDField(primary_key=True, editable=False)
    author = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    story_id = models.UUIDField(null=True)
    """The story of a deleted chapter, whose writers are told too. No foreign key: the story may be deleted later."""
    deleted_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = (RemovalGuard(name="tombstone_removal_guard", fixed=["id", "author", "story_id", "deleted_at"]),)
        indexes = (models.Index(fields=["author", "id"], name="tombstone_by_author"),)

    def __str__(self) -> str:
        return f"{self.id} deleted at {self.deleted_at}"


class StoryRank(models.Model):
    """The sort key of a published story in the list of most read: its view count when it was last summed up.

    The exact total is spread over the slots of its tally, which cannot be indexed; see `rank`.
    """

    LOCK_RANK = 920

    story = models.OneToOneField(Story, on_delete=models.CASCADE, primary_key=True, related_name="rank")
    views = models.BigIntegerField(default=0)

    class Meta:
        constraints = (RemovalGuard(name="storyrank_removal_guard", fixed=["story"]),)
        indexes = (models.Index(F("views").desc(), F("story").desc(), name="story_rank_most_read"),)

    def __str__(self) -> str:
        return f"{self.views} views of {self.story_id}"


class StoryWords(models.Model):
    """The words of a story's title, summary and titles of chapters, by which it is found; see `engine.words`.

    Triggers keep them, with the sort key of the list of newest stories; no unit of work writes them.
    """

    LOCK_RANK = 440

    story = models.OneToOneField(Story, on_delete=models.CASCADE, primary_key=True, related_name="+")
    words = SearchVectorField()
    published_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "words of stories"
        indexes = (
            # Without a list of pending entries, which each search would have to read. Drafts are looked through one by one.
            GinIndex(fields=["words"], condition=Q(published_at__isnull=False), name="story_words", fastupdate=False),
            models.Index(
                F("published_at").desc(),
                F("story").desc(),
                condition=Q(published_at__isnull=False),
                name="story_words_published",
            ),
        )

    def __str__(self) -> str:
        return f"words of {self.story_id}"


class StoryTally(Tally):
    """Totals about a story: `views`."""

    LOCK_RANK = 910

    pk = models.CompositePrimaryKey("subject", "kind", "slot")
    subject = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="+", db_index=False)
