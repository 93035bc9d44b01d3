"""Who has a story open: over two processes, behind a proxy, across a block, and when a client vanishes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.api import ApiClient
from tests.backend.raw import Served, served
from tests.live.streams import Sse, Ws
from tests.serving import ROOT, until

pytestmark = pytest.mark.django_db(transaction=True)

PRESENCE = """
subscription ($story: ID!, $chapter: ID) {
  presence(story: $story, chapter: $chapter) { people { person { handle } chapter { title } since } }
}
"""
PROXY = {"X-Forwarded-For": "192.0.2.1"}
GONE_SECONDS = 10
"""Who vanishes is gone within this time; the tests allow as much again for a slow machine."""


@pytest.fixture(scope="module")
def live(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of two processes."""
    with served(served_database, tmp_path_factory.mktemp("live") / "log", workers=2) as one:
        yield one


def handles(stream: Sse | Ws) -> list[str]:
    """Who is there, by what it tells next."""
    return [one["person"]["handle"] for one in stream.next()["presence"]["people"]]


def since_of(handle: str, live: Served, story: str, who: ApiClient) -> str:
    """Since when somebody is there, as a new subscription tells it."""
    with Sse(live.place, PRESENCE, {"story": story}, who=who) as stream:
        people = stream.next()["presence"]["people"]
        (since,) = [one["since"] for one in people if one["person"]["handle"] == handle] or [""]
        return str(since)


def until_there(stream: Sse | Ws, wanted: set[str]) -> Any:
    """Listen until exactly these are there; the people."""
    began = time.monotonic()
    while time.monotonic() - began < 2 * GONE_SECONDS:
        people = stream.next()["presence"]["people"]
        if {one["person"]["handle"] for one in people} == wanted:
            return people
    raise AssertionError(wanted)


