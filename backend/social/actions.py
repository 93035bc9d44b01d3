"""Following and blocking: each is one conditioned write to the row of the pair, from one side of it.

Groups of a side: `following` (whom I follow), `followed` (who follows me), `blocking` (whom I block). A write names the
groups of my side that it reads or sets, and stamps those groups of the other side whose change that side can see. All raise
`Conflict` if a group that they read has changed since `seen`. A write that would change nothing is a NOOP. The row of the
outcome is `relationship`.
"""

import uuid
from typing import Any

from django.db.models import Q
from django.db.models.functions import Now

from backend.engine import tallies
from backend.engine.declarations import replace, update
from backend.engine.errors import Busy, Forbidden, NotFound, after_busy_ms
from backend.engine.idempotency import Applied, Outcome
from backend.engine.statements import Declared, compiled
from backend.engine.versions import Expected, stamped, stamped_when, unchanged
from backend.nouns import collect
from backend.people.models import PersonTally
from backend.social.models import Relationship
from backend.social.pairs import UNKNOWN_PERSON, Pair, explain, find, hold, is_there, meet

Follow = tuple[uuid.UUID, uuid.UUID]
"""Follower and followed."""


def follow(pair: Pair, seen: Expected) -> Outcome:
    """Follow them, if neither blocks the other. Independent of whether they follow me.

    Raises `NotFound` if they block me or do not exist, `Forbidden` if I block them.
    """
    meet(pair)
    row = _follow(pair=pair, seen=seen).row
    if row is not None:
        _count((pair.me, pair.them), by=1)
        return _outcome(Applied.WRITTEN, row)
    row = explain(pair, seen, reads=["following", "blocking"], path="following", mine=True)
    if getattr(row, f"{pair.mine}blocks_at") is not None:
        raise Forbidden("You block this person. Unblock them before you follow them.")
    if getattr(row, f"{pair.mine}follows_at") is None:  # they blocked me and unblocked me since
        raise Busy(after_ms=after_busy_ms())
    return _outcome(Applied.NOOP, row)


@compiled
def _follow(*, pair: Pair, seen: Expected) -> Declared[Relationship]:
    return update(
        Relationship.objects.filter(
            is_there(pair.them),
            unchanged(Relationship, seen, ["following", "blocking"], side=pair.mine),
            **pair.key,
            **{f"{pair.mine}follows_at": None, f"{pair.mine}blocks_at": None, f"{pair.theirs}blocks_at": None},
        ),
        **{f"{pair.mine}follows_at": Now()},
        **stamped(Relationship, ["following"], side=pair.mine),
        **stamped(Relationship, ["followed"], side=pair.theirs),
    )


def unfollow(pair: Pair, seen: Expected) -> Outcome:
    """Stop following them. Raises `NotFound`."""
    row = _unfollow(pair=pair, seen=seen).row
    if row is None:
        return _outcome(Applied.NOOP, explain(pair, seen, reads=["following"], path="following", mine=False))
    _count((pair.me, pair.them), by=-1)
    return _outcome(Applied.WRITTEN, row)


@compiled
def _unfollow(*, pair: Pair, seen: Expected) -> Declared[Relationship]:
    return update(
        Relationship.objects.filter(
            is_there(pair.them),
            unchanged(Relationship, seen, ["following"], side=pair.mine),
            **pair.key,
            **{f"{pair.mine}follows_at__isnull": False},
        ),
        **{f"{pair.mine}follows_at": None},
        **stamped(Relationship, ["following"], side=pair.mine),
        **stamped(Relationship, ["followed"], side=pair.theirs),
    )


def remove_follower(pair: Pair, seen: Expected) -> Outcome:
    """Make them stop following me. Raises `NotFound`."""
    row = _remove_follower(pair=pair, seen=seen).row
    if row is None:
        return _outcome(Applied.NOOP, explain(pair, seen, reads=["followed"], path="followedBy", mine=False))
    _count((pair.them, pair.me), by=-1)
    return _outcome(Applied.WRITTEN, row)


