"""What publishing sets, and what making a story a draft again does: the first publication keeps the story's place."""

from typing import Any

from django.db.models import Case, DateTimeField, F, Value, When
from django.db.models.functions import Coalesce, Now

from backend.stories.models import StoryStatus


def published() -> dict[str, Any]:
    """The values of a story that is published. It stands where it stood, if it was published before."""
    again = When(was_published_at__isnull=False, then=Now())
    return {
        "status": StoryStatus.PUBLISHED,
        "published_at": Coalesce(F("was_published_at"), Now()),
        "republished_at": Case(again, default=Value(None), output_field=DateTimeField()),
        "was_published_at": None,
    }


def draft_again() -> dict[str, Any]:
    """The values of a story that becomes a draft, or stays one: its place is kept."""
    return {
        "status": StoryStatus.DRAFT,
        "published_at": None,
        "republished_at": None,
        "was_published_at": Coalesce(F("published_at"), F("was_published_at")),
    }
