"""The market: editions, orders, and their fields."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence

from backend.engine.conditions import Target, conditioned, made
from backend.engine.idempotency import Applied, Outcome, Request
from backend.engine.versions import Expected
from backend.market import actions, queries
from backend.market import orders as order_actions
from backend.market.errors import OutOfStock
from backend.market.models import Edition, Order, OrderLine, OrderStatus
from backend.market.orders import NewLine
from backend.pages import Page, Window
from backend.people.models import Person
from backend.stories.models import Story
from resolvers import people, stories
from resolvers.access import shows_mature, signed_in, the_id
from resolvers.batches import Batch, gather, gather_pages, is_viewer, loaded
from resolvers.work import performed


def editions_by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Edition]:
    """The editions among these ids whose story the viewer can find."""
    found = queries.editions(ids, viewer=the_id(viewer))
    gather(found.values(), viewer)
    return found


def orders_by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Order]:
    """The orders among these ids that the viewer has placed or received."""
    found = queries.orders(ids, viewer=the_id(viewer))
    gather(found.values(), viewer)
    return found


def editions(window: Window, *, viewer: Person | None) -> Page[Edition]:
    """The editions of published stories, newest first."""
    page = queries.published_editions(window, viewer=the_id(viewer), mature=shows_mature(viewer))
    gather(page.rows, viewer)
    return page


def orders(window: Window, *, viewer: Person | None) -> Page[Order]:
    """The viewer's orders, newest first."""
    me = signed_in(viewer)
    page = queries.orders_by(me.pk, window)
    gather(page.rows, me)
    return page


# --- Writes -----------------------------------------------------------------------------------------------------


def create_edition(
    me: Person, *, story: uuid.UUID, title: str, price_cents: int, stock: int, key: uuid.UUID | None
) -> Outcome:
    """Create an edition of one's own published story."""
    new = {"title": title, "price_cents": price_cents, "stock": stock}

    def work() -> Outcome:
        edition = actions.create_edition(story, me.pk, title=title, price_cents=price_cents, stock=stock)
        return made(Outcome(Applied.WRITTEN, {"edition": edition}), "edition")

    return _performed(Request("createEdition", me.pk, key, {"story": str(story), **new}), work, me)


def adjust_stock(me: Person, *, edition: uuid.UUID, delta: int, key: uuid.UUID) -> Outcome:
    """Add copies to the stock of one's own edition, or remove some."""

    def work() -> Outcome:
        row, applied = actions.adjust_stock(edition, me.pk, delta)
        return Outcome(applied, {"edition": row})

    return _performed(Request("adjustStock", me.pk, key, {"edition": str(edition), "delta": delta}), work, me)


