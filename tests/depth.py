"""How deep the tests go: `make test` shows every promise, `make test-exhaustive` tries every case and many more rounds.

One setting decides, the environment variable `EXHAUSTIVE` (1 or not). Tests ask here for their rounds and their cases, so no
test knows more than how much it takes to show what it promises.
"""

import os
from collections.abc import Sequence
from typing import Final, TypeVar

EXHAUSTIVE: Final = os.environ.get("EXHAUSTIVE") == "1"
QUICK_SHARE: Final = 0.1
"""The part of the full rounds that `make test` does."""

CaseT = TypeVar("CaseT")


def rounds(full: int, *, at_least: int = 1) -> int:
    """How many rounds to do: `full` in the exhaustive run, else a share of it, but `at_least` so many."""
    return full if EXHAUSTIVE else min(full, max(at_least, round(full * QUICK_SHARE)))


def some(cases: Sequence[CaseT], quick: int) -> list[CaseT]:
    """All `cases` in the exhaustive run, else `quick` of them, spread evenly from the first to the last.

    The choice is always the same, so that a test which fails can be run again.
    """
    if EXHAUSTIVE or len(cases) <= quick:
        return list(cases)
    return [cases[index * len(cases) // quick] for index in range(quick)]
