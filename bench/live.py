"""What live updates cost: the memory of idle subscribers, how soon a change reaches many, and what it takes to poll."""

import asyncio
import base64
import os
import resource
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import repeat

import orjson

from bench import load
from bench.account import megabytes, processor_seconds
from bench.data import Data
from bench.reads import created
from bench.scripts import Request, Wrong, require
from bench.server import Server

NAME = "live"
"""What the command line calls it."""
IDLE, SUBSCRIBERS, WRITES = 2_000, 500, 30
"""How many are idle on one worker; how many watch one story over two, and how many changes they are told of."""
FEW = (100, 40, 5)
"""The same of a quick run."""
SETTLE_SECONDS, POLL_SECONDS, PAUSE_SECONDS = 2.0, 5.0, 0.2
PATIENCE_SECONDS = 30.0
OPENING = 50
"""How many subscribe at a time."""
SSE, WEBSOCKET = TRANSPORTS = "sse", "websocket"
CHANGED = "subscription ($id: ID!) { changed(things: [{id: $id}]) { version thing { ... on Story { title } } } }"
PUBLISH = (
    "mutation ($id: ID!, $expect: Expect!) { publishStory(id: $id, expect: $expect) "
    "{ __typename ... on StorySuccess { story { version } } } }"
)
RETITLE = (
    "mutation ($id: ID!, $title: String!, $expect: Expect!) { updateStory(id: $id, patch: {title: $title}, expect: $expect) "
    "{ __typename ... on StorySuccess { story { version } } } }"
)


@dataclass(frozen=True)
class Idle:
    """The memory of one process without subscribers, and with so many that are told nothing."""

    transport: str
    subscribers: int
    before_mb: float
    after_mb: float


@dataclass(frozen=True)
class Live:
    """All that was measured."""

    idle: Sequence[Idle]
    subscribers: int
    writes: int
    p50_ms: float
    p99_ms: float
    """From the request that writes to the event: of all subscribers and changes."""
    within: float
    """The part of the deliveries that took no more than half a second."""
    poll_percent: float
    """Of a core, for a process with a subscriber while nothing changes, beyond one without."""

    def figures(self) -> dict[str, object]:
        """All numbers, for JSON."""
        return asdict(self)


class Subscriber:
    """One connection that watches a story."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.is_websocket = False
        self._heard: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        self._listening: asyncio.Task[None]

    @classmethod
    async def open(cls, server: Server, transport: str, who: str, story: str) -> "Subscriber":
        """Subscribe, and wait for what is told at once."""
        made = cls(*await asyncio.open_connection("127.0.0.1", server.port))
        payload = {"query": CHANGED, "variables": {"id": story}}
        await (made._by_events(who, payload) if transport == SSE else made._by_websocket(who, payload))
        made._listening = asyncio.create_task(made._listen())
        await made.told()
        return made

    async def _by_events(self, who: str, payload: Mapping[str, object]) -> None:
        body = orjson.dumps(payload)
        head = (
            "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer {who}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)

    async def _by_websocket(self, who: str, payload: Mapping[str, object]) -> None:
        self.is_websocket = True
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            "GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
        )
        self._writer.write(head.encode())
        await self._reader.readuntil(b"\r\n\r\n")
        self._say({"type": "connection_init", "payload": {"Authorization": f"Bearer {who}"}})
        await self._frame()
        self._say({"type": "subscribe", "id": "1", "payload": payload})

    def _say(self, message: Mapping[str, object]) -> None:
        self._write(1, orjson.dumps(message))

    def _write(self, opcode: int, text: bytes) -> None:
        """A frame with a mask of zeros, which changes nothing."""
        length = bytes([0x80 | len(text)]) if len(text) < 126 else b"\xfe" + struct.pack("!H", len(text))
        self._writer.write(bytes([0x80 | opcode]) + length + b"\0\0\0\0" + text)

    async def _frame(self) -> bytes:
        """The next message; pings are answered."""
        while True:
            first, length = await self._reader.readexactly(2)
            if length == 126:
                (length,) = struct.unpack("!H", await self._reader.readexactly(2))
            text = await self._reader.readexactly(length)
            if first & 15 != 9:
                return text
            self._write(10, text)

    async def _listen(self) -> None:
        """Take what comes, with its time. Meanwhile pings are answered."""
        while True:
            text = await (self._frame() if self.is_websocket else self._event())
            self._heard.put_nowait((time.perf_counter(), text))

    async def told(self) -> float:
        """When the next execution result came. Raises `Wrong` if none does."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                at, text = await self._heard.get()
        except TimeoutError:
            raise Wrong(f"a subscriber was told nothing: {self._listening!r}") from None
        require(b'"errors"' not in text and b"changed" in text, "a change should be told", text)
        return at

    async def _event(self) -> bytes:
        while not (line := await self._reader.readline()).startswith(b"data: {"):
            require(bool(line), "the stream should go on", line)
        return line

    def close(self) -> None:
        """Leave."""
        self._listening.cancel()
        self._writer.close()


