"""Sessions in the database; malformed session cookies are rejected without a query."""

import re
import uuid

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone

from backend.changes import log
from backend.changes.kinds import ACCESS

KEY = re.compile(r"[a-z0-9]{32}")


class SessionStore(DatabaseStore):
    """Django's store. Without the check, a NUL in the cookie would cause a database error."""

    write = DatabaseStore.save
    """An alias of Django's `save`, so that it does not look like a write to a versioned row."""

    def flush(self) -> None:
        """End the session, and say so in the change log: the table is Django's, whose rows tell no trigger of whom they are."""
        person = self.get(SESSION_KEY)
        super().flush()
        if person is not None:
            log.append(ACCESS, uuid.UUID(person))

    def seconds_left(self) -> float:
        """How long it still signs somebody in. Django's `get_expiry_age` tells how long a new one would."""
        ends_at = self.model.objects.filter(session_key=self.session_key).values_list("expire_date", flat=True).first()
        return 0.0 if ends_at is None else (ends_at - timezone.now()).total_seconds()

    def _validate_session_key(self, key: str | None) -> bool:
        return bool(key and KEY.fullmatch(key))
