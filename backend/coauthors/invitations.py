"""Invitations to write a story: making one, and the one answer to it.

Inviting is conditioned on who writes the story, and is a write to it: of two who invite at once, one does. An answer is
conditioned on the invitation: of accepting, declining and withdrawing one happens. Accepting gives the right in the same
transaction.
"""

import uuid
from collections.abc import Sequence

from django.conf import settings
from django.db.models import Exists, F, Q

from backend.coauthors import hand_overs, queries
from backend.coauthors.actions import GROUPS, changed, stories_managed, with_one
from backend.coauthors.answers import (
    FULL,
    HELD,
    UNKNOWN_INVITATION,
    Offer,
    answer,
    look_up,
    overtaken,
    present,
    present_to_invited,
)
from backend.coauthors.hand_overs import take_over
from backend.coauthors.models import Invitation, InvitationStatus
from backend.coauthors.parted import Held, hold_pairs
from backend.coauthors.queries import MAX_OPEN
from backend.engine.declarations import ANY_KEY, IsAny, insert, select, update
from backend.engine.errors import Busy, Forbidden, Invalid, NotFound, Oneself, Refusal, Wrong, after_busy_ms
from backend.engine.idempotency import Applied
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, compiled
from backend.engine.versions import Expected, is_unchanged
from backend.limits import buckets
from backend.limits.buckets import Limit
from backend.people.suspension import hold_writer
from backend.social.pairs import Pair, find
from backend.stories import explain
from backend.stories.models import MAX_COAUTHORS, Story
from backend.stories.rights import Right, may, stamped_by

Written = tuple[Invitation, Applied]

ANOTHER = "has an open invitation already: withdraw it first (withdrawInvitation)."
TOO_MANY_OPEN = f"has {MAX_OPEN} open invitations already: withdraw some, or wait for the answers."
ONE_HAND_OVER = "is offered to somebody already: withdraw that first (withdrawInvitation)."


# --- Inviting ---------------------------------------------------------------------------------------------------


def invite(story_id: uuid.UUID, inviter_id: uuid.UUID, person_id: uuid.UUID, right: Right, seen: Expected) -> Written:
    """Offer a right to the story, if nobody has changed who writes it since `seen`.

    OWN is offered by the author alone. Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`, `Suspended`, and `RateLimited` if
    the inviter has made too many.
    """
    if person_id == inviter_id:
        raise Oneself.one("person", "is yourself; this needs another person.", Wrong.ONESELF)
    needed = Right.OWN if right is Right.OWN else Right.MANAGE
    counted = buckets.fill(Limit("invitation", str(inviter_id), settings.INVITATIONS))  # locked before the account
    hold_writer(inviter_id)
    story = explain.own_story(story_id, inviter_id, right=needed)
    held = hold_pairs(person_id, [inviter_id, story.author_id])
    written = _note(right, needed, story=story_id, manager=inviter_id, person=person_id, seen=seen)
    made = _make(id=uuid7(), story=story_id, person=person_id, inviter=inviter_id, offered=right.value)
    _require_together(inviter_id, person_id, held)
    if right is Right.OWN:
        hand_overs.check(story_id)
    if written.row is not None and made.row is not None:
        buckets.require_room(counted)
        return made.row, Applied.WRITTEN
    same = _explain(story_id, inviter_id, person_id, right, needed, seen, made.row)
    if written.row is not None:  # an invitation was made since the story was looked at: it is so then
        raise Busy(after_ms=after_busy_ms())
    return same, Applied.NOOP


def _require_together(inviter_id: uuid.UUID, person_id: uuid.UUID, held: Held) -> None:
    pair = Pair.of(inviter_id, person_id)
    row = find(pair)
    if row is not None and getattr(row, f"{pair.mine}blocks_at") is not None:
        raise Forbidden("You block this person. Unblock them before you invite them.")
    if held.apart:
        raise Forbidden("This person cannot be invited to this story.")


@compiled
def _note(
    right: Right, needed: Right, *, story: uuid.UUID, manager: uuid.UUID, person: uuid.UUID, seen: Expected
) -> Declared[Story]:
    pending = Invitation.objects.filter(story_id=story, status=InvitationStatus.PENDING)
    free = ~Exists(pending.filter(person_id=person)) & ~Exists(pending.order_by("pk")[MAX_OPEN - 1 :])
    if right is Right.OWN:
        free &= ~Exists(pending.filter(offered=Right.OWN.value)) & Q(held=False, mature_held=False)
    else:
        free &= Q(writers__len__lt=MAX_COAUTHORS) & ~Q(IsAny(person, F("writers")))
    stories = stories_managed(story, manager, seen, needed).filter(free).exclude(author_id=person)
    return update(stories, **stamped_by(manager))


@compiled
def _make(
    *, id: uuid.UUID, story: uuid.UUID, person: uuid.UUID, inviter: uuid.UUID, offered: str
) -> Declared[Invitation]:
    return insert(Invitation, ANY_KEY, id=id, story=story, person_id=person, invited_by_id=inviter, offered=offered)


