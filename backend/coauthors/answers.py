"""What all answers to an invitation share: finding it, the one conditioned write to it, and why it could not be answered."""

import uuid
from dataclasses import dataclass

from backend.coauthors import queries
from backend.coauthors.models import Invitation, InvitationStatus
from backend.coauthors.parted import Held
from backend.engine.declarations import select, update
from backend.engine.errors import (
    Busy,
    Conflict,
    FieldConflict,
    Forbidden,
    Invalid,
    NotFound,
    Refusal,
    Wrong,
    after_busy_ms,
)
from backend.engine.statements import Declared, Result, compiled
from backend.engine.versions import Expected, conflict, is_unchanged, stamped, unchanged
from backend.sources import read
from backend.stories.models import MAX_COAUTHORS, Story
from backend.stories.rights import Right

UNKNOWN_INVITATION = "There is no such invitation."
FULL = f"has {MAX_COAUTHORS} co-authors already, and may not have more."
CLOSED = "is of an invitation that is not open any more."
NOT_YOURS = "Only who is invited can accept or decline an invitation."
HELD = "is held by the moderators: a story is handed over when no decision of theirs about it is in force."


# --- Finding it -------------------------------------------------------------------------------------------------


def look_up(invitation_id: uuid.UUID, viewer_id: uuid.UUID) -> Result[Invitation]:
    """The invitation, if the viewer finds it."""
    return read(Invitation, queries.BY_ID, key=invitation_id, viewer=viewer_id)


def present(invitation_id: uuid.UUID, viewer_id: uuid.UUID, seen: Expected, wanted: InvitationStatus) -> Invitation:
    """The present invitation, if it is pending or has the wanted status already. Raises what refuses anything else."""
    found = look_up(invitation_id, viewer_id).row
    if found is None:
        raise NotFound(UNKNOWN_INVITATION)
    if found.status == InvitationStatus.PENDING:
        return found
    if not is_unchanged(found, seen, ["status"]):
        raise _conflict(found, seen)
    if found.status != wanted:
        raise Invalid.one("id", CLOSED)
    return found


def present_to_invited(
    invitation_id: uuid.UUID, person_id: uuid.UUID, seen: Expected, wanted: InvitationStatus
) -> Invitation:
    """`present`, of who is invited. Raises `Forbidden` for anybody else."""
    found = present(invitation_id, person_id, seen, wanted)
    if found.person_id != person_id:
        raise Forbidden(NOT_YOURS)
    return found


# --- Answering it -----------------------------------------------------------------------------------------------


@compiled
def answer(status: InvitationStatus, *, invitation: uuid.UUID, seen: Expected) -> Declared[Invitation]:
    """Give it this status, if it is pending and has not changed since `seen`."""
    pending = Invitation.objects.filter(pk=invitation, status=InvitationStatus.PENDING.value)
    return update(
        pending.filter(unchanged(Invitation, seen, ["status"])), status=status.value, **stamped(Invitation, ["status"])
    )


def overtaken(invitation_id: uuid.UUID, viewer_id: uuid.UUID, seen: Expected) -> Refusal:
    """Why an invitation that was pending could not be answered."""
    found = look_up(invitation_id, viewer_id).row
    if found is None:
        return NotFound(UNKNOWN_INVITATION)
    if not is_unchanged(found, seen, ["status"]):
        return _conflict(found, seen)
    return Busy(after_ms=after_busy_ms())


def _conflict(found: Invitation, seen: Expected) -> Conflict:
    overlaps = [FieldConflict("status", base=InvitationStatus.PENDING.value, mine=None, theirs=found.status)]
    answered = found.status in (InvitationStatus.ACCEPTED, InvitationStatus.DECLINED)
    by = found.person_id if answered else None
    return conflict(found, seen=seen, thing=("invitation", found.pk), overlaps=overlaps, by=by)


@dataclass(frozen=True)
class Offer:
    """A pending invitation that is being accepted, and who was the story's author when it was looked at."""

    invitation: Invitation
    author_id: uuid.UUID
    seen: Expected

    @property
    def by(self) -> set[uuid.UUID]:
        """Whom no block may part from who accepts: the author, and who invited."""
        return {self.author_id, self.invitation.invited_by_id or self.author_id}

    def accept(self) -> Result[Invitation]:
        """Mark it as accepted."""
        return answer(InvitationStatus.ACCEPTED, invitation=self.invitation.pk, seen=self.seen)

    def written(self, held: Held, given: Result[Story], accepted: Result[Invitation]) -> tuple[Invitation, Story]:
        """What was written. Raises what refuses it; all is rolled back then."""
        if held.apart & self.by or accepted.row is None:
            raise overtaken(self.invitation.pk, self.invitation.person_id, self.seen)
        if given.row is None:
            raise self._not_given()
        return accepted.row, given.row

    def _not_given(self) -> Refusal:
        """Why the right could not be given."""
        invitation = self.invitation
        story = _story(story=invitation.story_id).row
        if story is not None and (story.held or story.mature_held) and invitation.offered == Right.OWN:
            return Invalid.one("id", HELD)
        if story is not None and len(story.writers) >= MAX_COAUTHORS and invitation.person_id not in story.writers:
            return Invalid.one("id", f"is to a story that {FULL}", Wrong.TOO_MANY, MAX_COAUTHORS)
        return Busy(after_ms=after_busy_ms())  # it was handed over or deleted since the invitation was looked at


@compiled
def _story(*, story: uuid.UUID) -> Declared[Story]:
    return select(Story.objects.filter(pk=story))
