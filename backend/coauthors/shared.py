"""What somebody who leaves has shared with others: the stories of theirs that others write, or are invited to."""

import uuid

from django.db.models import Exists, OuterRef, Q

from backend.coauthors.models import Invitation, InvitationStatus
from backend.coauthors.parted import lock_invitations, withdraw_invitations
from backend.engine.declarations import select, update_all
from backend.engine.statements import Declared, compiled
from backend.stories.models import Story
from backend.stories.rights import stamped_by


def lock(person_id: uuid.UUID) -> None:
    """Lock them. So nobody comes to write one while their author leaves: who accepts, invites or edits waits for that."""
    _lock(person=person_id)


def end(person_id: uuid.UUID) -> None:
    """Nobody writes the stories of somebody who has left, nor is invited to. They are locked."""
    _end(person=person_id)
    _lock_invitations(person=person_id)
    _withdraw(person=person_id)


@compiled
def _lock(*, person: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    is_offered = Exists(_PENDING.filter(story_id=OuterRef("pk")))
    stories = Story.objects.filter(~Q(writers=[]) | is_offered, author_id=person)
    return select(stories.order_by("pk").select_for_update(no_key=True).values_list("pk"))


@compiled
def _end(*, person: uuid.UUID) -> Declared[Story]:
    written = Story.objects.filter(~Q(writers=[]), author_id=person)
    return update_all(written, writers=[], managers=[], **stamped_by(None))


_PENDING = Invitation.objects.filter(status=InvitationStatus.PENDING.value)


@compiled
def _lock_invitations(*, person: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return lock_invitations(_PENDING.filter(story__author_id=person))


@compiled
def _withdraw(*, person: uuid.UUID) -> Declared[Invitation]:
    return withdraw_invitations(_PENDING.filter(story__author_id=person))