def _explain(
    story_id: uuid.UUID,
    inviter_id: uuid.UUID,
    person_id: uuid.UUID,
    right: Right,
    needed: Right,
    seen: Expected,
    made: Invitation | None,
) -> Invitation:
    """Why the story was not written: returns the open invitation if it is the same, or raises what refuses it.

    What was made beside it is rolled back by that.
    """
    story = explain.own_story(story_id, inviter_id, right=needed)
    if not is_unchanged(story, seen, GROUPS):
        raise changed(story, seen)
    pending = [one for one in queries.open_to(story=story_id).rows if made is None or one.pk != made.pk]
    theirs = next((one for one in pending if one.person_id == person_id), None)
    if theirs is not None and theirs.offered == right:
        return theirs
    raise _refusal(story, person_id, right, pending)


def _refusal(story: Story, person_id: uuid.UUID, right: Right, pending: Sequence[Invitation]) -> Refusal:
    if story.author_id == person_id:
        return Invalid.one("person", "is its author.")
    if any(one.person_id == person_id for one in pending):
        return Invalid.one("person", ANOTHER)
    if len(pending) >= MAX_OPEN:
        return Invalid.one("story", TOO_MANY_OPEN, Wrong.TOO_MANY, MAX_OPEN)
    if right is Right.OWN:
        if any(one.offered == Right.OWN for one in pending):
            return Invalid.one("right", ONE_HAND_OVER)
        if story.held or story.mature_held:
            return Invalid.one("story", HELD)
    elif person_id in story.writers:
        return Invalid.one("person", "writes this story already: use setCoauthorRight.")
    elif len(story.writers) >= MAX_COAUTHORS:
        return Invalid.one("story", FULL, Wrong.TOO_MANY, MAX_COAUTHORS)
    return Busy(after_ms=after_busy_ms())  # it was so when the story was written to, and is so no more


# --- Answering --------------------------------------------------------------------------------------------------


def accept(invitation_id: uuid.UUID, person_id: uuid.UUID, seen: Expected) -> Written:
    """Take what is offered, if the invitation has not changed since `seen`.

    Raises `Conflict`, `NotFound`, `Forbidden`, and `Invalid` if the story cannot be given any more.
    """
    found = present_to_invited(invitation_id, person_id, seen, InvitationStatus.ACCEPTED)
    if found.status != InvitationStatus.PENDING:
        return found, Applied.NOOP
    author = queries.author_of(story=found.story_id).row
    if author is None or author == (person_id,):  # the story is deleted, or theirs, since the invitation was looked at
        raise overtaken(invitation_id, person_id, seen)
    offer = Offer(found, *author, seen)
    written = take_over(offer) if found.offered == Right.OWN else _join(offer)
    return written, Applied.WRITTEN


def _join(offer: Offer) -> Invitation:
    """Make who accepts a co-author."""
    invitation = offer.invitation
    held = hold_pairs(invitation.person_id, offer.by)
    right = Right(invitation.offered)
    given = _give(right, story=invitation.story_id, author=offer.author_id, person=invitation.person_id)
    written, _ = offer.written(held, given, offer.accept())
    return written


@compiled
def _give(right: Right, *, story: uuid.UUID, author: uuid.UUID, person: uuid.UUID) -> Declared[Story]:
    is_new = ~Q(IsAny(person, F("writers")))
    free = Story.objects.filter(is_new, pk=story, author_id=author, writers__len__lt=MAX_COAUTHORS)
    columns = ("writers", "managers") if right is Right.MANAGE else ("writers",)
    return update(free, **{name: with_one(name, person) for name in columns}, **stamped_by(person))


def decline(invitation_id: uuid.UUID, person_id: uuid.UUID, seen: Expected) -> Written:
    """Refuse what is offered, if the invitation has not changed since `seen`.

    Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    found = present_to_invited(invitation_id, person_id, seen, InvitationStatus.DECLINED)
    if found.status != InvitationStatus.PENDING:
        return found, Applied.NOOP
    row = answer(InvitationStatus.DECLINED, invitation=invitation_id, seen=seen).row
    if row is None:
        raise overtaken(invitation_id, person_id, seen)
    return row, Applied.WRITTEN


def withdraw(invitation_id: uuid.UUID, manager_id: uuid.UUID, seen: Expected) -> Written:
    """Take an offer back, if the invitation has not changed since `seen`. Whoever manages the story may.

    Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    found = present(invitation_id, manager_id, seen, InvitationStatus.WITHDRAWN)
    managed = _hold_managed(story=found.story_id, manager=manager_id)
    row = None
    if found.status == InvitationStatus.PENDING:
        row = answer(InvitationStatus.WITHDRAWN, invitation=invitation_id, seen=seen).row
    if managed.row is None:
        is_there = look_up(invitation_id, manager_id).row is not None
        raise Forbidden(explain.MAY_NOT[Right.MANAGE]) if is_there else NotFound(UNKNOWN_INVITATION)
    if found.status != InvitationStatus.PENDING:
        return found, Applied.NOOP
    if row is None:
        raise overtaken(invitation_id, manager_id, seen)
    return row, Applied.WRITTEN


@compiled
def _hold_managed(*, story: uuid.UUID, manager: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    managed = Story.objects.filter(may(manager, Right.MANAGE), pk=story)
    return select(managed.select_for_update(no_key=True).values_list("pk"))
