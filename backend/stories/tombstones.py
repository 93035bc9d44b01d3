"""Tombstones of deleted things, so that those whose they were can be told when they were deleted."""

import uuid
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from backend.engine.declarations import IsAny, delete_all, insert_all, select
from backend.engine.statements import Declared, Json, compiled
from backend.stories.models import Story, Tombstone
from backend.stories.rights import Right, may


def bury(ids: Iterable[uuid.UUID], author_id: uuid.UUID) -> None:
    """Insert tombstones for these ids."""
    _bury(stones=[{"id": str(one), "author_id": str(author_id)} for one in ids])


def bury_chapter(chapter_id: uuid.UUID, story: Story) -> None:
    """Insert a tombstone for a chapter of a story that stays."""
    _bury_chapter(stones=[{"id": str(chapter_id), "author_id": str(story.author_id), "story_id": str(story.pk)}])


@compiled
def _bury(*, stones: Json) -> Declared[Tombstone]:
    return insert_all(Tombstone, ["id", "author"], stones, counts=True)


@compiled
def _bury_chapter(*, stones: Json) -> Declared[Tombstone]:
    return insert_all(Tombstone, ["id", "author", "story_id"], stones, counts=True)


def unbury(id_: uuid.UUID) -> None:
    """Delete the tombstone of a thing that was restored."""
    _unbury(id=id_)


@compiled
def _unbury(*, id: uuid.UUID) -> Declared[Tombstone]:
    return delete_all(Tombstone.objects.filter(pk=id))


def stone_of(id_: uuid.UUID, person_id: uuid.UUID) -> Tombstone | None:
    """The tombstone of a thing that was this person's, or of a chapter of a story that they write; None if it was not deleted."""
    return _first(ids=[id_], person=person_id).row


def deleted_at(ids: Iterable[uuid.UUID | None], person_id: uuid.UUID) -> datetime | None:
    """When the first of these things was deleted of which `stone_of` tells this person; None if none was."""
    stone = _first(ids=[one for one in ids if one is not None], person=person_id).row
    return None if stone is None else stone.deleted_at


@compiled
def _first(*, ids: list[uuid.UUID], person: uuid.UUID) -> Declared[Tombstone]:
    is_theirs = Q(author_id=person) | Q(Exists(Story.objects.filter(may(person, Right.WRITE), pk=OuterRef("story_id"))))
    return select(Tombstone.objects.filter(is_theirs, IsAny("pk", ids)).order_by("deleted_at")[:1])


def sweep_tombstones(author_id: uuid.UUID, limit: int) -> bool:
    """Delete up to so many of the author's tombstones; returns whether there may be more."""
    found = list(Tombstone.objects.filter(author_id=author_id).order_by("pk").values_list("pk", flat=True)[:limit])
    return bool(delete_all(Tombstone.objects.filter(IsAny("pk", found))).run().count)
