"""People in the admin, read-only: versioned rows are written only through the API."""

from django.contrib import admin
from django.contrib.auth.models import Group

from backend.admin import ReadOnly
from backend.people.models import Account, Person

admin.site.unregister(Group)  # roles are columns of the account


@admin.register(Person)
class PersonAdmin(ReadOnly):
    """Profiles."""

    list_display = ("handle", "name", "joined_at", "version")
    search_fields = ("handle", "name")


@admin.register(Account)
class AccountAdmin(ReadOnly):
    """Who may sign in, and who has which role."""

    list_display = ("login", "is_active", "is_staff", "is_moderator", "last_login")
    search_fields = ("login",)
    exclude = ("password",)
