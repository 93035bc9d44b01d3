"""Refusals of what people do."""

import logging
import uuid
from datetime import UTC, datetime
from typing import Any

from backend.engine.errors import Forbidden


class Suspended(Forbidden):
    """The moderators have suspended the person until a moment."""

    code = "SUSPENDED"
    event, log_level = "suspended", logging.INFO

    def __init__(self, person_id: uuid.UUID, until: datetime) -> None:
        super().__init__(
            f"The moderators have suspended you until {until.astimezone(UTC):%Y-%m-%d %H:%M} UTC. Nothing was written; you can "
            "go on reading. Look at `decision` for the reason; use appealDecision if you disagree."
        )
        self.person_id, self.until = person_id, until
        self.decision: Any = None
        """The decision, set by the resolver."""
