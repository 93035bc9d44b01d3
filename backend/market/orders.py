"""Writes to orders: placing one, and changing its status.

An order has editions of one author only, who confirms and ships it as a whole. A client sends one order for each author, and
each is all or nothing.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery, Sum

from backend.engine.declarations import AtKey, IsAny, insert, insert_all, select, update, update_all
from backend.engine.errors import Conflict, FieldConflict, Forbidden, Invalid, NotFound, Wrong
from backend.engine.idempotency import Applied
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, Json, compiled
from backend.engine.text import Checker
from backend.engine.versions import Expected, conflict, is_unchanged, stamped, unchanged
from backend.market import queries
from backend.market.actions import UNKNOWN_EDITION
from backend.market.errors import OutOfStock
from backend.market.models import (
    MAX_LINES,
    MAX_QUANTITY,
    MAX_TOTAL_CENTS,
    Edition,
    Order,
    OrderLine,
    OrderStatus,
)
from backend.people.models import Person
from backend.sources import read

UNKNOWN_ORDER = "There is no such order."

FROM: Mapping[OrderStatus, Sequence[OrderStatus]] = {
    OrderStatus.PLACED: (),
    OrderStatus.CONFIRMED: (OrderStatus.PLACED,),
    OrderStatus.SHIPPED: (OrderStatus.CONFIRMED,),
    OrderStatus.CANCELLED: (OrderStatus.PLACED, OrderStatus.CONFIRMED),
}
"""The allowed previous statuses of each status."""

AT_VERSION = {1: OrderStatus.PLACED, 2: OrderStatus.CONFIRMED}
"""The status at each version that is not the last: a cancelled or shipped order is never written again."""


@dataclass(frozen=True)
class NewLine:
    """A line of a new order: an edition and a number of copies."""

    edition_id: uuid.UUID
    quantity: int


LINE = ("order_id", "edition_id", "author_id", "number", "quantity", "price_cents")
"""The columns of a line."""

Quantities = Mapping[uuid.UUID, int]
"""Copies by edition, in the order of the request."""


def place_order(buyer_id: uuid.UUID, lines: Sequence[NewLine]) -> Order:
    """Place an order and take all copies from the stocks, or nothing. Lines of the same edition are added up.

    Stores the present prices. Raises `OutOfStock` for the first line with too few copies left, `NotFound`, `Invalid`.
    """
    wanted = _checked(lines)
    editions = queries.locked_editions(wanted, viewer=buyer_id)
    if len(editions) < len(wanted):
        raise NotFound(UNKNOWN_EDITION)
    authors = {edition.author_id for edition in editions.values()}
    if len(authors) > 1:
        raise Invalid.one("lines", "are editions of several authors: send one order for each author.")
    total = sum(editions[one].price_cents * quantity for one, quantity in wanted.items())
    if total > MAX_TOTAL_CENTS:
        raise Invalid.one(
            "lines", f"cost {total} cents together, at most {MAX_TOTAL_CENTS}.", Wrong.TOO_GREAT, MAX_TOTAL_CENTS
        )
    _sell(wanted, editions)
    order, author = uuid7(), authors.pop()
    placed = _insert_order(id=order, buyer=buyer_id, author=author, total=total)
    _insert_lines(
        lines=[
            dict(zip(LINE, [order, one, author, number, quantity, editions[one].price_cents], strict=True))
            for number, (one, quantity) in enumerate(wanted.items(), start=1)
        ]
    )
    return placed.rows[0]


@compiled
def _insert_order(*, id: uuid.UUID, buyer: uuid.UUID, author: uuid.UUID, total: int) -> Declared[Order]:
    return insert(Order, id=id, buyer=buyer, author=author, total_cents=total)


@compiled
def _insert_lines(*, lines: Json) -> Declared[Any]:
    return insert_all(OrderLine, LINE, lines, counts=True)


def _checked(lines: Sequence[NewLine]) -> Quantities:
    check = Checker()
    if not lines:
        check.wrong("lines", f"must be 1 to {MAX_LINES}.", Wrong.TOO_FEW, 1)
    if len(lines) > MAX_LINES:
        check.wrong("lines", f"must be 1 to {MAX_LINES}.", Wrong.TOO_MANY, MAX_LINES)
    wanted: dict[uuid.UUID, int] = {}
    for number, line in enumerate(lines[:MAX_LINES]):
        wanted[line.edition_id] = wanted.get(line.edition_id, 0) + line.quantity
        if line.quantity < 1 or wanted[line.edition_id] > MAX_QUANTITY:
            code, limit = (Wrong.TOO_SMALL, 1) if line.quantity < 1 else (Wrong.TOO_GREAT, MAX_QUANTITY)
            message = f"must be from 1 to {MAX_QUANTITY}, for one edition in all."
            check.wrong(f"lines.{number}.quantity", message, code, limit)
    check.done()
    return wanted


def _sell(wanted: Quantities, editions: Mapping[uuid.UUID, Edition]) -> None:
    """Take the copies from locked editions; what is sent after this has no result if it raises `OutOfStock`."""

    def require_all(sold: int) -> None:
        if sold < len(wanted):
            short = next(editions[one] for one, quantity in wanted.items() if editions[one].stock < quantity)
            raise OutOfStock(short, available=short.stock)

    _take(ids=list(wanted), quantities=list(wanted.values())).check(require_all)


@compiled
def _take(*, ids: list[uuid.UUID], quantities: list[int]) -> Declared[Any]:
    quantity = AtKey(ids, quantities, F("pk"))
    return update_all(
        Edition.objects.filter(IsAny("pk", ids), stock__gte=quantity),
        stock=F("stock") - quantity,
        **stamped(Edition, ["stock"]),
    )


def update_order(order_id: uuid.UUID, person_id: uuid.UUID, to: OrderStatus, seen: Expected) -> tuple[Order, Applied]:
    """Move the order to this status, if the step is allowed and the order has not changed since `seen`.

    The author of its editions confirms and ships it; the buyer may cancel it until it is shipped. Cancelling puts the copies
    back, once. Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    row = _move_if_allowed(order_id, person_id, to, seen) if FROM[to] else None
    if row is not None:
        return row, Applied.WRITTEN
    order = _order(order_id, person_id)
    _may(order, person_id, to)
    if not is_unchanged(order, seen, ["status"]):
        raise _changed(order, to, seen)
    if order.status == to:
        return order, Applied.NOOP
    raise Invalid.one("to", f"cannot be {to.value}: the order is {order.status}.")


