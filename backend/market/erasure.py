"""The market's part of deletions. Orders are kept, because they belong to two people."""

import uuid
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from backend.engine.declarations import delete_all, select, update_all
from backend.engine.errors import Invalid
from backend.engine.statements import Declared, Result, compiled
from backend.engine.versions import stamped
from backend.market.models import Edition, Order, OrderLine, OrderStatus
from backend.market.orders import FROM, give_back, lock_editions

SWEEP_STAGE = 10


def check_story_deletion(story_id: uuid.UUID) -> None:
    """Delete all editions of a story that is being deleted. Raises `Invalid` if any was ever ordered.

    An order belongs to the buyer too and shows its editions, also when it was shipped or cancelled. Waits for concurrent
    orders of the editions before it checks for lines. It is raised before a later statement has a result.
    """
    _delete_unordered(story_id).check(_require_none)


def _require_none(kept: int) -> None:
    if kept:
        raise Invalid.one("id", "has editions that were ordered, and orders are kept. Unpublish it to hide it.")


def check_hand_over(story_id: uuid.UUID) -> None:
    """Raise `Invalid` if the story has editions: they and their orders are the author's, who has to deal with the buyers."""
    _editions_left(story=story_id).check(_require_unprinted)


def _require_unprinted(found: int) -> None:
    if found:
        raise Invalid.one("right", "OWN cannot be had of a story with editions, which stay with its author.")


def keeps_story(story_id: uuid.UUID) -> bool:
    """Delete the editions of a story that were never ordered; returns whether others are left. The caller has locked the
    story.
    """
    return _delete_unordered(story_id).count > 0


def _delete_unordered(story_id: uuid.UUID) -> Result[Any]:
    """Delete the editions of a story that were never ordered; the result counts those that are left."""
    _lock_editions(story=story_id)
    _delete_editions(story=story_id)
    return _editions_left(story=story_id)


@compiled
def _lock_editions(*, story: uuid.UUID) -> Declared[Any]:
    return select(Edition.objects.filter(story_id=story).order_by("pk").select_for_update().values_list("pk"))


@compiled
def _delete_editions(*, story: uuid.UUID) -> Declared[Any]:
    ordered = Exists(OrderLine.objects.filter(edition_id=OuterRef("pk")))
    return delete_all(Edition.objects.filter(~ordered, story_id=story))


@compiled
def _editions_left(*, story: uuid.UUID) -> Declared[Any]:
    return select(Edition.objects.filter(story_id=story).values_list("pk"))


def sweep_person(person_id: uuid.UUID, limit: int) -> bool:
    """Cancel up to `limit` unshipped orders by or from a person who has left; returns whether there may be more.

    The copies go back into the stock.
    """
    of_theirs = Order.objects.filter(Q(buyer_id=person_id) | Q(author_id=person_id))
    found = list({one for side in ("buyer_id", "author_id") for one in _open(limit, **{side: person_id})})
    lock_editions(OrderLine.objects.filter(order_id__in=found).values_list("edition_id", flat=True))
    open_still = of_theirs.filter(pk__in=found, status__in=FROM[OrderStatus.CANCELLED])
    locked = list(open_still.order_by("pk").select_for_update().values_list("pk", flat=True))
    if locked:
        cancelled = Order.objects.filter(pk__in=locked)
        update_all(cancelled, status=OrderStatus.CANCELLED, **stamped(Order, ["status"])).run()
        give_back(locked)
    return bool(found)


def _open(limit: int, **of: uuid.UUID) -> QuerySet[Order, uuid.UUID]:
    """Up to `limit` orders that can still be cancelled."""
    newest = Order.objects.filter(status__in=FROM[OrderStatus.CANCELLED], **of).order_by("-created_at", "-pk")
    return newest.values_list("pk", flat=True)[:limit]
