"""How often something may happen: rates, buckets in PostgreSQL, addresses, and what requests cost."""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from backend.engine.errors import RateLimited
from backend.engine.transactions import unit_of_work
from backend.limits import buckets, spending
from backend.limits.addresses import NOWHERE, address_of
from backend.limits.buckets import Limit
from backend.limits.models import Bucket
from backend.limits.rates import Rate, allowance, seconds
from backend.limits.spending import MAX_REMEMBERED, MILLISECOND, MINUTE, Spending
from tests.api import ApiClient

SLOW = 1_000_000


# --- Rates ------------------------------------------------------------------------------------------------------


def test_a_rate_is_read_as_it_is_written() -> None:
    assert Rate.read("10/30") == Rate(10, 30.0)
    assert str(Rate.read("1/0.5")) == "1/0.5"


@pytest.mark.parametrize("text", ["", "10", "10/", "/30", "0/30", "10/0", "10/-1", "ten/30", "1/nan", "1/inf"])
def test_what_is_no_rate_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match="A rate is written as"):
        Rate.read(text)


@pytest.mark.parametrize(("text", "found"), [("0", 0), ("100", 100), ("10000000", 10_000_000)])
def test_an_allowance_is_read_as_it_is_written(text: str, found: int) -> None:
    assert allowance(text) == found


@pytest.mark.parametrize("text", ["", "1", "99", "-1", "1e9", "ten", "²", "100.5"])
def test_an_allowance_with_which_nothing_could_be_asked_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="An allowance is a whole number"):
        allowance(text)


@pytest.mark.parametrize("text", ["", "0", "-1", "nan", "inf", "ten"])
def test_no_time_is_no_number_of_seconds(text: str) -> None:
    assert seconds("2.5") == 2.5
    with pytest.raises(ValueError, match="Seconds are a number from"):
        seconds(text)


def test_a_setting_with_which_nothing_can_work_is_named() -> None:
    """And why; the commands end with that in one line."""
    command = [sys.executable, "manage.py", "export_schema", "--check"]
    environment = {**os.environ, "COST_A_MINUTE": "1", "DJANGO_SETTINGS_MODULE": "backend.settings"}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert found.stderr.startswith("Katha: COST_A_MINUTE: An allowance is a whole number")
    assert found.stderr.count("\n") == 1


# --- Buckets in PostgreSQL --------------------------------------------------------------------------------------


def limit(name: str, burst: int, seconds: float = SLOW) -> Limit:
    """A bucket of somebody."""
    return Limit(name, "somebody", Rate(burst, seconds))


def refused(*limits: Limit) -> RateLimited | None:
    """The refusal, if there is one."""
    try:
        buckets.count(limits)
    except RateLimited as refusal:
        return refusal
    return None


@pytest.mark.django_db(transaction=True)
def test_so_many_at_once_and_then_none() -> None:
    """The advice is when there is room for one more."""
    assert [refused(limit("a", 3)) for _ in range(3)] == [None] * 3
    refusal = refused(limit("a", 3))
    assert refusal is not None
    assert refusal.limit == "a"
    assert (SLOW - 600) * 1000 < refusal.after_ms <= SLOW * 1000


@pytest.mark.django_db(transaction=True)
def test_what_has_run_out_makes_room_for_as_much() -> None:
    """Time is the row's; here it goes on by moving the row back."""
    for _ in range(3):
        assert refused(limit("a", 3)) is None
    row = Bucket.objects.get()
    row.empty_at -= timedelta(seconds=2 * SLOW)
    row.save()
    assert [refused(limit("a", 3)) is None for _ in range(3)] == [True, True, False]


@pytest.mark.django_db(transaction=True)
def test_where_one_bucket_is_full_nothing_goes_into_the_others() -> None:
    """Whoever is refused takes nothing from what is left for others."""
    assert refused(limit("narrow", 1), limit("wide", 2)) is None
    for _ in range(5):
        refusal = refused(limit("narrow", 1), limit("wide", 2))
        assert refusal is not None
        assert refusal.limit == "narrow"
    assert refused(limit("wide", 2)) is None
    assert refused(limit("wide", 2)) is not None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rate", [Rate(1, 30.0), Rate(1, 0.0505), Rate(3, 1.0005)])
def test_after_the_told_wait_there_is_room(rate: Rate) -> None:
    """Also where only one event fits at a time."""
    one = Limit("a", "somebody", rate)
    refusal = None
    while refusal is None:
        refusal = refused(one)
    row = Bucket.objects.get()
    row.empty_at -= timedelta(milliseconds=refusal.after_ms)
    row.save()
    assert refused(one) is None


@pytest.mark.parametrize(("wait", "told"), [("-0.1", 1), ("0.0001", 1), ("1.0001", 1_001), ("30", 30_000)])
def test_a_wait_is_told_in_whole_milliseconds_and_never_too_short(wait: str, told: int) -> None:
    assert buckets._milliseconds(Decimal(wait)) == told


@pytest.mark.django_db(transaction=True)
def test_of_several_full_buckets_the_longest_wait_is_told() -> None:
    """After a shorter one the same would be refused again. The order of their keys does not matter."""
    short, long = limit("short", 1, 10.0), limit("long", 1, 1_000.0)
    for swapped in ((short, long), (limit("long", 1, 10.0), limit("short", 1, 1_000.0))):
        Bucket.objects.all().delete()
        assert refused(*swapped) is None
        refusal = refused(*swapped)
        assert refusal is not None
        assert (refusal.limit, refusal.after_ms > 900_000) == (swapped[1].name, True)


