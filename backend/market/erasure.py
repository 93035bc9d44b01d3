"""The market's part of deletions. Orders are kept, because they belong to two people."""

import uuid
from collections import Counter

from django.db.models import Q, QuerySet

from backend.engine.errors import Invalid
from backend.engine.versions import remove_all, stamped, write_all
from backend.market.models import Edition, Order, OrderLine, OrderStatus
from backend.market.orders import FROM, give_back, lock_editions

SWEEP_STAGE = 10


def check_story_deletion(story_id: uuid.UUID) -> None:
    """Delete all editions of a story that is being deleted. Raises `Invalid` if any was ever ordered.

    An order belongs to the buyer too and shows its editions, also when it was shipped or cancelled. Waits for concurrent
    orders of the editions before it checks for lines.
    """
    if keeps_story(story_id):
        raise Invalid.one("id", "has editions that were ordered, and orders are kept. Unpublish it to hide it.")


def keeps_story(story_id: uuid.UUID) -> bool:
    """Delete the editions of a story that were never ordered; returns whether others are left. The caller has locked the
    story.
    """
    of_story = Edition.objects.filter(story_id=story_id)
    editions = set(of_story.order_by("pk").select_for_update().values_list("pk", flat=True))
    if not editions:
        return False
    ordered = set(OrderLine.objects.filter(edition_id__in=editions).values_list("edition_id", flat=True))
    remove_all(of_story.filter(pk__in=editions - ordered))
    return bool(ordered)


def sweep_person(person_id: uuid.UUID, limit: int) -> bool:
    """Cancel up to `limit` unshipped orders by or from a person who has left; returns whether there may be more.

    The copies go back into the stock.
    """
    of_theirs = Order.objects.filter(Q(buyer_id=person_id) | Q(author_id=person_id))
    found = list({one for side in ("buyer_id", "author_id") for one in _open(limit, **{side: person_id})})
    lines = list(OrderLine.objects.filter(order_id__in=found))
    lock_editions(line.edition_id for line in lines)
    open_still = of_theirs.filter(pk__in=found, status__in=FROM[OrderStatus.CANCELLED])
    locked = list(open_still.order_by("pk").select_for_update().values_list("pk", flat=True))
    write_all(Order.objects.filter(pk__in=locked), status=OrderStatus.CANCELLED, **stamped(Order, ["status"]))
    quantities: Counter[uuid.UUID] = Counter()
    for line in lines:
        if line.order_id in locked:
            quantities[line.edition_id] += line.quantity
    if quantities:
        give_back(quantities)
    return bool(found)


def _open(limit: int, **of: uuid.UUID) -> QuerySet[Order, uuid.UUID]:
    """Up to `limit` orders that can still be cancelled."""
    newest = Order.objects.filter(status__in=FROM[OrderStatus.CANCELLED], **of).order_by("-created_at", "-pk")
    return newest.values_list("pk", flat=True)[:limit]
