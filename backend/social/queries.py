"""Queries for relationships: one's own side, and the lists of followers and followed."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from backend.engine import tallies
from backend.pages import Page, Window, pages_by_owner
from backend.people.models import Person, PersonTally
from backend.social.models import PairSide, Relationship
from backend.visibility import gone, met

FOLLOWERS, FOLLOWING = "followers", "following"
"""The two kinds of lists, and of their totals."""

ARMS = {
    FOLLOWERS: (("high_id", "low_follows_at", "low_id"), ("low_id", "high_follows_at", "high_id")),
    FOLLOWING: (("low_id", "low_follows_at", "high_id"), ("high_id", "high_follows_at", "low_id")),
}
"""For each list the columns to read for either side of the pair: its owner, since when, and who is listed."""

Follower = tuple[datetime, uuid.UUID]
"""Since when somebody follows, and who it is."""

ARM = """
(SELECT {at} AS at, {listed} AS listed_id FROM social_relationship AS edge
WHERE {owner} = owner.id AND {at} IS NOT NULL AND {shown}{between} {order})
"""

LIST = """
SELECT owner.id AS owner_id, edge.at AS place_at, person.*
FROM unnest(%s::uuid[]) AS owner (id)
CROSS JOIN LATERAL (SELECT * FROM ({arms}) AS edge {order}) AS edge
JOIN people_person AS person ON person.id = edge.listed_id
WHERE {owner_shown}
ORDER BY owner.id, edge.at {direction}, edge.listed_id {direction}
"""

HIDDEN_IN_LIST = """
SELECT owner.id, CASE WHEN {owner_shown} THEN (
    SELECT count(*) FROM (
        SELECT high_id AS id FROM social_relationship
        WHERE low_id = %s AND (low_blocks_at IS NOT NULL OR high_blocks_at IS NOT NULL)
        UNION ALL
        SELECT low_id FROM social_relationship
        WHERE high_id = %s AND (low_blocks_at IS NOT NULL OR high_blocks_at IS NOT NULL)
        UNION
        SELECT person_id FROM people_departure WHERE NOT done
    ) AS hidden
    JOIN social_relationship AS edge
        ON edge.low_id = LEAST(hidden.id, owner.id) AND edge.high_id = GREATEST(hidden.id, owner.id)
    WHERE CASE WHEN {listed_is_low} THEN edge.low_follows_at ELSE edge.high_follows_at END IS NOT NULL
) ELSE NULL END
FROM unnest(%s::uuid[]) AS owner (id)
"""

FOLLOWERS_ARM = """
(SELECT {at} AS at, {listed} AS id FROM social_relationship AS edge
WHERE {owner} = %s AND {at} IS NOT NULL AND NOT {gone}{between} {order})
"""

PAIR_SIDES = """
SELECT * FROM social_relationship
WHERE (low_id = %(viewer)s AND high_id = ANY(%(people)s)) OR (high_id = %(viewer)s AND low_id = ANY(%(people)s))
"""


def pair_sides(people: Iterable[uuid.UUID], *, viewer: uuid.UUID) -> dict[uuid.UUID, PairSide]:
    """The viewer's side towards each of these people, in one query; version 0 if there was no contact."""
    people = list(people)
    pairs = Relationship.objects.raw(PAIR_SIDES, {"people": people, "viewer": viewer})
    found = {pair_side.person_id: pair_side for pair_side in (pair.seen_by(viewer) for pair in pairs)}
    return {person: found.get(person) or PairSide(viewer, person) for person in people}


def lists(
    kind: str, owners: Sequence[uuid.UUID], window: Window, *, viewer: uuid.UUID | None
) -> dict[uuid.UUID, Page[Person]]:
    """A page of followers or followed for each owner, newest first, in one query, without people whom a block hides.

    Each half of the UNION reads at most a page from its index, so that pages of people with many followers cost no more.
    """
    arms, places = zip(*(_arm(arm, window) for arm in ARMS[kind]), strict=True)
    sql = LIST.format(
        arms=" UNION ALL ".join(arms),
        order=window.order("edge.at", "edge.listed_id"),
        owner_shown=met("owner.id", "%s::uuid"),
        direction="ASC" if window.backward else "DESC",
    )
    parameters = [value for of_arm in places for value in (viewer, viewer, *of_arm)]
    return pages_by_owner(Person.objects.raw(sql, [list(owners), *parameters, viewer, viewer]), owners, window)


def _arm(arm: tuple[str, str, str], window: Window) -> tuple[str, list[Any]]:
    owner, at, listed = (f"edge.{column}" for column in arm)
    between, places = window.condition(at, listed)
    shown = met(listed, "%s::uuid")
    sql = ARM.format(owner=owner, at=at, listed=listed, shown=shown, between=between, order=window.order(at, listed))
    return sql, places


def list_totals(kind: str, owners: Sequence[uuid.UUID], *, viewer: uuid.UUID | None) -> Mapping[uuid.UUID, int]:
    """How many people each list has for this viewer: the exact tally minus those hidden by a block or by having left."""
    counts = tallies.totals(PersonTally, kind, owners)
    listed_is_low = "hidden.id < owner.id" if kind == FOLLOWERS else "hidden.id > owner.id"
    sql = HIDDEN_IN_LIST.format(listed_is_low=listed_is_low, owner_shown=met("owner.id", "%s::uuid"))
    with connection.cursor() as cursor:
        cursor.execute(sql, [viewer, viewer, viewer, viewer, list(owners)])
        hidden = dict(cursor.fetchall())
    return {owner: 0 if hidden[owner] is None else counts[owner] - hidden[owner] for owner in owners}


def followers_after(author: uuid.UUID, place: Follower | None, count: int) -> list[Follower]:
    """The next `count` followers, longest first, in one query.

    People who begin to follow meanwhile come at the end.
    """
    window = Window(count - 1, after=place, oldest_first=True)
    arms, parameters = [], []
    for owner, at, listed in ARMS[FOLLOWERS]:
        between, places = window.condition(at, listed)
        order = window.order(at, listed)
        arms.append(
            FOLLOWERS_ARM.format(owner=owner, at=at, listed=listed, gone=gone(listed), between=between, order=order)
        )
        parameters += [author, *places]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({' UNION ALL '.join(arms)}) AS follower {window.order('at', 'id')}", parameters)
        return cursor.fetchall()


def _is_there(_pair: Relationship, _person: uuid.UUID) -> bool:
    return True


STILL_THERE = {Relationship: _is_there}
"""One's side towards somebody never goes: of a person who blocks one or has left it shows the id alone, so that the two look
alike.
"""
