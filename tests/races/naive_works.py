"""The works of the naive versions, taken from their tests as they stand: whoever would meet there, meets under the harness."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

from tests.races import test_naive, test_naive_editing, test_naive_jobs, test_naive_market, test_naive_moderation
from tests.races.logical_state import put_back, rows_now
from tests.races.stepped import Work

MODULES = (test_naive, test_naive_editing, test_naive_jobs, test_naive_market, test_naive_moderation)

NOT_OF_TWO = {
    "test_trying_again_after_a_cut_at_commit_has_two_effects": "a fault at COMMIT",
    "test_counting_in_a_second_transaction_leaves_a_row_uncounted": "a fault",
    "test_deleting_the_children_first_leaves_one_behind": "ends as if the append had come second: it looks at nothing",
    "test_a_swallowed_error_is_answered_as_success": "an error of its own",
    "test_merging_by_a_version_of_the_whole_row_refuses_disjoint_edits": "loses nothing, it refuses too much",
    "test_publishing_by_the_version_of_the_story_alone_publishes_what_nobody_saw": "wrong in a serial order too",
    "test_publishing_after_a_look_at_the_chapters_publishes_what_nobody_saw": "ends as if the edit had come second",
    "test_deleting_without_a_tombstone_looks_like_a_wrong_id": "wrong in a serial order too",
    "test_autosaves_that_do_not_say_what_they_follow_end_in_the_order_of_arrival": "wrong in a serial order too",
    "test_a_mark_that_is_moved_afterwards_is_forgotten_by_a_kill": "a kill",
    "test_a_mark_that_is_moved_with_them_is_not": "a kill",
    "test_giving_back_in_a_second_transaction_loses_copies": "a fault",
    "test_a_report_in_a_second_transaction_gets_lost": "a fault",
    "test_a_policy_that_is_remembered_without_asking_is_stale": "one of the two only reads, and tells nobody",
}
"""Tests of naive versions that go wrong without a rival in between, and why."""

Test = Callable[[], None]


class Rivals(Exception):
    """The works that would have met now."""

    def __init__(self, works: Sequence[Work]) -> None:
        super().__init__()
        self.works = tuple(works)


class Nobody:
    """In place of a barrier, an event or a rival: nobody waits for it, and it does nothing."""

    def __init__(self, *_: Any) -> None:
        pass

    def wait(self, *_: Any) -> bool:
        return True

    def set(self) -> None:
        pass

    def until_it_waits(self) -> "Nobody":
        return self

    def result(self) -> None:
        pass


def tests() -> dict[str, tuple[ModuleType, Test]]:
    """Every test of a naive version in which two can meet, by its name."""
    return {
        name: (module, test)
        for module in MODULES
        for name, test in vars(module).items()
        if name.startswith("test_") and name not in NOT_OF_TWO
    }


def works_of(module: ModuleType, test: Test) -> tuple[Work, ...]:
    """The first two who meet in a test. Where a rival comes in between, it meets the test itself, from its beginning."""
    before = rows_now()

    def itself() -> None:
        with _with(module, Nobody, lambda _work: None), suppress(AssertionError):
            test()

    def comes(work: Work) -> None:
        raise Rivals([itself, work])

    try:
        with _with(module, comes, comes):
            test()
    except Rivals as met:
        if itself in met.works:
            put_back(before, rows_now())
        return met.works
    raise AssertionError(f"nobody meets in {test.__name__}")


@contextmanager
def _with(module: ModuleType, rival: Callable[..., Any], elsewhere: Callable[[Work], Any]) -> Iterator[None]:
    """The module with nothing that waits, and with these in place of what brings a rival."""

    def race(works: Sequence[Work]) -> None:
        raise Rivals(works[:2])

    def rounds(works: Sequence[Callable[[int], Any]], _count: int) -> None:
        raise Rivals([partial(work, 0) for work in works[:2]])

    threads = SimpleNamespace(Barrier=Nobody, Event=Nobody)
    names = {"race": race, "rounds": rounds, "Rival": rival, "elsewhere": elsewhere, "threading": threads}
    with ExitStack() as stack:
        for name, one in names.items():
            if hasattr(module, name):
                stack.enter_context(patch.object(module, name, one))
        yield
