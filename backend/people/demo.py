"""The people whom a visitor of the demo may play, and how they are signed in."""

import hashlib
import hmac

from django.conf import settings

HANDLES = ("asha", "bilal", "chitra", "dev", "esra", "farid", "gita", "hana")
"""Handles of the demo people with names of their own; `asha` is a moderator too."""

PASSWORD = "katha-demo-people-only"


def token(handle: str) -> str:
    """The bearer token of a demo person: the same at every start, so that examples can be run again."""
    return (
        "demo-" + handle + "-" + hmac.digest(settings.SECRET_KEY.encode(), handle.encode(), hashlib.sha256).hex()[:20]
    )
