"""Writes to editions: creating one and changing its stock. Orders are in `orders`.

Adding, removing and selling copies commute, so they need no version: each is one UPDATE with a condition on the stock, which
PostgreSQL re-checks after a lock wait. Setting the stock does not commute, and is conditioned on its field group.
"""

import uuid

from django.db.models import F, Q

from backend.engine.declarations import insert, update
from backend.engine.errors import FieldConflict, Forbidden, Invalid, NotFound, Wrong
from backend.engine.idempotency import Applied
from backend.engine.ids import uuid7
from backend.engine.statements import Declared, compiled
from backend.engine.text import Checker
from backend.engine.versions import Expected, conflict, is_unchanged, stamped, unchanged
from backend.market import queries
from backend.market.errors import OutOfStock
from backend.market.models import MAX_CENTS, MAX_COPIES, TITLE_CHARACTERS, Edition
from backend.sources import read
from backend.stories.explain import UNKNOWN_STORY
from backend.stories.row_locks import locked_story

UNKNOWN_EDITION = "There is no such edition."
NOT_THE_AUTHOR = "Only the author of a story can make editions of it and change their stock."
TOO_MANY = f"would make more than {MAX_COPIES} copies in all, sold ones included."


def create_edition(story_id: uuid.UUID, author_id: uuid.UUID, *, title: str, price_cents: int, stock: int) -> Edition:
    """Create an edition of the author's own published story. Locks the story against deletion.

    A draft cannot have editions, because nobody could see them. Raises `NotFound`, `Forbidden`, `Invalid`.
    """
    check = Checker()
    title = check.line("title", title, most=TITLE_CHARACTERS)
    check.number("priceCents", price_cents, 0, MAX_CENTS)
    check.number("stock", stock, 0, MAX_COPIES)
    check.done()
    story = locked_story(story_id, viewer=author_id).row
    if story is None:
        raise NotFound(UNKNOWN_STORY)
    if story.author_id != author_id:
        raise Forbidden(NOT_THE_AUTHOR)
    if story.published_at is None:
        raise Invalid.one("story", "is a draft: publish it first.")
    created = _create(id=uuid7(), story=story_id, author=author_id, title=title, price_cents=price_cents, stock=stock)
    return created.rows[0]


@compiled
def _create(
    *, id: uuid.UUID, story: uuid.UUID, author: uuid.UUID, title: str, price_cents: int, stock: int
) -> Declared[Edition]:
    return insert(
        Edition, id=id, story=story, author=author, title=title, price_cents=price_cents, stock=stock, initial=stock
    )


def adjust_stock(edition_id: uuid.UUID, author_id: uuid.UUID, delta: int) -> tuple[Edition, Applied]:
    """Add `delta` copies to the stock, or remove them; never below zero.

    Raises `OutOfStock`, `NotFound`, `Forbidden`, `Invalid`.
    """
    check = Checker()
    check.number("delta", delta, -MAX_COPIES, MAX_COPIES)
    check.done()
    if delta == 0:
        return _own(edition_id, author_id), Applied.NOOP
    row = _adjust(edition=edition_id, author=author_id, delta=delta).row
    if row is None:
        edition = _own(edition_id, author_id, held=True)
        if edition.stock < -delta:
            raise OutOfStock(edition, available=edition.stock)
        if edition.initial + edition.adjusted + delta > MAX_COPIES:
            raise Invalid.one("delta", TOO_MANY, Wrong.TOO_GREAT)
        # Possible since a concurrent write; the row is locked.
        row = _adjust(edition=edition_id, author=author_id, delta=delta).rows[0]
    return row, Applied.WRITTEN


@compiled
def _adjust(*, edition: uuid.UUID, author: uuid.UUID, delta: int) -> Declared[Edition]:
    return update(
        Edition.objects.filter(
            pk=edition, author_id=author, stock__gte=-delta, adjusted__lte=MAX_COPIES - delta - F("initial")
        ),
        stock=F("stock") + delta,
        adjusted=F("adjusted") + delta,
        **stamped(Edition, ["stock"]),
    )


def set_stock(edition_id: uuid.UUID, author_id: uuid.UUID, to: int, seen: Expected) -> tuple[Edition, Applied]:
    """Set the stock to `to`, if it has not changed since `seen`; any order since is a conflict.

    Raises `Conflict`, `NotFound`, `Forbidden`, `Invalid`.
    """
    check = Checker()
    check.number("to", to, 0, MAX_COPIES)
    check.done()
    row = _set_stock(edition=edition_id, author=author_id, to=to, seen=seen).row
    if row is not None:
        return row, Applied.WRITTEN
    edition = _own(edition_id, author_id)
    if not is_unchanged(edition, seen, ["stock"]):
        overlap = FieldConflict("stock", base=None, mine=to, theirs=edition.stock)
        raise conflict(edition, seen=seen, thing=("edition", edition_id), overlaps=[overlap])
    if edition.stock == to:
        return edition, Applied.NOOP
    raise Invalid.one("to", TOO_MANY, Wrong.TOO_GREAT)


@compiled
def _set_stock(*, edition: uuid.UUID, author: uuid.UUID, to: int, seen: Expected) -> Declared[Edition]:
    return update(
        Edition.objects.filter(
            ~Q(stock=to),
            unchanged(Edition, seen, ["stock"]),
            pk=edition,
            author_id=author,
            adjusted__lte=MAX_COPIES - to + F("stock") - F("initial"),
        ),
        stock=to,
        adjusted=F("adjusted") + to - F("stock"),
        **stamped(Edition, ["stock"]),
    )


def _own(edition_id: uuid.UUID, author_id: uuid.UUID, *, held: bool = False) -> Edition:
    """The present edition, if the person is its author; `held` locks it until the unit of work ends.

    Raises `NotFound`, `Forbidden`.
    """
    lock = queries.LOCK if held else ""
    edition = read(Edition, queries.EDITION_BY_ID, key=edition_id, viewer=author_id, lock=lock).row
    if edition is None:
        raise NotFound(UNKNOWN_EDITION)
    if edition.author_id != author_id:
        raise Forbidden(NOT_THE_AUTHOR)
    return edition
