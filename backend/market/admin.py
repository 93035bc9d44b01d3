"""Editions and orders in the admin."""

from django.contrib import admin

from backend.admin import ReadOnly
from backend.market.models import Edition, Order


@admin.register(Edition)
class EditionAdmin(ReadOnly):
    """Editions."""

    list_display = ("title", "story", "author", "price_cents", "stock", "version")
    list_select_related = ("story", "author")
    search_fields = ("title",)


@admin.register(Order)
class OrderAdmin(ReadOnly):
    """Orders."""

    list_display = ("created_at", "buyer", "author", "status", "total_cents", "version")
    list_filter = ("status",)
    list_select_related = ("buyer", "author")
