"""Stories in the admin."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from backend.admin import ReadOnly
from backend.stories.models import Chapter, Revision, Shelf, Story


@admin.register(Story)
class StoryAdmin(ReadOnly):
    """Stories."""

    list_display = ("title", "author", "status", "published_at", "version")
    list_filter = ("status", "mature")
    list_select_related = ("author",)
    search_fields = ("title",)


@admin.register(Chapter)
class ChapterAdmin(ReadOnly):
    """Chapters."""

    list_display = ("title", "story", "position", "version")
    list_select_related = ("story",)


@admin.register(Shelf)
class ShelfAdmin(ReadOnly):
    """Shelves."""

    list_display = ("author", "story_count", "version")
    list_select_related = ("author",)


@admin.register(Revision)
class RevisionAdmin(ReadOnly):
    """Revisions, but for those that moderators made of stories of whoever looks, who is not told who moderated."""

    list_display = ("at", "story", "chapter_id", "version", "by")
    list_select_related = ("story", "by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Without those."""
        return (
            super().get_queryset(request).exclude(~Q(by=request.user.pk), moderated=True, story__author=request.user.pk)
        )
