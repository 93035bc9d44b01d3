"""Lets a source say something else for a while: what is slow, or what is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from schema.execution import plans


@contextmanager
def replaced(source: Any, sql: str) -> Iterator[None]:
    """The source has this SQL inside; no plan is kept beyond either end."""
    before, kept = source.sql, plans.PLANS
    object.__setattr__(source, "sql", sql)
    plans.PLANS = type(kept)()  # type: ignore[misc]
    try:
        yield
    finally:
        object.__setattr__(source, "sql", before)
        plans.PLANS = kept  # type: ignore[misc]
