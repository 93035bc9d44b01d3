"""A query whose statement is known is answered in the event loop: no thread, one statement, and nobody gets another's answer."""

import asyncio
import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from django.db import connection, transaction
from django.utils import timezone

from backend.engine.threads import NOT_CARRIED
from backend.people.models import AccessToken
from schema.execution.plans import Query
from tests.api import ApiClient
from tests.logged import Logged
from tests.races.rivals import terminate
from tests.schema.in_loop import Held, Server, within
from tests.waiting import until_it_is

pytestmark = pytest.mark.django_db(transaction=True)

ME = "{ viewer { handle name } }"
PERSON = "query Named($handle: String!) { person(handle: $handle) { handle name } }"
SHORT_SECONDS = 2.0
"""Much longer than a request takes that waits for nothing, on a machine that is busy."""


def test_a_query_that_is_known_takes_one_statement_and_no_thread(asha: ApiClient) -> None:
    """And one message to PostgreSQL, once the statement is prepared: one round trip."""

    async def work(server: Server) -> None:
        for _ in range(3):
            await server.data(PERSON, {"handle": "nobody"}, token=asha.token)
        with server.counted():
            found = await server.data(PERSON, {"handle": "asha"}, token=asha.token)
        assert found["person"]["handle"] == "asha"
        assert (server.fetched, server.sent, server.threads) == (1, 1, [])

    within(work)


def test_a_new_document_is_made_ready_in_a_thread_and_read_by_one_statement(asha: ApiClient) -> None:
    async def work(server: Server) -> None:
        with server.counted():
            assert (await server.data("{ viewer { never: handle } }", token=asha.token)) == {
                "viewer": {"never": "asha"}
            }
        assert (server.fetched, len(server.threads)) == (1, 1)

    within(work)


def test_a_new_shape_of_a_known_document_is_made_ready_in_a_thread(asha: ApiClient) -> None:
    """Whoever is signed out has a statement of their own."""

    async def work(server: Server) -> None:
        await server.data(ME + " #", token=asha.token)
        with server.counted():
            assert await server.data(ME + " #") == {"viewer": None}
        assert (server.fetched, len(server.threads)) == (1, 1)
        with server.counted():
            assert await server.data(ME + " #") == {"viewer": None}
        assert (server.fetched, server.threads) == (1, [])

    within(work)


def test_each_gets_its_own_answer(person: Callable[[str], ApiClient]) -> None:
    """Of many at once, with tokens or without."""
    callers = [person(f"person{number}") for number in range(10)]

    async def work(server: Server) -> None:
        async def one(number: int) -> None:
            caller = callers[number % 10]
            if number % 3 == 0:
                assert await server.data(PERSON, {"handle": f"person{number % 10}"}) == {
                    "person": {"handle": f"person{number % 10}", "name": caller.person.name}
                }
            else:
                found = await server.data(ME, token=caller.token)
                assert found["viewer"]["handle"] == f"person{number % 10}"

        await asyncio.gather(*(one(number) for number in range(100)))

    within(work)


def test_a_session_is_looked_up_in_a_thread(asha: ApiClient, client: Any) -> None:
    """What it asks for is read as everything is."""
    client.force_login(asha.person.account)
    cookie = f"sessionid={client.cookies['sessionid'].value}; csrftoken={'a' * 32}"

    async def work(server: Server) -> None:
        for _ in range(2):
            with server.counted():
                answer = await server.ask(ME, cookie=cookie, x_csrftoken="a" * 32)
            assert answer is not None
            assert answer.json["data"]["viewer"]["handle"] == "asha"
            assert server.fetched == 1
            assert server.threads
        refused = await server.ask(ME, cookie=cookie)
        assert refused is not None
        assert refused.status == 403

    within(work)


def test_a_dead_token_signs_nobody_in(asha: ApiClient) -> None:
    """In the loop as well: the answer is the one of who is signed out, and says so."""

    async def work(server: Server) -> None:
        await server.ask(ME, token="no token")
        await server.data(ME, token=asha.token)
        with server.counted():
            answer = await server.ask(ME, token="no token")
        assert answer is not None
        assert answer.json["data"] == {"viewer": None}
        assert answer.json["extensions"]["authentication"]["code"] == "TOKEN_REJECTED"
        assert (server.fetched, server.threads) == (2, [])

    within(work)


def test_the_use_of_a_token_is_noted(asha: ApiClient) -> None:
    """About once an hour, in a thread."""
    before = timezone.now()
    AccessToken.objects.update(last_used_at=before - timedelta(days=1))

    async def work(server: Server) -> None:
        for _ in range(2):
            await server.data(ME, token=asha.token)

    within(work)
    assert AccessToken.objects.get().last_used_at >= before


def test_an_answer_with_errors_is_read_in_a_thread(asha: ApiClient, logged: Logged) -> None:
    """Its lines say who asked for what."""
    document = "query Reported { viewer { handle } reports(first: 1) { edges { cursor } } }"

    async def work(server: Server) -> None:
        for _ in range(2):
            with server.counted():
                answer = await server.ask(document, token=asha.token, x_request_id="of-asha")
            assert answer is not None
            assert [one["extensions"]["code"] for one in answer.json["errors"]] == ["FORBIDDEN"]
            assert server.fetched == 1
        assert len(server.threads) == 1

    within(work)
    line = next(one for one in logged.all_lines() if one["event"] == "forbidden")
    facts = {name: line.get(name) for name in ("viewer", "operation", "request_id", "path")}
    expected = {"viewer": str(asha.person.pk), "operation": "Reported", "request_id": "of-asha", "path": "reports"}
    assert facts == expected


