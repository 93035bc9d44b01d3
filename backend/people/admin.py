"""People in the admin, read-only: versioned rows are written only through the API."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError

from backend.admin import ReadOnly
from backend.engine.errors import RateLimited, SignInFailed
from backend.engine.notices import note
from backend.engine.transactions import unit_of_work
from backend.limits.addresses import address_of
from backend.people import attempts
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


class SignInForm(AdminAuthenticationForm):
    """The admin's sign-in form, with the same rate limits as `signIn`."""

    def clean(self) -> dict[str, Any]:
        """Check the password, unless there were too many attempts."""
        handle = self.cleaned_data.get("username")
        if not handle or self.request is None:
            return super().clean()
        address = address_of(self.request)
        try:
            attempts.count_sign_in(handle, address)
            cleaned = super().clean()
        except ValidationError:
            note(SignInFailed())
            raise
        except RateLimited as refusal:
            note(refusal)
            raise ValidationError("There were too many of these lately. Wait, then try again.") from None
        unit_of_work(lambda: attempts.forgive_sign_in(handle, address))
        return cleaned


admin.site.login_form = SignInForm
