"""The line in the log for a refusal, written where it becomes an answer, so that each leaves one and no way leaves none.

Whoever answers calls `log_refusal` once. What may be said of a request is bound to its thread, see `backend.logs`; of the refusal
only names from the code are logged, never what was sent or stored.
"""

import logging
from typing import Any

from backend.engine.errors import Busy, OutcomeUnknown, RateLimited, Refusal
from backend.logs.causes import database_facts

log = logging.getLogger("katha")

IN_FAILED_TRANSACTION = "25P02"
"""The SQLSTATE of a statement in a transaction that has failed already; the first error was noted."""

OVERTAKEN = "what others wrote at that moment has made its refusal untrue"
"""The cause where the database has no part in it."""


def log_refusal(refusal: Refusal, **facts: Any) -> None:
    """Log a refusal as its class declares, with its cause; `facts` are more fields for the line."""
    said = cause_of(refusal)
    if refusal.log_level != logging.NOTSET and said.get("sqlstate") != IN_FAILED_TRANSACTION:
        log.log(refusal.log_level, refusal.event, extra={"code": refusal.code, **said, **facts})


def cause_of(refusal: Refusal) -> dict[str, str]:
    """The cause of a refusal: what the database said, what the code says, or which limit."""
    if isinstance(refusal, RateLimited):
        return {"limit": refusal.limit}
    said = database_facts(refusal.__cause__)
    if isinstance(refusal, Busy | OutcomeUnknown) and (refusal.cause or not said):
        said["cause"] = refusal.cause or OVERTAKEN
    return said
