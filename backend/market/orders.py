"""Writes to orders: placing one, and changing its status.

An order has editions of one author only, who confirms and ships it as a whole. A client sends one order for each author, and
each is all or nothing.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import BigIntegerField, Case, F, Q, QuerySet, Value, When

from backend.engine.errors import Conflict, FieldConflict, Forbidden, Invalid, NotFound
from backend.engine.idempotency import Applied
from backend.engine.text import Checker
from backend.engine.versions import Expected, conflict, is_unchanged, stamped, unchanged, write, write_all
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
        raise Invalid.one("lines", f"cost {total} cents together, at most {MAX_TOTAL_CENTS}.")
    _sell(wanted, editions)
    order = Order(buyer_id=buyer_id, author_id=authors.pop(), total_cents=total)
    Order.objects.bulk_create([order])
    OrderLine.objects.bulk_create(
        OrderLine(
            order=order,
            edition_id=one,
            author_id=order.author_id,
            number=number,
            quantity=quantity,
            price_cents=editions[one].price_cents,
        )
        for number, (one, quantity) in enumerate(wanted.items(), start=1)
    )
    return order


def _checked(lines: Sequence[NewLine]) -> Quantities:
    check = Checker()
    if not 1 <= len(lines) <= MAX_LINES:
        check.wrong("lines", f"must be 1 to {MAX_LINES}.")
    wanted: dict[uuid.UUID, int] = {}
    for number, line in enumerate(lines[:MAX_LINES]):
        wanted[line.edition_id] = wanted.get(line.edition_id, 0) + line.quantity
        if line.quantity < 1 or wanted[line.edition_id] > MAX_QUANTITY:
            check.wrong(f"lines.{number}.quantity", f"must be from 1 to {MAX_QUANTITY}, for one edition in all.")
    check.done()
    return wanted


def _sell(wanted: Quantities, editions: Mapping[uuid.UUID, Edition]) -> None:
    """Take the copies from locked editions. Raises `OutOfStock`."""
    enough = Q()
    for one, quantity in wanted.items():
        enough |= Q(pk=one, stock__gte=quantity)
    sold = write_all(
        Edition.objects.filter(enough), stock=F("stock") - _quantity_of(wanted), **stamped(Edition, ["stock"])
    )
    if sold < len(wanted):
        short = next(editions[one] for one, quantity in wanted.items() if editions[one].stock < quantity)
        raise OutOfStock(short, available=short.stock)


def _quantity_of(quantities: Quantities) -> Case:
    """SQL: the number of copies of a row's edition."""
    number = BigIntegerField()
    return Case(*(When(pk=one, then=Value(quantity)) for one, quantity in quantities.items()), output_field=number)


def update_order(order_id: uuid.UUID, person_id: uuid.UUID, to: OrderStatus, seen: Expected) -> tuple[Order, Applied]:
    """Move the order to this status, if the step is allowed and the order has not changed since `seen`.

    The author of its editions confirms and ships it; the buyer may cancel it until it is shipped. Cancelling puts the copies
    back, once. Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    order = _order(order_id, person_id)
    _may(order, person_id, to)
    cancelled = to is OrderStatus.CANCELLED
    # Editions are locked before orders (the lock order), but written after them.
    quantities = _locked_quantities(order_id) if cancelled else {}
    rows = _moved(order_id, to, seen) if FROM[to] else []
    if rows:
        if cancelled:
            give_back(quantities)
        return rows[0], Applied.WRITTEN
    order = _order(order_id, person_id)
    if not is_unchanged(order, seen, ["status"]):
        raise _changed(order, to, seen)
    if order.status == to:
        return order, Applied.NOOP
    raise Invalid.one("to", f"cannot be {to.value}: the order is {order.status}.")


def _moved(order_id: uuid.UUID, to: OrderStatus, seen: Expected) -> list[Order]:
    return write(
        Order.objects.filter(unchanged(Order, seen, ["status"]), pk=order_id, status__in=FROM[to]),
        status=to,
        **stamped(Order, ["status"]),
    )


def _order(order_id: uuid.UUID, person_id: uuid.UUID) -> Order:
    order = read(Order, queries.ORDER_BY_ID, key=order_id, viewer=person_id)
    if order is None:
        raise NotFound(UNKNOWN_ORDER)
    return order


def _may(order: Order, person_id: uuid.UUID, to: OrderStatus) -> None:
    if to is OrderStatus.CANCELLED and order.buyer_id != person_id:
        raise Forbidden("Only its buyer can cancel an order.")
    if to in (OrderStatus.CONFIRMED, OrderStatus.SHIPPED) and order.author_id != person_id:
        raise Forbidden("Only the author of its editions can confirm and ship an order.")


def _locked_quantities(order_id: uuid.UUID) -> Quantities:
    """The copies in an order; locks their editions until the unit of work ends."""
    quantities = dict(OrderLine.objects.filter(order_id=order_id).values_list("edition_id", "quantity"))
    lock_editions(quantities)
    return quantities


def give_back(quantities: Quantities) -> None:
    """Put copies back into the stocks."""
    write_all(_editions(quantities), stock=F("stock") + _quantity_of(quantities), **stamped(Edition, ["stock"]))


def lock_editions(ids: Iterable[uuid.UUID]) -> None:
    """Lock these editions until the unit of work ends, in the order of their ids."""
    list(_editions(ids).order_by("pk").select_for_update(no_key=True).values_list("pk"))


def _editions(ids: Iterable[uuid.UUID]) -> QuerySet[Edition]:
    return Edition.objects.filter(pk__in=set(ids))


def _changed(order: Order, to: OrderStatus, seen: Expected) -> Conflict:
    base = AT_VERSION.get(seen.latest) if seen.latest < order.version else None
    overlap = FieldConflict("status", base and base.value, mine=to.value, theirs=order.status)
    return conflict(order, seen=seen, thing=("order", order.pk), overlaps=[overlap], by=_moved_by(order))


def _moved_by(order: Order) -> uuid.UUID | None:
    """Who gave the order its status; None for one that may have been cancelled because its author left."""
    if order.status in (OrderStatus.CONFIRMED, OrderStatus.SHIPPED):
        return order.author_id
    return order.buyer_id if Person.objects.filter(pk=order.author_id, left_at__isnull=True).exists() else None
