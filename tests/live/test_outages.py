"""A database that is away or crashes, connections and processes that are killed: streams go on where they can, and nobody misses
the last state.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import connection
from websockets.exceptions import ConnectionClosedError

from backend.embedded import DATABASE, ROLE, running
from backend.people.sessions import SessionStore
from tests.api import ApiClient
from tests.backend.raw import Served, served
from tests.backend.test_changes_elsewhere import WRITE, Elsewhere, crash, restored, run
from tests.depth import EXHAUSTIVE
from tests.live.streams import BIO, Sse, Ws, assert_told_to, session_of, things
from tests.races.cuttable_proxy import PORT, CuttableProxy
from tests.serving import until

pytestmark = pytest.mark.django_db(transaction=True)

CSRF = "x" * 32
FEED = "subscription { feedHead { title } }"
KILL = (
    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture(scope="module")
def live(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of two processes."""
    with served(served_database, tmp_path_factory.mktemp("live") / "log", workers=2) as one:
        yield one


def failed(live: Served) -> float:
    """How many polls the database could not serve."""
    return live.counted("katha_live_polls_total", outcome="failed")


def test_streams_outlive_a_database_that_is_away(
    served_database: str, tmp_path: Path, asha: ApiClient, bilal: ApiClient
) -> None:
    """What was written meanwhile is told when it is back, and whose session has ended meanwhile is told that."""
    assert bilal.follow(asha)["applied"] == "WRITTEN"
    proxy, name = CuttableProxy(), served_database.rpartition("/")[2]
    database = f"postgres://{ROLE}@{quote(str(proxy.folder), safe='')}:{PORT}/{name}"
    key = session_of(bilal)
    proof = {"Cookie": f"sessionid={key}; csrftoken={CSRF}", "X-CSRFToken": CSRF}
    try:
        with served(database, tmp_path / "log") as live, ExitStack() as all_:
            stream = all_.enter_context(Sse(live.place, BIO, things(asha.id), who=bilal))
            ws = all_.enter_context(Ws(live.place, who=bilal))
            ws.begin("1", BIO, things(asha.id))
            by_cookie = all_.enter_context(Sse(live.place, BIO, things(asha.id), headers=proof))
            for each in (stream, ws, by_cookie):
                assert each.next()["changed"]["version"] == "1"
            feed = all_.enter_context(Sse(live.place, FEED, who=bilal))
            until(lambda: live.counted("katha_live_subscriptions", field="feedHead") == 1, "the feed is watched")
            for version in ("1", "2"):
                proxy.go_away()
                before = failed(live)
                until(lambda before=before: failed(live) > before, "it is noticed")
                assert asha.update_profile({"bio": version}, version)["applied"] == "WRITTEN"
                story = asha.published_story(version=str(int(version) - 1), title=f"Story {version}")
                assert story
                if version == "2":
                    end_session(key)
                proxy.come_back()
                for each in (stream, ws):
                    assert each.next()["changed"]["thing"] == {"bio": version}
                assert feed.next() == {"feedHead": {"title": f"Story {version}"}}
            assert by_cookie.next()["changed"]["version"] == "2"
            (name, result), complete = by_cookie.all()
            assert (result["errors"][0]["extensions"]["code"], complete) == ("UNAUTHENTICATED", ("complete", None))
            waits = [line for line in live.lines() if line["event"] == "live updates wait for the database"]
            assert {line["level"] for line in waits} == {"warning"}
            assert [line for line in live.lines() if line["level"] == "error"] == []
    finally:
        proxy.close()


@pytest.mark.skipif(not EXHAUSTIVE, reason="takes a PostgreSQL of its own")
def test_streams_outlive_a_crash_of_the_database(tmp_path: Path, asha: ApiClient, bilal: ApiClient) -> None:
    """After which nobody knows what the log told last: everything is looked at once, sessions too."""
    proof = {"Cookie": f"sessionid={session_of(bilal)}; csrftoken={CSRF}", "X-CSRFToken": CSRF}
    dump = tmp_path / "katha.dump"
    run("pg_dump", connection.get_connection_params(), "--format=custom", "--no-owner", f"--file={dump}")
    with running(tmp_path / "a" / "postgres", durable=True) as sockets:
        there = Elsewhere(sockets)
        restored(dump, there)
        database = f"postgres://{ROLE}@{quote(str(sockets), safe='')}:5432/{DATABASE}"
        with served(database, tmp_path / "log") as live, ExitStack() as all_:
            stream = all_.enter_context(Sse(live.place, BIO, things(asha.id), who=bilal))
            ws = all_.enter_context(Ws(live.place, who=bilal))
            ws.begin("1", BIO, things(asha.id))
            by_cookie = all_.enter_context(Sse(live.place, BIO, things(asha.id), headers=proof))
            for each in (stream, ws, by_cookie):
                assert each.next()["changed"]["version"] == "1"
            for version in ("2", "3"):
                crash(there)
                there.ask(WRITE)
                there.ask("DELETE FROM django_session")
                for each in (stream, ws):
                    assert each.next()["changed"]["version"] == version
            (_, result), complete = by_cookie.all()[-2:]
            assert (result["errors"][0]["extensions"]["code"], complete) == ("UNAUTHENTICATED", ("complete", None))
            assert live.counted("katha_live_polls_total", outcome="expired") == 2


def end_session(key: str) -> None:
    """Sign out, in a browser that uses another server."""
    SessionStore(key).flush()


def test_streams_outlive_connections_that_are_killed(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """Again and again, while they are told; each version comes in order, and the last one always."""
    last = 12
    with ExitStack() as all_:
        streams: list[Sse | Ws] = [
            all_.enter_context(Sse(live.place, BIO, things(asha.id), who=bilal)) for _ in range(3)
        ]
        for _ in range(3):
            ws = all_.enter_context(Ws(live.place, who=bilal))
            ws.begin("1", BIO, things(asha.id))
            streams.append(ws)
        for stream in streams:  # who begins at such a moment may be told to come again
            assert stream.next()["changed"]["version"] == "1"
        for version in range(1, last):
            with connection.cursor() as cursor:
                cursor.execute(KILL)
            assert asha.update_profile({"bio": f"Version {version + 1}"}, str(version))["applied"] == "WRITTEN"
        for stream in streams:
            assert_told_to(last, stream)


def test_who_was_connected_to_a_process_that_is_killed_comes_back(
    live: Served, asha: ApiClient, bilal: ApiClient
) -> None:
    """Both ends look like a lost connection, after which clients ask again; with the version that they have they miss nothing."""
    with ExitStack() as all_:
        ws = all_.enter_context(Ws(live.place, who=bilal))
        ws.begin("1", BIO, things(asha.id))
        ws.next()
        killed = live.worker_of(ws.socket.local_address[1])
        stream = all_.enter_context(Sse(live.place, BIO, things(asha.id), who=bilal))
        while live.worker_of(stream.port) != killed:
            stream = all_.enter_context(Sse(live.place, BIO, things(asha.id), who=bilal))
        stream.next()
        os.kill(killed, signal.SIGKILL)
        with pytest.raises(ConnectionClosedError) as closed:
            ws.hear()
        assert closed.value.rcvd is None, "no code, which clients take for a lost connection"
        assert stream.event() is None, "no complete"
        assert asha.update_profile({"bio": "Meanwhile."}, "1")["applied"] == "WRITTEN"
        for _ in range(4):  # over both processes
            with Sse(live.place, BIO, things(asha.id, version="1"), who=bilal) as again:
                assert again.next()["changed"]["version"] == "2"
    until(lambda: len(set(live.forks()) - {killed}) == 2, "there is another process")
