"""Queries for editions, orders and lines. `viewer` is a person's id, or None when signed out.

An edition is visible to everybody who can find its story; an order to its buyer and to the author of its editions.
"""

import uuid
from collections.abc import Iterable
from string import Template

from backend.engine.declarations import query
from backend.engine.statements import Declared, compiled
from backend.market.models import Edition
from backend.people.queries import FINDABLE, IS_VIEWER, named
from backend.sources import Page as Sourced
from backend.sources import Row, Rows
from backend.stories.lists import LISTED
from backend.stories.queries import visible
from backend.visibility import met

AT, ID = "edition.created_at", "edition.id"

FOUND = (
    "SELECT edition.* FROM market_edition AS edition JOIN stories_story AS story ON story.id = edition.story_id "
    f"WHERE {visible('$viewer')} AND edition.id"
)
"""SQL: the editions whose story the viewer can find, up to their ids."""

EDITION_BY_ID = Row(f"{FOUND} = $key::uuid", type="Edition")

LOCK = "FOR NO KEY UPDATE OF edition"

LOCKED = f"{Template(FOUND).substitute(viewer='%(viewer)s')} = ANY(%(ids)s) ORDER BY edition.id {LOCK}"


def locked_editions(ids: Iterable[uuid.UUID], *, viewer: uuid.UUID) -> dict[uuid.UUID, Edition]:
    """The editions among these ids whose story the viewer can find, locked until the unit of work ends.

    They are locked in the order of their ids, so that two orders of the same editions cannot deadlock.
    """
    return {row.id: row for row in _lock(ids=list(ids), viewer=viewer).rows}


@compiled
def _lock(*, ids: list[uuid.UUID], viewer: uuid.UUID) -> Declared[Edition]:
    return query(LOCKED, Edition, ids=ids, viewer=viewer)


ORDER_BY_ID = Row(
    "SELECT placed.* FROM market_order AS placed WHERE placed.id = $key::uuid AND $viewer IN (placed.buyer_id, placed.author_id)",
    type="Order",
)

PUBLISHED = Sourced(
    f"""
SELECT edition.*, edition.created_at AS place_at
FROM market_edition AS edition JOIN stories_story AS story ON story.id = edition.story_id
WHERE story.published_at IS NOT NULL AND {met("story.author_id", "$viewer")} AND {LISTED}$between $order""",
    AT,
    ID,
)

OF_STORY = Sourced(
    f"""
SELECT edition.*, edition.created_at AS place_at FROM market_edition AS edition
WHERE edition.story_id = $row.id AND EXISTS (SELECT FROM stories_story AS story WHERE story.id = $row.id AND {visible("$viewer")})
$between $order""",
    AT,
    ID,
)

_PLACED = "SELECT placed.*, placed.created_at AS place_at FROM market_order AS placed WHERE placed.{} = $viewer$between $order"

ORDERS = Sourced(_PLACED.format("buyer_id"), "placed.created_at", "placed.id")
"""The orders that the viewer has placed, newest first; none when signed out."""

SALES = Sourced(_PLACED.format("author_id"), "placed.created_at", "placed.id", when=IS_VIEWER)
"""The orders of a person's editions, newest first; private."""

BUYER, AUTHOR = (named(f"$row.{one}_id", hidden="person.left_at IS NOT NULL") for one in ("buyer", "author"))
"""The people of an order, also across a block, because they have to deal with each other."""

LINES = Rows("SELECT line.* FROM market_orderline AS line WHERE line.order_id = $row.id ORDER BY line.number")

EDITION = Row("SELECT edition.* FROM market_edition AS edition WHERE edition.id = $row.edition_id")
"""The edition of a line, found by whoever finds the order."""

_HIDDEN = {
    "title": "$row.title",
    "summary": "''",
    "mature": "FALSE",
    "warnings": "'{}'::varchar[]",
    "writers": "'{}'::uuid[]",
    "managers": "'{}'::uuid[]",
    "status": "'DRAFT'",
    "published_at": "NULL",
    "republished_at": "NULL",
    "created_at": "$row.created_at",
    "updated_at": "$row.created_at",
    "version": "0",
}
_SHOWN = ", ".join(
    f"CASE WHEN story.is_hidden THEN {sql} ELSE story.{name} END AS {name}" for name, sql in _HIDDEN.items()
)

STORY = Row(
    f"SELECT story.id, story.author_id, {_SHOWN} FROM (SELECT story.*, NOT {visible('$viewer')} AS is_hidden "
    "FROM stories_story AS story WHERE story.id = $row.story_id OFFSET 0) AS story",
    instead={
        "author": named(
            "$row.author_id", hidden=f"(person.left_at IS NOT NULL OR ($row.version > 0 AND NOT ({FINDABLE})))"
        )
    },
)
"""The edition's story. For a buyer who can no longer find it, one of version 0 that says no more than the edition does: an order
stays readable after the story went back to a draft, or a block came between them.
"""
