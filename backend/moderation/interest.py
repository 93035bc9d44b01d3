"""What a moderator has a part in: what is about them, and a story that they write. Another moderator deals with it."""

from typing import Any

from django.db.models import Exists, F, OuterRef, Q

from backend.engine.declarations import IsAny
from backend.stories.models import Chapter, Story

_WRITTEN = "EXISTS (SELECT FROM stories_story AS written WHERE written.id {of} AND {viewer} = ANY(written.writers))"
_CHAPTERS = "(SELECT chapter.story_id FROM stories_chapter AS chapter WHERE chapter.id = report.chapter_id)"
_OF_REPORT = f"IN (report.story_id, {_CHAPTERS})"


def reports_of_others(viewer: str) -> str:
    """SQL: whether a moderator (an expression for a person's id) has no part in `report`."""
    return f"(report.about_id <> {viewer} AND NOT {_WRITTEN.format(of=_OF_REPORT, viewer=viewer)})"


def decisions_of_others(viewer: str) -> str:
    """SQL: whether a moderator has no part in `decision`."""
    return f"(decision.about_id <> {viewer} AND NOT {_WRITTEN.format(of='= decision.subject', viewer=viewer)})"


def in_report(moderator: Any) -> Q:
    """Filter: a report in which this moderator has a part."""
    of_chapter = Chapter.objects.filter(pk=OuterRef(OuterRef("chapter_id"))).values("story_id")
    story = Q(pk=OuterRef("story_id")) | Q(pk__in=of_chapter)
    return Q(about_id=moderator) | Q(Exists(Story.objects.filter(story, IsAny(moderator, F("writers")))))


def in_decision(moderator: Any) -> Q:
    """Filter: a decision in which this moderator has a part."""
    written = Story.objects.filter(IsAny(moderator, F("writers")), pk=OuterRef("subject"))
    return Q(about_id=moderator) | Q(Exists(written))
