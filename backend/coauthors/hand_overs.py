"""Hands a story over: what an invitation to OWN does when it is accepted, beyond what others do.

The story comes from one shelf and total to another. Who had it becomes a co-author who may do all but that. Whom a block parts
from the heir writes it no more, and is invited to it no more.
"""

import uuid

from django.db.models import F, Q
from django.db.models.functions import Now

from backend.coauthors.actions import with_one, without
from backend.coauthors.answers import UNKNOWN_INVITATION, Offer, look_up
from backend.coauthors.models import Invitation
from backend.coauthors.parted import Held, hold_pairs, part
from backend.engine import tallies
from backend.engine.declarations import IsAny, query, select, update
from backend.engine.errors import Busy, NotFound, after_busy_ms
from backend.engine.statements import Declared, compiled
from backend.engine.versions import stamped
from backend.nouns import collect
from backend.people.models import PersonTally
from backend.stories.models import MAX_COAUTHORS, Shelf, Story
from backend.stories.rights import stamped_by

AROUND = """
SELECT unnest(writers) FROM stories_story WHERE id = %(story)s
UNION SELECT person_id FROM coauthors_invitation WHERE story_id = %(story)s AND status = 'PENDING'
"""


def take_over(offer: Offer) -> Invitation:
    """Make the story that of who accepts. Raises as `invitations.accept`."""
    story_id, author_id, heir_id = offer.invitation.story_id, offer.author_id, offer.invitation.person_id
    _put_on_another_shelf(author_id, heir_id)
    known = {author_id, *_around(story_id)}
    held = hold_pairs(heir_id, known | offer.by)
    _lock(story=story_id)
    there = look_up(offer.invitation.pk, heir_id)  # before all of the story is theirs
    given = _give(story=story_id, author=author_id, heir=heir_id)
    accepted = offer.accept()
    if there.row is None:
        raise NotFound(UNKNOWN_INVITATION)
    invitation, story = offer.written(held, given, accepted)
    check(story_id)
    _part_from(held, story_id, heir_id, known)
    if story.published_at is not None:
        tallies.add(PersonTally, [(author_id, "stories", -1), (heir_id, "stories", 1)])
    return invitation


def check(story_id: uuid.UUID) -> None:
    """Let each noun refuse that the story is handed over, by `Invalid`."""
    for check_hand_over in collect("erasure", "check_hand_over"):
        check_hand_over(story_id)


def _put_on_another_shelf(author_id: uuid.UUID, heir_id: uuid.UUID) -> None:
    for owner in sorted((author_id, heir_id)):
        _put_on_shelf(1 if owner == heir_id else -1, author=owner)


@compiled
def _put_on_shelf(by: int, *, author: uuid.UUID) -> Declared[Shelf]:
    some = Q() if by > 0 else Q(story_count__gt=0)  # an empty shelf has no story to hand over
    return update(
        Shelf.objects.filter(some, pk=author), story_count=F("story_count") + by, **stamped(Shelf, ["stories"])
    )


@compiled
def _lock(*, story: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    """As a DELETE would, so that nothing comes to belong to the author through it meanwhile, such as an edition."""
    return select(Story.objects.filter(pk=story).select_for_update().values_list("pk"))


@compiled
def _give(*, story: uuid.UUID, author: uuid.UUID, heir: uuid.UUID) -> Declared[Story]:
    has_room = Q(writers__len__lt=MAX_COAUTHORS) | Q(IsAny(heir, F("writers")))
    free = Story.objects.filter(has_room, pk=story, author_id=author, held=False, mature_held=False)
    swapped = {name: with_one(without(name, heir), author) for name in ("writers", "managers")}
    return update(free, author=heir, handed_over_at=Now(), **swapped, **stamped_by(heir, "author"))


# --- Who is parted from the heir --------------------------------------------------------------------------------


def _around(story_id: uuid.UUID) -> set[uuid.UUID]:
    """Who writes the story beside its author, and who is invited to."""
    return {one for (one,) in _people_around(story=story_id).rows}


@compiled
def _people_around(*, story: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return query(AROUND, story=story)


def _part_from(held: Held, story_id: uuid.UUID, heir_id: uuid.UUID, known: set[uuid.UUID]) -> None:
    """End the rights of those whom a block parts from the heir, and the offers to them: as if it had been set now.

    Raises `Busy` if somebody has come since their pairs were locked, whom no lock kept from blocking the heir.
    """
    now = _around(story_id)
    if not now <= known:
        raise Busy(after_ms=after_busy_ms())
    for other in sorted(now & held.apart):
        part(heir_id, other)
