"""Blocks and co-authors: nobody comes to write the story of somebody whom they block or who blocks them, and a block ends it; so
does a hand-over to somebody who is apart from one of those who write the story.

The row of a pair is locked before the stories of the two. So of a block and an invitation that is made or accepted at the same
moment one comes first: the block ends what has come about, or what comes after the block is refused.
"""

import uuid
from collections.abc import Iterable
from typing import Any

from django.db.models import F, Q, QuerySet

from backend.coauthors.actions import without
from backend.coauthors.models import Coauthor, Invitation, InvitationStatus
from backend.engine.declarations import IsAny, query, select, update_all
from backend.engine.statements import Declared, Result, compiled
from backend.engine.versions import stamped
from backend.social.pairs import Pair, meet, unmeet
from backend.stories.models import Story
from backend.stories.rights import stamped_by

HOLD = """
SELECT pair.low_id, pair.high_id, pair.low_blocks_at IS NOT NULL OR pair.high_blocks_at IS NOT NULL
FROM social_relationship AS pair JOIN unnest(%(lows)s, %(highs)s) AS of (low, high)
    ON pair.low_id = of.low AND pair.high_id = of.high
ORDER BY pair.id FOR SHARE OF pair
"""


def hold_pairs(person: uuid.UUID, others: Iterable[uuid.UUID]) -> "Held":
    """Lock the pairs of a person with these others, so that no block comes between them until the unit of work ends.

    Strangers stay strangers: the row that their pair gets for the lock is deleted again.
    """
    pairs = [Pair.of(one, person) for one in sorted(set(others) - {person})]
    made = [meet(pair) for pair in pairs]
    lows, highs = ([pair.key[side] for pair in pairs] for side in ("low_id", "high_id"))
    held = Held(person, _hold(lows=lows, highs=highs))
    unmeet(made)
    return held


class Held:
    """Pairs of a person that are locked. To look at them sends the query."""

    def __init__(self, person: uuid.UUID, asked: Result[tuple[uuid.UUID, uuid.UUID, bool]]) -> None:
        self._person, self._asked = person, asked

    @property
    def apart(self) -> set[uuid.UUID]:
        """The others of those pairs in which one blocks the other."""
        return {high if low == self._person else low for low, high, is_apart in self._asked.rows if is_apart}


@compiled
def _hold(*, lows: list[uuid.UUID], highs: list[uuid.UUID]) -> Declared[tuple[uuid.UUID, uuid.UUID, bool]]:
    return query(HOLD, lows=lows, highs=highs)


def part(one: uuid.UUID, other: uuid.UUID) -> None:
    """End what the two write together, and the invitations between them. Their pair is locked, and one blocks the other."""
    people = {"one": one, "other": other}
    _lock_stories(**people)
    _part(**people)
    _lock_invitations(**people)
    _withdraw(**people)


def _together(one: Any, other: Any) -> "QuerySet[Story]":
    """The stories of one of the two that the other writes too."""
    theirs = Q(Q(IsAny(other, F("writers"))), author_id=one) | Q(Q(IsAny(one, F("writers"))), author_id=other)
    some = Coauthor.objects.filter(Q(person_id=one) | Q(person_id=other)).values("story_id")
    return Story.objects.filter(theirs, pk__in=some)


@compiled
def _lock_stories(*, one: uuid.UUID, other: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(_together(one, other).order_by("pk").select_for_update(no_key=True).values_list("pk"))


@compiled
def _part(*, one: uuid.UUID, other: uuid.UUID) -> Declared[Story]:
    """No author is among the writers, so both may be taken away from them. Nobody is told who blocks whom."""
    left = {column: without(without(column, one), other) for column in ("writers", "managers")}
    return update_all(_together(one, other), **left, **stamped_by(None))


def _between(one: Any, other: Any) -> "QuerySet[Invitation]":
    """The open invitations of one of the two to what the other has, or by the other."""
    to_one = Q(person_id=one) & (Q(story__author_id=other) | Q(invited_by_id=other))
    to_other = Q(person_id=other) & (Q(story__author_id=one) | Q(invited_by_id=one))
    return Invitation.objects.filter(to_one | to_other, status=InvitationStatus.PENDING.value)


@compiled
def _lock_invitations(*, one: uuid.UUID, other: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return lock_invitations(_between(one, other))


@compiled
def _withdraw(*, one: uuid.UUID, other: uuid.UUID) -> Declared[Invitation]:
    return withdraw_invitations(_between(one, other))


# --- Helpers ----------------------------------------------------------------------------------------------------


def lock_invitations(found: "QuerySet[Invitation]") -> Declared[tuple[uuid.UUID]]:
    """In their order, before they are withdrawn."""
    locked = found.order_by("pk").select_for_update(no_key=True, of=("self",))
    return select(locked.values_list("pk"))


def withdraw_invitations(found: "QuerySet[Invitation]") -> Declared[Invitation]:
    """All of these, which are pending."""
    return update_all(found, status=InvitationStatus.WITHDRAWN.value, **stamped(Invitation, ["status"]))
