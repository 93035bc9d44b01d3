"""Queries for editions, orders and lines. `viewer` is a person's id, or None when signed out.

An edition is visible to everybody who can find its story; an order to its buyer and to the author of its editions.
"""

import uuid
from collections.abc import Iterable, Sequence

from backend.market.models import Edition, Order, OrderLine
from backend.pages import Page, Window, pages_by_owner
from backend.stories.lists import SHOWN
from backend.stories.queries import VISIBLE
from backend.visibility import met

EDITIONS = f"""
SELECT edition.* FROM market_edition AS edition JOIN stories_story AS story ON story.id = edition.story_id
WHERE edition.id = ANY(%(ids)s) AND {VISIBLE}
"""

LOCKED_EDITIONS = f"{EDITIONS} ORDER BY edition.id FOR NO KEY UPDATE OF edition"

PUBLISHED_EDITIONS = f"""
SELECT edition.*, edition.created_at AS place_at
FROM market_edition AS edition JOIN stories_story AS story ON story.id = edition.story_id
WHERE story.published_at IS NOT NULL AND {met("story.author_id", "%s::uuid")} AND {SHOWN}{{between}} {{order}}
"""

EDITIONS_OF_STORIES = f"""
SELECT story.id AS owner_id, edition.*, edition.created_at AS place_at
FROM stories_story AS story CROSS JOIN LATERAL (
    SELECT * FROM market_edition AS edition WHERE edition.story_id = story.id{{between}} {{order}}
) AS edition
WHERE story.id = ANY(%s)
  AND (story.author_id = %s::uuid OR (story.published_at IS NOT NULL AND {met("story.author_id", "%s::uuid")}))
ORDER BY story.id, edition.created_at {{direction}}, edition.id {{direction}}
"""

ORDERS = """
SELECT * FROM market_order WHERE id = ANY(%(ids)s) AND %(viewer)s::uuid IN (buyer_id, author_id)
"""

ORDERS_OF = """
SELECT placed.*, placed.created_at AS place_at FROM market_order AS placed WHERE placed.{side} = %s{between} {order}
"""


def editions(ids: Iterable[uuid.UUID], *, viewer: uuid.UUID | None) -> dict[uuid.UUID, Edition]:
    """The editions among these ids whose story the viewer can find, in one query."""
    return {row.id: row for row in Edition.objects.raw(EDITIONS, {"ids": list(ids), "viewer": viewer})}


def locked_editions(ids: Iterable[uuid.UUID], *, viewer: uuid.UUID) -> dict[uuid.UUID, Edition]:
    """`editions`, locked until the unit of work ends.

    They are locked in the order of their ids, so that two orders of the same editions cannot deadlock.
    """
    return {row.id: row for row in Edition.objects.raw(LOCKED_EDITIONS, {"ids": list(ids), "viewer": viewer})}


def ordered_editions(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Edition]:
    """All of these editions, in one query, without visibility checks: for orders that the viewer may see."""
    return Edition.objects.in_bulk(list(ids))


def published_editions(window: Window, *, viewer: uuid.UUID | None, mature: bool) -> Page[Edition]:
    """The editions of published stories, newest first; of stories for adults only with `mature`."""
    between, places = window.condition("edition.created_at", "edition.id")
    sql = PUBLISHED_EDITIONS.format(between=between, order=window.order("edition.created_at", "edition.id"))
    return Page.of(Edition.objects.raw(sql, [viewer, viewer, mature, viewer, *places]), window)


def editions_of(
    stories: Sequence[uuid.UUID], window: Window, *, viewer: uuid.UUID | None
) -> dict[uuid.UUID, Page[Edition]]:
    """A page of editions for each story that the viewer can find, newest first, in one query."""
    between, places = window.condition("edition.created_at", "edition.id")
    sql = EDITIONS_OF_STORIES.format(
        between=between,
        order=window.order("edition.created_at", "edition.id"),
        direction="ASC" if window.backward else "DESC",
    )
    parameters = [*places, list(stories), viewer, viewer, viewer]
    return pages_by_owner(Edition.objects.raw(sql, parameters), stories, window)


def orders(ids: Iterable[uuid.UUID], *, viewer: uuid.UUID | None) -> dict[uuid.UUID, Order]:
    """The orders among these ids that the viewer has placed or received, in one query."""
    return {row.id: row for row in Order.objects.raw(ORDERS, {"ids": list(ids), "viewer": viewer})}


def orders_by(buyer: uuid.UUID, window: Window) -> Page[Order]:
    """The orders that a person has placed, newest first."""
    return _orders("buyer_id", buyer, window)


def orders_from(author: uuid.UUID, window: Window) -> Page[Order]:
    """The orders of an author's editions, newest first."""
    return _orders("author_id", author, window)


def _orders(side: str, person: uuid.UUID, window: Window) -> Page[Order]:
    between, places = window.condition("placed.created_at", "placed.id")
    sql = ORDERS_OF.format(side=side, between=between, order=window.order("placed.created_at", "placed.id"))
    return Page.of(Order.objects.raw(sql, [person, *places]), window)


def lines(orders: Iterable[uuid.UUID]) -> dict[uuid.UUID, list[OrderLine]]:
    """The lines of each of these orders, in order, in one query."""
    by_order: dict[uuid.UUID, list[OrderLine]] = {order: [] for order in orders}
    for line in OrderLine.objects.filter(order_id__in=list(by_order)).order_by("order_id", "number"):
        by_order[line.order_id].append(line)
    return by_order
