"""Notifications' part of deletions: when a story or its recipient's account is deleted."""

import uuid
from collections.abc import Sequence
from typing import Any

from django.db.models import QuerySet

from backend.engine.declarations import delete_all
from backend.engine.statements import Declared, compiled
from backend.notifications.models import Announcement, Notification

SWEEP_STAGE = 60
SWEPT_COLUMNS = {"notifications_notification": ("person_id",)}


def sweep_person(person_id: uuid.UUID, limit: int) -> bool:
    """Delete up to `limit` notifications of a person who has left; returns whether there may be more."""
    return _remove_some(Notification.objects.filter(person_id=person_id).order_by("-created_at", "-pk"), limit)


def sweep_story(story_id: uuid.UUID, limit: int) -> bool:
    """Delete up to `limit` notifications of a story, a draft that the caller has locked; returns whether there may be more."""
    return _remove_some(Notification.objects.filter(story_id=story_id).order_by("person_id"), limit)


def _remove_some(notifications: "QuerySet[Notification]", limit: int) -> bool:
    found = list(notifications.values_list("pk", flat=True)[:limit])
    if found:
        delete_all(Notification.objects.filter(pk__in=found)).run()
    return bool(found)


def story_deleted(story_id: uuid.UUID, chapter_ids: Sequence[uuid.UUID]) -> None:  # noqa: ARG001
    """Delete all notifications of a deleted story and its announcement. The caller has locked the story."""
    _delete_announcement(story=story_id)
    _delete_notifications(story=story_id)


@compiled
def _delete_announcement(*, story: uuid.UUID) -> Declared[Any]:
    return delete_all(Announcement.objects.filter(pk=story))


@compiled
def _delete_notifications(*, story: uuid.UUID) -> Declared[Any]:
    return delete_all(Notification.objects.filter(story_id=story))
