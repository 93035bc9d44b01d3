"""Starts rivals together, each in a thread and on a connection of its own, and collects what each of them got."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection

PATIENCE_SECONDS = 60


def race(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run all of `works` at once, started from one barrier; the results in their order. What one raises is raised."""
    barrier = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)
    problems: list[BaseException] = []

    def run(index: int, work: Callable[[], Any]) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(PATIENCE_SECONDS)
            results[index] = work()
        except BaseException as problem:
            problems.append(problem)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), "a rival never came back"
    if problems:
        raise problems[0]
    return results


def won(results: Sequence[Any]) -> list[Any]:
    """Those who wrote."""
    return [result for result in results if result.get("applied") == "WRITTEN"]


def lost(results: Sequence[Any]) -> list[Any]:
    """Those who met a conflict."""
    return [result for result in results if result["__typename"] == "ConflictError"]
