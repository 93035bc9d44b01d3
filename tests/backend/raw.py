"""Speaks HTTP as bytes with a server in a process of its own, and looks at what it counts and logs."""

import json
import socket
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.serving import Process, serving

PATIENCE_SECONDS = 60
QUERY = b'{"query":"{ __typename }"}'
HEADERS = b"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@dataclass(frozen=True)
class Served:
    """A server: its address, its main process and the file of its log."""

    address: str
    process: Process
    log: Path
    metrics_token: str | None = None

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        found = urlsplit(self.address)
        assert found.hostname is not None
        assert found.port is not None
        return found.hostname, found.port

    def forks(self) -> list[int]:
        """Its processes that live."""
        return forks(self.process.pid)

    def worker_of(self, port: int) -> int:
        """Its process that has the connection whose other end is this port."""
        rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
        ends = f":{self.place[1]:04X}", f":{port:04X}"
        (inode,) = [row[9] for row in rows if (row[1][8:], row[2][8:]) == ends]
        links = {pid: (Path("/proc") / str(pid) / "fd").iterdir() for pid in self.forks()}
        (found,) = [pid for pid, fds in links.items() if any(_target(fd) == f"socket:[{inode}]" for fd in fds)]
        return found

    def memory(self) -> int:
        """The memory of its processes, in bytes."""
        return sum(resident(pid) for pid in self.forks())

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def counted(self, name: str, **labels: str) -> float:
        """The value of a metric."""
        return self.metrics()[(name, *sorted(labels.items()))]

    def metrics(self) -> Counter[Any]:
        """All values, by name and labels."""
        token = {} if self.metrics_token is None else {"Authorization": f"Bearer {self.metrics_token}"}
        asked = urllib.request.Request(f"{self.address}/metrics", headers=token)
        with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as response:
            text = response.read().decode()
        found: Counter[Any] = Counter()
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                found[(sample.name, *sorted(sample.labels.items()))] = sample.value
        return found


@contextmanager
def served(database: str, log: Path, workers: int = 1, **environment: str) -> Iterator[Served]:
    """A server with these environment variables, which no other one gets; its log goes to this file."""
    with log.open("wb") as stderr, ExitStack() as running:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in environment.items():
                patch.setenv(name, value)
            serves = serving(database, workers=workers, stderr=stderr.fileno())
            address, process = running.enter_context(serves)
        yield Served(address, process, log, environment.get("METRICS_TOKEN"))


def forks(parent: int) -> list[int]:
    """The processes that this one has forked and that live."""
    found = (Path("/proc") / str(parent) / "task" / str(parent) / "children").read_text().split()
    return [int(pid) for pid in found if (Path("/proc") / pid / "cmdline").read_bytes()]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except FileNotFoundError:  # it was closed meanwhile
        return ""


def resident(pid: int) -> int:
    """The memory of a process, in bytes."""
    pages = int((Path("/proc") / str(pid) / "statm").read_text().split()[1])
    return pages * 4096


@dataclass(frozen=True)
class Answered:
    """An answer: its status, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def code(self) -> str | None:
        """The code of its first error."""
        said = json.loads(self.body) if self.body.startswith(b"{") else {}
        return said["errors"][0]["extensions"]["code"] if "errors" in said else None


class Connection:
    """A connection that answers are read from, one after the other."""

    def __init__(self, place: tuple[str, int], raw: bytes = b"", *, source: str = "127.0.0.1") -> None:
        self.socket = socket.create_connection(place, timeout=PATIENCE_SECONDS, source_address=(source, 0))
        self._read = b""
        if raw:
            self.socket.sendall(raw)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def answer(self) -> Answered | None:
        """The next one that is no 100 Continue; None if the connection is closed before it is whole."""
        while b"\r\n\r\n" not in self._read:
            if not self._more():
                return None
        head, _, self._read = self._read.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(first.split()[1])
        if status == 100:
            return self.answer()
        length = int(headers.get("content-length", "0"))
        while len(self._read) < length:
            if not self._more():
                return None
        body, self._read = self._read[:length], self._read[length:]
        return Answered(status, headers, body)

    def is_closed(self) -> bool:
        """Wait for the end of the connection, and see that nothing comes before it."""
        return not self._read and not self._more()

    def _more(self) -> bool:
        try:
            piece = self.socket.recv(1 << 16)
        except ConnectionError:
            return False
        self._read += piece
        return bool(piece)


def said(connection: Connection) -> tuple[int, str | None]:
    """The status that comes back, and the code of the error if the body says one; 0 if the connection is closed."""
    found = connection.answer()
    return (0, None) if found is None else (found.status, found.code)


def whole(body: bytes) -> bytes:
    """A request with this body."""
    return HEADERS + b"Content-Length: %d\r\n\r\n" % len(body) + body


def chunks(*pieces: bytes, trailer: bytes = b"") -> bytes:
    """A request whose body comes in these pieces."""
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return HEADERS + CHUNKED + body + b"0\r\n" + trailer + b"\r\n"
