"""What ends or hides at once what somebody watches, over two processes; and that the last state always arrives."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from backend.engine.transactions import unit_of_work
from backend.people.models import AccessToken
from tests import depth
from tests.api import PASSWORD, ApiClient
from tests.backend.raw import Served, forks, served
from tests.live.streams import BIO, Sse, Ws, assert_told_to, session_of, things
from tests.serving import until

pytestmark = pytest.mark.django_db(transaction=True)

STORY = (
    "subscription ($things: [SeenInput!]!) { changed(things: $things) { id version thing { ... on Story { title } } } }"
)
NOTIFIED = "subscription { notified { unreadCount } }"
CSRF = "x" * 32
WATCHERS = 12


@pytest.fixture(scope="module")
def live(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of two processes, which give up soon a client that does not read."""
    log = tmp_path_factory.mktemp("live") / "log"
    with served(served_database, log, workers=2, UNREAD_SECONDS="2", SUBSCRIPTIONS_BY_ADDRESS="5000") as one:
        yield one


def endings(live: Served, reason: str) -> float:
    """How many subscriptions have ended for this reason."""
    return live.metrics()[("katha_live_endings_total", ("reason", reason))]


def files(pid: int) -> int:
    """How many files a process has open."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def test_a_write_anywhere_reaches_everybody(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """Whoever is connected to whichever process: each thing's versions in order, and the last one always."""
    before = {pid: files(pid) for pid in live.forks()}
    with ExitStack() as all_:
        streams: list[Sse | Ws] = []
        while len(streams) < WATCHERS or not all(files(pid) > count for pid, count in before.items()):
            assert len(streams) < 4 * WATCHERS, "both processes have some of them"
            if len(streams) % 2:
                ws = all_.enter_context(Ws(live.place, who=bilal))
                ws.begin("1", BIO, things(asha.id, version="1"))
                streams.append(ws)
            else:
                streams.append(all_.enter_context(Sse(live.place, BIO, things(asha.id, version="1"), who=bilal)))
            until(lambda: subscribed(live) == len(streams), "all subscribe")
        last = 12
        for version in range(1, last):
            assert asha.update_profile({"bio": f"Version {version + 1}"}, str(version))["applied"] == "WRITTEN"
        for stream in streams:
            assert_told_to(last, stream)


def subscribed(live: Served) -> float:
    """How many subscriptions run."""
    return sum(value for name, value in live.metrics().items() if name[0] == "katha_live_subscriptions")