def test_nothing_of_a_request_is_said_of_another(asha: ApiClient, logged: Logged) -> None:
    """A line for somebody who is signed out has no viewer, whoever was there before."""

    async def work(server: Server) -> None:
        await server.data("query First { viewer { handle } }", token=asha.token)
        answer = await server.ask("query Second { reports(first: 1) { edges { cursor } } }")
        assert answer is not None
        assert answer.json["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"

    within(work)
    line = next(one for one in logged.all_lines() if one["event"] == "not signed in")
    assert (line.get("viewer"), line["operation"]) == (None, "Second")


@pytest.mark.parametrize("times", [5, 40], ids=["in the loop", "in a thread"])
def test_a_long_answer_is_compressed(asha: ApiClient, times: int) -> None:
    bio = "long" * 475
    written = asha.ask(
        f'mutation {{ updateProfile(patch: {{bio: "{bio}"}}, expect: {{version: "1"}}) {{ __typename }} }}'
    )
    assert written == {"updateProfile": {"__typename": "ProfileSuccess"}}
    document = "{ viewer { " + " ".join(f"b{number}: bio" for number in range(times)) + " } }"

    async def work(server: Server) -> None:
        await server.ask(document, token=asha.token)
        with server.counted():
            answer = await server.ask(document, token=asha.token, accept_encoding="gzip")
        assert answer is not None
        assert (
            answer.headers["content-encoding" if "content-encoding" in answer.headers else "Content-Encoding"] == "gzip"
        )
        assert json.loads(gzip.decompress(answer.raw))["data"]["viewer"]["b0"].startswith("longlong")
        assert len(server.threads) == (times > 10)

    within(work)


@pytest.mark.parametrize("known", [True, False], ids=["known", "new"])
def test_a_query_whose_time_is_over_is_cancelled(asha: ApiClient, logged: Logged, known: bool) -> None:
    """In the database too; and the next one is served."""
    document = f"{{ viewer {{ {'known' if known else 'new'}: handle }} }}"

    async def prepared(server: Server) -> None:
        await server.data(document, token=asha.token)

    async def work(server: Server) -> None:
        with Held("people_person") as held:
            answer = await server.ask(document, token=asha.token)
            assert answer is not None
            assert answer.json["data"] is None
            assert answer.json["errors"][0]["extensions"]["code"] == "BUSY"
            await until_it_is(lambda: held.waiting() == 0)
        assert await server.data(document, token=asha.token)

    if known:
        within(prepared)
    within(work, REQUEST_SECONDS=SHORT_SECONDS)
    assert logged.counts("event", "cause") == {("busy", "the request's time was up"): 1}


def test_a_client_that_leaves_is_not_worked_for(asha: ApiClient) -> None:
    """Its statement is cancelled at once, and whoever comes then gets its slot and its connection."""

    async def work(server: Server) -> None:
        await server.data(ME, token=asha.token)
        leaves = asyncio.Event()
        with Held("people_person") as held:
            asked = [asyncio.create_task(server.ask(ME, token=asha.token, leaves=leaves)) for _ in range(4)]
            await until_it_is(lambda: held.waiting() == 4)
            leaves.set()
            assert await asyncio.wait_for(asyncio.gather(*asked), 30) == [None] * 4
            await until_it_is(lambda: held.waiting() == 0)
        assert await server.data(ME, token=asha.token)

    within(work, REQUEST_SECONDS=60)


def test_postgresql_may_be_started_again_between_two_requests(asha: ApiClient) -> None:
    async def work(server: Server) -> None:
        for _ in range(3):
            await server.data(ME, token=asha.token)
            for session in list(server.application.reads._sessions):
                await asyncio.get_running_loop().run_in_executor(None, ended, session._pg.backend_pid)

    within(work)


def ended(pid: int) -> None:
    """End a session of PostgreSQL."""
    try:
        with transaction.atomic():
            terminate(pid)
    finally:
        connection.close()


@pytest.mark.parametrize("text", ["a\0b", "\ud800"], ids=["zero", "half a pair"])
def test_text_that_postgresql_cannot_take_is_refused(nobody: ApiClient, text: str) -> None:
    """As it is in a thread."""
    expected = nobody.post(PERSON, handle=text)

    async def work(server: Server) -> None:
        await server.data(PERSON, {"handle": "a"})
        answer = await server.ask(PERSON, {"handle": text})
        assert answer is not None
        assert answer.json == expected

    within(work)


@pytest.mark.parametrize("kind", NOT_CARRIED)
def test_an_error_that_no_future_carries_is_answered_as_any_other(
    asha: ApiClient, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    """In the event loop itself it would pass those who answer, or end the process; the only slot serves the next one."""

    def fail(*_: Any) -> NoReturn:
        raise kind

    async def work(server: Server) -> None:
        for _ in range(2):
            await server.data(PERSON, {"handle": "asha"}, token=asha.token)
        with monkeypatch.context() as patch, server.counted():
            patch.setattr(Query, "values", fail)
            answer = await server.ask(PERSON, {"handle": "asha"}, token=asha.token)
        assert server.threads == []
        assert answer is not None
        assert [one["extensions"]["code"] for one in answer.json["errors"]] == ["INTERNAL_SERVER_ERROR"]
        assert await server.data(PERSON, {"handle": "asha"}, token=asha.token)

    within(work, THREADS=1)
