"""How deep the tests go: `make test` shows every promise, `make test-exhaustive` tries every case and many more rounds.

One setting decides, the environment variable `EXHAUSTIVE` (1 or not). Tests ask here for their rounds and their cases, so no
test knows more than how much it takes to show what it promises.
"""

import os
from collections.abc import Sequence
from typing import Final, TypeVar

from hypothesis import HealthCheck, settings

EXHAUSTIVE: Final = os.environ.get("EXHAUSTIVE") == "1"
QUICK_SHARE: Final = 0.1
"""The part of the full rounds that `make test` does."""

CaseT = TypeVar("CaseT")


def choose_examples() -> None:
    """How many examples Hypothesis makes up: in `make test` few and always the same, else many, and others each time."""
    settings.register_profile("quick", _EVERYWHERE, max_examples=40, derandomize=True)
    settings.register_profile("exhaustive", _EVERYWHERE, max_examples=300)
    settings.load_profile("exhaustive" if EXHAUSTIVE else "quick")


_EVERYWHERE: Final = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
"""No test fails because the machine is slow."""


def rounds(full: int, *, at_least: int = 1) -> int:
    """How many rounds to do: `full` in the exhaustive run, else a share of it, but `at_least` so many."""
    return full if EXHAUSTIVE else min(full, max(at_least, round(full * QUICK_SHARE)))


def some(cases: Sequence[CaseT], quick: int) -> list[CaseT]:
    """All `cases` in the exhaustive run, else `quick` of them, spread evenly, the first among them.

    The choice is always the same, so that a test which fails can be run again.
    """
    if EXHAUSTIVE or len(cases) <= quick:
        return list(cases)
    return [cases[index * len(cases) // quick] for index in range(quick)]
