"""Following and blocking, and the viewer's side towards people."""

import uuid
from collections.abc import Callable, Iterable
from datetime import datetime

from backend.engine.errors import Conflict
from backend.engine.idempotency import Outcome, Request, perform
from backend.engine.versions import Expected
from backend.people import queries as people
from backend.people.models import Person
from backend.social import actions, queries
from backend.social.models import Relationship, Standing
from backend.social.pairs import Pair
from resolvers.access import signed_in
from resolvers.batches import gather
from resolvers.people import by_ids, hidden, stand
from resolvers.work import Target, conditioned

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
        return perform(Request(operation, me.pk, key, {"person": str(person)}), conditioned(me, expect, target, write))
    except Conflict as conflict:
        conflict.current = side(conflict.current, me)
        raise


def side(row: Relationship, viewer: Person) -> Standing:
    """The viewer's side of a pair. It reads nothing: what was committed can be answered whatever happens next."""
    standing = row.seen_by(viewer.pk)
    standing.viewer = viewer
    return standing


def other(standing: Standing) -> Person:
    """The other person; nothing but the id of one who blocks the viewer, whom the viewer has named."""
    if standing.person is None:
        found = by_ids([standing.person_id], viewer=standing.viewer)
        standing.person = found.get(standing.person_id) or hidden(standing.person_id, standing.viewer)
    return standing.person


def updated_at(standing: Standing) -> datetime:
    """When the viewer's side last changed; where nothing has happened, it is as old as the younger of the two."""
    if standing.updated_at is not None:
        return standing.updated_at
    assert standing.viewer is not None
    return max(other(standing).joined_at, standing.viewer.joined_at)


def relationships(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Standing]:
    """The viewer's side towards each of these people whom the viewer can find, in two queries; oneself is left out."""
    me = signed_in(viewer)
    found = people.by_ids([person for person in ids if person != me.pk], viewer=me.pk)
    gather(found.values(), me)
    standings = queries.standings(found, viewer=me.pk)
    return {person: stand(standings[person], found[person], me) for person in found}
