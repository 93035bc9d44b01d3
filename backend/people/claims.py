"""What a bearer token says: whom it signs in. So a request can begin as this person, and need not ask first who is asking.

A token is `<random>.<person>.<signature>` (HMAC-SHA256 with SECRET_KEY, RFC 2104). It proves no more than whose it once was:
whether it still signs in is asked in the database with whatever it begins, and before anything of that counts. A token without
such a signature, as of a server with another SECRET_KEY, is asked for first.
"""

import hmac
import secrets
import uuid

from django.conf import settings


def issue(person_id: uuid.UUID) -> str:
    """A new token that says that it is this person's."""
    said = f"{secrets.token_urlsafe(32)}.{person_id.hex}"
    return f"{said}.{_signature(said)}"


def claimed(token: str) -> uuid.UUID | None:
    """The person whose a token says that it is; None if it says nothing, or if it was not made here."""
    said, _, signature = token.rpartition(".")
    if not hmac.compare_digest(_signature(said).encode(), signature.encode("utf-8", "replace")):
        return None
    return uuid.UUID(said.rpartition(".")[2])


def _signature(said: str) -> str:
    """In hexadecimal digits, because a bearer token may have few other characters (RFC 6750, section 2.1)."""
    text = f"katha.token.{said}".encode("utf-8", "replace")
    return hmac.digest(settings.SECRET_KEY.encode(), text, "sha256").hex()
