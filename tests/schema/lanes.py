"""The lanes of admission that requests take which are answered in this process."""

from collections.abc import Collection, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

import pytest

from backend.limits.admission import NoSlot
from schema.server.in_process import InProcess

AFTER_MS = 1_234
"""What is told to who finds no slot."""


@contextmanager
def taken(full: Collection[str] = ()) -> Iterator[list[str]]:
    """The lanes that are taken from now on, in their order. Those in `full` have no slot."""
    lanes: list[str] = []
    slot = InProcess.slot

    def noted(server: InProcess, lane: str) -> AbstractAsyncContextManager[None]:
        if lane in full:
            raise NoSlot(after_ms=AFTER_MS, cause=lane)
        lanes.append(lane)
        return slot(server, lane)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(InProcess, "slot", noted)
        yield lanes
