"""Co-authors in the admin."""

from django.contrib import admin

from backend.admin import ReadOnly
from backend.coauthors.models import Invitation


@admin.register(Invitation)
class InvitationAdmin(ReadOnly):
    """Invitations."""

    list_display = ("story", "person", "invited_by", "offered", "status", "created_at")
    list_filter = ("status", "offered")
    list_select_related = ("story", "person", "invited_by")
