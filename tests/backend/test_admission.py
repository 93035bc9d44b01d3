"""Admission: who gets a slot, in which order, who is refused and what is told; no slot is lost or given twice."""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Awaitable, Callable
from math import ceil
from time import monotonic
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.engine.errors import Busy
from backend.limits import admission
from backend.limits.admission import (
    EXPENSIVE,
    FIRST_GUESS_SECONDS,
    HASHING,
    JITTER,
    LATEST_MS,
    MUTATIONS,
    PAGES,
    REQUESTS,
    SOONEST_MS,
    WEIGHT,
    Lane,
    NoSlot,
)
from schema.execution.problems import busy
from schema.server.asgi import Application
from schema.server.policy import Policy
from schema.server.requests import Request

PATIENT_SECONDS = 3_600.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of admission, in seconds; it stands still."""
    now = [1_000.0]
    monkeypatch.setattr(admission, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is told is exact."""
    monkeypatch.setattr(random, "randint", lambda low, _high: low)


async def settle() -> None:
    """Let all tasks go on as far as they can."""
    for _ in range(5):
        await asyncio.sleep(0)


def told(lane: Lane, until: float = 0.0) -> int:
    """What a request is told for which there is no slot in time, in milliseconds."""
    with pytest.raises(Busy) as refused:
        asyncio.run(lane.enter(until))
    assert refused.value.cause == lane.name
    return refused.value.after_ms


# --- Who is served ----------------------------------------------------------------------------------------------


def test_who_comes_first_is_served_first(clock: list[float]) -> None:
    """Also where others leave the queue."""
    served: list[int] = []

    async def serve() -> None:
        lane = Lane("a", 2)
        for _ in range(2):
            await lane.enter(0.0)

        async def wait(number: int) -> None:
            await lane.enter(clock[0] + PATIENT_SECONDS)
            served.append(number)

        waiting = [asyncio.ensure_future(wait(number)) for number in range(6)]
        await settle()
        assert (lane.waiting, served) == (6, [])
        waiting[2].cancel()
        for _ in range(5):
            lane.leave()
            await settle()
        assert lane.waiting == 0

    asyncio.run(serve())
    assert served == [0, 1, 3, 4, 5]


def test_who_cannot_be_served_in_time_is_refused_at_once(clock: list[float]) -> None:
    """By the place in the queue that is left: the queue of an unused lane is taken to be quick."""

    async def serve() -> None:
        lane = Lane("a", 1)
        await lane.enter(0.0)
        until = clock[0] + 4.5 * FIRST_GUESS_SECONDS
        waiting = [asyncio.ensure_future(lane.enter(until)) for _ in range(4)]
        await settle()
        assert lane.waiting == 4
        with pytest.raises(Busy):
            await asyncio.wait_for(lane.enter(until), 60)
        assert not any(one.done() for one in waiting)
        patient = asyncio.ensure_future(lane.enter(until + 1))
        await settle()
        assert lane.waiting == 5
        for one in (*waiting, patient):
            one.cancel()

    asyncio.run(serve())


def test_a_queue_that_stands_takes_nobody_who_cannot_wait_as_long(clock: list[float]) -> None:
    """As long as it has stood; who came before keeps waiting."""

    async def serve() -> None:
        lane = Lane("a", 1)
        await lane.enter(0.0)
        first = asyncio.ensure_future(lane.enter(clock[0] + 100))
        await settle()
        clock[0] += 10
        with pytest.raises(Busy) as refused:
            await lane.enter(clock[0] + 9)
        assert refused.value.after_ms >= 10_000
        second = asyncio.ensure_future(lane.enter(clock[0] + 11))
        await settle()
        assert (lane.waiting, first.done(), second.done()) == (2, False, False)
        first.cancel()
        second.cancel()

    asyncio.run(serve())


