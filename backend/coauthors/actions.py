"""Writes to who writes a story: changing a co-author's right, removing one, leaving. Inviting is in `invitations`.

Each is one conditioned write to the row of the story, which holds the rights (`stories.rights`), and is conditioned on its field
groups `author` and `coauthors`. So it waits for whatever is written to the story at the same moment, and what is written after it
meets the rights as they are then. Triggers keep the table of co-authors.
"""

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib.postgres.fields import ArrayField
from django.db.models import F, Func, Q, UUIDField

from backend.engine.declarations import IsAny, update
from backend.engine.errors import Busy, Conflict, FieldConflict, Invalid, Wrong, after_busy_ms
from backend.engine.idempotency import Applied
from backend.engine.statements import Declared, compiled
from backend.engine.versions import Expected, conflict, is_unchanged, unchanged
from backend.stories import explain
from backend.stories.models import Story
from backend.stories.point_in_time import UNWANTED, Moments
from backend.stories.rights import Right, may, right_of, stamped_by

GROUPS = ("author", "coauthors")
"""The field groups of a story that say who writes it."""

HAND_OVER = "is not given so: inviteCoauthor with OWN offers to hand the story over."
NO_COAUTHOR = "does not write this story."
YOURSELF = "is yourself: use leaveStory."
OWNER = "You are its author: hand it over first (inviteCoauthor with OWN), or delete it."


def set_right(
    story_id: uuid.UUID,
    manager_id: uuid.UUID,
    person_id: uuid.UUID,
    right: Right,
    seen: Expected,
    moments: Moments = UNWANTED,
) -> tuple[Story, Applied]:
    """Give a co-author this right, if nobody has changed who writes the story since `seen`.

    Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    if right is Right.OWN:
        raise Invalid.one("right", HAND_OVER)
    written = _set_right(right, story=story_id, manager=manager_id, person=person_id, seen=seen).row
    moments.of(story_id)
    if written is not None:
        return written, Applied.WRITTEN
    story = _managed(story_id, manager_id, seen)
    moments.of(story_id)
    return _nothing_to_do(story, right_of(person_id, story) is right)


@compiled
def _set_right(
    right: Right, *, story: uuid.UUID, manager: uuid.UUID, person: uuid.UUID, seen: Expected
) -> Declared[Story]:
    manages = Q(IsAny(person, F("managers")))
    others = stories_managed(story, manager, seen).filter(Q(IsAny(person, F("writers"))))
    if right is Right.MANAGE:
        return update(others.filter(~manages), managers=with_one("managers", person), **stamped_by(manager))
    return update(others.filter(manages), managers=without("managers", person), **stamped_by(manager))


def remove(
    story_id: uuid.UUID, manager_id: uuid.UUID, person_id: uuid.UUID, seen: Expected, moments: Moments = UNWANTED
) -> tuple[Story, Applied]:
    """Take the right to write from a co-author, if nobody has changed who writes the story since `seen`.

    Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    if person_id == manager_id:
        raise Invalid.one("person", YOURSELF, Wrong.ONESELF)
    written = _remove(story=story_id, manager=manager_id, person=person_id, seen=seen).row
    moments.of(story_id)
    if written is not None:
        return written, Applied.WRITTEN
    story = _managed(story_id, manager_id, seen)
    moments.of(story_id)
    return _nothing_to_do(story, right_of(person_id, story) is None)


@compiled
def _remove(*, story: uuid.UUID, manager: uuid.UUID, person: uuid.UUID, seen: Expected) -> Declared[Story]:
    writes = stories_managed(story, manager, seen).filter(Q(IsAny(person, F("writers"))))
    return update(writes, **without_person(person), **stamped_by(manager))


def leave(story_id: uuid.UUID, person_id: uuid.UUID, seen: Expected) -> None:
    """Write the story no more, if nobody has changed who writes it since `seen`.

    Raises `Conflict`, `NotFound`, `Forbidden`, and `Invalid` for its author.
    """
    if _leave(story=story_id, person=person_id, seen=seen).row is not None:
        return
    story = explain.own_story(story_id, person_id)
    if not is_unchanged(story, seen, GROUPS):
        raise changed(story, seen)
    if story.author_id == person_id:
        raise Invalid.one("story", OWNER)
    raise Busy(after_ms=after_busy_ms())  # they have become a co-author after the write


@compiled
def _leave(*, story: uuid.UUID, person: uuid.UUID, seen: Expected) -> Declared[Story]:
    writes = Story.objects.filter(unchanged(Story, seen, GROUPS), Q(IsAny(person, F("writers"))), pk=story)
    return update(writes, **without_person(person), **stamped_by(None))


# --- Helpers ----------------------------------------------------------------------------------------------------


def stories_managed(story: Any, manager: Any, seen: Any, right: Right = Right.MANAGE) -> Any:
    """The story, if this person has this right to it and nobody has changed who writes it since `seen`."""
    return Story.objects.filter(unchanged(Story, seen, GROUPS), may(manager, right), pk=story)


def changed(story: Story, seen: Expected) -> Conflict:
    """The conflict of a write that depends on who writes the story."""
    overlaps = [FieldConflict(explain.COAUTHORS, base=None, mine=None, theirs=None)]
    return conflict(story, seen=seen, thing=("story", story.pk), overlaps=overlaps)


def _managed(story_id: uuid.UUID, manager_id: uuid.UUID, seen: Expected) -> Story:
    """The present story that this person manages, of which nobody has changed who writes it. Raises what refuses the rest."""
    story = explain.own_story(story_id, manager_id, right=Right.MANAGE)
    if not is_unchanged(story, seen, GROUPS):
        raise changed(story, seen)
    return story


def _nothing_to_do(story: Story, is_so: bool) -> tuple[Story, Applied]:
    if not is_so:
        raise Invalid.one("person", NO_COAUTHOR)
    return story, Applied.NOOP


def with_one(column: Any, person: Any) -> Func:
    """The ids in this column, or of this expression, and this one."""
    return _ids("array_append", column, person)


def without(column: Any, person: Any) -> Func:
    """The ids in this column, or of this expression, without this one."""
    return _ids("array_remove", column, person)


def without_person(person: Any) -> Mapping[str, Func]:
    """The values of a story that this person writes no more."""
    return {column: without(column, person) for column in ("writers", "managers")}


def _ids(function: str, *of: Any) -> Func:
    return Func(*of, function=function, output_field=ArrayField(UUIDField()))
