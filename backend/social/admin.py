"""Relationships in the admin."""

from django.contrib import admin

from backend.admin import ReadOnly
from backend.social.models import Relationship


@admin.register(Relationship)
class RelationshipAdmin(ReadOnly):
    """Pairs of people."""

    list_display = ("low", "high", "low_follows_at", "high_follows_at", "low_blocks_at", "high_blocks_at")
    list_select_related = ("low", "high")
