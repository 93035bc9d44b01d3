"""Starts rivals together, each in a thread and on a connection of its own, and collects what each of them got."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection

from backend.engine.errors import Refusal
from backend.engine.idempotency import Outcome

PATIENCE_SECONDS = 180
"""What takes longer hangs; no test fails because the machine is slow."""
GLANCE_SECONDS = 0.002

Work = Callable[[], Any]


def race(works: Sequence[Work]) -> list[Any]:
    """Run all of `works` at once, started from one barrier; the results in their order. What one raises is raised."""
    return rounds([lambda _round, work=work: work() for work in works], 1)[0]


def rounds(works: Sequence[Callable[[int], Any]], count: int) -> list[list[Any]]:
    """`race`, so many times on the same connections; each work gets the number of the round. The results by round."""
    barrier = threading.Barrier(len(works))
    results: list[list[Any]] = [[None] * len(works) for _ in range(count)]

    def run(index: int, work: Callable[[int], Any]) -> None:
        try:
            for number in range(count):
                barrier.wait(PATIENCE_SECONDS)
                results[number][index] = work(number)
        except BaseException:
            barrier.abort()
            raise

    rivals = [Rival(lambda pair=pair: run(*pair)) for pair in enumerate(works)]
    problems = [problem for rival in rivals if (problem := rival.problem()) is not None]
    for problem in sorted(problems, key=lambda one: isinstance(one, threading.BrokenBarrierError)):
        raise problem
    return results


class Rival:
    """Work that goes on in a thread and on a connection of its own until its result is asked for."""

    def __init__(self, work: Work) -> None:
        self.pid = 0
        self._outcome: list[Any] = []
        self._problem: BaseException | None = None
        self._connected = threading.Event()
        self._thread = threading.Thread(target=self._run, args=[work], daemon=True)
        self._thread.start()
        assert self._connected.wait(PATIENCE_SECONDS), "a rival found no connection"

    def _run(self, work: Work) -> None:
        try:
            connection.ensure_connection()
            self.pid = connection.connection.info.backend_pid
            self._connected.set()
            self._outcome.append(work())
        except BaseException as problem:
            self._problem = problem
        finally:
            self._connected.set()
            connection.close()

    def until_it_waits(self) -> "Rival":
        """Return once it waits for a lock that another connection holds."""
        until(lambda: is_blocked(self.pid) or not self._thread.is_alive(), "a rival to wait for a lock")
        assert self._thread.is_alive(), f"the rival did not wait: {self._problem or self._outcome}"
        return self

    def has_ended(self) -> bool:
        """Whether it is over."""
        return not self._thread.is_alive()

    def problem(self) -> BaseException | None:
        """What it raised, once it has ended."""
        self._thread.join(PATIENCE_SECONDS)
        assert not self._thread.is_alive(), "a rival never came back"
        return self._problem

    def result(self) -> Any:
        """What it returned; what it raised is raised."""
        if (problem := self.problem()) is not None:
            raise problem
        return self._outcome[0]


def elsewhere(work: Work) -> Any:
    """Do `work` at once on another connection, and return its result: a rival that comes right in between."""
    return Rival(work).result()


def until(condition: Callable[[], bool], what: str) -> None:
    """Look again and again until `condition` holds."""
    deadline, pause = time.monotonic() + PATIENCE_SECONDS, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        pause.wait(GLANCE_SECONDS)


def is_blocked(pid: int) -> bool:
    """Whether a connection waits for a lock that another one holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT cardinality(pg_blocking_pids(%s)) > 0", [pid])
        return cursor.fetchone()[0]


def terminate(pid: int) -> None:
    """End a connection on the server, from another one, and return when it is gone."""
    elsewhere(lambda: _terminate(pid))


def _terminate(pid: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, %s)", [pid, PATIENCE_SECONDS * 1000])
        assert cursor.fetchone()[0]


def my_pid() -> int:
    """The server's number for this thread's connection."""
    connection.ensure_connection()
    return connection.connection.info.backend_pid


def said(work: Callable[[], Outcome]) -> str:
    """What became of a mutation, in one word: what it applied, or the code of its refusal."""
    try:
        return work().applied.value
    except Refusal as refusal:
        return refusal.code


def won(results: Sequence[Any]) -> list[Any]:
    """Those who wrote."""
    return [result for result in results if result.get("applied") == "WRITTEN"]


def lost(results: Sequence[Any]) -> list[Any]:
    """Those who met a conflict."""
    return [result for result in results if result["__typename"] == "ConflictError"]
