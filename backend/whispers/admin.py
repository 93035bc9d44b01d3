"""Whispers in the admin, and the screening policy: the only rows that are edited there, by moderators."""

from typing import Any

from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest

from backend.admin import ForModerators, OneRow, ReadOnly
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
    """Findings of screenings."""

    list_display = ("whisper", "author", "effect", "rules", "policy")
    list_filter = ("effect",)
    list_select_related = ("whisper", "author")


class ScreensAgain(ForModerators):
    """A part of the policy. Each change defers, in the same transaction, a job that screens all whispers again."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save it, and defer the job."""
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            screen_again()

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete it, and defer the job."""
        with transaction.atomic():
            super().delete_model(request, obj)
            screen_again()

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete the selected rows, and defer the job."""
        with transaction.atomic():
            super().delete_queryset(request, queryset)
            screen_again()


def screen_again() -> None:
    """Defer a job that screens all whispers by the policy of this transaction.

    The change holds a lock on the policy's number, so no other transaction can use the same job key.
    """
    defer("rescreen", f"rescreen:{policy.number()}")


@admin.register(Policy)
class PolicyAdmin(OneRow, ScreensAgain):
    """The limit of links."""

    list_display = ("most_links",)


@admin.register(PolicyWord)
class PolicyWordAdmin(ScreensAgain):
    """Words that whispers are screened for."""

    list_display = ("word", "effect")
    list_filter = ("effect",)
    search_fields = ("word",)
