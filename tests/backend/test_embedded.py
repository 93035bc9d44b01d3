"""The embedded PostgreSQL, with real processes: started, joined, left and killed in every way."""

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Event

import psycopg
import pytest

from backend.embedded import DATABASE, ROLE, EmbeddedError, account, data_folder, running, socket_folder
from backend.embedded.__main__ import stop
from backend.embedded.cluster import Cluster

ROOT = Path(__file__).parents[2]
BOUND = 60.0  # seconds within which a thing has to happen; it mostly takes one

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes in /proc")

USER = """
import os, sys
from pathlib import Path
from backend.embedded import running
data = Path(sys.argv[1])
with running(data, durable=True):
    {body}
"""
STAY = 'print("ready", flush=True); sys.stdin.read()'


class User:
    """A process that uses the server until it is told to leave, or killed."""

    def __init__(self, data: Path, body: str = STAY) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER.format(body=body), str(data)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # ignored below nohup
        )

    def line(self) -> str:
        """The next line that it prints; empty when it has ended."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def ready(self) -> "User":
        assert self.line() == "ready"
        return self

    def leave(self) -> int:
        """Let it go its own way, and say how it ended."""
        assert self.process.stdin
        self.process.stdin.close()
        return self.process.wait(BOUND)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(BOUND)


Start = Callable[..., User]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "katha" / "postgres"


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts users, and ends those that a test left."""
    with ExitStack() as left:

        def one(data: Path, body: str = STAY) -> User:
            user = User(data, body)
            left.callback(user.kill)
            return user

        yield one


def until(holds: Callable[[], bool]) -> None:
    """Look again and again until it holds; fail when that takes too long."""
    pause = Event()
    for _ in range(int(BOUND / 0.05)):
        if holds():
            return
        pause.wait(0.05)
    pytest.fail(f"did not happen within {BOUND} s")


