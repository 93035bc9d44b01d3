"""The market in GraphQL: editions of stories, orders of them, and every write to either."""

import enum
import uuid
from typing import Annotated, Any

import strawberry
import strawberry_django
from strawberry import auto

from backend.engine.idempotency import Outcome
from backend.market import models, queries
from backend.market.errors import OutOfStock
from backend.market.orders import NewLine
from backend.sources import Value
from resolvers import market
from schema.answers import (
    REFUSED,
    Applied,
    BusyError,
    ConflictError,
    Failure,
    ForbiddenError,
    InvalidError,
    KeyReusedError,
    NotFoundError,
    Refused,
    applied_field,
    applied_of,
    common,
)
from schema.arguments import KEY_DESCRIPTION, ExpectArgument, Key, parse_expect
from schema.context import Info
from schema.mutations import mutation
from schema.nodes import PageInfo, Versioned, key_of, paged, sourced
from schema.people import Person
from schema.stories import Story


@strawberry_django.type(
    models.Edition,
    description="A limited print run of a published story, found by whoever finds the story. Its version changes with every "
    "write to the stock, also when somebody orders or cancels.",
)
class Edition(Versioned):
    """An edition."""

    look_up = queries.EDITION_BY_ID

    id: strawberry.ID = sourced(Value("$row.id"), "Names this edition. Opaque.")
    created_at: auto = strawberry_django.field(description="When it was created.")
    story: Story = sourced(
        queries.STORY,
        "The story that is printed. In an order of a story that has been hidden from you since, a story of version 0 that "
        "says no more than the edition does.",
    )
    title: auto = strawberry_django.field(description="What it is called: one line.")
    price_cents: auto = strawberry_django.field(description="What one copy costs, in cents.")
    stock: auto = strawberry_django.field(description="How many copies are left to order. Exact, and never below 0.")


@strawberry.enum(
    description="How far an order has come: PLACED, CONFIRMED, SHIPPED; or CANCELLED before it was shipped."
)
class OrderStatus(enum.Enum):
    """The statuses of an order."""

    PLACED = strawberry.enum_value("PLACED", description="The copies are set aside for the buyer.")
    CONFIRMED = strawberry.enum_value("CONFIRMED", description="The author is going to send it.")
    SHIPPED = strawberry.enum_value("SHIPPED", description="It is on its way; nothing of it changes any more.")
    CANCELLED = strawberry.enum_value(
        "CANCELLED",
        description="The buyer does not want it: its copies were given back. Nothing of it changes any more.",
    )


@strawberry_django.type(models.OrderLine, description="Copies of one edition in an order. It never changes.")
class OrderLine:
    """A line."""

    edition: Edition = sourced(queries.EDITION, "What is ordered.")
    quantity: auto = strawberry_django.field(description="How many copies, from 1 to 1000.")
    price_cents: auto = strawberry_django.field(description="What one copy cost when it was ordered, in cents.")


@strawberry_django.type(
    models.Order,
    description="What somebody has ordered of one author's editions. Found by the buyer and that author alone, and kept "
    "whatever becomes of the story. Nobody pays anything here.",
)
class Order(Versioned):
    """An order."""

    look_up = queries.ORDER_BY_ID

    id: strawberry.ID = sourced(Value("$row.id"), "Names this order. Opaque.")
    created_at: auto = strawberry_django.field(description="When it was placed.")
    buyer: Person = sourced(queries.BUYER, "Who has placed it, and can cancel it.")
    author: Person = sourced(queries.AUTHOR, "Whose editions it is of, and who confirms and ships it.")
    status: OrderStatus = sourced(Value("$row.status"), "How far it has come.")
    lines: list[OrderLine] = sourced(
        queries.LINES, "What is ordered, in the order in which it was asked for.", most=models.MAX_LINES
    )
    total_cents: auto = strawberry_django.field(description="What all lines cost together, in cents.")


@strawberry.type(description="An edition in a list, with the place where the list can go on.")
class EditionEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Where this edition stands in the list.")
    node: Edition = strawberry.field(description="The edition.")


@strawberry.type(description="A page of editions.")
class EditionConnection:
    """Relay's connection."""

    edges: list[EditionEdge] = strawberry.field(description="The editions of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")


@strawberry.type(description="An order in a list, with the place where the list can go on.")
class OrderEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Where this order stands in the list.")
    node: Order = strawberry.field(description="The order.")


@strawberry.type(description="A page of orders.")
class OrderConnection:
    """Relay's connection."""

    edges: list[OrderEdge] = strawberry.field(description="The orders of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")


@strawberry.type
class MarketQuery:
    """Reads of the market."""

    editions: EditionConnection = paged(
        queries.PUBLISHED,
        "Editions of published stories, newest first. Those of stories for adults are left out, but your own, "
        "unless you have set showMature in your profile.",
    )
    orders: OrderConnection = paged(
        queries.ORDERS,
        "The viewer's own orders, newest first, empty when signed out; orders of the viewer's editions are in `viewer.sales`.",
    )


# --- Writes -----------------------------------------------------------------------------------------------------


@strawberry.type(
    description="Less is left of an edition than was asked for. Nothing was written, of the other lines of an order neither."
)
class OutOfStockError(Failure):
    """Too few copies are left."""

    edition: Edition = strawberry.field(description="The edition of which too little is left, as it is now.")
    available: int = strawberry.field(description="How many copies are left.")


def _out_of_stock(refusal: OutOfStock) -> OutOfStockError:
    return OutOfStockError(**common(refusal), edition=refusal.edition, available=refusal.available)  # type: ignore[arg-type]


REFUSED["OutOfStockError"] = Refused((OutOfStock,), OutOfStockError, _out_of_stock)


