"""Invitations to write a story: making one, and the one answer to it.

Inviting is conditioned on who writes the story, and is a write to it: of two who invite at once, one does. An answer is
conditioned on the invitation: of accepting, declining and withdrawing one happens. Accepting gives the right in the same
transaction.
"""

import uuid
from collections.abc import Sequence

from django.conf import settings
from django.db.models import Exists, F, Q
from django.db.models.functions import Now

from backend.coauthors import queries
from backend.coauthors.actions import GROUPS, changed, stories_managed, with_one, without
from backend.coauthors.models import Invitation, InvitationStatus
from backend.coauthors.parted import Held, hold_pairs, part
from backend.coauthors.queries import MAX_OPEN
from backend.engine import tallies
from backend.engine.declarations import ANY_KEY, IsAny, insert, query, select, update
from backend.engine.errors import (
    Busy,
    Conflict,
    FieldConflict,
    Forbidden,
    Invalid,
    NotFound,
    Oneself,
    Refusal,
    Wrong,
    after_busy_ms,
)
from backend.engine.idempotency import Applied
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, Result, compiled
from backend.engine.versions import Expected, conflict, is_unchanged, stamped, unchanged
from backend.limits import buckets
from backend.limits.buckets import Limit
from backend.nouns import collect
from backend.people.models import PersonTally
from backend.people.suspension import hold_writer
from backend.social.pairs import Pair, find
from backend.sources import read
from backend.stories import explain
from backend.stories.models import MAX_COAUTHORS, Shelf, Story
from backend.stories.rights import Right, may, stamped_by

Written = tuple[Invitation, Applied]

AROUND = """
SELECT unnest(writers) FROM stories_story WHERE id = %(story)s
UNION SELECT person_id FROM coauthors_invitation WHERE story_id = %(story)s AND status = 'PENDING'
"""

UNKNOWN_INVITATION = "There is no such invitation."
FULL = f"has {MAX_COAUTHORS} co-authors already, and may not have more."
CLOSED = "is of an invitation that is not open any more."
ANOTHER = "has an open invitation already: withdraw it first (withdrawInvitation)."
TOO_MANY_OPEN = f"has {MAX_OPEN} open invitations already: withdraw some, or wait for the answers."
ONE_HAND_OVER = "is offered to somebody already: withdraw that first (withdrawInvitation)."
NOT_YOURS = "Only who is invited can accept or decline an invitation."
HELD = "is held by the moderators: a story is handed over when no decision of theirs about it is in force."


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
        check_hand_over(story_id)
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
    found = _pending(invitation_id, person_id, seen, InvitationStatus.ACCEPTED)
    if found.status != InvitationStatus.PENDING:
        return found, Applied.NOOP
    author = queries.author_of(story=found.story_id).row
    if author is None or author == (person_id,):  # the story is deleted, or theirs, since the invitation was looked at
        raise _overtaken(invitation_id, person_id, seen)
    (author_id,) = author
    hands_over = found.offered == Right.OWN
    if hands_over:
        for owner in sorted((author_id, person_id)):
            _put_on_shelf(1 if owner == person_id else -1, author=owner)
    offering = {author_id, found.invited_by_id or author_id}
    around = _around(story=found.story_id).rows if hands_over else []
    held = hold_pairs(person_id, {*offering, *(one for (one,) in around)})
    there = None
    if hands_over:
        _lock_story(story=found.story_id)
        there = _look_up(invitation_id, person_id)  # before all of the story is theirs
    given = _give(Right(found.offered), story=found.story_id, author=author_id, person=person_id)
    answered = _answer(InvitationStatus.ACCEPTED, invitation=invitation_id, seen=seen)
    if there is not None and there.row is None:
        raise NotFound(UNKNOWN_INVITATION)
    if held.apart & offering or answered.row is None:
        raise _overtaken(invitation_id, person_id, seen)
    story = given.row
    if story is None:
        raise _not_given(found, person_id)
    if hands_over:
        check_hand_over(story.pk)
        _part_from(held, story.pk, person_id, {author_id, *(one for (one,) in around)})
        if story.published_at is not None:
            tallies.add(PersonTally, [(author_id, "stories", -1), (person_id, "stories", 1)])
    return answered.row, Applied.WRITTEN


def _part_from(held: Held, story_id: uuid.UUID, heir_id: uuid.UUID, known: set[uuid.UUID]) -> None:
    """End the rights of those whom a block parts from the heir, and the offers to them: as if it had been set now.

    Raises `Busy` if somebody has come since their pairs were locked, whom no lock kept from blocking the heir.
    """
    now = {one for (one,) in _around(story=story_id).rows}
    if not now <= known:
        raise Busy(after_ms=after_busy_ms())
    for other in sorted(now & held.apart):
        part(heir_id, other)


