"""What all admin pages share: moderators read, and nobody writes past the version checks."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class ReadOnly(admin.ModelAdmin):
    """An admin page without add, change and delete. The trigger refuses such writes too."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: the page is read-only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: the page is read-only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: the page is read-only."""
        return False


class OneRow(admin.ModelAdmin):
    """An admin page of a table with a single row, which can be changed but not deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only while the table is empty."""
        return super().has_add_permission(request) and not self.model._default_manager.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: the row has to stay."""
        return False
