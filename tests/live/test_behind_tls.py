"""Behind a proxy that ends TLS: whose word on the scheme and the client counts, and which origins are this server's own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.api import ApiClient
from tests.backend.raw import Served, served
from tests.backend.test_production import GOOD
from tests.live.streams import BIO, Sse, Ws, session_of, things
from tests.live.tls_proxy import behind_tls
from tests.serving import until

pytestmark = pytest.mark.django_db(transaction=True)

WHO = "{ viewer { handle } }"
NAME = "katha.test"
CSRF = "x" * 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For logs."""
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def live(served_database: str, folder: Path) -> Iterator[Served]:
    """A server in production that trusts proxies on this machine, and has a place for each address."""
    given = {**GOOD, "ALLOWED_HOSTS": f"{NAME},127.0.0.1", "METRICS_TOKEN": "token", "SUBSCRIPTIONS_BY_ADDRESS": "1"}
    with served(served_database, folder / "log", **given) as one:
        yield one


@pytest.fixture(scope="module")
def proxied(live: Served) -> Iterator[tuple[str, int]]:
    """The proxy in front of it."""
    with behind_tls(live.place, NAME) as one:
        yield "127.0.0.1", one.port


def refused(place: tuple[str, int], **how: Any) -> int:
    """The status that the handshake gets."""
    with pytest.raises(InvalidStatus) as found:
        Ws(place, greet=False, **how)
    return found.value.response.status_code


def running(live: Served) -> float:
    """How many subscriptions run."""
    return sum(value for name, value in live.metrics().items() if name[0] == "katha_live_subscriptions")


def test_a_page_of_this_server_is_told_over_tls(
    live: Served, proxied: tuple[str, int], asha: ApiClient, settings: Any
) -> None:
    """By its cookie, over both: its origin is https, though the proxy speaks plain HTTP with the server."""
    settings.SECRET_KEY = GOOD["SECRET_KEY"]
    cookie = f"sessionid={session_of(asha)}"
    own = {"host": NAME, "origin": f"https://{NAME}", "headers": {"Cookie": cookie}}
    with Ws(proxied, **own) as ws:
        ws.begin("1", WHO)
        assert ws.next() == {"viewer": {"handle": "asha"}}
        ws.begin("2", BIO, things(asha.id))
        ws.hear()
        assert ws.next("2")["changed"]["version"] == "1"
    until(lambda: running(live) == 0, "it has left")
    proof = {"Host": NAME, "Origin": f"https://{NAME}", "Cookie": f"{cookie}; csrftoken={CSRF}", "X-CSRFToken": CSRF}
    with Sse(proxied, BIO, things(asha.id), headers=proof) as stream:
        assert stream.next()["changed"]["version"] == "1"
        assert asha.update_profile({"bio": "Over TLS."}, "1")["applied"] == "WRITTEN"
        assert stream.next()["changed"]["version"] == "2"
    until(lambda: running(live) == 0, "it has left")


@pytest.mark.parametrize("origin", [f"http://{NAME}", f"https://{NAME}:444", f"https://{NAME}.", "https://127.0.0.1"])
def test_other_origins_are_foreign(proxied: tuple[str, int], asha: ApiClient, origin: str) -> None:
    """Also that of the same name without TLS, which anybody on the way can have written."""
    cookie = f"sessionid={session_of(asha)}"
    assert refused(proxied, host=NAME, origin=origin, headers={"Cookie": cookie}) == 403
    proof = {"Host": NAME, "Origin": origin, "Cookie": f"{cookie}; csrftoken={CSRF}", "X-CSRFToken": CSRF}
    with Sse(proxied, WHO, headers=proof) as stream:
        assert (stream.response.status, stream.response.headers["Access-Control-Allow-Origin"]) == (403, None)


def test_the_address_is_what_a_trusted_proxy_says(live: Served, proxied: tuple[str, int], asha: ApiClient) -> None:
    """The limit of one address counts the clients of the proxy, over both, and not the proxy."""
    with Ws(proxied, host=NAME) as ws:
        ws.begin("1", BIO, things(asha.id))
        ws.next()
        with Sse(proxied, BIO, things(asha.id), headers={"Host": NAME}) as stream:
            assert stream.all()[0][1]["errors"][0]["extensions"]["code"] == "RATE_LIMITED"
        with Sse(live.place, BIO, things(asha.id), headers={"X-Forwarded-Proto": "https"}) as stream:
            assert stream.next()["changed"]["version"] == "1"


def test_nobody_else_says_what_a_proxy_may(served_database: str, folder: Path, asha: ApiClient) -> None:
    """Of a server that trusts another one: the scheme is that of the connection, and the address the peer's."""
    with (
        served(served_database, folder / "other", TRUSTED_PROXIES="192.0.2.1", SUBSCRIPTIONS_BY_ADDRESS="1") as live,
        behind_tls(live.place, NAME) as proxy,
    ):
        place, cookie = ("127.0.0.1", proxy.port), {"Cookie": f"sessionid={session_of(asha)}"}
        assert refused(place, host=NAME, origin=f"https://{NAME}", headers=cookie) == 403
        with Ws(place, host=NAME, origin=f"http://{NAME}", headers=cookie) as ws:
            ws.begin("1", BIO, things(asha.id))
            ws.next()
            with Sse(live.place, BIO, things(asha.id), headers={"X-Forwarded-For": "192.0.2.9"}) as stream:
                assert stream.all()[0][1]["errors"][0]["extensions"]["code"] == "RATE_LIMITED"


def test_production_is_asked_over_tls_alone(live: Served) -> None:
    """What the proxy says of the scheme decides."""
    with behind_tls(live.place, NAME, told="http") as proxy:
        place = "127.0.0.1", proxy.port
        assert refused(place, host=NAME, origin=f"http://{NAME}") == 403
        with Sse(place, WHO, headers={"Host": NAME}) as stream:
            assert stream.response.status == 301
