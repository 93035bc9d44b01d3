"""Following and blocking, and the viewer's side towards people."""

import uuid
from collections.abc import Callable

from backend.engine.conditions import Target, conditioned
from backend.engine.errors import Conflict
from backend.engine.idempotency import Outcome, Request
from backend.engine.versions import Expected
from backend.people.models import Person
from backend.social import actions
from backend.social.models import PairSide, Relationship
from backend.social.pairs import Pair
from resolvers.work import performed, shown_to

Action = Callable[[Pair, Expected], actions.Written]


def follow(me: Person, *, person: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Follow a person."""
    return _perform("follow", actions.follow, me, person, expect, key)


def unfollow(me: Person, *, person: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Stop following a person."""
    return _perform("unfollow", actions.unfollow, me, person, expect, key)


def remove_follower(me: Person, *, person: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Make a person stop following the viewer."""
    return _perform("removeFollower", actions.remove_follower, me, person, expect, key)


def block(me: Person, *, person: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Block a person."""
    return _perform("block", actions.block, me, person, expect, key)


def unblock(me: Person, *, person: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Stop blocking a person."""
    return _perform("unblock", actions.unblock, me, person, expect, key)


def _perform(
    operation: str,
    action: Action,
    me: Person,
    person: uuid.UUID,
    expect: Expected,
    key: uuid.UUID | None,
) -> Outcome:
    """One unit of work on the pair of the viewer and the person."""
    pair = Pair.of(me.pk, person)

    target = Target("relationship", pair.key, version=f"{pair.mine}version")

    def write(seen: Expected) -> Outcome:
        row, applied = action(pair, seen)
        return Outcome(applied, {"relationship": row})

    try:
        return performed(
            Request(operation, me.pk, key, {"person": str(person)}), conditioned(me.pk, expect, target, write), me
        )
    except Conflict as conflict:
        conflict.current = side(conflict.current, me)
        raise


def side(row: Relationship, viewer: Person) -> PairSide:
    """The viewer's side of a pair. It runs no query, so a committed write can always be answered."""
    return shown_to(row.seen_by(viewer.pk), viewer)