def test_a_queue_that_has_become_too_slow_refuses_its_end(clock: list[float]) -> None:
    """As many as it cannot serve in time, from the last one on; the others keep their places."""

    async def serve() -> None:
        lane = Lane("a", 1)
        await lane.enter(0.0)
        waiting = [asyncio.ensure_future(lane.enter(clock[0] + 10)) for _ in range(20)]
        await settle()
        clock[0] += 5
        lane.leave()
        await settle()
        interval = FIRST_GUESS_SECONDS + (5 - FIRST_GUESS_SECONDS) * WEIGHT
        left = ceil(5 / interval) - 1
        assert lane.waiting == left
        assert [one.done() for one in waiting] == [True] + [False] * left + [True] * (19 - left)
        assert waiting[0].exception() is None
        assert {type(one.exception()) for one in waiting[left + 1 :]} == {NoSlot}
        for one in waiting:
            one.cancel()

    asyncio.run(serve())


def test_whose_time_is_up_in_the_queue_is_refused() -> None:
    """Nobody leaves a slot; the queue is empty again."""

    async def serve() -> None:
        lane = Lane("a", 1)
        await lane.enter(0.0)
        with pytest.raises(Busy):
            await lane.enter(monotonic() + 0.05)
        assert lane.waiting == 0
        lane.leave()
        await lane.enter(0.0)

    asyncio.run(serve())


# --- No slot is lost --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("others", [0, 1], ids=["alone", "before another"])
@pytest.mark.parametrize("leaves_first", [True, False], ids=["handed over, then left", "left, then handed over"])
def test_who_leaves_at_the_moment_of_its_turn_costs_nobody_a_slot(leaves_first: bool, others: int) -> None:
    """The slot goes to the next one, or is free, whichever comes first."""

    async def serve() -> None:
        lane = Lane("a", 1)
        await lane.enter(0.0)
        gone, *rest = (asyncio.ensure_future(lane.enter(monotonic() + PATIENT_SECONDS)) for _ in range(1 + others))
        await settle()
        for act in (lane.leave, gone.cancel) if leaves_first else (gone.cancel, lane.leave):
            act()
        await settle()
        assert gone.cancelled()
        assert all(one.done() for one in rest)
        assert lane.waiting == 0
        for _ in rest:
            lane.leave()
        await asyncio.wait_for(lane.enter(0.0), 60)
        with pytest.raises(Busy):
            await lane.enter(0.0)

    asyncio.run(serve())


ACTS = st.one_of(
    st.tuples(st.just("enter"), st.sampled_from([PATIENT_SECONDS, 1.0, 0.01, 0.0])),
    st.tuples(st.just("enter"), st.just(PATIENT_SECONDS)),
    st.tuples(st.sampled_from(["leave", "cancel"]), st.integers(0, 50)),
    st.tuples(st.just("pass"), st.sampled_from([0.001, 0.1, 5.0])),
    st.tuples(st.just("settle"), st.just(0)),
)


