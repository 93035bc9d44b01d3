"""What ends a sign-in ends what it has begun, over both transports, and says so; who leaves is hidden from the others."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.db.models.functions import Now

from backend.engine.transactions import unit_of_work
from backend.people import actions
from backend.people.models import AccessToken, Account
from tests.api import PASSWORD, ApiClient
from tests.backend.raw import Served, served
from tests.live.streams import BIO, Sse, Ws, session_of, things

pytestmark = pytest.mark.django_db(transaction=True)

CSRF = "x" * 32
PRESENCE = "subscription ($story: ID!) { presence(story: $story) { people { person { handle } } } }"
HER_OWN = "subscription ($things: [SeenInput!]!) { changed(things: $things) { id version thing { __typename } } }"
DELETE = "mutation ($p: String!) { deleteAccount(password: $p) { __typename } }"
CHANGE = 'mutation ($p: String!) { changePassword(current: $p, new: "another good password") { __typename } }'


@pytest.fixture(scope="module")
def live(served_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of two processes: what is done over one is heard of over the other."""
    with served(served_database, tmp_path_factory.mktemp("live") / "log", workers=2) as one:
        yield one


def delete(caller: ApiClient) -> None:
    """Leave."""
    assert "Error" not in caller.ask(DELETE, p=PASSWORD)["deleteAccount"]["__typename"]


def change(caller: ApiClient) -> None:
    """Change the password, from where nobody subscribes."""
    account = Account.objects.get(person=caller.person)
    elsewhere = ApiClient(unit_of_work(lambda: actions.new_token(account)), caller.person)
    assert "Error" not in elsewhere.ask(CHANGE, p=PASSWORD)["changePassword"]["__typename"]


def expire(caller: ApiClient) -> None:
    """Let all that signs them in expire soon. No entry of the log tells of it, neither now nor then."""
    soon = Now() + timedelta(seconds=3)
    unit_of_work(lambda: AccessToken.objects.filter(account__person=caller.person).update(expires_at=soon))


def deactivate(caller: ApiClient) -> None:
    """As somebody at a terminal may."""
    unit_of_work(lambda: Account.objects.filter(person=caller.person).update(is_active=False))


@pytest.mark.parametrize("end", [delete, change, expire, deactivate])
def test_a_sign_in_that_ends_says_so(
    live: Served, asha: ApiClient, bilal: ApiClient, end: Callable[[ApiClient], None]
) -> None:
    """By token and by cookie, over both; whoever else is there is told on."""
    cookie = f"sessionid={session_of(bilal)}"
    proof = {"Cookie": f"{cookie}; csrftoken={CSRF}", "X-CSRFToken": CSRF}
    if end is expire:
        end(bilal)
        unit_of_work(lambda: Session.objects.update(expire_date=Now() + timedelta(seconds=3)))
    with ExitStack() as all_:
        streams = [
            all_.enter_context(Sse(live.place, BIO, things(asha.id), **how))
            for how in ({"who": bilal}, {"headers": proof})
        ]
        sockets = [
            all_.enter_context(Ws(live.place, **how)) for how in ({"who": bilal}, {"headers": {"Cookie": cookie}})
        ]
        hers = all_.enter_context(Sse(live.place, BIO, things(asha.id), who=asha))
        for ws in sockets:
            ws.begin("1", BIO, things(asha.id))
        for each in (*streams, *sockets, hers):
            assert each.next()["changed"]["version"] == "1"
        if end is not expire:
            end(bilal)
        for stream in streams:
            (name, result), complete = stream.all()
            assert (name, complete) == ("next", ("complete", None))
            assert result["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert [ws.closed() for ws in sockets] == [(4403, "Forbidden")] * 2
        assert asha.update_profile({"bio": "Still told."}, "1")["applied"] == "WRITTEN"
        assert hers.next()["changed"]["version"] == "2"


def test_who_leaves_is_gone_from_what_others_watch(
    live: Served, asha: ApiClient, bilal: ApiClient, chitra: ApiClient
) -> None:
    """Their profile and stories, and from who has a story open, though their own connection is still there."""
    story, open_ = bilal.published_story()["id"], asha.published_story()["id"]
    with ExitStack() as all_:
        watches = all_.enter_context(Sse(live.place, HER_OWN, things(bilal.id, story), who=asha))
        assert {watches.next()["changed"]["thing"]["__typename"] for _ in range(2)} == {"Person", "Story"}
        there = all_.enter_context(Ws(live.place, who=chitra))
        there.begin("1", PRESENCE, {"story": open_})
        there.next()
        his = all_.enter_context(Sse(live.place, PRESENCE, {"story": open_}, who=bilal))
        his.next()
        assert people(there.next()) == {"bilal", "chitra"}
        delete(bilal)
        assert [watches.next()["changed"] for _ in range(2)] == [
            {"id": id_, "version": None, "thing": None} for id_ in (bilal.id, story)
        ]
        assert people(there.next()) == {"chitra"}


def people(told: Any) -> set[str]:
    """Who is there."""
    return {one["person"]["handle"] for one in told["presence"]["people"]}


def test_who_is_suspended_is_told_on(live: Served, asha: ApiClient, bilal: ApiClient) -> None:
    """They may write nothing, and read as before."""
    with Sse(live.place, BIO, things(asha.id), who=bilal) as stream, Ws(live.place, who=bilal) as ws:
        ws.begin("1", BIO, things(asha.id))
        for each in (stream, ws):
            each.next()
        until_ = Now() + timedelta(days=1)
        unit_of_work(lambda: Account.objects.filter(person=bilal.person).update(suspended_until=until_))
        assert asha.update_profile({"bio": "Told."}, "1")["applied"] == "WRITTEN"
        for each in (stream, ws):
            assert each.next()["changed"]["version"] == "2"
