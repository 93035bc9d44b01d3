"""The admin's site: who gets in, and signing in and changing one's password there by the same rules as in the API."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse

from backend.engine.errors import Invalid, RateLimited, Refusal, SignInFailed
from backend.engine.refusal_log import log_refusal
from backend.engine.transactions import unit_of_work
from backend.limits.addresses import address_of
from backend.people import attempts, passwords
from backend.people.models import Account

TOO_MANY = "There were too many of these lately. Wait, then try again."


def has_a_role(user: Any) -> bool:
    """Whether this user of the admin is staff or a moderator."""
    return isinstance(user, Account) and user.is_active and (user.is_staff or user.is_moderator)


class SignInForm(AdminAuthenticationForm):
    """The admin's sign-in form, with the same rate limits as `signIn`."""

    error_messages = {
        **AuthenticationForm.error_messages,
        "invalid_login": "Please enter the correct handle and password of somebody who is staff or a moderator.",
    }

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
            log_refusal(SignInFailed())
            raise
        except RateLimited as refusal:
            log_refusal(refusal)
            raise ValidationError(TOO_MANY) from None
        unit_of_work(lambda: attempts.forgive_sign_in(handle, address))
        return cleaned

    def confirm_login_allowed(self, user: Any) -> None:
        """Let staff and moderators in, and tell others nothing about their password."""
        if not has_a_role(user):
            raise self.get_invalid_login_error()


class PasswordForm(PasswordChangeForm):
    """The admin's form for one's own password. The present one is checked when it is changed, as an attempt to sign in."""

    required_css_class = "required"

    def clean_old_password(self) -> str:
        """Leave the check to `passwords.prepared`, which counts it."""
        present: str = self.cleaned_data["old_password"]
        return present


class PasswordView(PasswordChangeView):
    """Changes one's own password as `changePassword` does: revokes all tokens, and ends all sessions but this one."""

    form_class = PasswordForm

    def form_valid(self, form: Any) -> Any:
        """Change it, or show why not."""
        account: Any = self.request.user
        given, address = form.cleaned_data, address_of(self.request)
        try:
            change = passwords.prepared(account, given["old_password"], given["new_password1"], address=address)
            unit_of_work(lambda: passwords.change(change, kept=None))
        except Refusal as refusal:
            log_refusal(refusal)
            form.add_error(*_shown(refusal))
            return self.form_invalid(form)
        account.refresh_from_db()
        update_session_auth_hash(self.request, account)
        return super(PasswordChangeView, self).form_valid(form)


def _shown(refusal: Refusal) -> tuple[str, str]:
    """The field of the form at which a refusal is shown, and what to say; the page shows nothing that is of no field."""
    if isinstance(refusal, Invalid):
        return "new_password1", " ".join(field.message for field in refusal.fields)
    return "old_password", TOO_MANY if isinstance(refusal, RateLimited) else refusal.message


class AdminSite(admin.AdminSite):
    """The admin, for staff and moderators; each of its pages says for which of them it is."""

    site_header = site_title = "Katha"
    index_title = "Administration"
    login_form = SignInForm

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether the viewer gets in at all."""
        return has_a_role(request.user)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """The page for one's own password."""
        context = {**self.each_context(request), **(extra_context or {})}
        done = reverse("admin:password_change_done", current_app=self.name)
        return PasswordView.as_view(success_url=done, extra_context=context)(request)
