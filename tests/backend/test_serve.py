"""Serving: it stops when it is told to, leaves nobody behind when it is killed, and says why it cannot start."""

import asyncio
import fcntl
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from argparse import ArgumentTypeError
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from django.conf import settings
from django.contrib.staticfiles.finders import FileSystemFinder
from psycopg import connect
from uvicorn.server import ServerState

from backend.processes import process_count
from schema.management.commands import serve as command
from schema.management.commands.serve import port
from schema.server import static_files, workers
from schema.server.protocol import STOP_SECONDS, STOPS, UNREAD_SECONDS, Protocol
from tests.backend.raw import QUERY, Connection, Served, forks, said, served, whole
from tests.depth import rounds
from tests.serving import PATIENCE_SECONDS, free_port, is_free, serving, start, until

LOCKED = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

pytestmark = pytest.mark.django_db(transaction=True)


def port_of(address: str) -> int:
    """The port of an address."""
    found = urllib.parse.urlsplit(address).port
    assert found is not None
    return found


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("attempt", range(3))
def test_it_stops_when_its_whole_group_is_told_to(served_database: str, ending: signal.Signals, attempt: int) -> None:
    """Ctrl-C goes to the whole process group of a terminal: every worker ends, and the port is free again."""
    with serving(served_database) as (address, process):
        os.killpg(process.pid, ending)
        process.wait(PATIENCE_SECONDS)
        assert is_free(port_of(address))


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_told_to_stop_while_it_starts_does(
    monkeypatch: pytest.MonkeyPatch, ending: signal.Signals
) -> None:
    """Otherwise it would go on to serve, and be killed in the middle of that when the server's patience ends."""
    plain = workers.Application

    def told() -> workers.Application:
        os.kill(os.getpid(), ending)
        return plain()

    monkeypatch.setattr(workers, "Application", told)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = workers.fork(listener)
    process.join(PATIENCE_SECONDS)
    process.kill()
    assert process.exitcode == 0


def test_no_worker_outlives_a_server_that_is_killed(served_database: str) -> None:
    """After `kill -9` of the main process alone, the port is free for the next one."""
    with serving(served_database) as (address, process):
        process.kill()
        process.wait(PATIENCE_SECONDS)
        until(lambda: is_free(port_of(address)), "the workers are gone")


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes where Linux shows them")
def test_it_says_why_it_ends_when_its_processes_cannot_live(served_database: str, tmp_path: Path) -> None:
    """One that is killed is started again; if each ends at once, the server ends too, and not in silence."""
    log = tmp_path / "log"
    with log.open("wb") as stderr, serving(served_database, workers=1, stderr=stderr.fileno()) as (_address, process):
        while process.poll() is None:
            for pid in forks(process.pid):
                with suppress(ProcessLookupError):  # it has ended by itself
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        assert process.returncode == 1
    assert "The server's processes end as soon as they are started" in log.read_text()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes where Linux shows them")
def test_a_process_that_is_killed_is_replaced(served_database: str, tmp_path: Path) -> None:
    """The others serve on meanwhile, and the log says so."""
    with served(served_database, tmp_path / "log", workers=2) as server:
        before = server.forks()
        killed = before[0]
        os.kill(killed, signal.SIGKILL)
        until(lambda: len(set(server.forks()) - {killed}) == len(before), "another one is started")
        for _ in range(20):
            with Connection(server.place, whole(QUERY)) as one:
                assert said(one) == (200, None)
        assert killed not in server.forks()
    assert any(line["event"].startswith("a process of the server has ended and is replaced") for line in server.lines())


class Insistent:
    """A client that sends one request after the other on a connection, and another connection when that is closed."""

    def __init__(self, server: Served) -> None:
        self.place = server.place
        self.answered = 0
        self.lost: list[str] = []
        """What was sent on a connection and not answered, although nothing said that it closes."""

    def __call__(self) -> None:
        """Until nobody listens any more."""
        with suppress(ConnectionRefusedError):
            while not self.lost:
                with Connection(self.place) as one:
                    self._use(one)

    def _use(self, one: Connection) -> None:
        """A connection that is opened or idle for long at that moment may end like one that was never there."""
        is_new, idle_since = True, time.monotonic()
        while not is_at_end(one):
            number = self.answered
            one.send(whole(b'{"query":"{ a%d: __typename viewer { handle } }"}' % number))
            was_idle = time.monotonic() - idle_since > STOP_SECONDS / 2
            found = one.answer()
            if found is None and (is_new or was_idle):
                return
            if found is None or found.status != 200 or b'"a%d":"Query"' % number not in found.body:
                self.lost.append(f"{number}: {found}")
                return
            self.answered += 1
            if found.headers.get("connection") == "close":
                return


