"""Cookie sessions, in the database; a cookie that this server cannot have made is never looked up there."""

import re

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

KEY = re.compile(r"[a-z0-9]{32}")


class SessionStore(DatabaseStore):
    """Django's store. Without this, a NUL in the cookie would be an error of the database."""

    write = DatabaseStore.save
    """Django's `save`, which is no write to a versioned row and shall not look like one."""

    def _validate_session_key(self, key: str | None) -> bool:
        return bool(key and KEY.fullmatch(key))