@given(st.integers(1, 3), st.lists(ACTS, max_size=60))
def test_no_slot_is_lost_or_given_twice(slots: int, acts: list[tuple[str, Any]]) -> None:
    """Whatever comes in whatever order: those who hold one and those that are free are always as many."""
    now = [1_000.0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(admission, "monotonic", lambda: now[0])
        asyncio.run(play(Lane("a", slots), slots, acts, now))


async def play(lane: Lane, slots: int, acts: list[tuple[str, Any]], now: list[float]) -> None:
    """Do this to the lane. Tasks go on only where it says so, so what was told to them is often not yet heard."""
    asked: list[asyncio.Future[None]] = []
    left: set[asyncio.Future[None]] = set()

    def holding() -> list["asyncio.Future[None]"]:
        done = [one for one in asked if one.done() and not one.cancelled() and one not in left]
        return [one for one in done if one.exception() is None]

    def leave(one: "asyncio.Future[None]") -> None:
        left.add(one)
        lane.leave()

    async def check() -> None:
        await settle()
        assert lane._free + len(holding()) == slots
        assert lane.waiting == sum(not one.done() for one in asked)
        assert not (lane._free and lane.waiting)

    for what, value in acts:
        assert len(holding()) <= slots
        if what == "enter":
            asked.append(asyncio.ensure_future(lane.enter(now[0] + value)))
        elif what == "pass":
            now[0] += value
        elif what == "settle":
            await check()
        elif what == "leave" and (held := holding()):
            leave(held[value % len(held)])
        elif what == "cancel" and (waiting := [one for one in asked if not one.done()]):
            waiting[value % len(waiting)].cancel()
    await check()
    while held := holding():
        leave(held[0])
        await check()
    assert (lane._free, lane.waiting) == (slots, 0)


# --- What is told -----------------------------------------------------------------------------------------------


def test_the_more_are_refused_the_later_each_is_told_to_come(clock: list[float], no_jitter: None) -> None:
    """One after the other, as fast as the queue moves."""
    lane = Lane("a", 1)
    asyncio.run(lane.enter(0.0))
    waits = [told(lane) for _ in range(400)]
    assert waits == sorted(waits)
    assert waits[0] == SOONEST_MS
    assert waits[-1] == pytest.approx(400 * FIRST_GUESS_SECONDS * 1_000, abs=2 * FIRST_GUESS_SECONDS * 1_000)
    clock[0] += 1
    assert told(lane) == pytest.approx(waits[-1] - 1_000, abs=2 * FIRST_GUESS_SECONDS * 1_000)
    clock[0] += 60
    assert told(lane) < waits[100]


def test_who_is_refused_comes_after_those_who_wait(clock: list[float], no_jitter: None) -> None:
    """The longer the queue, and the slower, the later."""

    async def serve() -> list[int]:
        lane, found = Lane("a", 1), []
        await lane.enter(0.0)
        lane._interval = 0.1
        for _ in range(3):
            waiting = [asyncio.ensure_future(lane.enter(clock[0] + PATIENT_SECONDS)) for _ in range(20)]
            await settle()
            with pytest.raises(Busy) as refused:
                await lane.enter(clock[0])
            found.append(refused.value.after_ms)
            del waiting
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        return found

    assert asyncio.run(serve()) == [2_100, 4_100, 6_100]


def test_a_crowd_is_told_to_come_back_spread_over_time(clock: list[float]) -> None:
    """In no second many more than the queue can serve in one."""
    lane = Lane("a", 1)
    asyncio.run(lane.enter(0.0))
    lane._interval = 0.02
    seconds = Counter(told(lane) // 1_000 for _ in range(300))
    assert len(seconds) >= 6
    assert max(seconds.values()) <= 75


@pytest.mark.parametrize("interval", [0.000_001, 0.01, 1.0, 100.0])
def test_nobody_is_told_to_come_at_once_or_never(clock: list[float], interval: float) -> None:
    """Not even where the queue moves very fast or not at all; clients come back at different times also then."""
    lane = Lane("a", 1)
    asyncio.run(lane.enter(0.0))
    lane._interval = interval
    waits = [told(lane) for _ in range(200)]
    assert min(waits) >= SOONEST_MS
    assert max(waits) <= LATEST_MS * (1 + JITTER) == 33_000
    assert len(set(waits)) > 1


@given(st.integers(0, 40_000))
def test_both_ways_of_saying_it_agree(after_ms: int) -> None:
    """In whole seconds, never less than the milliseconds."""
    problem = busy(Busy(after_ms=after_ms))
    assert problem.status == 503
    assert problem.headers == {"Retry-After": str(ceil(after_ms / 1_000))}
    assert problem.answer["errors"][0]["extensions"]["retry"] == {"kind": "SAME_REQUEST", "afterMs": after_ms}


# --- The lanes of a process -------------------------------------------------------------------------------------


def request(seconds: float = PATIENT_SECONDS) -> Request:
    """One whose body has arrived, and which may take so long."""
    policy = Policy.of_settings()._replace(request_seconds=seconds)
    made = Request({"REQUEST_METHOD": "POST", "PATH_INFO": "/graphql", "QUERY_STRING": ""}, policy)
    made.arrived(b"")
    return made


class Works:
    """Work for threads that ends when it is told to."""

    def __init__(self) -> None:
        self.begun = 0
        self.end = threading.Event()

    def __call__(self) -> None:
        self.begun += 1
        assert self.end.wait(60)


def serve_with(threads: int, settings: Any, what: Callable[[Application], Awaitable[None]]) -> None:
    """Do this with an application of so many threads, and see that each slot is free in the end."""
    settings.THREADS = threads

    async def serve() -> None:
        application = Application()
        await what(application)
        for name in (REQUESTS, MUTATIONS, EXPENSIVE, HASHING, PAGES):
            for lane in application._admission.lanes(name):
                assert (lane._free, lane.waiting) == (Application()._admission.lanes(lane.name)[0]._free, 0)

    asyncio.run(serve())


async def in_slot(application: Any, request: Any, lane: str, call: Any) -> Any:
    """Do it in a thread, in a slot of this lane, as the server does."""
    async with application.slot(request, lane):
        return await application.in_thread(request, lane, call)


@pytest.mark.parametrize("lane", [HASHING, REQUESTS])
def test_a_request_that_hashes_leaves_its_slot_to_another(settings: Any, lane: str) -> None:
    """The second is answered while the first still hashes; where the first does something else, it waits."""

    async def both(application: Application) -> None:
        works = Works()
        first = asyncio.ensure_future(in_slot(application, request(), lane, works))
        while not works.begun:
            await asyncio.sleep(0.001)
        second = asyncio.ensure_future(in_slot(application, request(), REQUESTS, lambda: None))
        if lane == HASHING:
            await asyncio.wait_for(second, 60)
        await settle()
        assert (second.done(), first.done()) == (lane == HASHING, False)
        works.end.set()
        await asyncio.gather(first, second)

    serve_with(1, settings, both)


def test_so_many_hash_at_once_and_the_others_wait(settings: Any) -> None:
    settings.HASHES_AT_ONCE = 2

    async def many(application: Application) -> None:
        works = Works()
        all_of_them = [asyncio.ensure_future(in_slot(application, request(), HASHING, works)) for _ in range(5)]
        while works.begun < 2:
            await asyncio.sleep(0.001)
        await in_slot(application, request(), REQUESTS, lambda: None)
        assert works.begun == 2
        works.end.set()
        await asyncio.gather(*all_of_them)
        assert works.begun == 5

    serve_with(4, settings, many)


@pytest.mark.parametrize(("threads", "at_once"), [(4, 2), (1, 1)])
def test_expensive_requests_share_half_of_the_slots(settings: Any, threads: int, at_once: int) -> None:
    """Cheap ones are answered meanwhile, where there is more than one slot."""

    async def many(application: Application) -> None:
        works = Works()
        all_of_them = [asyncio.ensure_future(in_slot(application, request(), EXPENSIVE, works)) for _ in range(10)]
        while works.begun < at_once:
            await asyncio.sleep(0.001)
        if threads > 1:
            for _ in range(5):
                await in_slot(application, request(), REQUESTS, lambda: None)
        assert works.begun == at_once
        works.end.set()
        await asyncio.gather(*all_of_them)
        assert works.begun == 10

    serve_with(threads, settings, many)


def test_what_fails_leaves_its_slots(settings: Any) -> None:
    """An error of the work, a client that leaves the queue, and one for whom there is no time."""

    def fail() -> None:
        raise ValueError

    async def many(application: Application) -> None:
        for lane in (REQUESTS, MUTATIONS, EXPENSIVE, HASHING):
            with pytest.raises(ValueError):
                await in_slot(application, request(), lane, fail)
        works = Works()
        first = asyncio.ensure_future(in_slot(application, request(), REQUESTS, works))
        while not works.begun:
            await asyncio.sleep(0.001)
        leaves = asyncio.ensure_future(in_slot(application, request(), EXPENSIVE, works))
        late = request(0.0)
        with pytest.raises(Busy):
            await in_slot(application, late, EXPENSIVE, works)
        await settle()
        leaves.cancel()
        await settle()
        assert leaves.cancelled()
        works.end.set()
        await first
        assert works.begun == 1

    serve_with(1, settings, many)
