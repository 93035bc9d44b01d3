"""A mutation that is known is done in a fiber of the event loop: no thread, and while it waits everybody else is served."""

import asyncio
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any, NoReturn

import psycopg
import pytest

from backend.engine import text
from backend.engine.threads import NOT_CARRIED
from backend.limits import admission
from backend.people import actions
from backend.social.models import Relationship
from backend.stories import merge
from schema.execution.compiler import Compiler
from tests.api import ApiClient
from tests.logged import Logged
from tests.races.rows import assert_sound, everything
from tests.schema.in_loop import Held, Server, within
from tests.waiting import until_it_is

pytestmark = pytest.mark.django_db(transaction=True)

FOLLOW = """mutation Following($p: ID!, $v: Version!, $k: UUID) { follow(person: $p, expect: {version: $v}, key: $k) {
  __typename
  ... on RelationshipSuccess { applied relationship { version } }
  ... on ConflictError { current { version } }
  ... on Failure { code retry { kind } }
} }"""
RENAME = (
    "mutation($n: String!, $v: Version!) { updateProfile(patch: {name: $n}, expect: {version: $v}) { __typename } }"
)
RENAMED = {"updateProfile": {"__typename": "ProfileSuccess"}}
ME = "{ viewer { handle } }"
CANCELLED = "57014"
"""The SQLSTATE of a statement that was cancelled, and did not wait too long for a lock."""
SHORT_SECONDS = 2.0
"""Much longer than a request takes that waits for nothing, on a machine that is busy."""


async def follow(
    server: Server,
    who: ApiClient,
    whom: ApiClient,
    version: str = "0",
    document: str = FOLLOW,
    key: str | None = None,
    **more: Any,
) -> Any:
    answer = await server.ask(document, {"p": whom.id, "v": version, "k": key}, token=who.token, **more)
    return None if answer is None else answer.json["data"]["follow"]


async def known(server: Server, who: ApiClient) -> None:
    """Send the documents once, and change nothing."""
    await server.ask(FOLLOW, {"p": who.id, "v": "0"}, token=who.token)
    await server.ask(ME, token=who.token)
    await server.ask(ME, token=who.token)


def untouched_by(work: Any, who: ApiClient, again: Any, **settings: Any) -> None:
    """Do it, in a server that knows the documents: no row has changed. Then do the other."""

    async def prepared(server: Server) -> None:
        await known(server, who)

    within(prepared)
    before = everything()
    within(work, **settings)
    assert everything() == before
    within(again)
    assert_sound()


