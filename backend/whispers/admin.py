"""Whispers in the admin, and the policy that they are screened by: the one thing that moderators write here."""

from django.contrib import admin

from backend.admin import OneRow, ReadOnly
from backend.whispers.models import Flag, Policy, PolicyWord, Whisper


@admin.register(Whisper)
class WhisperAdmin(ReadOnly):
    """Whispers."""

    list_display = ("text", "author", "nsfw", "created_at", "version")
    list_filter = ("nsfw",)
    list_select_related = ("author",)


@admin.register(Flag)
class FlagAdmin(ReadOnly):
    """What screenings have found."""

    list_display = ("whisper", "author", "effect", "rules", "policy")
    list_filter = ("effect",)
    list_select_related = ("whisper", "author")


@admin.register(Policy)
class PolicyAdmin(OneRow):
    """How many links are too many."""

    list_display = ("most_links",)


@admin.register(PolicyWord)
class PolicyWordAdmin(admin.ModelAdmin):
    """The words that whispers are screened for."""

    list_display = ("word", "effect")
    list_filter = ("effect",)
    search_fields = ("word",)
