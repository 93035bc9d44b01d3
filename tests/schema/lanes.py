"""The lanes of admission that requests take which are answered in this process."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from backend.limits.admission import NoSlot
from schema.server import in_process
from schema.server.requests import Request

AFTER_MS = 1_234
"""What is told to who finds no slot."""


@contextmanager
def taken(full: Collection[str] = ()) -> Iterator[list[str]]:
    """The lanes that are taken from now on, in their order. Those in `full` have no slot."""
    lanes: list[str] = []
    run = in_process._run

    async def noted(request: Request, lane: str, call: Callable[[], Any]) -> Any:
        if lane in full:
            raise NoSlot(after_ms=AFTER_MS, cause=lane)
        lanes.append(lane)
        return await run(request, lane, call)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_process, "_run", noted)
        yield lanes