@pytest.mark.django_db(transaction=True)
def test_forgiving_empties_the_first_and_takes_one_out_of_the_others() -> None:
    pair, wide = limit("pair", 2), limit("wide", 3)
    for _ in range(2):
        assert refused(pair, wide) is None
    unit_of_work(lambda: buckets.forgive(pair, wide))
    assert [refused(pair, wide) is None for _ in range(3)] == [True, True, False]


@pytest.mark.django_db(transaction=True)
def test_what_is_empty_is_forgotten() -> None:
    """And nothing else."""
    now = timezone.now()
    rows = [Bucket(key=bytes([n]), empty_at=now + timedelta(hours=n - 5)) for n in range(10)]
    Bucket.objects.bulk_create(rows)
    assert buckets.forget_empty() == 6
    assert sorted(bytes(row.key)[0] for row in Bucket.objects.all()) == [6, 7, 8, 9]


@pytest.mark.django_db(transaction=True)
def test_a_row_says_nothing_of_whose_it_is() -> None:
    """Neither the address nor the handle, nor a plain hash of it that could be guessed."""
    mine = Limit("sign_in", "asha", Rate(1, 1.0))
    buckets.count([mine])
    assert bytes(Bucket.objects.get().key) == mine.key
    assert len(mine.key) == 32
    assert b"asha" not in mine.key


# --- Addresses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.9,nonsense", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.9, nonsense, 10.1.2.3", "10.1.2.3"),
        ("10.0.0.1", "10.2.2.2", "10.2.2.2"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8:1:2:3:4:5:6]:4711", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "", "192.0.2.1"),
        ("::ffff:10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("fd00::1", "198.51.100.7", "198.51.100.7"),
        ("", "198.51.100.7", NOWHERE),
    ],
)
def test_only_trusted_proxies_say_whose_request_it_is(settings: Any, peer: str, forwarded: str, address: str) -> None:
    settings.TRUSTED_PROXIES = ["10.0.0.0/8", "fd00::1"]
    headers = {"HTTP_X_FORWARDED_FOR": forwarded} if forwarded else {}
    assert address_of(RequestFactory().get("/", REMOTE_ADDR=peer, **headers)) == address


def test_without_a_trusted_proxy_the_header_is_anybodys_claim(settings: Any) -> None:
    settings.TRUSTED_PROXIES = []
    request = RequestFactory().get("/", REMOTE_ADDR="127.0.0.1", HTTP_X_FORWARDED_FOR="198.51.100.7")
    assert address_of(request) == "127.0.0.1"


# --- What requests cost -----------------------------------------------------------------------------------------


def test_a_minutes_worth_can_be_spent_at_once_and_runs_out_in_a_minute() -> None:
    book = Spending()
    for _ in range(10):
        book.spend("a", 10, 100, now=0)
    with pytest.raises(RateLimited) as over:
        book.spend("a", 10, 100, now=0)
    assert over.value.after_ms == 6_000
    book.spend("a", 10, 100, now=MINUTE // 10)
    with pytest.raises(RateLimited):
        book.spend("a", 10, 100, now=MINUTE // 10)
    book.spend("b", 100, 100, now=0)


def told_ms(what: Callable[[], None]) -> int:
    """How long to wait; 0 for who is served."""
    try:
        what()
    except RateLimited as refusal:
        return refusal.after_ms
    return 0


def ask(book: Spending, cost: int, a_minute: int, now: int) -> None:
    """As a request does."""
    book.require("a", now=now)
    book.spend("a", cost, a_minute, now=now)


@given(st.lists(st.integers(1, 30_000), min_size=1), st.integers(1, 30_000), st.integers(0, 2 * MINUTE))
def test_who_waits_as_told_is_served(costs: list[int], a_minute: int, now: int) -> None:
    """To the millisecond, whatever was asked for before, or could not be executed; and from a fresh address at once."""
    book = Spending()
    for cost in [min(cost, a_minute) for cost in costs]:
        Spending().spend("a", cost, a_minute, now=now)
        after_ms = told_ms(partial(ask, book, cost, a_minute, now))
        if after_ms:
            now += after_ms * MILLISECOND
            ask(book, cost, a_minute, now)
        book.charge("a", cost, a_minute, now=now)


def test_what_is_refused_is_not_counted() -> None:
    book = Spending()
    book.spend("a", 90, 100, now=0)
    for _ in range(9):
        with pytest.raises(RateLimited):
            book.spend("a", 20, 100, now=0)
    book.spend("a", 10, 100, now=0)


def test_who_has_used_up_the_allowance_is_told_when_all_of_it_is_there_again() -> None:
    """Before the request is read, so whatever it will cost."""
    book = Spending()
    book.require("a", now=0)
    book.charge("a", 150, 100, now=0)
    assert told_ms(lambda: book.require("a", now=0)) == 90_000
    assert told_ms(lambda: book.spend("a", 100, 100, now=90_000 * MILLISECOND)) == 0


def test_memory_is_bounded() -> None:
    """Whoever has been quiet longest is forgotten, which only lets them ask again."""
    book = Spending()
    for n in range(MAX_REMEMBERED + 5):
        book.spend(f"{n}", 1, 100, now=0)
        book.learn(b"%d" % n, "somebody")
    assert len(book._empty_at) == len(book._owners) == MAX_REMEMBERED
    assert book.owner(b"0") is None
    assert book.owner(b"%d" % MAX_REMEMBERED) == "somebody"
    book.learn(b"%d" % MAX_REMEMBERED, None)
    assert book.owner(b"%d" % MAX_REMEMBERED) is None


def test_nothing_is_kept_where_there_is_no_limit(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is unless the setting says so. Whom a token signs in is remembered all the same."""
    book = Spending()
    monkeypatch.setattr(spending, "SPENDING", book)
    assert asha.ask("{ viewer { handle } }") == {"viewer": {"handle": "asha"}}
    assert not book._empty_at
