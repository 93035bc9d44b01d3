"""People in the admin: to be looked at. Versioned rows change through the API alone."""

from django.contrib import admin

from backend.admin import ReadOnly
from backend.people.models import Account, Person


@admin.register(Person)
class PersonAdmin(ReadOnly):
    """Profiles."""

    list_display = ("handle", "name", "joined_at", "version")
    search_fields = ("handle", "name")


@admin.register(Account)
class AccountAdmin(ReadOnly):
    """Who may sign in, and who is a moderator."""

    list_display = ("login", "is_active", "is_staff", "last_login")
    search_fields = ("login",)
    exclude = ("password",)
