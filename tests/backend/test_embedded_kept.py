"""A server over the embedded PostgreSQL, which is killed in every way: it comes back, or the server ends and says why."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from backend.embedded import data_folder, socket_folder, users
from backend.embedded.data_folder import DataFolder
from backend.embedded.exit_reason import SUPERVISOR, exit_reason
from tests import depth
from tests.backend.test_embedded import family, gone, parent, postmaster
from tests.serving import PATIENCE_SECONDS, ROOT, Process, free_port, until

ON_LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")
SIGN_UP = """mutation($handle: String!) {
    signUp(handle: $handle, name: "Somebody", password: "the lamp at sea 7") { __typename ... on SignSuccess { token } }
}"""


class Served:
    """A server over an embedded PostgreSQL of its own."""

    def __init__(self, process: Process, port: int, data: Path, log: Path) -> None:
        self.process, self.data, self.log = process, data, log
        self._address = f"http://127.0.0.1:{port}/graphql"
        self._people = 0

    def writes(self) -> bool:
        """Whether a write is served now."""
        assert self.process.poll() is None, self.said()
        self._people += 1
        body = json.dumps({"query": SIGN_UP, "variables": {"handle": f"person{self._people}"}}).encode()
        request = urllib.request.Request(self._address, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as response:
                return bool((json.load(response).get("data") or {}).get("signUp", {}).get("token"))
        except OSError:
            return False

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def lines(self) -> list[dict[str, Any]]:
        """What its log says of PostgreSQL."""
        return [json.loads(line) for line in self.said().splitlines() if '"katha.embedded"' in line]

    def kill(self, pid: int) -> None:
        """Kill a process of PostgreSQL, and wait until the server that it belonged to has gone."""
        before = postmaster(self.data)
        os.kill(pid, signal.SIGKILL)
        until(lambda: not Path(f"/proc/{before}/cwd").exists(), "the server that was has gone")


@contextmanager
def served(folder: Path) -> Iterator[Served]:
    environment = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    environment |= {"KATHA_DATA": str(folder), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    port, log = free_port(), folder / "said"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "manage.py", "serve", "--migrate", "--port", str(port), "--workers", "1"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    one = Served(process, port, folder / "postgres", log)
    try:
        until(one.writes, "the server serves")
        yield one
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(PATIENCE_SECONDS)
        until(lambda: gone(one.data), "PostgreSQL has ended")


@ON_LINUX
def test_a_dead_postgresql_is_started_again_while_a_server_needs_it(tmp_path: Path) -> None:
    """Its main process, then its supervisor, then its socket: each time a write is served again, and the log says what died."""
    with served(tmp_path / "katha") as server:
        server.kill(postmaster(server.data))
        until(server.writes, "a write is served after the main process was killed")
        assert "PostgreSQL has ended by itself: ended by SIGKILL" in server.said()
        until(lambda: len(server.lines()) == 2, "it has said that PostgreSQL runs again")
        server.kill(parent(postmaster(server.data)))
        until(lambda: "its supervisor was killed" in server.said(), "it is seen that the supervisor was killed")
        until(server.writes, "a write is served after the supervisor was killed")
        until(lambda: len(server.lines()) == 4, "it has said so again")  # later: with the next one it would be one line
        shutil.rmtree(socket_folder(server.data))
        until(lambda: "nobody can reach PostgreSQL" in server.said(), "it is seen that the socket has gone")
        until(server.writes, "a write is served after the socket went")
        until(lambda: len(server.lines()) == 6, "it has said so each time")
        assert [line["level"] for line in server.lines()] == ["error", "warning"] * 3


def without_wal(data: Path) -> None:
    (data / "pg_wal").rename(data / "moved_away")


def without_data(data: Path) -> None:
    data.rename(data.with_name("moved_away"))


def without_a_private_socket(data: Path) -> None:
    socket_folder(data).chmod(0o755)


@ON_LINUX
@pytest.mark.parametrize(
    ("broken", "why"),
    depth.some(
        [
            (without_wal, "pg_wal"),
            (without_data, "has gone"),
            (without_a_private_socket, "only you can enter"),
        ],
        1,
    ),
)
def test_a_server_whose_postgresql_cannot_start_ends_and_says_why(
    tmp_path: Path, broken: Callable[[Path], None], why: str
) -> None:
    """It does not answer BUSY for ever; and it never makes a new database in place of one that has gone."""
    with served(tmp_path / "katha") as server:
        folder, pid = socket_folder(server.data), postmaster(server.data)
        broken(server.data)
        os.kill(pid, signal.SIGKILL)
        assert server.process.wait(PATIENCE_SECONDS) == 1
        with suppress(FileNotFoundError):
            folder.chmod(0o700)
    last = server.said().splitlines()
    ended = next(line for line in last if line.startswith("Katha: PostgreSQL does not start again"))
    assert why in ended
    assert not any("Traceback" in line for line in last)
    assert not (server.data / "PG_VERSION").exists() or broken is not without_data


def supervisors(data: Path) -> set[int]:
    """Who has started a PostgreSQL on these data. A process of it may end while it is looked at."""
    found = set()
    for pid in family(data):
        with suppress(OSError):
            found.add(parent(pid))
    return found - family(data)


@ON_LINUX
def test_two_servers_over_one_folder_start_one_postgresql(tmp_path: Path) -> None:
    """Both see that it has died; one starts it, the other goes on with that."""
    with served(tmp_path / "katha") as first:
        stay = (
            "import sys\nfrom pathlib import Path\nfrom backend.embedded import kept_running\n"
            "with kept_running(Path(sys.argv[1]), durable=True): print('ready', flush=True); sys.stdin.read()"
        )
        second = subprocess.Popen(
            [sys.executable, "-c", stay, str(first.data)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert second.stdin
        assert second.stdout
        assert second.stdout.readline() == b"ready\n"
        first.kill(postmaster(first.data))
        until(first.writes, "a write is served")
        assert len(supervisors(first.data)) == 1
        second.stdin.close()
        assert second.wait(PATIENCE_SECONDS) == 0


# --- What a log says --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "its supervisor was killed."),
        ([f"{SUPERVISOR}it was told to stop"], "it was told to stop."),
        (
            [
                '2026-01-01 UTC [7] PANIC:  could not write to file "pg_wal/xlogtemp.7": No space left on device',
                "2026-01-01 UTC [7] STATEMENT:  UPDATE story SET title = 'a secret'",
                "2026-01-01 UTC [8] FATAL:  the database system is in recovery mode",
                f"{SUPERVISOR}PostgreSQL has ended by itself: exit status 1",
            ],
            "PostgreSQL has ended by itself: exit status 1. "
            'PostgreSQL said: could not write to file "pg_wal/xlogtemp.7": No space left on device.',
        ),
        (
            [
                "2026-01-01 UTC [7] FATAL:  terminating connection due to administrator command",
                '2026-01-01 UTC [8] FATAL:  could not open directory "pg_wal": No such file or directory',
            ],
            'its supervisor was killed. PostgreSQL said: could not open directory "pg_wal": No such file or directory.',
        ),
        (
            [
                "postgres: could not find the database system",
                f"{SUPERVISOR}PostgreSQL has ended by itself: exit status 2",
            ],
            "PostgreSQL has ended by itself: exit status 2. PostgreSQL said: could not find the database system.",
        ),
    ],
)
def test_the_last_words_are_the_grave_ones(tmp_path: Path, lines: list[str], said: str) -> None:
    """And no statement, for it may quote what somebody wrote."""
    place = DataFolder(tmp_path / "postgres")
    if lines:
        place.log.write_text("\n".join(lines) + "\n")
    assert exit_reason(place) == said


@ON_LINUX
def test_a_fork_does_not_keep_the_lock_of_the_server(tmp_path: Path) -> None:
    """A server process that is forked while the lock is held would hold it as long as it lives: nobody could start again."""
    place = DataFolder(tmp_path / "postgres")
    with users._server_lock(place) as held:
        assert data_folder.alone(held)
        child = os.fork()
        if not child:
            signal.pause()
    other = data_folder.open_lock(place.server_lock)
    try:
        until(lambda: data_folder.alone(other), "the lock is free, though the child lives")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(other)
