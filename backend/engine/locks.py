"""The order in which units of work lock rows of different tables, so that they cannot deadlock.

Each model of ours that a unit of work writes or locks has a `LOCK_RANK`. A unit of work locks lower ranks first, and
rows of one table in the order of their primary keys. Tests check this for every mutation and job. A new table takes a
free number:

    1xx  what belongs to the request itself
    2xx  people, and rows that everything of theirs depends on
    3xx  to 8xx  things: a row before those that depend on it
    9xx  totals, which unrelated requests share: locked last, so that nobody holds them while waiting for another lock
"""

from functools import cache

from django.apps import apps
from django.db.models import Model


def rank_of(model: type[Model]) -> int | None:
    """The rank of a model's table in the lock order; None if no unit of work writes to it."""
    rank: int | None = getattr(model, "LOCK_RANK", None)
    return rank


@cache
def lock_order() -> tuple[str, ...]:
    """The tables in the order in which they are locked."""
    ranked = [(rank, model._meta.db_table) for model in apps.get_models() if (rank := rank_of(model)) is not None]
    return tuple(table for _, table in sorted(ranked))
