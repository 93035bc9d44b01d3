"""The market: editions, orders, and their fields."""

import uuid
from collections.abc import Sequence

from backend.engine.conditions import Target, conditioned, made
from backend.engine.idempotency import Applied, Outcome, Request
from backend.engine.versions import Expected
from backend.market import actions
from backend.market import orders as order_actions
from backend.market.models import OrderStatus
from backend.market.orders import NewLine
from backend.people.models import Person
from resolvers.work import performed


def create_edition(
    me: Person, *, story: uuid.UUID, title: str, price_cents: int, stock: int, key: uuid.UUID | None
) -> Outcome:
    """Create an edition of one's own published story."""
    new = {"title": title, "price_cents": price_cents, "stock": stock}

    def work() -> Outcome:
        edition = actions.create_edition(story, me.pk, title=title, price_cents=price_cents, stock=stock)
        return made(Outcome(Applied.WRITTEN, {"edition": edition}), "edition")

    return performed(Request("createEdition", me.pk, key, {"story": str(story), **new}), work, me)


def adjust_stock(me: Person, *, edition: uuid.UUID, delta: int, key: uuid.UUID) -> Outcome:
    """Add copies to the stock of one's own edition, or remove some."""

    def work() -> Outcome:
        row, applied = actions.adjust_stock(edition, me.pk, delta)
        return Outcome(applied, {"edition": row})

    return performed(Request("adjustStock", me.pk, key, {"edition": str(edition), "delta": delta}), work, me)


def set_stock(me: Person, *, edition: uuid.UUID, to: int, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Set the stock of one's own edition, if it has not changed."""

    def write(seen: Expected) -> Outcome:
        row, applied = actions.set_stock(edition, me.pk, to, seen)
        return Outcome(applied, {"edition": row})

    request = Request("setStock", me.pk, key, {"edition": str(edition), "to": to})
    return performed(request, conditioned(me.pk, expect, Target("edition", {"pk": edition}), write), me)


def place_order(me: Person, *, lines: Sequence[NewLine], key: uuid.UUID) -> Outcome:
    """Order copies of one author's editions: all of them or none."""

    def work() -> Outcome:
        order = order_actions.place_order(me.pk, lines)
        return made(Outcome(Applied.WRITTEN, {"order": order}), "order")

    arguments = {"lines": [[str(line.edition_id), line.quantity] for line in lines]}
    return performed(Request("placeOrder", me.pk, key, arguments), work, me)


def update_order(me: Person, *, order: uuid.UUID, to: OrderStatus, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Confirm, ship or cancel an order, if it has not changed."""

    def write(seen: Expected) -> Outcome:
        row, applied = order_actions.update_order(order, me.pk, to, seen)
        return Outcome(applied, {"order": row})

    request = Request("updateOrder", me.pk, key, {"id": str(order), "to": to.value})
    return performed(request, conditioned(me.pk, expect, Target("order", {"pk": order}), write), me)
