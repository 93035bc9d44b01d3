"""Demo editions and orders: a few editions are popular, and nobody orders across a block."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from backend.demo.chance import END, Chance
from backend.demo.follows import Ties
from backend.demo.sizes import Sizes
from backend.demo.stories import Tale
from backend.market.models import OrderStatus

TITLES = (
    "First edition",
    "Hardcover",
    "Signed edition",
    "Illustrated edition",
    "Collector's edition",
    "Pocket edition",
)
PRICES = (490, 990, 1_490, 2_500, 4_900)
INITIAL = range(50, 501)
EDITION_SKEW = 0.6
MAX_COPIES_AT_ONCE = 3
SECOND_LINE = 0.3
"""The share of orders with a second edition of the same author, if there is one."""

WAYS = (
    (OrderStatus.PLACED,),
    (OrderStatus.PLACED, OrderStatus.CONFIRMED),
    (OrderStatus.PLACED, OrderStatus.CONFIRMED, OrderStatus.SHIPPED),
    (OrderStatus.PLACED, OrderStatus.CONFIRMED, OrderStatus.SHIPPED),
    (OrderStatus.PLACED, OrderStatus.CANCELLED),
    (OrderStatus.PLACED, OrderStatus.CONFIRMED, OrderStatus.CANCELLED),
)
"""The sequences of statuses of orders; all are equally likely."""


@dataclass(slots=True)
class Printed:
    """A demo edition. `tale` is the index of its story."""

    id: uuid.UUID
    tale: int
    title: str
    price_cents: int
    initial: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Bought:
    """A demo order: quantities by index of edition, and the time of each of its statuses."""

    id: uuid.UUID
    buyer: int
    lines: tuple[tuple[int, int], ...]
    status: OrderStatus
    moments: tuple[datetime, ...]


@dataclass(slots=True)
class Stock:
    """The remaining stock of an edition, how often it was written, and when last."""

    copies: int
    writes: int
    at: datetime


def editions(seed: int, sizes: Sizes, tales: Sequence[Tale]) -> list[Printed]:
    """All editions; each is of a published story."""
    chance = Chance(seed, "editions")
    shown = [number for number, tale in enumerate(tales) if tale.published_at]
    return [_printed(chance, number, tales[number]) for number in _some(chance, shown, sizes.editions)]


def _some(chance: Chance, of: Sequence[int], count: int) -> list[int]:
    return [of[chance.randrange(len(of))] for _ in range(count)]


def _printed(chance: Chance, number: int, tale: Tale) -> Printed:
    assert tale.published_at is not None
    at = chance.moment(tale.published_at, tale.published_at + (END - tale.published_at) / 2)
    price = PRICES[chance.randrange(len(PRICES))]
    return Printed(chance.id(at), number, chance.one(TITLES), price, chance.choice(INITIAL), at)


def bought(seed: int, sizes: Sizes, tales: Sequence[Tale], printed: list[Printed], ties: Ties) -> list[Bought]:
    """All orders. Very popular editions have more copies."""
    chance = Chance(seed, "orders")
    ranks = chance.ranks(len(printed), EDITION_SKEW) if printed else iter(())
    of_author: dict[int, list[int]] = {}
    for number, one in enumerate(printed):
        of_author.setdefault(tales[one.tale].author, []).append(number)
    made: list[Bought] = []
    while len(made) < sizes.orders:
        number, buyer = next(ranks), chance.randrange(sizes.people)
        author = tales[printed[number].tale].author
        if not ties.apart(buyer, author):
            made.append(_order(chance, printed, buyer, number, of_author[author]))
    for number, stock in enumerate(left(printed, made)):
        printed[number].initial += max(0, -stock.copies)
    return made


def _order(chance: Chance, printed: Sequence[Printed], buyer: int, first: int, others: Sequence[int]) -> Bought:
    wanted = {first: chance.randint(1, MAX_COPIES_AT_ONCE)}
    second = [number for number in others if number != first]
    if second and chance.random() < SECOND_LINE:
        wanted[chance.choice(second)] = chance.randint(1, MAX_COPIES_AT_ONCE)
    way = chance.choice(WAYS)
    start = max(printed[number].created_at for number in wanted)
    placed = chance.moment(start, END - timedelta(days=10))
    moments = tuple(placed + timedelta(days=day, seconds=chance.randrange(24 * 3600)) for day in range(1, len(way)))
    return Bought(chance.id(placed), buyer, tuple(wanted.items()), way[-1], (placed, *moments))


def left(printed: Sequence[Printed], orders: Sequence[Bought]) -> list[Stock]:
    """The remaining stock of each edition."""
    stocks = [Stock(one.initial, 0, one.created_at) for one in printed]
    for order in orders:
        cancelled = order.status is OrderStatus.CANCELLED
        for number, quantity in order.lines:
            stock = stocks[number]
            stock.copies -= 0 if cancelled else quantity
            stock.writes += 2 if cancelled else 1
            stock.at = max(stock.at, order.moments[-1] if cancelled else order.moments[0])
    return stocks
