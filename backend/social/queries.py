"""Reads of what stands between people: one's own side of it, and the lists of followers and followed."""

import uuid
from collections.abc import Iterable, Mapping, Sequence

from django.db import connection

from backend.engine import tallies
from backend.pages import Page, Window, pages_by_owner
from backend.people.models import Person, PersonTally
from backend.social.models import Relationship, Standing
from backend.social.visibility import apart

FOLLOWERS = ("followee_id", "follower_id")
FOLLOWING = ("follower_id", "followee_id")
"""Which column of the view `follow` owns a list, and which one is listed."""

LIST = """
SELECT owner.id AS owner_id, edge.at AS place_at, person.*
FROM unnest(%s::uuid[]) AS owner (id)
CROSS JOIN LATERAL (
    SELECT follow.at, follow.{listed} AS listed_id FROM follow
    WHERE follow.{owned} = owner.id AND NOT {hidden}{between}
    {order}
) AS edge
JOIN people_person AS person ON person.id = edge.listed_id
WHERE NOT {owner_hidden}
ORDER BY owner.id, edge.at {direction}, edge.listed_id {direction}
"""

HIDDEN_IN_LIST = """
SELECT owner.id, CASE WHEN {owner_hidden} THEN NULL ELSE (
    SELECT count(*) FROM social_relationship AS hidden
    JOIN follow ON follow.{owned} = owner.id
        AND follow.{listed} = CASE hidden.low_id WHEN %s THEN hidden.high_id ELSE hidden.low_id END
    WHERE %s IN (hidden.low_id, hidden.high_id) AND (hidden.low_blocks_at IS NOT NULL OR hidden.high_blocks_at IS NOT NULL)
) END
FROM unnest(%s::uuid[]) AS owner (id)
"""


STANDINGS = """
SELECT * FROM social_relationship
WHERE (low_id = %(viewer)s AND high_id = ANY(%(people)s)) OR (high_id = %(viewer)s AND low_id = ANY(%(people)s))
"""


def standings(people: Iterable[uuid.UUID], *, viewer: uuid.UUID) -> dict[uuid.UUID, Standing]:
    """The viewer's side towards each of these people, in one query; version 0 where nothing has ever happened."""
    people = list(people)
    pairs = Relationship.objects.raw(STANDINGS, {"people": people, "viewer": viewer})
    found = {standing.person_id: standing for standing in (pair.seen_by(viewer) for pair in pairs)}
    return {person: found.get(person) or Standing(viewer, person) for person in people}


def lists(
    kind: tuple[str, str], owners: Sequence[uuid.UUID], window: Window, *, viewer: uuid.UUID | None
) -> dict[uuid.UUID, Page[Person]]:
    """A page of followers or followed for each owner, newest first, in one query; nobody across a block from the viewer."""
    owned, listed = kind
    between, places = window.condition("follow.at", f"follow.{listed}")
    sql = LIST.format(
        owned=owned,
        listed=listed,
        hidden=apart(f"follow.{listed}", "%s::uuid"),
        owner_hidden=apart("owner.id", "%s::uuid"),
        between=between,
        order=window.order("follow.at", f"follow.{listed}"),
        direction="ASC" if window.backward else "DESC",
    )
    rows = Person.objects.raw(sql, [list(owners), viewer, viewer, *places, viewer, viewer])
    return pages_by_owner(rows, owners, window)


def list_totals(
    kind: tuple[str, str], owners: Sequence[uuid.UUID], *, viewer: uuid.UUID | None
) -> Mapping[uuid.UUID, int]:
    """How many people each list holds for this viewer: the exact tally, less those hidden by a block."""
    counts = tallies.totals(PersonTally, "followers" if kind == FOLLOWERS else "following", owners)
    if viewer is None:
        return counts
    owned, listed = kind
    sql = HIDDEN_IN_LIST.format(owned=owned, listed=listed, owner_hidden=apart("owner.id", "%s::uuid"))
    with connection.cursor() as cursor:
        cursor.execute(sql, [viewer, viewer, viewer, viewer, list(owners)])
        hidden = dict(cursor.fetchall())
    return {owner: 0 if hidden[owner] is None else counts[owner] - hidden[owner] for owner in owners}
