"""A world that takes many calls to build is built once in each process; afterwards its rows are put back as they were."""

import copy
from collections.abc import Callable
from typing import Any, TypeVar

from django.apps import apps
from django.db import connection, transaction
from django.db.models import GeneratedField, Model

WorldT = TypeVar("WorldT")
Rows = dict[str, list[str]]
"""The rows of each table, as JSON."""

OF_THE_QUEUE = "procrastinate_"
"""Tables of jobs, whose triggers write more rows: what a world has left to do is not kept."""

DERIVED = ("people_personwords", "stories_storywords", "coauthors_coauthor")
"""Tables that triggers fill from the rows of others, so they are put back with those."""

_built: dict[str, tuple[Any, Rows]] = {}


def kept(build: Callable[[], WorldT]) -> WorldT:
    """What `build` makes in a database without people, with all its rows: built the first time, put back ever after.

    What it returns has to be plain enough to be copied: ids, tokens, rows in memory.
    """
    name = f"{build.__module__}.{build.__qualname__}"
    if name in _built:
        world, rows = _built[name]
        _put_back(rows)
        return copy.deepcopy(world)
    before = _rows()
    world = build()
    new = {table: sorted(set(rows) - set(before[table])) for table, rows in _rows().items()}
    _built[name] = copy.deepcopy(world), {table: rows for table, rows in new.items() if rows}
    return world


def _models() -> dict[str, type[Model]]:
    every = apps.get_models(include_auto_created=True)
    tables = {model._meta.db_table: model for model in every}
    return {name: one for name, one in tables.items() if not name.startswith(OF_THE_QUEUE) and name not in DERIVED}


def _rows() -> Rows:
    found: Rows = {}
    with connection.cursor() as cursor:
        for table in _models():
            cursor.execute(f'SELECT to_jsonb(row)::text FROM "{table}" AS row')
            found[table] = [row for (row,) in cursor.fetchall()]
    return found


def _put_back(rows: Rows) -> None:
    """In one transaction, at whose end foreign keys are looked at: so tables may come in any order."""
    models = _models()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        for table, of_table in rows.items():
            fields = [one for one in models[table]._meta.concrete_fields if not isinstance(one, GeneratedField)]
            columns = ", ".join(f'"{one.column}"' for one in fields)
            cursor.execute(
                f'INSERT INTO "{table}" ({columns}) OVERRIDING SYSTEM VALUE '
                f'SELECT {columns} FROM jsonb_populate_recordset(NULL::"{table}", %s::jsonb)',
                [f"[{', '.join(of_table)}]"],
            )
