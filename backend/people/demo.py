"""The demo people that a visitor can sign in as, and their tokens."""

import hashlib
import hmac

from django.conf import settings

from backend.people.actions import digest, token_expiry
from backend.people.models import AccessToken

HANDLES = ("asha", "bilal", "chitra", "dev", "esra", "farid", "gita", "hana")
"""Handles of the demo people with names of their own; `asha` is a moderator too."""

PASSWORD = "katha-demo-people-only"


def is_open() -> bool:
    """Whether visitors can sign in as demo people: only with the well-known demo secret."""
    return settings.SECRET_KEY == settings.DEMO_SECRET


def token(handle: str, secret: str | None = None) -> str:
    """The bearer token of a demo person, derived from the secret: the same at every start, so that examples can be repeated."""
    key = settings.SECRET_KEY if secret is None else secret
    return f"demo-{handle}-{hmac.digest(key.encode(), handle.encode(), hashlib.sha256).hex()[:20]}"


def renew_tokens() -> None:
    """Extend the demo people's tokens, because the demo data may be older than the lifetime of a token."""
    digests = [digest(token(handle)) for handle in HANDLES]
    AccessToken.objects.filter(digest__in=digests).update(expires_at=token_expiry())