def postmaster(data: Path) -> int:
    return int((data / "postmaster.pid").read_text().split()[0])


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def family(data: Path) -> set[int]:
    """The living processes of the server, found by the folder that each of them works in."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            works_here = (process / "cwd").readlink() == data
            dead = (process / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            continue
        if works_here and not dead:
            found.add(int(process.name))
    return found


def gone(data: Path) -> bool:
    return not family(data)


def ask(data: Path, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(host=str(socket_folder(data)), user=ROLE, dbname=DATABASE) as connection:
        cursor = connection.execute(query)
        return cursor.fetchall() if cursor.description else []


def remember(data: Path) -> None:
    ask(data, "CREATE TABLE kept AS SELECT 7 AS number")


def assert_remembered(data: Path) -> None:
    with running(data, durable=True):
        assert ask(data, "SELECT number FROM kept") == [(7,)]


# --- Start, join, stop --------------------------------------------------------------------------------------


def test_a_first_use_prepares_a_database_and_says_so(data: Path) -> None:
    said: list[str] = []
    with running(data, durable=True, report=said.append) as folder:
        assert folder == socket_folder(data)
        assert ask(data, "SELECT current_user, current_database()") == [("katha", "katha")]
    assert said[0] == f"Preparing a new PostgreSQL 18 in {data}"
    assert said[1].startswith("PostgreSQL 18.")
    assert said[1].endswith(" is ready")
    assert len(said) == 2


def test_text_is_utf8_and_sorts_by_the_builtin_provider(data: Path) -> None:
    query = """
        SELECT pg_encoding_to_char(encoding), datlocprovider, datlocale
        FROM pg_database WHERE datname = 'katha'
    """
    with running(data, durable=False):
        assert ask(data, query) == [("UTF8", "b", "C.UTF-8")]


def test_nobody_gets_in_through_the_network_or_past_the_folder(data: Path) -> None:
    with running(data, durable=False) as folder:
        assert ask(data, "SHOW listen_addresses") == [("",)]
        assert folder.stat().st_mode & 0o777 == 0o700
        assert data.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(("durable", "setting"), [(True, "on"), (False, "off")])
def test_durability_is_what_was_asked_for(data: Path, durable: bool, setting: str) -> None:
    with running(data, durable=durable):
        for name in ("fsync", "synchronous_commit", "full_page_writes"):
            assert ask(data, f"SHOW {name}") == [(setting,)]


def test_a_second_process_joins_the_server_that_runs(data: Path, start: Start) -> None:
    with running(data, durable=True):
        server = postmaster(data)
        said: list[str] = []
        with running(data, durable=True, report=said.append):
            assert said[0].endswith("is running already")
        start(data).ready().leave()
        assert postmaster(data) == server


def test_processes_that_start_together_get_one_server(data: Path, start: Start) -> None:
    show_server = f'print((data / "postmaster.pid").read_text().split()[0], flush=True); {STAY}'
    users = [start(data, show_server) for _ in range(4)]
    servers = {user.line() for user in users}
    assert servers == {str(postmaster(data))}
    assert [user.ready().leave() for user in users] == [0] * 4
    until(lambda: gone(data))


def test_a_command_soon_after_another_finds_the_server_still_there(data: Path) -> None:
    with running(data, durable=True):
        server = postmaster(data)
    with running(data, durable=True):
        assert postmaster(data) == server


def test_the_server_stops_when_its_last_user_leaves(data: Path, start: Start) -> None:
    first, second = start(data).ready(), start(data).ready()
    first.leave()
    Event().wait(2)  # longer than a server without users lives
    assert not gone(data)
    second.leave()
    until(lambda: gone(data))
    until(lambda: not socket_folder(data).exists())
    assert not (data / "postmaster.pid").exists()


def test_data_are_kept_between_runs(data: Path) -> None:
    with running(data, durable=True):
        remember(data)
    until(lambda: gone(data))
    assert_remembered(data)


@pytest.mark.parametrize("name", ["with a space", "ünï'cödé", "/".join(["long" * 20] * 4)])
def test_the_folder_may_have_any_name(tmp_path: Path, start: Start, name: str) -> None:
    data = tmp_path / name / "postgres"
    with running(data, durable=True):
        start(data).ready().leave()
        assert ask(data, "SELECT 1") == [(1,)]


# --- Signals and violent ends -------------------------------------------------------------------------------


def test_ctrl_c_leaves_the_database_to_a_user_who_says_goodbye(data: Path, start: Start) -> None:
    goodbye = """
    import psycopg
    try:
        print("ready", flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        with psycopg.connect(host=str(__import__("backend.embedded").embedded.socket_folder(data)),
                             user="katha", dbname="katha") as connection:
            print(connection.execute("SELECT 'goodbye'").fetchone()[0], flush=True)
    """
    user = start(data, goodbye).ready()
    os.killpg(user.process.pid, signal.SIGINT)
    assert user.line() == "goodbye"
    until(lambda: gone(data))


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_killed_user_leaves_no_server(data: Path, start: Start, ending: signal.Signals) -> None:
    user = start(data).ready()
    os.killpg(user.process.pid, ending)
    user.process.wait(BOUND)
    until(lambda: gone(data))


def test_what_a_killed_user_forked_does_not_keep_the_server(data: Path, start: Start) -> None:
    fork = f"""
    child = os.fork()
    if not child:
        sys.stdin.read()
        os._exit(0)
    print(child, flush=True); {STAY}
    """
    user = start(data, fork)
    child = int(user.line())
    user.ready().process.kill()
    until(lambda: gone(data))
    assert Path(f"/proc/{child}").exists()
    assert user.process.stdin
    user.process.stdin.close()


def test_a_killed_supervisor_takes_the_server_along_and_the_next_one_recovers(data: Path) -> None:
    with running(data, durable=True):
        remember(data)
        os.kill(parent(postmaster(data)), signal.SIGKILL)
        until(lambda: gone(data))
        assert_remembered(data)


def test_a_terminated_supervisor_stops_the_server_cleanly(data: Path) -> None:
    with running(data, durable=True):
        remember(data)
        os.kill(parent(postmaster(data)), signal.SIGTERM)
        until(lambda: gone(data))
    assert not (data / "postmaster.pid").exists()
    assert_remembered(data)


def test_a_killed_server_is_started_again_for_the_next_user(data: Path) -> None:
    with running(data, durable=True):
        remember(data)
        os.kill(postmaster(data), signal.SIGKILL)
        until(lambda: gone(data))
        assert_remembered(data)


def test_a_new_server_waits_for_the_last_process_of_the_old_one(data: Path, start: Start) -> None:
    """Two servers on the same files would destroy them, and nothing but the lock tells of this process."""
    with running(data, durable=True):
        remember(data)
        with psycopg.connect(host=str(socket_folder(data)), user=ROLE, dbname=DATABASE) as connection:
            last = connection.info.backend_pid
            os.kill(last, signal.SIGSTOP)
            for pid in (parent(postmaster(data)), postmaster(data)):
                os.kill(pid, signal.SIGKILL)
        until(lambda: family(data) == {last})
        newcomer = start(data)
        lock = data_folder.open_lock(data_folder.DataFolder(data).server_lock)
        assert not data_folder.alone(lock)
        os.close(lock)
        assert family(data) == {last}
        os.kill(last, signal.SIGKILL)
        newcomer.ready().leave()
    assert_remembered(data)


def test_data_survive_when_everything_is_killed_at_once(data: Path, start: Start) -> None:
    user = start(data).ready()
    remember(data)
    victims = {user.process.pid, parent(postmaster(data)), *family(data)}
    for ending in (signal.SIGSTOP, signal.SIGKILL):  # nobody has the time to take leave of the first that is killed
        for pid in victims:
            with suppress(ProcessLookupError):  # one that has ended with another
                os.kill(pid, ending)
    until(lambda: gone(data))
    assert (data / "postmaster.pid").exists(), "this was meant to be a violent end"
    assert_remembered(data)


def test_a_pid_file_with_the_number_of_a_stranger_is_not_believed(data: Path) -> None:
    with running(data, durable=True):
        remember(data)
        pid_file = (data / "postmaster.pid").read_text()
    until(lambda: gone(data))
    stranger = str(os.getpid())
    (data / "postmaster.pid").write_text("\n".join([stranger, *pid_file.splitlines()[1:]]))
    folder = socket_folder(data)
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / ".s.PGSQL.5432.lock").write_text((data / "postmaster.pid").read_text())
    assert_remembered(data)


def test_a_server_that_somebody_else_runs_on_the_data_is_left_alone(data: Path) -> None:
    with running(data, durable=True):
        remember(data)
    until(lambda: gone(data))
    with subprocess.Popen([sys.executable, "-c", "input()"], cwd=data, stdin=subprocess.PIPE) as other:
        (data / "postmaster.pid").write_text(f"{other.pid}\n{data}\n")
        with (
            pytest.raises(EmbeddedError, match="Somebody else runs a PostgreSQL"),
            running(data, durable=True),
        ):
            pass
        assert postmaster(data) == other.pid
        other.communicate(b"\n")


def test_an_interrupted_preparation_starts_afresh(data: Path) -> None:
    unfinished = data_folder.DataFolder(data).unfinished
    (unfinished / "base").mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18")
    with running(data, durable=True):
        assert ask(data, "SELECT 1") == [(1,)]
    assert not unfinished.exists()


# --- Refusals -----------------------------------------------------------------------------------------------


def test_a_durable_user_does_not_join_a_server_that_is_not(data: Path) -> None:
    with (
        running(data, durable=False),
        pytest.raises(EmbeddedError, match="not durable"),
        running(data, durable=True),
    ):
        pass


def test_data_of_another_version_are_refused(data: Path) -> None:
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("16\n")
    with (
        pytest.raises(EmbeddedError, match=r"made by PostgreSQL 16.*DATABASE_URL"),
        running(data, durable=True),
    ):
        pass


def test_a_folder_full_of_other_things_is_not_touched(data: Path) -> None:
    data.mkdir(parents=True)
    (data / "letter").write_text("dear")
    with pytest.raises(EmbeddedError, match="in the way"), running(data, durable=True):
        pass
    assert [path.name for path in data.iterdir()] == ["letter"]


def test_a_platform_without_binaries_is_told_the_way_out(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedError, match="Set DATABASE_URL"), running(data, durable=True):
        pass


def test_a_folder_that_cannot_be_made_is_told_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(EmbeddedError, match="Set DATABASE_URL"),
        running(tmp_path / "file" / "postgres", durable=True),
    ):
        pass


# --- The socket's folder ------------------------------------------------------------------------------------


def test_the_socket_folder_is_short_and_follows_from_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 50) / "postgres"
    folder = socket_folder(long)
    assert len(os.fsencode(folder / ".s.PGSQL.5432.lock")) < 100
    assert folder == socket_folder(long)
    assert folder != socket_folder(tmp_path / "postgres")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert folder == socket_folder(long)
    assert not folder.exists()


def test_a_socket_folder_that_others_could_enter_is_refused(data: Path) -> None:
    folder = socket_folder(data)
    folder.mkdir(mode=0o700)
    folder.chmod(0o755)
    with pytest.raises(EmbeddedError, match="only you can enter"), running(data, durable=True):
        pass
    folder.rmdir()


def test_a_socket_folder_behind_a_link_is_refused(data: Path, tmp_path: Path) -> None:
    folder = socket_folder(data)
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EmbeddedError, match="only you can enter"), running(data, durable=True):
        pass
    folder.unlink()


# --- Running as root ----------------------------------------------------------------------------------------


def refuse(*_: object) -> None:
    raise PermissionError


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user needs no other identity")
def test_root_without_user_namespaces_lends_another_identity(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The data stay where they were asked for, also below a folder that is closed to that identity."""
    monkeypatch.setattr(account, "enter_namespace", refuse)
    data.parent.mkdir(mode=0o700, parents=True)
    lock = data_folder.open_lock(data_folder.DataFolder(data).server_lock)
    server = Cluster(data_folder.DataFolder(data), lock, durable=False).serve()
    try:
        until(lambda: answers(data))
        remember(data)
        assert data.stat().st_uid == account.find_stranger().pw_uid
        assert Path(f"/proc/{server.pid}").stat().st_uid == data.stat().st_uid
    finally:
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        stop(server)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(lock)
    assert_remembered(data)  # whoever may be lent this time, the data go along


def answers(data: Path) -> bool:
    try:
        return ask(data, "SELECT 1") == [(1,)]
    except psycopg.OperationalError:
        return False


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user needs no other identity")
def test_root_who_may_take_on_no_identity_is_told_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "enter_namespace", refuse)
    monkeypatch.setattr(account, "turn_into", refuse)
    with pytest.raises(EmbeddedError, match=r"refuses to run as root.*DATABASE_URL"):
        account.choose_account(data_folder.binaries() / "postgres", tmp_path)
