"""What the advice on when to retry is worth: crowds who write one story's title, and listen to it or do not; and what a reader of
that story waits meanwhile.
"""

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bench import load
from bench.data import Data, key_of, one
from bench.reads import STORY, created
from bench.scripts import Request, Script, require
from bench.server import Server
from bench.writes import EACH, retitle

NAME = "crowd"
"""What the command line calls it."""
CLIENTS, FEW = (8, 32, 128), (8,)
"""How many write, and how many in a quick run."""
SECONDS, FEW_SECONDS = 8.0, 1.0
WARM = 8, 2.0
"""The crowd before the first measurement, and for how long."""
PAUSE_SECONDS = 1.0
"""At most so long a place in the crowd stays empty."""
READ_EVERY_SECONDS = 0.02
"""How often somebody reads the story."""
VERSION = "SELECT version FROM stories_story WHERE id = %s"


@dataclass
class Crowd:
    """What a crowd did. A client writes `EACH` titles in a row, and leaves; another comes, who knows an old version."""

    clients: int
    listens: bool
    """Whether they wait `afterMs` after a conflict; otherwise they retry at once."""
    seconds: float = 0.0
    attempts: int = 0
    successes: int = 0
    waits: list[float] = field(default_factory=list)
    """The latencies of the reads, in seconds."""

    def figures(self) -> dict[str, float]:
        """All numbers, for JSON and for the table."""
        return {
            "clients": self.clients,
            "listens": self.listens,
            "attempts_per_success": self.attempts / max(1, self.successes),
            "successes_per_second": self.successes / self.seconds,
            "read_p50_ms": load.percentile(self.waits, 0.5),
            "read_p99_ms": load.percentile(self.waits, 0.99),
        }


def measure(server: Server, data: Data, clients: int, seconds: float, *, listens: bool) -> Crowd:
    """Let a crowd write a new story for so long. Raises `Wrong`, also where a title that was written has no version."""
    made = load.play_alone(server.port, created(data, chapters=1))
    crowd = Crowd(clients, listens)
    names = itertools.count()

    def begin() -> Script:
        titles = [f"Title {number}" for number in itertools.islice(names, EACH)]
        return retitle(made["id"], made["version"], data.tokens[data.author], titles)

    read = Request(STORY, {"id": made["id"]}, data.tokens[data.author])
    asyncio.run(_measure(server.port, crowd, begin, read, seconds))
    version = one(data.db, VERSION, key_of(made["id"]))
    require(version == int(made["version"]) + crowd.successes, "each title should have its version", version)
    return crowd


async def _measure(port: int, crowd: Crowd, begin: Callable[[], Script], read: Request, seconds: float) -> None:
    reader, *writers = connections = [await load.Connection.open(port) for _ in range(1 + crowd.clients)]
    start = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_read(reader, read, start + seconds))
            for connection in writers:
                group.create_task(_write(connection, crowd, begin, start + seconds))
    finally:
        crowd.seconds = time.perf_counter() - start
        crowd.waits = reader.latencies
        for connection in connections:
            await connection.close()


async def _read(connection: load.Connection, request: Request, end: float) -> None:
    while time.perf_counter() < end:
        answer = await connection.ask(request)
        require(answer["story"]["id"] == request.variables["id"], "the story should be there", answer)
        await asyncio.sleep(READ_EVERY_SECONDS)


async def _write(connection: load.Connection, crowd: Crowd, begin: Callable[[], Script], end: float) -> None:
    while True:
        script, answer = begin(), None
        while (request := _next(script, answer)) is not None:
            pause = request.after_ms / 1_000 if crowd.listens else 0.0
            if time.perf_counter() + pause >= end:
                return
            await asyncio.sleep(pause)
            answer = await connection.ask(request)
            crowd.attempts += 1
            crowd.successes += answer["updateStory"]["__typename"] == "StorySuccess"
        await asyncio.sleep(random.uniform(0, PAUSE_SECONDS))


def _next(script: Script, answer: Any) -> Any:
    try:
        return script.send(answer)
    except StopIteration:
        return None