@compiled
def _remove_follower(*, pair: Pair, seen: Expected) -> Declared[Relationship]:
    return update(
        Relationship.objects.filter(
            is_there(pair.them),
            unchanged(Relationship, seen, ["followed"], side=pair.mine),
            **pair.key,
            **{f"{pair.theirs}follows_at__isnull": False},
        ),
        **{f"{pair.theirs}follows_at": None},
        **stamped(Relationship, ["followed"], side=pair.mine),
        **stamped(Relationship, ["following"], side=pair.theirs),
    )


def block(pair: Pair, seen: Expected) -> Outcome:
    """Block them, which ends both follows, and what the two write together. Without a condition (`seen` anything) it always
    succeeds.

    Also works against somebody who blocks me, so that two people who block each other at once both succeed. Raises
    `NotFound` if they do not exist.
    """
    meet(pair)
    row: Any = _block(pair=pair, seen=seen).row
    if row is None:  # once more with the row held: a block that stood in the way may have been lifted meanwhile
        hold(pair)
        row = _block(pair=pair, seen=seen).row
    if row is None:
        reads = ["following", "followed", "blocking"]
        return _outcome(Applied.NOOP, explain(pair, seen, reads=reads, path="blocking", mine=True))
    for people_parted in collect("erasure", "people_parted"):
        people_parted(pair.me, pair.them)
    mine_ended, theirs_ended = (row.before[f"{side}follows_at"] is not None for side in pair.sides)
    _count(*[(pair.me, pair.them)] * mine_ended, *[(pair.them, pair.me)] * theirs_ended, by=-1)
    return _outcome(Applied.WRITTEN, row)


@compiled
def _block(*, pair: Pair, seen: Expected) -> Declared[Relationship]:
    i_follow, they_follow = (Q(**{f"{side}follows_at__isnull": False}) for side in (pair.mine, pair.theirs))
    return replace(
        Relationship.objects.filter(
            is_there(pair.them),
            unchanged(Relationship, seen, ["following", "followed", "blocking"], side=pair.mine),
            **pair.key,
            **{f"{pair.mine}blocks_at": None},
        ),
        **{f"{pair.mine}blocks_at": Now(), f"{pair.mine}follows_at": None, f"{pair.theirs}follows_at": None},
        **{
            **stamped_when(Relationship, {"following": i_follow, "followed": they_follow}, side=pair.mine),
            **stamped(Relationship, ["blocking"], side=pair.mine),
        },
        **stamped_when(Relationship, {"followed": i_follow, "following": they_follow}, side=pair.theirs),
    )


def unblock(pair: Pair, seen: Expected) -> Outcome:
    """Stop blocking them. Raises `NotFound` if I can neither find them nor block them."""
    row = _unblock(pair=pair, seen=seen).row
    if row is not None:
        return _outcome(Applied.WRITTEN, row)
    found = find(pair, hidden_too=True) or Relationship.of_strangers(**pair.key)
    if pair.hides(found) and getattr(found, f"{pair.mine}blocks_at") is None:
        raise NotFound(UNKNOWN_PERSON)
    return _outcome(Applied.NOOP, explain(pair, seen, reads=["blocking"], path="blocking", mine=False, row=found))


@compiled
def _unblock(*, pair: Pair, seen: Expected) -> Declared[Relationship]:
    return update(
        Relationship.objects.filter(
            is_there(pair.them),
            unchanged(Relationship, seen, ["blocking"], side=pair.mine),
            **pair.key,
            **{f"{pair.mine}blocks_at__isnull": False},
        ),
        **{f"{pair.mine}blocks_at": None},
        **stamped(Relationship, ["blocking"], side=pair.mine),
    )


def _outcome(applied: Applied, row: Relationship) -> Outcome:
    return Outcome(applied, {"relationship": row})


def _count(*follows: Follow, by: int) -> None:
    """Change the totals of the followers and of the followed."""
    raises: list[tallies.Raise] = []
    for follower, followee in follows:
        raises += [(follower, "following", by), (followee, "followers", by)]
    tallies.add(PersonTally, raises)
