"""What an address, a process and one connection may have at a time of what is live, and what a flood of messages comes to."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from schema.server.live import operation
from schema.server.live.socket import Socket
from schema.server.policy import Policy
from tests import depth
from tests.api import ApiClient
from tests.backend.raw import Served, served
from tests.live.streams import BIO, Sse, Ws, things
from tests.live.test_floods import Application, Connection, code_of, connected, scope
from tests.serving import until

pytestmark = pytest.mark.django_db(transaction=True)

WHO = "{ viewer { handle } }"
ALLOWANCE, CONNECTIONS = 3_000, 12
FLOOD = depth.rounds(10_000, at_least=2_000)
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def live(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of one process with small limits, which believes what it is told of the address."""
    given = {
        "SUBSCRIPTIONS": "4",
        "SUBSCRIPTIONS_BY_ADDRESS": "2",
        "TRUSTED_PROXIES": "127.0.0.1",
        "COST_A_MINUTE": str(ALLOWANCE),
        "KATHA_TEST_CONNECTIONS": str(CONNECTIONS),
    }
    with served(served_database, tmp_path_factory.mktemp("live") / "log", **given) as one:
        yield one


def by(number: int) -> dict[str, str]:
    """The headers of a client with an address of its own."""
    return {"X-Forwarded-For": f"192.0.2.{number}"}


def running(live: Served) -> float:
    """How many subscriptions run."""
    return sum(value for name, value in live.metrics().items() if name[0] == "katha_live_subscriptions")


def refused(live: Served, headers: dict[str, str], asha: ApiClient) -> set[str]:
    """What a client of this address is told over both; it must be refused."""
    with Sse(live.place, BIO, things(asha.id), headers=headers) as stream, Ws(live.place, headers=headers) as ws:
        ws.begin("1", BIO, things(asha.id))
        (_, result), complete = stream.all()
        assert complete == ("complete", None)
        message = ws.hear()
        assert message["type"] == "error"
        errors = [*result["errors"], *message["payload"]]
        assert {one["extensions"]["code"] for one in errors} == {"RATE_LIMITED"}
        return {one["message"][:20] for one in errors}


def test_an_address_and_a_process_have_a_number_of_subscriptions(live: Served, asha: ApiClient) -> None:
    """Over both transports together; and what has ended makes room."""
    with ExitStack() as all_:
        first = all_.enter_context(Sse(live.place, BIO, things(asha.id), headers=by(1)))
        first.next()
        ws = all_.enter_context(Ws(live.place, headers=by(1)))
        ws.begin("1", BIO, things(asha.id))
        ws.next()
        assert refused(live, by(1), asha) == {"You have as many sub"}
        for _ in range(2):
            all_.enter_context(Sse(live.place, BIO, things(asha.id), headers=by(2))).next()
        assert refused(live, by(3), asha) == {"This server has as m"}
        ws.say(type="complete", id="1")
        until(lambda: running(live) == 3, "one has ended")
        with Sse(live.place, BIO, things(asha.id), headers=by(3)) as third:
            assert third.next()["changed"]["version"] == "1"
    until(lambda: running(live) == 0, "all have left")


def test_connections_that_do_nothing_make_room(live: Served, asha: ApiClient) -> None:
    """Those that never say who they are, too: of them nobody can have so many that others find no place."""
    before = live.counted("katha_http_connections_closed_total", cause="full")
    with Ws(live.place, headers=by(4)) as busy, ExitStack() as all_:
        busy.begin("1", BIO, things(asha.id))
        busy.next()
        silent = [all_.enter_context(connected(live)) for _ in range(2 * CONNECTIONS)]
        assert code_of(silent[0]) in (4503, None)
        with Ws(live.place, headers=by(5)) as late:
            late.begin("1", WHO)
            assert late.next() == {"viewer": None}
        busy.say(type="ping")
        assert busy.hear() == {"type": "pong"}
    assert live.counted("katha_http_connections_closed_total", cause="full") - before > CONNECTIONS


def test_a_flood_of_messages_uses_the_allowance(live: Served) -> None:
    """All are answered, as they keep open what others may watch over the connection; what is asked after them is refused."""
    with Ws(live.place, headers=by(6)) as ws:
        for _ in range(2):  # of two minutes
            for _ in range(ALLOWANCE):
                ws.socket.send('{"type":"ping"}')
            assert [ws.hear() for _ in range(ALLOWANCE)] == [{"type": "pong"}] * ALLOWANCE
        ws.begin("1", WHO)
        (error,) = ws.hear()["payload"]
        assert error["extensions"]["code"] == "RATE_LIMITED"


def test_a_flood_of_operations_takes_no_memory(live: Served, asha: ApiClient) -> None:
    """Each ended at once, or none of them: what is too much is refused, and everybody else is served."""
    before = live.memory()
    for ends, number in ((True, 7), (False, 8)):
        with Ws(live.place, headers=by(number)) as ws:
            for id_ in map(str, range(FLOOD)):
                ws.begin(id_, BIO, things(asha.id))
                if ends:
                    ws.say(type="complete", id=id_)
                with contextlib.suppress(TimeoutError):
                    ws.socket.recv(0)
            with Sse(live.place, WHO, headers=by(9)) as stream:
                assert stream.next() == {"viewer": None}
    until(lambda: running(live) == 0, "none of them runs")
    assert live.memory() - before < 16 * MEGABYTE


def test_a_place_is_kept_until_the_work_has_ended(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    """Of an operation that the client has ended, while a thread still works for it."""
    settings.OPERATIONS_AT_ONCE = 2
    connection, may_end = Connection(), asyncio.Event()

    async def works(request: Any, *_: Any) -> bytes:
        request.deadline.begun = True
        await may_end.wait()
        return b"{}"

    monkeypatch.setattr(operation, "driven", works)

    async def connect() -> None:
        begin = [json.dumps({"type": "subscribe", "id": str(at), "payload": {"query": WHO}}) for at in range(5)]
        end = [json.dumps({"type": "complete", "id": str(at)}) for at in range(5)]
        said = iter(
            ['{"type":"connection_init"}', begin[0], end[0], begin[1], end[1], begin[2], None, begin[3], begin[4]]
        )

        async def receive() -> dict[str, Any]:
            text = next(said, "")
            if text is None:
                may_end.set()
                await asyncio.sleep(0.05)
                text = next(said)
            return {"type": "websocket.receive", "text": text} if text else {"type": "websocket.disconnect"}

        async def send(_: Any) -> None: ...

        await Socket(Application(), scope(connection), receive, send, Policy.of_settings()).run()

    asyncio.run(connect())
    told = [(one["id"], one["type"]) for one in connection.said[1:]]
    assert ("2", "error") in told, "two still work"
    assert [one for one in told if one[1] == "error"] == [("2", "error")], "they have ended"