def test_a_revoked_token_ends_what_it_began(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """And nothing else: a stream is told why and is complete, a WebSocket is closed with 4403."""
    other = Sse(live.place, BIO, things(asha.id), who=asha)
    other.next()
    with Ws(live.place, who=bilal) as ws, Sse(live.place, BIO, things(asha.id), who=bilal) as stream:
        ws.begin("1", BIO, things(asha.id))
        ws.next()
        stream.next()
        assert bilal.ask("mutation { signOut }") == {"signOut": True}
        assert ws.closed() == (4403, "Forbidden")
        (name, result), complete = stream.all()
        assert (name, complete) == ("next", ("complete", None))
        assert result["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert asha.update_profile({"bio": "Still told."}, "1")["applied"] == "WRITTEN"
    assert other.next()["changed"]["version"] == "2"
    other.close()


def test_a_token_that_expires_ends_what_it_began(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """Nothing is written when its time comes."""
    soon = datetime.now(UTC) + timedelta(seconds=2)
    unit_of_work(lambda: AccessToken.objects.filter(account__person=bilal.person).update(expires_at=soon))
    with Ws(live.place, who=bilal) as ws:
        ws.begin("1", BIO, things(asha.id))
        ws.next()
        assert ws.closed() == (4403, "Forbidden")


def test_a_session_that_ends_does_too(live: Served, asha: ApiClient) -> None:
    """As a page's own cookie does."""
    key = session_of(asha)
    with Ws(live.place, headers={"Cookie": f"sessionid={key}"}) as ws:
        ws.begin("1", BIO, things(asha.id))
        ws.next()
        proof = {"Cookie": f"sessionid={key}; csrftoken={CSRF}", "X-CSRFToken": CSRF}
        with Sse(live.place, "mutation { signOut }", headers=proof) as stream:
            assert stream.next() == {"signOut": True}
        assert ws.closed() == (4403, "Forbidden")


def test_a_block_hides_at_once_and_unblocking_shows(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """Though no story has changed. Who blocks sees no more of it either; nobody else is told anything."""
    story = asha.published_story()["id"]
    with ExitStack() as all_:
        of = {who: all_.enter_context(Sse(live.place, STORY, things(story), who=who)) for who in (asha, bilal, None)}
        for stream in of.values():
            assert stream.next()["changed"]["thing"] == {"title": "A story"}
        version = asha.block(bilal)["relationship"]["version"]
        assert of[bilal].next()["changed"] == {"id": story, "version": None, "thing": None}
        assert asha.unblock(bilal, version)["applied"] == "WRITTEN"
        assert of[bilal].next()["changed"] == {"id": story, "version": "2", "thing": {"title": "A story"}}
        assert asha.unpublish(story, "2")["applied"] == "WRITTEN"
        for who in (bilal, None):
            assert of[who].next()["changed"] == {"id": story, "version": None, "thing": None}
        assert of[asha].next()["changed"]["version"] == "3"


def test_what_hangs_on_a_story_goes_with_it(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """A chapter's own row has not changed when its story is hidden."""
    story = asha.published_story()
    chapter = asha.ask("query ($id: ID!) { story(id: $id) { chapters { id } } }", id=story["id"])["story"]["chapters"][
        0
    ]["id"]
    query = "subscription ($things: [SeenInput!]!) { changed(things: $things) { thing { ... on Chapter { title } } } }"
    with Sse(live.place, query, things(chapter), who=bilal) as stream:
        assert stream.next()["changed"]["thing"] == {"title": "Chapter 1"}
        assert asha.unpublish(story["id"], "2")["applied"] == "WRITTEN"
        assert stream.next()["changed"]["thing"] is None
        assert asha.publish(story["id"], "3")["applied"] == "WRITTEN"
        assert stream.next()["changed"]["thing"] == {"title": "Chapter 1"}


def test_notifications_and_feeds_are_told(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """A follower hears of what is published, as feed and as notification; others do not."""
    assert bilal.follow(asha)["applied"] == "WRITTEN"
    feed = "subscription { feedHead { title } }"
    with (
        Sse(live.place, feed, who=bilal) as stream,
        Sse(live.place, "subscription { notified { unreadCount } }", who=bilal) as told,
    ):
        assert told.next() == {"notified": {"unreadCount": 0}}
        until(lambda: subscribed(live) == 2, "both subscribe")
        first = asha.create_story("0", title="First")["story"]["id"]
        assert asha.publish(first)["applied"] == "WRITTEN"
        assert stream.next() == {"feedHead": {"title": "First"}}
        second = asha.create_story("1", title="Second")["story"]["id"]
        assert asha.publish(second)["applied"] == "WRITTEN"
        assert stream.next() == {"feedHead": {"title": "Second"}}
        assert asha.unpublish(second, "2")["applied"] == "WRITTEN"
        assert stream.next() == {"feedHead": {"title": "First"}}


def test_who_does_not_read_holds_up_nobody(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """It takes no memory, is closed in time, and whoever reads gets the last state meanwhile."""
    rounds, idle = depth.rounds(200, at_least=60), depth.rounds(50, at_least=20)
    story = asha.create_story("0", title="Long")["story"]
    asha.publish(story["id"])
    chapter = story["chapters"][0]["id"]
    query = "subscription ($things: [SeenInput!]!) { changed(things: $things) { version thing { ... on Chapter { body } } } }"
    with ExitStack() as all_:
        reader = all_.enter_context(Sse(live.place, query, things(chapter), who=bilal))
        reader.next()
        slow = [
            all_.enter_context(Sse(live.place, query, things(chapter), who=bilal, receive_buffer=4096))
            for _ in range(idle)
        ]
        until(lambda: subscribed(live) == 1 + idle, "all subscribe")
        before, version = live.memory(), 1
        heard: list[int] = []
        reading = threading.Thread(target=lambda: read_to(reader, rounds + 1, heard))
        reading.start()
        for number in range(rounds):
            answer = asha.update_chapter(chapter, {"body": f"{number} " + "x" * 40_000}, str(version))
            version = int(answer["chapter"]["version"])
        reading.join(60)
        assert heard[-1] == rounds + 1
        assert heard == sorted(set(heard))
        grown = live.memory() - before
        assert grown < idle * 300_000, "of megabytes that were written for each"
        until(lambda: endings(live, "slow") >= idle, "they are closed")
        del slow


def read_to(stream: Sse | Ws, last: int, heard: list[int], pause: float = 0.0) -> None:
    """Read up to this version, with a pause after each."""
    while not heard or heard[-1] < last:
        heard.append(int(stream.next()["changed"]["version"]))
        time.sleep(pause)


def test_who_reads_slowly_gets_the_last_state(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """Over both; fewer in between, none twice and none older than one before, at no cost of memory or of others."""
    rounds, each = depth.rounds(1_000, at_least=100), 4
    chapter = asha.create_story("0", title="Long")["story"]["chapters"][0]["id"]
    query = "subscription ($things: [SeenInput!]!) { changed(things: $things) { version thing { ... on Chapter { body } } } }"
    with ExitStack() as all_:
        streams: list[tuple[Sse | Ws, float]] = []
        for buffer, pause in [(None, 0.0), *[(4096, 0.2)] * each]:
            streams.append(
                (all_.enter_context(Sse(live.place, query, things(chapter), who=asha, receive_buffer=buffer)), pause)
            )
            ws = all_.enter_context(Ws(live.place, who=asha, receive_buffer=buffer))
            ws.begin("1", query, things(chapter))
            streams.append((ws, pause))
        heard: list[list[int]] = [[] for _ in streams]
        reading = [
            threading.Thread(target=read_to, args=[stream, rounds + 1, versions, pause])
            for (stream, pause), versions in zip(streams, heard, strict=True)
        ]
        until(lambda: subscribed(live) == len(streams), "all subscribe")
        before = live.memory()
        for one in reading:
            one.start()
        for version in range(1, rounds + 1):
            assert (
                asha.update_chapter(chapter, {"body": f"{version} " + "x" * 40_000}, str(version))["applied"]
                == "WRITTEN"
            )
        for one in reading:
            one.join(120)
        assert live.memory() - before < 2 * each * 1_000_000, "of megabytes that were written for each"
    for versions in heard:
        assert versions == sorted(set(versions))
        assert versions[-1] == rounds + 1
    assert max(map(len, heard[2:])) < rounds, "who reads slowly is told of fewer"


def test_a_stop_ends_all_in_time(served_database: str, tmp_path: Path, asha: ApiClient) -> None:
    """1012, after which graphql-ws comes back; a stream of events ends without complete, so that its client asks again."""
    with served(served_database, tmp_path / "log", workers=2) as live, ExitStack() as all_:
        sockets = [all_.enter_context(Ws(live.place, who=asha)) for _ in range(6)]
        streams = [all_.enter_context(Sse(live.place, BIO, things(asha.id), who=asha)) for _ in range(6)]
        for ws in sockets:
            ws.begin("1", BIO, things(asha.id))
            ws.next()
        for stream in streams:
            stream.next()
        children = forks(live.process.pid)
        live.process.send_signal(signal.SIGTERM)
        assert {ws.closed()[0] for ws in sockets} == {1012}
        assert [stream.event() for stream in streams] == [None] * 6
        live.process.wait(timeout=60)
        assert live.process.returncode == 0
        assert [pid for pid in children if Path(f"/proc/{pid}").exists()] == []
        ended = [line for line in live.lines() if line["event"] == "subscriptions were ended"]
        assert sum(line["times"] for line in ended) == 12


def test_all_that_is_hidden_is_told_alike(
    live: Served, asha: ApiClient, bilal: ApiClient, chitra: ApiClient, person: Callable[[str], ApiClient]
) -> None:
    """Unpublished, deleted, its author left, a block: a message each for the story and its chapter, in the order in which the
    client named them, and no more after that, whatever is written there.
    """
    dara = person("dara")
    authors = (asha, chitra, dara, person("edna"))
    stories = {author: author.published_story() for author in authors}
    named = {author: [found["chapters"][0]["id"], found["id"]] for author, found in stories.items()}
    query = "subscription ($things: [SeenInput!]!) { changed(things: $things) { id version thing { __typename } } }"

    def unpublish(author: ApiClient) -> None:
        assert author.unpublish(stories[author]["id"], "2")["applied"] == "WRITTEN"
        assert author.update_chapter(named[author][0], {"title": "Unseen"}, "1")["applied"] == "WRITTEN"

    def delete(author: ApiClient) -> None:
        assert author.delete_story(stories[author]["id"], "2")["__typename"] == "StoryDeleted"

    def leave(author: ApiClient) -> None:
        gone = author.ask("mutation ($p: String!) { deleteAccount(password: $p) { __typename } }", p=PASSWORD)
        assert "Error" not in gone["deleteAccount"]["__typename"]

    def block(author: ApiClient) -> None:
        assert author.block(bilal)["applied"] == "WRITTEN"
        assert author.update_chapter(named[author][0], {"title": "Unseen"}, "1")["applied"] == "WRITTEN"

    for author, hide in zip(authors, (unpublish, delete, leave, block), strict=True):
        with Sse(live.place, query, things(*named[author], bilal.id), who=bilal) as stream:
            for _ in range(3):
                assert stream.next()["changed"]["thing"]
            hide(author)
            for id_ in named[author]:
                assert stream.next()["changed"] == {"id": id_, "version": None, "thing": None}, hide.__name__
            version = bilal.version_of(bilal.id)
            assert bilal.update_profile({"bio": hide.__name__}, version)["applied"] == "WRITTEN"
            assert stream.next()["changed"]["id"] == bilal.id, "nothing came in between"
