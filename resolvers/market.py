"""The market: editions, orders, and their fields."""

import uuid
from collections.abc import Sequence

from backend.engine.idempotency import Applied, Outcome
from backend.engine.mutations import Mutation, Target
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

    def work(_seen: Expected) -> Outcome:
        edition = actions.create_edition(story, me.id, title=title, price_cents=price_cents, stock=stock)
        return Outcome(Applied.WRITTEN, {"edition": edition})

    return performed(Mutation("createEdition", me.id, key, {"story": story, **new}, work, makes="edition"), me)


def adjust_stock(me: Person, *, edition: uuid.UUID, delta: int, key: uuid.UUID) -> Outcome:
    """Add copies to the stock of one's own edition, or remove some."""

    def work(_seen: Expected) -> Outcome:
        row, applied = actions.adjust_stock(edition, me.id, delta)
        return Outcome(applied, {"edition": row})

    return performed(Mutation("adjustStock", me.id, key, {"edition": edition, "delta": delta}, work), me)


def set_stock(me: Person, *, edition: uuid.UUID, to: int, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Set the stock of one's own edition, if it has not changed."""

    def write(seen: Expected) -> Outcome:
        row, applied = actions.set_stock(edition, me.id, to, seen)
        return Outcome(applied, {"edition": row})

    arguments, target = {"edition": edition, "to": to}, Target("edition", {"pk": edition})
    return performed(Mutation("setStock", me.id, key, arguments, write, target, expect), me)


def place_order(me: Person, *, lines: Sequence[NewLine], key: uuid.UUID) -> Outcome:
    """Order copies of one author's editions: all of them or none."""

    def work(_seen: Expected) -> Outcome:
        order = order_actions.place_order(me.id, lines)
        return Outcome(Applied.WRITTEN, {"order": order})

    arguments = {"lines": [[line.edition_id, line.quantity] for line in lines]}
    return performed(Mutation("placeOrder", me.id, key, arguments, work, makes="order"), me)


def update_order(me: Person, *, order: uuid.UUID, to: OrderStatus, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Confirm, ship or cancel an order, if it has not changed."""

    def write(seen: Expected) -> Outcome:
        row, applied = order_actions.update_order(order, me.id, to, seen)
        return Outcome(applied, {"order": row})

    arguments, target = {"id": order, "to": to.value}, Target("order", {"pk": order})
    return performed(Mutation("updateOrder", me.id, key, arguments, write, target, expect), me)