def test_who_comes_and_goes_is_told_to_all(live: Served, asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """With the chapter, and oneself; whichever process they are connected to. Not who may not see the story."""
    story = asha.published_story()["id"]
    chapter = asha.ask("query ($id: ID!) { story(id: $id) { chapters { id } } }", id=story)["story"]["chapters"][0][
        "id"
    ]
    with Sse(live.place, PRESENCE, {"story": story}, who=asha) as hers:
        assert handles(hers) == ["asha"]
        begun: set[str] = set()
        with ExitStack() as his:  # as many as it takes for both processes to have one
            for _ in range(6):
                stream = his.enter_context(Sse(live.place, PRESENCE, {"story": story, "chapter": chapter}, who=bilal))
                people = until_there(stream, {"asha", "bilal"})
                assert [one["chapter"] for one in people if one["person"]["handle"] == "bilal"] == [
                    {"title": "Chapter 1"}
                ]
                since = {one["since"] for one in people if one["person"]["handle"] == "bilal"}
                begun |= since
            until_there(hers, {"asha", "bilal"})
            until(lambda: since_of("bilal", live, story, asha) == min(begun), "who opens it once more was never away")
            assert asha.block(bilal)["applied"] == "WRITTEN"
            until_there(hers, {"asha"})
        with Ws(live.place, who=chitra) as theirs:
            theirs.begin("1", PRESENCE, {"story": story})
            until_there(hers, {"asha", "chitra"})
            assert asha.unpublish(story, "2")["applied"] == "WRITTEN"
            until_there(hers, {"asha"})
            until_there(theirs, set())


def test_a_draft_and_nothing_look_alike(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """Nobody is there, oneself neither."""
    story = asha.create_story("0")["story"]["id"]
    with (
        Sse(live.place, PRESENCE, {"story": story}, who=bilal) as his,
        Sse(live.place, PRESENCE, {"story": story}, who=asha) as hers,
    ):
        assert handles(his) == []
        assert handles(hers) == ["asha"]


def test_who_vanishes_is_gone(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """A process that is stopped answers no ping, as a phone without a network."""
    story = asha.published_story()["id"]
    host, port = live.place
    with Sse(live.place, PRESENCE, {"story": story}, who=asha) as hers:
        assert handles(hers) == ["asha"]
        command = [sys.executable, "tests/live/vanishing.py", host, str(port), str(bilal.token), story]
        client = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        try:
            until_there(hers, {"asha", "bilal"})
            os.kill(client.pid, signal.SIGSTOP)
            began = time.monotonic()
            until_there(hers, {"asha"})
            assert time.monotonic() - began < 2 * GONE_SECONDS
        finally:
            client.kill()
            client.communicate()
    until(lambda: live.counted("katha_http_connections_closed_total", cause="vanished") >= 1, "it was counted")


def test_behind_a_proxy_a_lease_is_renewed(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """The stream ends without complete; who asks again was never away, and who does not is gone soon."""
    story = asha.published_story()["id"]
    with Sse(live.place, PRESENCE, {"story": story}, who=asha) as hers:
        assert handles(hers) == ["asha"]
        first = Sse(live.place, PRESENCE, {"story": story}, who=bilal, headers=PROXY)
        people = until_there(hers, {"asha", "bilal"})
        events = first.all()
        assert {name for name, _ in events} == {"next"}, "it ends, and not for good"
        with Sse(live.place, PRESENCE, {"story": story}, who=bilal, headers=PROXY) as second:
            again = until_there(second, {"asha", "bilal"})
            assert again == people
            second.all()
        ended = time.monotonic()
        assert handles(hers) == ["asha"], "nothing was told in between"
        assert time.monotonic() - ended < 2 * GONE_SECONDS


def test_a_block_hides_both_from_each_other_alone(
    live: Served, asha: ApiClient, bilal: ApiClient, chitra: ApiClient
) -> None:
    """Both have a third person's story open, who sees both; and again when it is lifted."""
    story = chitra.published_story()["id"]
    with ExitStack() as all_:
        streams = {}
        for who in (asha, bilal, chitra):
            streams[who] = all_.enter_context(Sse(live.place, PRESENCE, {"story": story}, who=who))
        for stream in streams.values():
            until_there(stream, {"asha", "bilal", "chitra"})
        version = asha.block(bilal)["relationship"]["version"]
        until_there(streams[asha], {"asha", "chitra"})
        until_there(streams[bilal], {"bilal", "chitra"})
        assert asha.unblock(bilal, version)["applied"] == "WRITTEN"
        for who in (asha, bilal):
            until_there(streams[who], {"asha", "bilal", "chitra"})
        streams[bilal].close()
        assert handles(streams[chitra]) == ["asha", "chitra"], "of the block she was told nothing"


def test_who_writes_a_draft_no_more_is_there_no_more(
    live: Served, asha: ApiClient, bilal: ApiClient, chitra: ApiClient
) -> None:
    """Both ways, at once; a stranger is told of nobody all along."""
    made = asha.create_story("0")["story"]
    story, chapter = made["id"], made["chapters"][0]["id"]
    asha.written_with(bilal, story=story)
    with ExitStack() as all_:
        hers = all_.enter_context(Sse(live.place, PRESENCE, {"story": story}, who=asha))
        his = all_.enter_context(Sse(live.place, PRESENCE, {"story": story, "chapter": chapter}, who=bilal))
        strangers = all_.enter_context(Ws(live.place, who=chitra))
        strangers.begin("1", PRESENCE, {"story": story, "chapter": chapter})
        assert handles(strangers) == []
        until_there(hers, {"asha", "bilal"})
        until_there(his, {"asha", "bilal"})
        asha.remove_coauthor(story, bilal, asha.version_of(story))
        until_there(hers, {"asha"})
        until_there(his, set())
        strangers.say(type="ping")
        assert strangers.hear() == {"type": "pong"}, "and nothing before it"


def test_a_chapter_that_is_deleted_is_open_no_more(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """The person stays, until the story is deleted too; one of another story, or none, is nowhere."""
    story = asha.published_story()["id"]
    other = asha.create_story("1")["story"]["chapters"][0]["id"]
    chapter = asha.append(story, title="Two")["chapter"]["id"]
    with ExitStack() as all_:
        his = all_.enter_context(Sse(live.place, PRESENCE, {"story": story, "chapter": chapter}, who=bilal))
        (one,) = until_there(his, {"bilal"})
        assert one["chapter"] == {"title": "Two"}
        with Sse(live.place, PRESENCE, {"story": story, "chapter": other}, who=asha) as hers:
            assert {one["chapter"] and one["chapter"]["title"] for one in until_there(hers, {"asha", "bilal"})} == {
                "Two",
                None,
            }
            until_there(his, {"asha", "bilal"})  # who comes and goes between two looks is not told
        until_there(his, {"bilal"})
        asha.delete_chapter(chapter, "1")
        assert [one["chapter"] for one in until_there(his, {"bilal"})] == [None]
        assert asha.delete_story(story, asha.version_of(story))["__typename"] == "StoryDeleted"
        until_there(his, set())


def test_who_is_connected_to_a_process_that_is_killed_is_gone(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """Its row counts no more soon, and the process that takes its place knows nothing of it."""
    story = asha.published_story()["id"]
    with ExitStack() as all_:
        his = all_.enter_context(Sse(live.place, PRESENCE, {"story": story}, who=bilal))
        killed = live.worker_of(his.port)
        hers = all_.enter_context(Sse(live.place, PRESENCE, {"story": story}, who=asha))
        while live.worker_of(hers.port) == killed:
            hers = all_.enter_context(Sse(live.place, PRESENCE, {"story": story}, who=asha))
        until_there(hers, {"asha", "bilal"})
        os.kill(killed, signal.SIGKILL)
        until_there(hers, {"asha"})
    until(lambda: len(set(live.forks()) - {killed}) == 2, "there is another process")
