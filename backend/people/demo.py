"""The people whom a visitor of the demo may play, and how they are signed in."""

import hashlib
import hmac

from django.conf import settings

from backend.people.actions import digest, token_expiry
from backend.people.models import AccessToken

HANDLES = ("asha", "bilal", "chitra", "dev", "esra", "farid", "gita", "hana")
"""Handles of the demo people with names of their own; `asha` is a moderator too."""

PASSWORD = "katha-demo-people-only"


def is_open() -> bool:
    """Whether anybody may play the demo people: only with the demo secret, which everybody knows."""
    return settings.SECRET_KEY == settings.DEMO_SECRET


def token(handle: str, secret: str | None = None) -> str:
    """The bearer token of a demo person: the same at every start with this secret, so that examples can be run again."""
    key = settings.SECRET_KEY if secret is None else secret
    return f"demo-{handle}-{hmac.digest(key.encode(), handle.encode(), hashlib.sha256).hex()[:20]}"


def renew_tokens() -> None:
    """Let the demo people's tokens sign them in for another while: the data may be older than tokens live."""
    digests = [digest(token(handle)) for handle in HANDLES]
    AccessToken.objects.filter(digest__in=digests).update(expires_at=token_expiry())