def test_a_known_mutation_takes_a_fiber_and_no_thread(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """A new one is made ready in a thread before that."""
    document = f"{FOLLOW} # of this test alone"

    async def work(server: Server) -> None:
        await known(server, chitra)  # which connects
        with server.counted():
            assert (await follow(server, asha, bilal, "0", document))["applied"] == "WRITTEN"
        assert (server.fibers, len(server.threads)) == (1, 1)
        with server.counted():
            assert (await follow(server, bilal, chitra, "0", document))["applied"] == "WRITTEN"
        assert (server.fibers, server.threads) == (1, [])

    within(work)
    assert_sound()


def test_a_session_and_what_is_expensive_take_a_thread(asha: ApiClient, bilal: ApiClient, client: Any) -> None:
    """Cookies are Django's, which looks them up where it may wait; and what takes long in Python would stop everybody."""
    client.force_login(asha.person.account)
    cookie = f"sessionid={client.cookies['sessionid'].value}; csrftoken={'a' * 32}"

    async def by_cookie(server: Server) -> None:
        await known(server, bilal)
        with server.counted():
            body = {"p": bilal.id, "v": "0"}
            answer = await server.ask(FOLLOW, body, cookie=cookie, x_csrftoken="a" * 32)
        assert answer is not None
        assert answer.json["data"]["follow"]["applied"] == "WRITTEN"
        assert (server.fibers, bool(server.threads)) == (1, True)

    async def expensive(server: Server) -> None:
        await known(server, bilal)
        with server.counted():
            assert (await follow(server, bilal, asha, "1"))["applied"] == "WRITTEN"
        assert (server.fibers, bool(server.threads)) == (0, True)

    within(by_cookie)
    within(expensive, EXPENSIVE_QUERY_COST=1)


def test_while_one_waits_for_a_lock_everybody_else_is_served(asha: ApiClient, bilal: ApiClient) -> None:
    async def work(server: Server) -> None:
        await known(server, asha)
        with Held("social_relationship") as held:
            following = asyncio.ensure_future(follow(server, asha, bilal))
            await until_it_is(lambda: held.waiting() == 1)
            assert await server.data(ME, token=bilal.token) == {"viewer": {"handle": "bilal"}}
            assert await server.data(RENAME, {"n": "Bilal K", "v": "1"}, token=bilal.token) == RENAMED
            assert not following.done()
            held.release()
            assert (await following)["applied"] == "WRITTEN"

    within(work)
    assert_sound()


def test_those_who_wait_for_one_lock_hold_up_no_reads(asha: ApiClient, person: Callable[[str], ApiClient]) -> None:
    """More mutations than there are slots, of known documents and new ones: each query is answered, also one that is new."""
    fans, threads = [person(f"fan{number}") for number in range(8)], 2

    async def work(server: Server) -> None:
        await known(server, asha)
        with Held("social_relationship") as held:
            documents = [FOLLOW if number % 2 else f"{FOLLOW} # {number}" for number in range(len(fans))]
            following = [
                asyncio.ensure_future(follow(server, fan, asha, "0", document))
                for fan, document in zip(fans, documents, strict=True)
            ]
            await until_it_is(lambda: held.waiting() == threads)
            for query in (ME, f"{ME} # a new one"):
                assert await server.data(query, token=asha.token) == {"viewer": {"handle": "asha"}}
            assert not any(one.done() for one in following)
            held.release()
            assert [answer["applied"] for answer in await asyncio.gather(*following)] == ["WRITTEN"] * len(fans)

    within(work, THREADS=threads, REQUEST_SECONDS=60)
    assert Relationship.objects.count() == len(fans)
    assert_sound()


def test_who_leaves_the_queue_of_mutations_writes_nothing(asha: ApiClient, person: Callable[[str], ApiClient]) -> None:
    """Nor costs anybody a slot: with a document that is known, or is new."""
    first, last, *gone = [person(f"fan{number}") for number in range(4)]

    async def work(server: Server) -> None:
        await known(server, asha)
        (lane,) = server.application._admission.lanes(admission.MUTATIONS)
        leaves = asyncio.Event()
        with Held("social_relationship") as held:
            following = asyncio.ensure_future(follow(server, first, asha))
            await until_it_is(lambda: held.waiting() == 1)
            documents = FOLLOW, f"{FOLLOW} # left"
            asked = zip(gone, documents, strict=True)
            left = asyncio.gather(*(follow(server, who, asha, "0", what, leaves=leaves) for who, what in asked))
            await until_it_is(lambda: lane.waiting == 2)
            leaves.set()
            assert (await left, lane.waiting, held.waiting()) == ([None, None], 0, 1)
            held.release()
            assert (await following)["applied"] == "WRITTEN"
        assert (await follow(server, last, asha))["applied"] == "WRITTEN"

    within(work, THREADS=1, REQUEST_SECONDS=60)
    assert Relationship.objects.count() == 2


BOTH = """mutation($p: ID!) {
  signIn(handle: "nobody", password: "a good passphrase") { ... on Failure { code } }
  follow(person: $p, expect: {version: "0"}) { ... on RelationshipSuccess { applied } }
}"""


def test_those_who_find_no_slot_for_hashing_hold_up_no_reads(
    asha: ApiClient, person: Callable[[str], ApiClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go on as other mutations do: in fibers, not in the threads that new queries need."""
    monkeypatch.setattr(admission, "FIRST_GUESS_OF_HASHING_SECONDS", 1e9)  # nobody waits for one
    fans, threads = [person(f"fan{number}") for number in range(3)], 2

    async def work(server: Server) -> None:
        await known(server, asha)
        with Held("social_relationship") as held:
            asked = [asyncio.ensure_future(server.data(BOTH, {"p": asha.id}, token=fan.token)) for fan in fans]
            await until_it_is(lambda: held.waiting() == threads)
            assert await server.data(f"{ME} # new", token=asha.token) == {"viewer": {"handle": "asha"}}
            held.release()
            for answer in await asyncio.gather(*asked):
                assert answer == {"signIn": {"code": "RATE_LIMITED"}, "follow": {"applied": "WRITTEN"}}

    within(work, THREADS=threads, HASHES_AT_ONCE=0, REQUEST_SECONDS=60)
    assert_sound()


def test_a_mutation_whose_time_is_over_is_cancelled(asha: ApiClient, bilal: ApiClient) -> None:
    """In the database too: nothing is written, and the next one is served over the same fiber."""

    async def work(server: Server) -> None:
        with Held("social_relationship") as held:
            answer = await follow(server, asha, bilal)
            assert (answer["code"], answer["retry"]["kind"]) == ("BUSY", "SAME_REQUEST")
            await until_it_is(lambda: held.waiting() == 0)

    async def again(server: Server) -> None:
        assert (await follow(server, asha, bilal))["applied"] == "WRITTEN"

    untouched_by(work, asha, again, REQUEST_SECONDS=SHORT_SECONDS)


DEEPER = """mutation($i: ID!, $p: ChapterPatch!, $v: Version!) {
  updateChapter(id: $i, patch: $p, expect: {version: $v}, onConflict: MERGE) {
    ... on ChapterSuccess { applied chapter { version story { author { stories(first: 1) { edges { node { title } } } } } } }
  }
}"""


@pytest.mark.parametrize(
    ("place", "name"),
    [(merge, "three_way"), (Compiler, "of_row"), (text, "_normalized")],
    ids=["a merge", "a plan", "a long text"],
)
def test_what_takes_long_in_python_stops_nobody(
    asha: ApiClient, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    """It is done in a thread while the mutation's fiber waits for that, as it does for the database."""
    loop, calls, call = threading.get_ident(), list[int](), getattr(place, name)
    chapter = asha.published_story()["chapters"][0]

    def noted(*given: Any) -> Any:
        calls.append(threading.get_ident())
        return call(*given)

    async def work(server: Server) -> None:
        async def write(body: str, version: str) -> Any:
            asked = {"i": chapter["id"], "p": {"body": body}, "v": version}
            return (await server.data(f"{DEEPER} # {name}", asked, token=asha.token))["updateChapter"]

        first = await write("é one\n\ntwo" + "\n\nthree" * 2_000, "1")
        seen = first["chapter"]["version"]
        assert (await write("é ONE\n\ntwo" + "\n\nthree" * 2_000, seen))["applied"] == "WRITTEN"
        assert (await write("é one\n\nTWO" + "\n\nthree" * 2_000, seen))["applied"] == "MERGED"

    monkeypatch.setattr(place, name, noted)
    within(work)
    assert calls
    assert loop not in calls
    assert_sound()


@pytest.mark.parametrize(
    "table", ["people_accesstoken", "engine_idempotencykey", "social_relationship", "people_persontally"]
)
def test_a_client_that_leaves_leaves_nothing(asha: ApiClient, bilal: ApiClient, logged: Logged, table: str) -> None:
    """Whichever of its trips is under way, that with COMMIT too: its statement is cancelled, and its transaction rolled back."""
    key = str(uuid.uuid4())

    async def work(server: Server) -> None:
        await known(server, asha)
        leaves = asyncio.Event()
        with Held(table) as held:
            following = asyncio.ensure_future(follow(server, asha, bilal, key=key, leaves=leaves))
            await until_it_is(lambda: held.waiting() == 1)
            leaves.set()
            await until_it_is(lambda: held.waiting() == 0)
        await following

    async def again(server: Server) -> None:
        assert (await follow(server, asha, bilal, key=key))["applied"] == "WRITTEN"

    untouched_by(work, asha, again, REQUEST_SECONDS=60)
    assert [line["sqlstate"] for line in logged.all_lines() if line["event"] == "busy"] == [CANCELLED]


def test_of_many_at_once_one_wins_and_each_is_told_its_own(person: Callable[[str], ApiClient], logged: Logged) -> None:
    """Ten people each press follow five times at once: each is written once, and the other four are told of the conflict."""
    star, crowd = person("star"), [person(f"fan{number}") for number in range(10)]

    async def work(server: Server) -> None:
        await known(server, star)
        answers = await asyncio.gather(*(follow(server, one, star) for one in crowd for _ in range(5)))
        for number in range(10):
            mine = answers[5 * number : 5 * number + 5]
            assert Counter(one.get("applied", one.get("code")) for one in mine) == {"WRITTEN": 1, "CONFLICT": 4}
            assert all(one["current"]["version"] == "1" for one in mine if "current" in one)

    within(work)
    assert Relationship.objects.count() == 10
    assert_sound()
    told = Counter(line["viewer"] for line in logged.all_lines() if line["event"] == "conflict")
    assert set(told) <= {str(one.person.pk) for one in crowd}
    assert told


def test_a_slow_cancel_stops_nobody(asha: ApiClient, bilal: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the request to cancel is under way its own mutation waits for that, in a thread; the loop goes on."""
    cancelling = asyncio.Event()
    cancel = psycopg.Connection.cancel_safe

    def slowly(raw: Any, *, timeout: float) -> None:
        cancel(raw, timeout=timeout)
        cancelling.set()
        time.sleep(1.0)

    async def work(server: Server) -> None:
        monkeypatch.setattr(psycopg.Connection, "cancel_safe", slowly)
        with Held("social_relationship"):
            following = asyncio.ensure_future(follow(server, asha, bilal))
            await until_it_is(cancelling.is_set)
            await asyncio.sleep(0.2)  # PostgreSQL has cancelled it, and the lock of the deadline is still held
            assert await server.data(ME, token=bilal.token) == {"viewer": {"handle": "bilal"}}
            assert not following.done()
            assert (await following)["code"] == "BUSY"

    within(lambda server: known(server, asha))
    within(work, REQUEST_SECONDS=SHORT_SECONDS)


def test_a_late_cancel_hits_nobody_else(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement is done before its cancel is sent: the next mutation over the same connection is not cancelled."""
    cancels, send, sent, sessions = threading.Event(), threading.Event(), threading.Event(), list[int]()
    cancel = psycopg.Connection.cancel_safe

    def late(raw: Any, *, timeout: float) -> None:
        sessions.append(raw.info.backend_pid)
        cancels.set()
        send.wait(60)
        cancel(raw, timeout=timeout)
        sent.set()

    async def work(server: Server) -> None:
        monkeypatch.setattr(psycopg.Connection, "cancel_safe", late)
        with Held("social_relationship") as held:
            first = asyncio.ensure_future(follow(server, asha, bilal))
            await until_it_is(cancels.is_set)
            held.release()
            await asyncio.to_thread(held.hold)
            second = asyncio.ensure_future(follow(server, bilal, chitra))
            await asyncio.sleep(0.3)  # for one that does not wait for the cancel of the other
            send.set()
            await until_it_is(sent.is_set)
            assert (await first)["applied"] == "WRITTEN"
            await until_it_is(lambda: held.waiting() == 1)
            assert held.sessions() == sessions
            held.release()
            assert (await second)["applied"] == "WRITTEN"
        assert len(sessions) == 1

    within(lambda server: known(server, asha))
    within(work, REQUEST_SECONDS=SHORT_SECONDS, THREADS=1)
    assert_sound()


@pytest.mark.parametrize("limits", [{}, {"EXPENSIVE_QUERY_COST": 1}], ids=["in a fiber", "in a thread"])
@pytest.mark.parametrize("kind", NOT_CARRIED)
def test_an_error_that_no_future_carries_is_answered_as_any_other(
    asha: ApiClient, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException], limits: dict[str, Any]
) -> None:
    """It is no result and ends nothing else: nothing is written, and the only slot and its connection serve the next one."""
    write = actions.update_profile

    def fail(*args: Any, **options: Any) -> NoReturn:
        write(*args, **options)
        raise kind

    async def work(server: Server) -> None:
        await server.data(RENAME, {"n": "Never", "v": "0"}, token=asha.token)
        with monkeypatch.context() as patch, server.counted():
            patch.setattr(actions, "update_profile", fail)
            answer = await asyncio.wait_for(server.ask(RENAME, {"n": "Never", "v": "1"}, token=asha.token), 60)
            assert server.fibers == (not limits)
        assert answer is not None
        assert [one["extensions"]["code"] for one in answer.json["errors"]] == ["INTERNAL_SERVER_ERROR"]
        assert await server.data("{ viewer { name } }", token=asha.token) == {"viewer": {"name": asha.person.name}}
        assert await server.data(RENAME, {"n": "Now", "v": "1"}, token=asha.token) == RENAMED

    within(work, THREADS=1, **limits)
    assert_sound()
