"""Queries for relationships: one's own side, and the lists of followers and followed."""

import uuid
from datetime import datetime

from django.db import connection

from backend.engine import tallies
from backend.pages import Window
from backend.people.models import PersonTally
from backend.people.queries import FINDABLE, named
from backend.social.models import Relationship
from backend.sources import ByIds, Page, Row, Value
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


FOLLOWERS_ARM = """
(SELECT {at} AS at, {listed} AS id FROM social_relationship AS edge
WHERE {owner} = %s AND {at} IS NOT NULL AND NOT {gone}{between} {order})
"""


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


# --- Sources ----------------------------------------------------------------------------------------------------


def _side(low: str, high: str) -> str:
    """SQL: a column of the viewer's side of `pair`."""
    return f"CASE WHEN me.id = pair.low_id THEN pair.{low} ELSE pair.{high} END"


def sides(other: str, known: str) -> str:
    """SQL: the viewer's side towards somebody, an SQL expression for an id, version 0 if there is none, or it is not `known`."""
    version = f"coalesce({_side('low_version', 'high_version')}, 0)"
    updated_at = f"CASE WHEN {version} > 0 THEN {_side('low_updated_at', 'high_updated_at')} END"
    return f"""
SELECT me.id AS viewer_id, {other} AS person_id, {version} AS version, {updated_at} AS updated_at,
    coalesce({_side("low_follows_at", "high_follows_at")} IS NOT NULL, FALSE) AS following,
    coalesce({_side("high_follows_at", "low_follows_at")} IS NOT NULL, FALSE) AS followed_by,
    coalesce({_side("low_blocks_at", "high_blocks_at")} IS NOT NULL, FALSE) AS blocking
FROM (SELECT $viewer::uuid AS id) AS me LEFT JOIN social_relationship AS pair
    ON {known} AND pair.low_id = LEAST(me.id, {other}) AND pair.high_id = GREATEST(me.id, {other})
WHERE {other} <> $viewer"""


OF_PERSON = Row(sides("$row.id", "$row.version > 0"), inverse="person")
_FOUND = f"SELECT FROM people_person AS person WHERE person.id = $key::uuid AND {FINDABLE}"
BY_PERSON = Row(f"{sides('$key::uuid', 'TRUE')} AND EXISTS ({_FOUND})", type="Relationship")
BY_PEOPLE = ByIds((BY_PERSON,))
BY_ID = Row(f"{BY_PERSON.sql} AND $owner::uuid = $viewer", type="Relationship")

OTHER = named("$row.person_id", inverse="relationship")

UPDATED_AT = Value(
    f"coalesce($row.updated_at, (SELECT greatest(other.joined_at, me.joined_at) FROM ({OTHER.sql}) AS other "
    "JOIN people_person AS me ON me.id = $viewer))",
    is_local=False,
)


def _arms(kind: str) -> str:
    arms = []
    for owner, at, listed in ARMS[kind]:
        edges = (
            f"SELECT edge.{at} AS at, edge.{listed} AS listed_id FROM social_relationship AS edge "
            f"WHERE edge.{owner} = $row.id AND edge.{at} IS NOT NULL"
        )
        arms.append(f"(SELECT edge.* FROM ({edges}) AS edge WHERE {met('edge.listed_id', '$viewer')}$between $order)")
    return " UNION ALL ".join(arms)


def _list(kind: str) -> Page:
    """A page of one of the two lists. Each half of the UNION reads at most a page from its index, so that pages of people with
    many followers cost no more.
    """
    edges = f"SELECT * FROM ({_arms(kind)}) AS edge WHERE {met('$row.id', '$viewer')} $order"
    people = "JOIN people_person AS person ON person.id = edge.listed_id"
    sql = f"SELECT person.*, edge.at AS place_at FROM ({edges}) AS edge {people}"
    listed_is_low = "hidden.id < $row.id" if kind == FOLLOWERS else "hidden.id > $row.id"
    hidden = HIDDEN.format(listed_is_low=listed_is_low)
    total = f"CASE WHEN {met('$row.id', '$viewer')} THEN {tallies.total(PersonTally, kind, '$row.id')} - {hidden} ELSE 0 END"
    return Page(sql, "edge.at", "edge.listed_id", total=Value(total, is_wide=True))


HIDDEN = """(
    SELECT count(*) FROM (
        SELECT high_id AS id FROM social_relationship
        WHERE low_id = $viewer AND (low_blocks_at IS NOT NULL OR high_blocks_at IS NOT NULL)
        UNION ALL
        SELECT low_id FROM social_relationship
        WHERE high_id = $viewer AND (low_blocks_at IS NOT NULL OR high_blocks_at IS NOT NULL)
        UNION
        SELECT person_id FROM people_departure WHERE NOT done
    ) AS hidden
    JOIN social_relationship AS edge
        ON edge.low_id = LEAST(hidden.id, $row.id) AND edge.high_id = GREATEST(hidden.id, $row.id)
    WHERE CASE WHEN {listed_is_low} THEN edge.low_follows_at ELSE edge.high_follows_at END IS NOT NULL
)"""
"""SQL: how many people of the list a block hides, or that they have left."""

FOLLOWERS_PAGE, FOLLOWING_PAGE = _list(FOLLOWERS), _list(FOLLOWING)
