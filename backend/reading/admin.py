"""Readings in the admin."""

from django.contrib import admin

from backend.admin import ReadOnly
from backend.reading.models import Reading


@admin.register(Reading)
class ReadingAdmin(ReadOnly):
    """Readers' positions."""

    list_display = ("reader", "story", "chapter", "offset", "version")
    list_select_related = ("reader", "story", "chapter")
