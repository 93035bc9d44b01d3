"""The order in which units of work lock rows of different tables, so that no two of them wait for each other in a circle.

Each model of ours that a unit of work writes or locks says its place as `LOCK_RANK`: a unit locks lower ranks first, and rows
of one table in the order of their primary keys. Tests assert it of every mutation and job. A new table takes a free number:

    1xx  what belongs to the request itself
    2xx  people, and what everything of theirs hangs on
    3xx  to 8xx  things: what others hang on before what hangs on it
    9xx  totals, which unrelated people share: nobody holds them while waiting for anything else
"""

from functools import cache

from django.apps import apps
from django.db.models import Model


def rank_of(model: type[Model]) -> int | None:
    """The place of a model's table in the order; None where no unit of work writes it."""
    rank: int | None = getattr(model, "LOCK_RANK", None)
    return rank


@cache
def lock_order() -> tuple[str, ...]:
    """The tables in the order in which they are locked."""
    ranked = [(rank, model._meta.db_table) for model in apps.get_models() if (rank := rank_of(model)) is not None]
    return tuple(table for _, table in sorted(ranked))
