"""Refusals of writes to stories."""

import logging
import uuid
from typing import Any

from backend.engine.errors import Forbidden


class Held(Forbidden):
    """The author would undo what the moderators have decided. `outcome` is that of the decision."""

    code = "HELD"
    event, log_level = "held", logging.INFO

    def __init__(self, story_id: uuid.UUID, outcome: str, message: str) -> None:
        super().__init__(message)
        self.story_id, self.outcome = story_id, outcome
        self.decision: Any = None
        """The decision, set by the resolver."""


def _until_lifted(what: str) -> str:
    return f"The moderators have {what}, which stays so until they lift it. Nothing was written. {WHAT_TO_DO}"


WHAT_TO_DO = "Look at `decision` for the reason; use appealDecision if you disagree."


def taken_down(story_id: uuid.UUID) -> Held:
    """The refusal to publish a story that was taken down."""
    return Held(story_id, "REMOVED", _until_lifted("taken this story down"))


def marked_mature(story_id: uuid.UUID) -> Held:
    """The refusal to unmark a story that was marked mature."""
    return Held(story_id, "MARKED_NSFW", _until_lifted("marked this story mature"))