def set_stock(me: Person, *, edition: uuid.UUID, to: int, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Set the stock of one's own edition, if it has not changed."""

    def write(seen: Expected) -> Outcome:
        row, applied = actions.set_stock(edition, me.pk, to, seen)
        return Outcome(applied, {"edition": row})

    request = Request("setStock", me.pk, key, {"edition": str(edition), "to": to})
    return _performed(request, conditioned(me.pk, expect, Target("edition", {"pk": edition}), write), me)


def place_order(me: Person, *, lines: Sequence[NewLine], key: uuid.UUID) -> Outcome:
    """Order copies of one author's editions: all of them or none."""

    def work() -> Outcome:
        order = order_actions.place_order(me.pk, lines)
        return made(Outcome(Applied.WRITTEN, {"order": order}), "order")

    arguments = {"lines": [[str(line.edition_id), line.quantity] for line in lines]}
    return _performed(Request("placeOrder", me.pk, key, arguments), work, me)


def update_order(me: Person, *, order: uuid.UUID, to: OrderStatus, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Confirm, ship or cancel an order, if it has not changed."""

    def write(seen: Expected) -> Outcome:
        row, applied = order_actions.update_order(order, me.pk, to, seen)
        return Outcome(applied, {"order": row})

    request = Request("updateOrder", me.pk, key, {"id": str(order), "to": to.value})
    return _performed(request, conditioned(me.pk, expect, Target("order", {"pk": order}), write), me)


def _performed(request: Request, work: Callable[[], Outcome], me: Person) -> Outcome:
    try:
        return performed(request, work, me)
    except OutOfStock as short:
        gather([short.edition], me)
        raise


# --- What belongs to a story and to a person ---------------------------------------------------------------------


def editions_of(story: Story, window: Window) -> Page[Edition]:
    """A story's editions, newest first."""

    def load(batch: Batch) -> Mapping[uuid.UUID, Page[Edition]]:
        return gather_pages(queries.editions_of(list(batch.rows), window, viewer=batch.viewer_id), batch.viewer)

    return loaded(story, ("editions", window), load)


def sales_of(person: Person, window: Window) -> Page[Order] | None:
    """Orders of the person's editions, newest first; private."""
    if not is_viewer(person):
        return None
    page = queries.orders_from(person.pk, window)
    gather(page.rows, person.batch.viewer)  # type: ignore[attr-defined]
    return page


# --- What belongs to an edition, an order and a line, for a whole batch at once ----------------------------------


def story(edition: Edition) -> Story:
    """The edition's story; a placeholder for a buyer who can no longer find it."""

    def load(batch: Batch) -> Mapping[uuid.UUID, Story]:
        found = stories.by_ids({row.story_id for row in batch.rows.values()}, viewer=batch.viewer)
        hidden = [row for row in batch.rows.values() if row.story_id not in found]
        authors = people.parties({row.author_id for row in hidden}, batch.viewer) if hidden else {}
        placeholders = {row.pk: _hidden(row, authors[row.author_id], batch.viewer) for row in hidden}
        return {row.pk: placeholders.get(row.pk) or found[row.story_id] for row in batch.rows.values()}

    return loaded(edition, "story", load)


def _hidden(edition: Edition, author: Person, viewer: Person | None) -> Story:
    """A placeholder for a story that is hidden from the viewer, with only what the edition and the order say.

    An order stays readable for its buyer after the story went back to a draft or a block came between them.
    """
    story = Story(
        id=edition.story_id,
        author_id=edition.author_id,
        title=edition.title,
        created_at=edition.created_at,
        updated_at=edition.created_at,
        version=0,
    )
    (batch,) = {row.batch for row in gather([story], viewer)}  # type: ignore[attr-defined]
    for name, value in (("author_id", author), ("chapters", []), ("chapter_count", 0), ("views", 0)):
        batch.instead(name, lambda _batch, value=value: {story.pk: value})
    return story


def lines(order: Order) -> list[OrderLine]:
    """The lines of an order, in the order of the request."""

    def load(batch: Batch) -> Mapping[uuid.UUID, list[OrderLine]]:
        found = queries.lines(batch.rows)
        gather((line for of_order in found.values() for line in of_order), batch.viewer)
        return found

    return loaded(order, "lines", load)


def edition(line: OrderLine) -> Edition:
    """The edition of a line; visible to everybody who can see the order."""

    def load(batch: Batch) -> Mapping[uuid.UUID, Edition]:
        found = queries.ordered_editions({row.edition_id for row in batch.rows.values()})
        gather(found.values(), batch.viewer)
        return {row.pk: found[row.edition_id] for row in batch.rows.values()}

    return loaded(line, "edition", load)


def buyer(order: Order) -> Person:
    """The buyer."""
    return _people(order)[order.buyer_id]


def author(order: Order) -> Person:
    """The author of the editions."""
    return _people(order)[order.author_id]


def _people(order: Order) -> Mapping[uuid.UUID, Person]:
    """All buyers and authors of the batch."""

    def load(batch: Batch) -> Mapping[uuid.UUID, Mapping[uuid.UUID, Person]]:
        rows = batch.rows.values()
        found = people.parties({one for row in rows for one in (row.buyer_id, row.author_id)}, batch.viewer)
        return dict.fromkeys(batch.rows, found)

    return loaded(order, "people", load)