@compiled
def _around(*, story: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    """Who writes the story beside its author, and who is invited to."""
    return query(AROUND, story=story)


@compiled
def _put_on_shelf(by: int, *, author: uuid.UUID) -> Declared[Shelf]:
    some = Q() if by > 0 else Q(story_count__gt=0)  # an empty shelf has no story to hand over
    return update(
        Shelf.objects.filter(some, pk=author), story_count=F("story_count") + by, **stamped(Shelf, ["stories"])
    )


@compiled
def _lock_story(*, story: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    """As a DELETE would, so that nothing comes to belong to the author through it meanwhile, such as an edition."""
    return select(Story.objects.filter(pk=story).select_for_update().values_list("pk"))


@compiled
def _give(right: Right, *, story: uuid.UUID, author: uuid.UUID, person: uuid.UUID) -> Declared[Story]:
    """Of a hand-over, who had it becomes a co-author who may do all but that."""
    of_author = Story.objects.filter(pk=story, author_id=author)
    if right is Right.OWN:
        has_room = Q(writers__len__lt=MAX_COAUTHORS) | Q(IsAny(person, F("writers")))
        free = of_author.filter(has_room, held=False, mature_held=False)
        swapped = {name: with_one(without(name, person), author) for name in ("writers", "managers")}
        owned = {"author": person, "handed_over_at": Now()}
        return update(free, **owned, **swapped, **stamped_by(person, "author"))
    free = of_author.filter(~Q(IsAny(person, F("writers"))), writers__len__lt=MAX_COAUTHORS)
    columns = ("writers", "managers") if right is Right.MANAGE else ("writers",)
    return update(free, **{name: with_one(name, person) for name in columns}, **stamped_by(person))


def _not_given(invitation: Invitation, person_id: uuid.UUID) -> Refusal:
    """Why the right could not be given; all is rolled back."""
    story = _story(story=invitation.story_id).row
    if story is not None and (story.held or story.mature_held) and invitation.offered == Right.OWN:
        return Invalid.one("id", HELD)
    if story is not None and len(story.writers) >= MAX_COAUTHORS and person_id not in story.writers:
        return Invalid.one("id", f"is to a story that {FULL}", Wrong.TOO_MANY, MAX_COAUTHORS)
    return Busy(after_ms=after_busy_ms())  # it was handed over or deleted since the invitation was looked at


@compiled
def _story(*, story: uuid.UUID) -> Declared[Story]:
    return select(Story.objects.filter(pk=story))


def decline(invitation_id: uuid.UUID, person_id: uuid.UUID, seen: Expected) -> Written:
    """Refuse what is offered, if the invitation has not changed since `seen`.

    Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    found = _pending(invitation_id, person_id, seen, InvitationStatus.DECLINED)
    if found.status != InvitationStatus.PENDING:
        return found, Applied.NOOP
    row = _answer(InvitationStatus.DECLINED, invitation=invitation_id, seen=seen).row
    if row is None:
        raise _overtaken(invitation_id, person_id, seen)
    return row, Applied.WRITTEN


def withdraw(invitation_id: uuid.UUID, manager_id: uuid.UUID, seen: Expected) -> Written:
    """Take an offer back, if the invitation has not changed since `seen`. Whoever manages the story may.

    Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    found = _open(invitation_id, manager_id, seen, InvitationStatus.WITHDRAWN)
    managed = _hold_managed(story=found.story_id, manager=manager_id)
    row = None
    if found.status == InvitationStatus.PENDING:
        row = _answer(InvitationStatus.WITHDRAWN, invitation=invitation_id, seen=seen).row
    if managed.row is None:
        is_there = _look_up(invitation_id, manager_id).row is not None
        raise Forbidden(explain.MAY_NOT[Right.MANAGE]) if is_there else NotFound(UNKNOWN_INVITATION)
    if found.status != InvitationStatus.PENDING:
        return found, Applied.NOOP
    if row is None:
        raise _overtaken(invitation_id, manager_id, seen)
    return row, Applied.WRITTEN


@compiled
def _hold_managed(*, story: uuid.UUID, manager: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    managed = Story.objects.filter(may(manager, Right.MANAGE), pk=story)
    return select(managed.select_for_update(no_key=True).values_list("pk"))


@compiled
def _answer(status: InvitationStatus, *, invitation: uuid.UUID, seen: Expected) -> Declared[Invitation]:
    pending = Invitation.objects.filter(pk=invitation, status=InvitationStatus.PENDING.value)
    return update(
        pending.filter(unchanged(Invitation, seen, ["status"])), status=status.value, **stamped(Invitation, ["status"])
    )


# --- Helpers ----------------------------------------------------------------------------------------------------


def check_hand_over(story_id: uuid.UUID) -> None:
    """Let each noun refuse that the story is handed over, by `Invalid`."""
    for check in collect("erasure", "check_hand_over"):
        check(story_id)


def _look_up(invitation_id: uuid.UUID, viewer_id: uuid.UUID) -> Result[Invitation]:
    """The invitation, if the viewer finds it."""
    return read(Invitation, queries.BY_ID, key=invitation_id, viewer=viewer_id)


def _pending(invitation_id: uuid.UUID, person_id: uuid.UUID, seen: Expected, wanted: InvitationStatus) -> Invitation:
    """`_open`, of who is invited. Raises `Forbidden` for anybody else."""
    found = _open(invitation_id, person_id, seen, wanted)
    if found.person_id != person_id:
        raise Forbidden(NOT_YOURS)
    return found


def _open(invitation_id: uuid.UUID, viewer_id: uuid.UUID, seen: Expected, wanted: InvitationStatus) -> Invitation:
    """The present invitation, if it is pending or has the wanted status already. Raises what refuses anything else."""
    found = _look_up(invitation_id, viewer_id).row
    if found is None:
        raise NotFound(UNKNOWN_INVITATION)
    if found.status == InvitationStatus.PENDING:
        return found
    if not is_unchanged(found, seen, ["status"]):
        raise _conflict(found, seen)
    if found.status != wanted:
        raise Invalid.one("id", CLOSED)
    return found


def _overtaken(invitation_id: uuid.UUID, viewer_id: uuid.UUID, seen: Expected) -> Refusal:
    """Why an invitation that was pending could not be answered."""
    found = _look_up(invitation_id, viewer_id).row
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
