"""What all admin pages share: for whom they are, that each look is logged, and that nobody writes past the version checks."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from backend import logs


class ForStaff(admin.ModelAdmin):
    """A page of a table that is not public. Each look at the list, at a row and at its history leaves a line in the log."""

    show_full_result_count = False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list."""
        return self._looked_at(request, None, super().changelist_view(request, extra_context))

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """A row."""
        return self._looked_at(request, object_id, super().changeform_view(request, object_id, form_url, extra_context))

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """What was changed here. Django would tell whoever may not see the row whether there is one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return self._looked_at(request, object_id, super().history_view(request, object_id, extra_context))

    def _looked_at(self, request: HttpRequest, row: str | None, response: Any) -> Any:
        """`response`, once the look is in the log; another status shows nothing."""
        if response.status_code == 200:
            logs.looked_at(self.model.__name__, row, viewer=str(request.user.pk))
        return response


class ReadOnly(ForStaff):
    """An admin page without add, change and delete. The trigger refuses such writes too."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: the page is read-only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: the page is read-only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: the page is read-only."""
        return False


class ForModerators(admin.ModelAdmin):
    """A page on which moderators write, unless they are suspended; staff look at it."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the viewer finds the page."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Moderators and staff."""
        return _moderates(request) or super().has_view_permission(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Moderators alone, and not while they are suspended."""
        return _may_moderate(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Moderators alone, and not while they are suspended."""
        return _may_moderate(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Moderators alone, and not while they are suspended."""
        return _may_moderate(request)


def _moderates(request: HttpRequest) -> bool:
    user: Any = request.user
    return bool(user.is_active and user.is_moderator)


def _may_moderate(request: HttpRequest) -> bool:
    user: Any = request.user
    return _moderates(request) and (user.suspended_until is None or user.suspended_until <= timezone.now())


class OneRow(admin.ModelAdmin):
    """An admin page of a table with a single row, which can be changed but not deleted."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Only while the table is empty."""
        return super().has_add_permission(request) and not self.model._default_manager.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: the row has to stay."""
        return False