def _move_if_allowed(order_id: uuid.UUID, person_id: uuid.UUID, to: OrderStatus, seen: Expected) -> Order | None:
    cancels = to is OrderStatus.CANCELLED
    if cancels:  # editions are locked before orders (the lock order), but written after them
        _lock_editions(order=order_id, buyer=person_id)
    row = _move(to, order=order_id, person=person_id, seen=seen).row
    if row is not None and cancels:
        give_back([order_id])
    return row


@compiled
def _lock_editions(*, order: uuid.UUID, buyer: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    lines = OrderLine.objects.filter(order_id=order, order__buyer_id=buyer)
    return select(_locking(Edition.objects.filter(pk__in=lines.values("edition_id"))))


@compiled
def _move(to: OrderStatus, *, order: uuid.UUID, person: uuid.UUID, seen: Expected) -> Declared[Order]:
    whose = {"buyer_id" if to is OrderStatus.CANCELLED else "author_id": person}
    return update(
        Order.objects.filter(unchanged(Order, seen, ["status"]), pk=order, status__in=FROM[to], **whose),
        status=to,
        **stamped(Order, ["status"]),
    )


def lock_editions(ids: Iterable[uuid.UUID]) -> None:
    """Lock these editions until the unit of work ends, in the order of their ids."""
    list(_locking(Edition.objects.filter(pk__in=set(ids))))


def _locking(editions: QuerySet[Edition]) -> QuerySet[Edition, tuple[uuid.UUID]]:
    return editions.order_by("pk").select_for_update(no_key=True).values_list("pk")


def give_back(orders: Iterable[uuid.UUID]) -> None:
    """Put the copies in these orders back into the stocks. Their editions are locked."""
    _give_back(orders=list(orders))


@compiled
def _give_back(*, orders: list[uuid.UUID]) -> Declared[Any]:
    lines = OrderLine.objects.filter(IsAny("order_id", orders))
    of_edition = lines.filter(edition_id=OuterRef("pk")).values("edition_id").values(copies=Sum("quantity"))
    return update_all(
        Edition.objects.filter(pk__in=lines.values("edition_id")),
        stock=F("stock") + Subquery(of_edition),
        **stamped(Edition, ["stock"]),
    )


def _order(order_id: uuid.UUID, person_id: uuid.UUID) -> Order:
    order = read(Order, queries.ORDER_BY_ID, key=order_id, viewer=person_id).row
    if order is None:
        raise NotFound(UNKNOWN_ORDER)
    return order


def _may(order: Order, person_id: uuid.UUID, to: OrderStatus) -> None:
    if to is OrderStatus.CANCELLED and order.buyer_id != person_id:
        raise Forbidden("Only its buyer can cancel an order.")
    if to in (OrderStatus.CONFIRMED, OrderStatus.SHIPPED) and order.author_id != person_id:
        raise Forbidden("Only the author of its editions can confirm and ship an order.")


def _changed(order: Order, to: OrderStatus, seen: Expected) -> Conflict:
    base = AT_VERSION.get(seen.latest) if seen.latest < order.version else None
    overlap = FieldConflict("status", base and base.value, mine=to.value, theirs=order.status)
    return conflict(order, seen=seen, thing=("order", order.pk), overlaps=[overlap], by=_moved_by(order))


def _moved_by(order: Order) -> uuid.UUID | None:
    """Who gave the order its status; None for one that may have been cancelled because its author left."""
    if order.status in (OrderStatus.CONFIRMED, OrderStatus.SHIPPED):
        return order.author_id
    return order.buyer_id if _is_there(person=order.author_id).row else None


@compiled
def _is_there(*, person: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(Person.objects.filter(pk=person, left_at__isnull=True).values_list("pk"))
