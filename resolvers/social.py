"""Following and blocking: each is one mutation of the pair of the viewer and the person."""

import uuid
from collections.abc import Callable
from functools import partial

from backend.engine.idempotency import Outcome
from backend.engine.mutations import Mutation, Target
from backend.engine.versions import Expected
from backend.people.models import Person
from backend.social import actions
from backend.social.models import PairSide, Relationship
from backend.social.pairs import Pair
from resolvers.work import performed, shown_to


def follow(me: Person, *, person: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Follow a person."""
    return performed(_mutation("follow", actions.follow, Pair.of(me.id, person), expect, key), me)


def unfollow(me: Person, *, person: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Stop following a person."""
    return performed(_mutation("unfollow", actions.unfollow, Pair.of(me.id, person), expect, key), me)


def remove_follower(me: Person, *, person: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Make a person stop following the viewer."""
    return performed(_mutation("removeFollower", actions.remove_follower, Pair.of(me.id, person), expect, key), me)


def block(me: Person, *, person: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Block a person."""
    return performed(_mutation("block", actions.block, Pair.of(me.id, person), expect, key), me)


def unblock(me: Person, *, person: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Stop blocking a person."""
    return performed(_mutation("unblock", actions.unblock, Pair.of(me.id, person), expect, key), me)


def _mutation(
    operation: str,
    action: Callable[[Pair, Expected], Outcome],
    pair: Pair,
    expect: Expected,
    key: uuid.UUID | None,
) -> Mutation:
    target = Target("relationship", pair.key, version=f"{pair.mine}version")
    return Mutation(operation, pair.me, key, {"person": pair.them}, partial(action, pair), target, expect)


def side(row: Relationship, viewer: Person) -> PairSide:
    """The viewer's side of a pair. It runs no query, so a committed write can always be answered."""
    return shown_to(row.seen_by(viewer.id), viewer)
