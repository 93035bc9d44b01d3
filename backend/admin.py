"""How every page of the admin behaves: moderators look, nobody writes behind the versions' back."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class ReadOnly(admin.ModelAdmin):
    """An admin page without add, change and delete. The trigger refuses such writes too."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds rows here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes rows here."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes rows here."""
        return False


class OneRow(admin.ModelAdmin):
    """An admin page of a table that has one row, which can be changed and not deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only where there is none."""
        return super().has_add_permission(request) and not self.model._default_manager.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes it."""
        return False
