"""Room for frames: calls at no depth make Python ask the operating system for memory over and over."""

import resource

from backend.engine.frames import with_room

DEPTHS = 200
CALLS = 500


def called() -> None:
    """A short call, which makes another."""
    called_too()


def called_too() -> None:
    """A shorter one."""


def faults(depth: int) -> int:
    """How many pages the system had to give for many short calls so deep."""
    if depth:
        return faults(depth - 1)
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt
    for _ in range(CALLS):
        called()
    return resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before


def worst() -> int:
    """At the depth at which it is worst."""
    return max(faults(depth) for depth in range(DEPTHS))


def test_calls_take_no_memory_from_the_system_at_any_depth() -> None:
    """Where there is room. Without it each call at some depth does."""
    assert worst() >= CALLS, "Python does better by itself now: `with_room` can go"
    assert with_room(worst) < CALLS / 10


def test_it_calls_and_hands_on() -> None:
    """Arguments, results and errors."""
    assert with_room(divmod, 7, 2) == (3, 1)
    assert with_room(int, "11", base=2) == 3
