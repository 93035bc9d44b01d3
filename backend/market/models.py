"""Models: limited editions of stories, and orders of them.

An order has editions of one author only, so the invariant of an edition (initial + adjusted − sold = stock) never spans two
authors.
"""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from backend.changes.triggers import ChangeLog
from backend.engine.guard import VersionGuard
from backend.engine.ids import uuid7
from backend.engine.planned_check import PlannedCheck
from backend.engine.presence import PresenceGuard
from backend.engine.removal import RemovalGuard
from backend.people.models import Person
from backend.stories.models import Story

TITLE_CHARACTERS = 200
MAX_CENTS = 1_000_000_000
MAX_COPIES = 2**31 - 1
"""The maximum number of copies of an edition, including sold ones, so that cancelled copies always fit back into the stock."""

MAX_LINES = 50
MAX_QUANTITY = 1_000
MAX_TOTAL_CENTS = 2**31 - 1
"""The range of GraphQL's Int."""


class Edition(models.Model):
    """A limited print run of a story.

    `stock` is what is left to sell: `initial` + `adjusted` − the copies in orders that are not cancelled.
    """

    LOCK_RANK = 500
    SHOWN_AS = {"price": ["priceCents"]}

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    story = models.ForeignKey(Story, on_delete=models.CASCADE, related_name="editions", db_index=False)
    author = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    """The story's author, copied here so that writes need not read the story."""
    title = models.CharField(max_length=TITLE_CHARACTERS)
    price_cents = models.IntegerField()
    stock = models.BigIntegerField()
    initial = models.BigIntegerField()
    """The stock at creation."""
    adjusted = models.BigIntegerField(default=0)
    """The sum of all changes by adjustStock and setStock; orders do not count."""
    created_at = models.DateTimeField(db_default=Now())
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())
    title_changed = models.BigIntegerField(default=1)
    price_changed = models.BigIntegerField(default=1)
    stock_changed = models.BigIntegerField(default=1)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(stock__gte=0), name="edition_stock_not_negative"),
            models.CheckConstraint(
                condition=Q(adjusted__gte=F("stock") - F("initial")), name="edition_sold_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(adjusted__lte=MAX_COPIES - F("initial")), name="edition_copies_within_limit"
            ),
            models.CheckConstraint(condition=Q(price_cents__range=(0, MAX_CENTS)), name="edition_price_within_limit"),
            VersionGuard(
                name="edition_version_guard",
                sides={"": {"title": ["title"], "price": ["price_cents"], "stock": ["stock", "adjusted"]}},
                fixed=["id", "story", "author", "initial", "created_at"],
            ),
            PresenceGuard(name="edition_of_somebody", people=["author"]),
            RemovalGuard(name="edition_removal_guard"),
            ChangeLog(name="edition_change_log", kind="e", aggregate="story", sides=[{"owner": "author"}]),
        )
        indexes = (
            models.Index(F("created_at").desc(), F("id").desc(), name="edition_newest"),
            models.Index(F("story"), F("created_at").desc(), F("id").desc(), name="edition_by_story"),
        )

    def __str__(self) -> str:
        return self.title


class OrderStatus(models.TextChoices):
    """The status of an order."""

    PLACED = "PLACED", "placed"
    CONFIRMED = "CONFIRMED", "confirmed"
    SHIPPED = "SHIPPED", "shipped"
    CANCELLED = "CANCELLED", "cancelled"


class Order(models.Model):
    """An order of one author's editions. Its lines never change; its status does."""

    LOCK_RANK = 510

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    author = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    """The author of all editions in it."""
    buyer = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    total_cents = models.BigIntegerField()
    status = models.CharField(max_length=9, choices=OrderStatus.choices, default=OrderStatus.PLACED)
    created_at = models.DateTimeField(db_default=Now())
    version = models.BigIntegerField(default=1)
    updated_at = models.DateTimeField(db_default=Now())
    status_changed = models.BigIntegerField(default=1)

    class Meta:
        constraints = (
            PlannedCheck(condition=Q(status__in=OrderStatus.values), name="order_status_is_known"),
            VersionGuard(
                name="order_version_guard",
                sides={"": {"status": ["status"]}},
                fixed=["id", "author", "buyer", "total_cents", "created_at"],
            ),
            PresenceGuard(name="order_of_somebody", people=["author", "buyer"]),
            RemovalGuard(name="order_removal_guard"),
            ChangeLog(
                name="order_change_log",
                kind="o",
                aggregate="id",
                sides=[{"owner": "buyer"}, {"owner": "author", "unless": "buyer"}],
            ),
        )
        indexes = (
            models.Index(F("buyer"), F("created_at").desc(), F("id").desc(), name="order_by_buyer"),
            models.Index(F("author"), F("created_at").desc(), F("id").desc(), name="order_by_author"),
        )

    def __str__(self) -> str:
        return f"order {self.id}, {self.status}"


class OrderLine(models.Model):
    """A number of copies of one edition, at the price at the time of the order. Immutable."""

    LOCK_RANK = 520

    pk = models.CompositePrimaryKey("order", "edition")
    order = models.ForeignKey(Order, on_delete=models.CASCADE, related_name="lines", db_index=False)
    edition = models.ForeignKey(Edition, on_delete=models.PROTECT, related_name="lines", db_index=False)
    author = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+", db_index=False)
    number = models.PositiveSmallIntegerField()
    """Its place in the order: 1, 2, 3 …"""
    quantity = models.IntegerField()
    price_cents = models.IntegerField()
    """The price of one copy."""

    class Meta:
        constraints = (
            models.CheckConstraint(condition=Q(quantity__range=(1, MAX_QUANTITY)), name="orderline_quantity_in_range"),
            RemovalGuard(
                name="orderline_removal_guard",
                fixed=["order", "edition", "author", "number", "quantity", "price_cents"],
            ),
        )
        indexes = (models.Index(fields=["edition"], name="orderline_by_edition"),)

    def __str__(self) -> str:
        return f"{self.quantity} of {self.edition_id}"