def is_at_end(one: Connection) -> bool:
    """Whether the server has closed the connection, as a client looks before it sends."""
    one.socket.setblocking(False)
    try:
        return one.socket.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        one.socket.settimeout(PATIENCE_SECONDS)


@pytest.mark.parametrize("attempt", range(rounds(10, at_least=2)))
@pytest.mark.parametrize("workers", [1, 2])
def test_no_request_is_lost_when_it_stops(served_database: str, tmp_path: Path, workers: int, attempt: int) -> None:
    """Each that was sent on an open connection gets its whole answer; the server has counted as many."""
    with served(served_database, tmp_path / "log", workers=workers) as server:
        clients = [Insistent(server) for _ in range(8)]
        threads = [threading.Thread(target=client, daemon=True) for client in clients]
        for thread in threads:
            thread.start()
        until(lambda: all(client.answered > 20 for client in clients), "all are being served")
        os.killpg(server.process.pid, signal.SIGTERM)
        assert server.process.wait(PATIENCE_SECONDS) == 0
        for thread in threads:
            thread.join(PATIENCE_SECONDS)
        assert not any(thread.is_alive() for thread in threads)
    assert [client.lost for client in clients] == [[]] * len(clients)


def test_what_has_begun_is_answered_when_it_stops(served_database: str, tmp_path: Path, transactional_db: None) -> None:
    """A query that waits for a lock, a body of which half has come, and requests that wait in the queue."""
    slow = whole(b'{"query":"{ stories { edges { node { id } } } }"}')
    with served(served_database, tmp_path / "log", workers=1) as server, ExitStack() as stack:
        with connect(served_database) as holder, connect(served_database, autocommit=True) as looking:
            holder.execute("LOCK TABLE stories_story")
            many = [stack.enter_context(Connection(server.place, slow)) for _ in range(8)]
            half = stack.enter_context(Connection(server.place, whole(QUERY)[:-5]))
            until(lambda: len(looking.execute(LOCKED).fetchall()) == settings.THREADS, "they wait for the lock")
            os.killpg(server.process.pid, signal.SIGTERM)
            until(lambda: is_free(server.place[1]), "it takes no more connections")
            half.send(QUERY[-5:])
            holder.rollback()
        assert [said(one) for one in (*many, half)] == [(200, None)] * 9
        assert server.process.wait(PATIENCE_SECONDS) == 0


def test_a_port_that_is_taken_is_named(served_database: str) -> None:
    """The error says which port, and how to choose another."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        process = start(served_database, taken, stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    assert f"port {taken}" in said.decode()
    assert "make run PORT=" in said.decode()


@pytest.mark.parametrize("text", ["0", "65536", "-1", "abc", "", "٣"])
def test_a_port_is_a_port(text: str) -> None:
    """Anything else is refused before anything is started."""
    with pytest.raises(ArgumentTypeError, match="must be a whole number"):
        port(text)


@pytest.mark.parametrize("text", ["0", "-1", "many"])
def test_there_is_at_least_one_worker(text: str) -> None:
    """Anything else is refused before anything is started."""
    with pytest.raises(ArgumentTypeError, match="must be a whole number"):
        process_count(text)


def test_a_free_port_is_free() -> None:
    """The tests' own look at ports can say both."""
    assert is_free(free_port())


@pytest.mark.parametrize(("method", "shown"), [("GET", True), ("HEAD", False)])
def test_an_answer_comes_in_one_piece(served_database: str, method: str, shown: bool) -> None:
    """With its length, and not in chunks."""
    with serving(served_database, workers=1) as (address, _process):
        request = urllib.request.Request(f"{address}/graphql?query=%7B__typename%7D", method=method)
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
            body = response.read()
        answer = b'{"data":{"__typename":"Query"}}'
        assert response.headers["Content-Length"] == str(len(answer))
        assert "Transfer-Encoding" not in response.headers
        assert body == (answer if shown else b"")


