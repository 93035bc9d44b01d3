"""Following and blocking, and the viewer's side towards people."""

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime

from backend.engine.conditions import Target, conditioned
from backend.engine.errors import Conflict
from backend.engine.idempotency import Outcome, Request
from backend.engine.versions import Expected
from backend.people import queries as people
from backend.people.models import Person
from backend.social import actions, queries
from backend.social.models import PairSide, Relationship
from backend.social.pairs import Pair
from resolvers.access import signed_in
from resolvers.batches import gather
from resolvers.people import by_ids, hidden, with_people
from resolvers.work import performed

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
    pair_side = row.seen_by(viewer.pk)
    pair_side.viewer = viewer
    return pair_side


def other(pair_side: PairSide) -> Person:
    """The other person; a placeholder with only the id if they block the viewer."""
    if pair_side.person is None:
        found = by_ids([pair_side.person_id], viewer=pair_side.viewer)
        pair_side.person = found.get(pair_side.person_id) or hidden(pair_side.person_id, pair_side.viewer)
    return pair_side.person


def updated_at(pair_side: PairSide) -> datetime:
    """When the viewer's side last changed; without any contact, when the later of the two people joined."""
    if pair_side.updated_at is not None:
        return pair_side.updated_at
    assert pair_side.viewer is not None
    return max(other(pair_side).joined_at, pair_side.viewer.joined_at)


def relationships(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, PairSide]:
    """The viewer's side towards each of these people whom the viewer can find, in two queries; oneself is left out."""
    me = signed_in(viewer)
    found = people.by_ids([person for person in ids if person != me.pk], viewer=me.pk)
    gather(found.values(), me)
    pair_sides = queries.pair_sides(found, viewer=me.pk)
    return {person: with_people(pair_sides[person], found[person], me) for person in found}
