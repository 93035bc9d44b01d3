"""What idle connections cost: the memory of the server's processes before and after thousands of them."""

import asyncio
import resource
from dataclasses import asdict, dataclass

from bench import load
from bench.account import megabytes
from bench.reads import NOBODY, NOTHING, asked
from bench.scripts import Request, Wrong
from bench.server import Server

NAME = "idle"
"""What the command line calls it."""
CONNECTIONS, FEW = 2_000, 200
"""How many there are, and in a quick run."""
WARM, WARM_CLIENTS = 2_000, 64
"""Requests before the first measurement, so that what they leave in memory does not count, and their connections."""
SETTLE_SECONDS = 2.0
OTHER_FILES = 256
"""File descriptors that this process needs besides the connections."""


@dataclass(frozen=True)
class Idle:
    """The memory of a server in MB without idle connections, and with so many."""

    connections: int
    before_mb: float
    after_mb: float

    @property
    def kilobytes_each(self) -> float:
        """The memory of each connection."""
        return (self.after_mb - self.before_mb) * 1024 / self.connections

    def figures(self) -> dict[str, object]:
        """All numbers, for JSON."""
        return {**asdict(self), "kilobytes_each": self.kilobytes_each}


def measure(server: Server, connections: int) -> Idle:
    """Open so many connections, and send one request on each. Raises `Wrong` if one does not stay open."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < connections + OTHER_FILES:
        raise Wrong(f"{connections} connections need more open files than the system allows, which are {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    load.drive(server.port, [asked(Request(NOTHING), NOBODY) for _ in range(WARM)], WARM_CLIENTS)
    return asyncio.run(_measure(server, connections))


async def _measure(server: Server, number: int) -> Idle:
    await asyncio.sleep(SETTLE_SECONDS)
    before = megabytes(server.pid)
    connections: list[load.Connection] = []
    try:
        for _ in range(number):
            connections.append(await load.Connection.open(server.port))
            await connections[-1].ask(Request(NOTHING))
        await asyncio.sleep(SETTLE_SECONDS)
        after = megabytes(server.pid)
        if any(one.is_closed for one in connections):
            raise Wrong("the server has closed idle connections")
    finally:
        for one in connections:
            await one.close()
    return Idle(number, before, after)