def test_what_has_not_changed_has_no_length(served_database: str) -> None:
    """An empty one would say that the file has become empty (RFC 9110, section 8.6)."""
    with serving(served_database, workers=1) as (address, _process):
        path, headers = f"{address}/static/admin/css/base.css", {"If-Modified-Since": "Fri, 31 Dec 9999 23:59:59 GMT"}
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(urllib.request.Request(path, headers=headers), timeout=PATIENCE_SECONDS)
        with caught.value as answer:
            assert (answer.code, answer.headers["Content-Length"]) == (304, None)


def test_servers_over_one_folder_collect_their_files_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each names and compresses all of them anew, and would take away what another one is reading."""
    collected, asked, lock = list[str](), threading.Event(), fcntl.flock

    def flock(file: Any, how: int) -> None:
        asked.set()
        lock(file, how)

    with (tmp_path / "static.lock").open("w") as other:
        lock(other, fcntl.LOCK_EX)
        monkeypatch.setattr(fcntl, "flock", flock)
        monkeypatch.setattr(settings, "STATIC_ROOT", tmp_path / "static")
        monkeypatch.setattr(command, "call_command", lambda name, **_: collected.append(name))
        second = threading.Thread(target=command.collect_static_files, daemon=True)
        second.start()
        assert asked.wait(PATIENCE_SECONDS)
        assert collected == []
    second.join(PATIENCE_SECONDS)
    assert collected == ["collectstatic"]


def test_files_are_collected_once_until_one_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To name and compress them takes seconds, and a server that starts again would wait for it."""
    source, collected = tmp_path / "source" / "page.css", list[str]()
    source.parent.mkdir()
    source.write_text("a {}")

    def collect(name: str, **_: Any) -> None:
        collected.append(name)
        (settings.STATIC_ROOT / "page.css").touch()

    monkeypatch.setattr(settings, "STATIC_ROOT", tmp_path / "static")
    monkeypatch.setattr(static_files, "get_finders", lambda: [FileSystemFinder()])
    monkeypatch.setattr(settings, "STATICFILES_DIRS", [source.parent])
    monkeypatch.setattr(command, "call_command", collect)
    command.collect_static_files()
    command.collect_static_files()
    assert len(collected) == 1
    source.write_text("a, b {}")
    command.collect_static_files()
    command.collect_static_files()
    assert len(collected) == 2
    (settings.STATIC_ROOT / "page.css").unlink()
    command.collect_static_files()
    assert len(collected) == 3


async def nothing(_scope: Any, receive: Any, send: Any) -> None:
    """Answer anything with nothing."""
    await receive()
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def connected(state: dict[str, Any]) -> tuple[socket.socket, Any, Protocol]:
    """A client's end of a connection, and the server's: its transport and its protocol."""
    ours, theirs = socket.socketpair()
    config = uvicorn.Config(nothing, http=Protocol, lifespan="off", log_config=None)
    config.load()
    loop = asyncio.get_running_loop()
    return ours, *await loop.create_connection(lambda: Protocol(config, ServerState(), state), sock=theirs)


@pytest.mark.parametrize("stops", [False, True])
def test_a_connection_that_is_made_when_it_stops_already_ends_with_its_first_answer(stops: bool) -> None:
    """Uvicorn may have accepted it before, and told all others. If it went on, it would be broken off in the end."""

    async def first_answer() -> bytes:
        ours, _, _ = await connected({STOPS: True} if stops else {})
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return head.lower()

    assert (b"connection: close" in asyncio.run(first_answer())) == stops


@pytest.mark.parametrize("looked_before", [False, True])
def test_a_client_is_slow_from_when_it_is_seen_to_be(looked_before: bool) -> None:
    """What was written in this moment nobody can have read yet, also if it was looked at never before, or long ago."""

    async def closed_for() -> list[str | None]:
        ours, transport, one = await connected({})
        loop, found = asyncio.get_running_loop(), []
        if looked_before:
            one.look(loop.time() - 2 * UNREAD_SECONDS)
        transport.write(b"a" * 10_000_000)  # more than the kernel takes
        one.streamed = transport.get_write_buffer_size() + 1  # of a stream the client has read a byte
        for seconds in (0, UNREAD_SECONDS - 1, UNREAD_SECONDS + 1):
            one.look(loop.time() + seconds)
            found.append(one.closed_for)
        ours.close()
        return found

    assert asyncio.run(closed_for()) == [None, None, "unread"]
