"""Following and blocking: each is one conditioned write to the row of the pair, from one side of it.

Groups of a side: `following` (whom I follow), `followed` (who follows me), `blocking` (whom I block). A write names the
groups of my side that it reads or sets, and stamps those groups of the other side whose change that side can see. All raise
`Conflict` if a group that they read has changed since `seen`. A write that would change nothing is a NOOP.
"""

import uuid

from django.db.models.functions import Now

from backend.engine import tallies
from backend.engine.errors import Busy, Forbidden, NotFound, after_busy_ms
from backend.engine.idempotency import Applied
from backend.engine.versions import Expected
from backend.people.models import PersonTally
from backend.social.models import Relationship
from backend.social.pairs import UNKNOWN_PERSON, Pair, explain, find, find_or_insert, write_pair

Written = tuple[Relationship, Applied]
Follow = tuple[uuid.UUID, uuid.UUID]
"""Follower and followed."""


def follow(pair: Pair, seen: Expected) -> Written:
    """Follow them, if neither blocks the other. Independent of whether they follow me.

    Raises `NotFound` if they block me or do not exist, `Forbidden` if I block them.
    """
    find_or_insert(pair)
    row = write_pair(
        pair,
        seen,
        reads=["following", "blocking"],
        only_if={
            f"{pair.mine}follows_at__isnull": True,
            f"{pair.mine}blocks_at__isnull": True,
            f"{pair.theirs}blocks_at__isnull": True,
        },
        sets={f"{pair.mine}follows_at": Now()},
        stamps=["following"],
        their_stamps=["followed"],
    )
    if row is not None:
        _count((pair.me, pair.them), by=1)
        return row, Applied.WRITTEN
    row = explain(pair, seen, reads=["following", "blocking"], path="following", mine=True)
    if getattr(row, f"{pair.mine}blocks_at") is not None:
        raise Forbidden("You block this person. Unblock them before you follow them.")
    if getattr(row, f"{pair.mine}follows_at") is None:  # they blocked me and unblocked me since
        raise Busy(after_ms=after_busy_ms())
    return row, Applied.NOOP


def unfollow(pair: Pair, seen: Expected) -> Written:
    """Stop following them. Raises `NotFound`."""
    ended = (pair.me, pair.them)
    return _end_follow(pair, seen, ended, follower=pair.mine, mine="following", theirs="followed", path="following")


def remove_follower(pair: Pair, seen: Expected) -> Written:
    """Make them stop following me. Raises `NotFound`."""
    ended = (pair.them, pair.me)
    return _end_follow(pair, seen, ended, follower=pair.theirs, mine="followed", theirs="following", path="followedBy")


def _end_follow(
    pair: Pair, seen: Expected, ended: Follow, *, follower: str, mine: str, theirs: str, path: str
) -> Written:
    """End the follow stored in the columns of the side `follower`: the group `mine` of my side, and `theirs` of the other."""
    find(pair)
    row = write_pair(
        pair,
        seen,
        reads=[mine],
        only_if={f"{follower}follows_at__isnull": False},
        sets={f"{follower}follows_at": None},
        stamps=[mine],
        their_stamps=[theirs],
    )
    if row is None:
        return explain(pair, seen, reads=[mine], path=path, mine=False), Applied.NOOP
    _count(ended, by=-1)
    return row, Applied.WRITTEN


def block(pair: Pair, seen: Expected) -> Written:
    """Block them, which ends both follows. Without a condition (`seen` anything) it always succeeds.

    Also works against somebody who blocks me, so that two people who block each other at once both succeed. Raises
    `NotFound` if they do not exist.
    """
    find_or_insert(pair, hidden_too=True)
    # The row is locked first, so that the follows that the block ends are those that exist when it is written. So without a
    # condition the write cannot miss, and needs no retry.
    before = Relationship.objects.select_for_update().get(**pair.key)
    mine_ends, theirs_ends = (getattr(before, f"{side}follows_at") is not None for side in (pair.mine, pair.theirs))
    row = write_pair(
        pair,
        seen,
        reads=["following", "followed", "blocking"],
        only_if={f"{pair.mine}blocks_at__isnull": True},
        sets={
            f"{pair.mine}blocks_at": Now(),
            f"{pair.mine}follows_at": None,
            f"{pair.theirs}follows_at": None,
        },
        stamps=["blocking"] + ["following"] * mine_ends + ["followed"] * theirs_ends,
        their_stamps=["followed"] * mine_ends + ["following"] * theirs_ends,
    )
    if row is None:
        reads = ["following", "followed", "blocking"]
        return explain(pair, seen, reads=reads, path="blocking", mine=True), Applied.NOOP
    _count(*[(pair.me, pair.them)] * mine_ends, *[(pair.them, pair.me)] * theirs_ends, by=-1)
    return row, Applied.WRITTEN


def unblock(pair: Pair, seen: Expected) -> Written:
    """Stop blocking them. Raises `NotFound` if I can neither find them nor block them."""
    row = write_pair(
        pair,
        seen,
        reads=["blocking"],
        only_if={f"{pair.mine}blocks_at__isnull": False},
        sets={f"{pair.mine}blocks_at": None},
        stamps=["blocking"],
    )
    if row is not None:
        return row, Applied.WRITTEN
    found = find(pair, hidden_too=True) or Relationship.of_strangers(**pair.key)
    if pair.hides(found) and getattr(found, f"{pair.mine}blocks_at") is None:
        raise NotFound(UNKNOWN_PERSON)
    return explain(pair, seen, reads=["blocking"], path="blocking", mine=False, row=found), Applied.NOOP


def _count(*follows: Follow, by: int) -> None:
    """Change the totals of the followers and of the followed."""
    raises: list[tallies.Raise] = []
    for follower, followee in follows:
        raises += [(follower, "following", by), (followee, "followers", by)]
    tallies.add(PersonTally, raises)