def rest(server: Server, data: Data, transport: str, *, quick: bool) -> Idle:
    """The memory of a server of one worker that has just begun, without and with subscribers who are told nothing."""
    _let_open_files()
    return asyncio.run(_rest(server, data, transport, (FEW if quick else (IDLE, SUBSCRIBERS, WRITES))[0]))


def measure(one: Server, two: Server, data: Data, rested: Sequence[Idle], *, quick: bool) -> Live:
    """Measure on a server of one worker and on one of two. Raises `Wrong` if anybody is not told of a change."""
    _let_open_files()
    _, subscribers, writes = FEW if quick else (IDLE, SUBSCRIBERS, WRITES)
    return asyncio.run(_measure(one, two, data, rested, subscribers, writes))


def _let_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _measure(one: Server, two: Server, data: Data, rested: Sequence[Idle], subscribers: int, writes: int) -> Live:
    story, version = await _published(two, data)
    await _warm(one, data, story)
    poll = await _poll(one, data, story)
    times = await _told(two, data, story, version, subscribers, writes)
    ordered = sorted(times)
    return Live(
        rested,
        subscribers,
        writes,
        1_000 * ordered[len(ordered) // 2],
        1_000 * ordered[int(0.99 * len(ordered))],
        sum(one <= 0.5 for one in ordered) / len(ordered),
        poll,
    )


async def _warm(server: Server, data: Data, story: str) -> None:
    """Let it do all once that is done for subscribers of either kind."""
    _leave(await _subscribed(server, data, story, TRANSPORTS))


async def _published(server: Server, data: Data) -> tuple[str, str]:
    """A story that all can see, and its version."""
    connection = await load.Connection.open(server.port)
    made = await load._play(created(data, chapters=1), connection)
    answer = await connection.ask(
        Request(PUBLISH, {"id": made["id"], "expect": {"version": made["version"]}}, data.tokens[data.author])
    )
    await connection.close()
    require(answer["publishStory"]["__typename"] == "StorySuccess", "the story should be published", answer)
    return made["id"], answer["publishStory"]["story"]["version"]


async def _subscribed(server: Server, data: Data, story: str, transports: Sequence[str]) -> list[Subscriber]:
    """A subscriber for each of these, as different people."""
    found: list[Subscriber] = []
    for start in range(0, len(transports), OPENING):
        part = enumerate(transports[start : start + OPENING], start)
        opening = (Subscriber.open(server, each, data.tokens[1 + number % data.people], story) for number, each in part)
        found += await asyncio.gather(*opening)
    return found


async def _rest(server: Server, data: Data, transport: str, number: int) -> Idle:
    story, _ = await _published(server, data)
    await _warm(server, data, story)
    await asyncio.sleep(SETTLE_SECONDS)
    before = megabytes(server.pid)
    found = await _subscribed(server, data, story, list(repeat(transport, number)))
    await asyncio.sleep(SETTLE_SECONDS)
    after = megabytes(server.pid)
    _leave(found)
    return Idle(transport, number, before, after)


async def _poll(server: Server, data: Data, story: str) -> float:
    """What polling takes of a core, in percent."""

    async def used() -> float:
        began = processor_seconds(server.pid)
        await asyncio.sleep(POLL_SECONDS)
        return processor_seconds(server.pid) - began

    alone = await used()
    found = await _subscribed(server, data, story, [SSE])
    polling = await used()
    _leave(found)
    return 100 * (polling - alone) / POLL_SECONDS


async def _told(server: Server, data: Data, story: str, version: str, subscribers: int, writes: int) -> list[float]:
    """How long it took for each subscriber and change, in seconds; of changes that came together, the last."""
    half = [SSE, WEBSOCKET] * (subscribers // 2)
    found = await _subscribed(server, data, story, half)
    connection = await load.Connection.open(server.port)
    times: list[float] = []
    for number in range(writes):
        began = time.perf_counter()
        variables = {"id": story, "title": f"Title {number}", "expect": {"version": version}}
        answer = await connection.ask(Request(RETITLE, variables, data.tokens[data.author]))
        require(answer["updateStory"]["__typename"] == "StorySuccess", "the title should be written", answer)
        version = answer["updateStory"]["story"]["version"]
        times += [await one.told() - began for one in found]
        await asyncio.sleep(PAUSE_SECONDS)
    _leave(found)
    await connection.close()
    return times


def _leave(subscribers: Sequence[Subscriber]) -> None:
    for one in subscribers:
        one.close()
