"""The load generator: a number of keep-alive connections that play scripts until there are none left."""

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from bench.scripts import Answer, Request, Script, Wrong

TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class Served:
    """What the clients measured: the total time, and the latency of each request."""

    seconds: float
    latencies: Sequence[float]

    @property
    def requests(self) -> int:
        """The number of requests."""
        return len(self.latencies)

    def percentile(self, part: float) -> float:
        """The latency in milliseconds at this quantile of all requests."""
        return percentile(self.latencies, part)


def percentile(seconds: Sequence[float], part: float) -> float:
    """The value at this quantile, in milliseconds."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] * 1_000


def drive(port: int, scripts: Sequence[Script], clients: int) -> Served:
    """Play all scripts over `clients` connections. Raises `Wrong` at the first wrong answer."""
    return asyncio.run(_drive(port, iter(scripts), min(clients, len(scripts))))


def play_alone(port: int, script: Script) -> Any:
    """Play one script; returns what it returned."""
    return asyncio.run(_play_alone(port, script))


async def _drive(port: int, scripts: Iterator[Script], clients: int) -> Served:
    connections = [await Connection.open(port) for _ in range(clients)]
    start = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            for connection in connections:
                group.create_task(_play_all(scripts, connection))
    except* Wrong as several:
        raise several.exceptions[0] from None
    finally:
        seconds = time.perf_counter() - start
        for connection in connections:
            await connection.close()
    return Served(seconds, [latency for connection in connections for latency in connection.latencies])


async def _play_alone(port: int, script: Script) -> Any:
    connection = await Connection.open(port)
    try:
        return await _play(script, connection)
    finally:
        await connection.close()


async def _play_all(scripts: Iterator[Script], connection: "Connection") -> None:
    for script in scripts:
        await _play(script, connection)


async def _play(script: Script, connection: "Connection") -> Any:
    answer = None
    while True:
        try:
            request = script.send(answer)
        except StopIteration as done:
            return done.value
        if request.after_ms:
            await asyncio.sleep(request.after_ms / 1_000)
        answer = await connection.ask(request)


class Connection:
    """A connection to the server. It implements only the HTTP that the server uses, to keep the load generator cheap."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.latencies: list[float] = []

    @classmethod
    async def open(cls, port: int) -> "Connection":
        """Connect."""
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    @property
    def is_closed(self) -> bool:
        """Whether the server has disconnected."""
        return self.reader.at_eof()

    async def close(self) -> None:
        """Disconnect."""
        self.writer.close()
        await self.writer.wait_closed()

    async def ask(self, request: Request) -> Answer:
        """Send one request and wait for its answer. Raises `Wrong` for any status but 200, and for errors."""
        body = orjson.dumps({"query": request.document, "variables": request.variables})
        signed = f"Authorization: Bearer {request.token}\r\n" if request.token else ""
        head = (
            "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json\r\nContent-Type: application/json\r\n"
            f"{signed}Content-Length: {len(body)}\r\n\r\n"
        )
        start = time.perf_counter()
        self.writer.write(head.encode() + body)
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await self._read()
        except (OSError, EOFError, TimeoutError) as error:
            raise Wrong(f"the server broke off: {error!r}") from None
        self.latencies.append(time.perf_counter() - start)
        if "errors" in answer:
            raise Wrong(f"the server answered {answer!r:.2000}")
        return answer["data"]

    async def _read(self) -> Any:
        head = (await self.reader.readuntil(b"\r\n\r\n")).lower()
        length = re.search(rb"\r\ncontent-length: *(\d+)", head)
        body = await self.reader.readexactly(int(length[1])) if length else b""
        if not body or not head.startswith(b"http/1.1 200 "):
            raise Wrong(f"the server answered {head!r} {body!r:.2000}")
        return orjson.loads(body)