@strawberry.input(description="Copies of one edition to order.")
class OrderLineInput:
    """A line of a new order."""

    edition: strawberry.ID = strawberry.field(description="The id of the edition.")
    quantity: int = strawberry.field(description="How many copies, from 1 to 1000.")


@strawberry.type(description="The edition as it is after the write.")
class EditionSuccess:
    """An edition was written."""

    edition: Edition = strawberry.field(description="The edition, with the new version.")
    applied: Applied = applied_field()


@strawberry.type(description="The order as it is after the write.")
class OrderSuccess:
    """An order was written."""

    order: Order = strawberry.field(description="The order, with the new version.")
    applied: Applied = applied_field()


CreateEditionResult = Annotated[
    EditionSuccess | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("CreateEditionResult", description="What createEdition can answer."),
]
AdjustStockResult = Annotated[
    EditionSuccess | OutOfStockError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("AdjustStockResult", description="What adjustStock can answer."),
]
SetStockResult = Annotated[
    EditionSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("SetStockResult", description="What setStock can answer."),
]
PlaceOrderResult = Annotated[
    OrderSuccess | OutOfStockError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("PlaceOrderResult", description="What placeOrder can answer."),
]
UpdateOrderResult = Annotated[
    OrderSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("UpdateOrderResult", description="What updateOrder can answer."),
]

EditionId = Annotated[strawberry.ID, strawberry.argument(description="The edition's id.")]
NeededKey = Annotated[uuid.UUID, strawberry.argument(description=KEY_DESCRIPTION)]


@strawberry.type
class MarketMutation:
    """Writes to the market."""

    @mutation(
        description="Print an edition of your own story. The story has to be published: a draft is INVALID. While the story "
        "is a draft again later, nobody but you finds its editions."
    )
    def create_edition(
        self,
        info: Info,
        story: Annotated[strawberry.ID, strawberry.argument(description="The id of your story.")],
        title: Annotated[str, strawberry.argument(description="What it is called: one line, 1 to 200 characters.")],
        price_cents: Annotated[
            int, strawberry.argument(description="What one copy costs, in cents, from 0 to 1000000000. It stays so.")
        ],
        stock: Annotated[int, strawberry.argument(description="How many copies there are; not negative.")],
        key: Key = None,
    ) -> CreateEditionResult:
        """Create an edition."""
        me, of = info.context.me, key_of(story, "Story", "story")
        return _edition(market.create_edition(me, story=of, title=title, price_cents=price_cents, stock=stock, key=key))

    @mutation(
        description="Add copies to the stock of your own edition, or take some away. Adding, taking and ordering commute, so it "
        "carries no expectation; below zero is an OutOfStockError, and a delta of 0 is NOOP."
    )
    def adjust_stock(
        self,
        info: Info,
        edition: EditionId,
        delta: Annotated[int, strawberry.argument(description="How many copies to add; negative to take away.")],
        key: NeededKey,
    ) -> AdjustStockResult:
        """Change the stock by a number."""
        me = info.context.me
        return _edition(market.adjust_stock(me, edition=key_of(edition, "Edition", "edition"), delta=delta, key=key))

    @mutation(
        description="Let there be so many copies left of your own edition. Collides with whatever has changed the stock since "
        "`expect`, every order too: to add or take copies, adjustStock does better."
    )
    def set_stock(
        self,
        info: Info,
        edition: EditionId,
        to: Annotated[int, strawberry.argument(description="How many copies shall be left; not negative.")],
        expect: ExpectArgument,
        key: Key = None,
    ) -> SetStockResult:
        """Set the stock to a number."""
        me, of = info.context.me, key_of(edition, "Edition", "edition")
        return _edition(market.set_stock(me, edition=of, to=to, expect=parse_expect(expect), key=key))

    @mutation(
        description="Order copies of one author's editions: all lines or none. The stock guards itself, so it carries no "
        "expectation: if too little is left of a line, the OutOfStockError names the first such edition. Lines of the same "
        "edition are taken together. Editions of several authors are INVALID: send one order for each author. The total "
        "is at most 2147483647 cents."
    )
    def place_order(
        self,
        info: Info,
        lines: Annotated[list[OrderLineInput], strawberry.argument(description="What to order: 1 to 50 lines.")],
        key: NeededKey,
    ) -> PlaceOrderResult:
        """Place an order."""
        me = info.context.me
        wanted = [
            NewLine(key_of(line.edition, "Edition", f"lines.{number}.edition"), line.quantity)
            for number, line in enumerate(lines[: models.MAX_LINES + 1])
        ]
        return _order(market.place_order(me, lines=wanted, key=key))

    @mutation(
        description="Confirm, ship or cancel an order: PLACED becomes CONFIRMED, then SHIPPED; PLACED and CONFIRMED can become "
        "CANCELLED, which gives the copies back to the stock. The author confirms and ships, the buyer cancels. Any other "
        "change of status is INVALID."
    )
    def update_order(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The order's id.")],
        to: Annotated[OrderStatus, strawberry.argument(description="What it shall be.")],
        expect: ExpectArgument,
        key: Key = None,
    ) -> UpdateOrderResult:
        """Change the status of an order."""
        me, order, status = info.context.me, key_of(id, "Order", "id"), models.OrderStatus[to.name]
        return _order(market.update_order(me, order=order, to=status, expect=parse_expect(expect), key=key))


def _edition(outcome: Outcome) -> EditionSuccess:
    edition: Any = outcome.rows["edition"]
    return EditionSuccess(edition=edition, applied=applied_of(outcome))


def _order(outcome: Outcome) -> OrderSuccess:
    order: Any = outcome.rows["order"]
    return OrderSuccess(order=order, applied=applied_of(outcome))
