"""Whispers in the admin, and the policy that they are screened by: the one thing that moderators write here."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from backend.admin import OneRow, ReadOnly
from backend.jobs.queue import defer
from backend.whispers import policy
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


class ScreensAgain(admin.ModelAdmin):
    """A part of the policy: with each change to it, in the same transaction, a job to screen all whispers again."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write it."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            screen_again()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete it."""
        with transaction.atomic():
            super().delete_model(request, obj)
            screen_again()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete those that were chosen."""
        with transaction.atomic():
            super().delete_queryset(request, queryset)
            screen_again()


def screen_again() -> None:
    """Have all whispers screened by the policy as this transaction leaves it.

    The change has locked the number until the end, so no other transaction can come to the same key.
    """
    defer("rescreen", f"rescreen:{policy.number()}")


@admin.register(Policy)
class PolicyAdmin(ScreensAgain, OneRow):
    """How many links are too many."""

    list_display = ("most_links",)


@admin.register(PolicyWord)
class PolicyWordAdmin(ScreensAgain):
    """The words that whispers are screened for."""

    list_display = ("word", "effect")
    list_filter = ("effect",)
    search_fields = ("word",)
