"""Loads the demo data into an empty database: by COPY, in one transaction, all of it or nothing."""

from collections.abc import Callable, Iterator
from typing import Any

from django.db import connection, transaction
from django.db.models import NOT_PROVIDED, Field

from backend.changes import pruning
from backend.demo.tables import World, tables
from backend.nouns import Rows, Table
from backend.people.actions import remember_token
from backend.people.demo import HANDLES, token
from backend.people.models import Account, Person

Watch = Callable[[str, int, Rows], Rows]
"""Progress callback: takes a table's name, its row count and its rows, and yields the rows."""


class NotEmpty(Exception):
    """The database is not empty."""


def is_empty() -> bool:
    """Whether the database has no people, and so no data."""
    return not Person.objects.exists()


def load(world: World, *, open_to_all: bool, watch: Watch) -> None:
    """Insert the demo data, with tokens for the named people if it is `open_to_all`. Raises `NotEmpty`."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        # For this transaction only, which takes long.
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL lock_timeout = 0")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("LOCK TABLE people_person IN SHARE ROW EXCLUSIVE MODE")
        if not is_empty():
            raise NotEmpty
        loaded = []
        for table in tables(world, open_to_all=open_to_all):
            _copy(cursor, table, watch(table.what, table.count, table.rows))
            loaded.append(connection.ops.quote_name(table.model._meta.db_table))
        if open_to_all:
            for account in Account.objects.filter(login__in=HANDLES).order_by("pk"):
                remember_token(account, token(account.login))
        pruning.empty()  # nobody has a cursor yet
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # report an invalid reference here, not at COMMIT
        cursor.execute(f"ANALYZE {', '.join(loaded)}")


def _copy(cursor: Any, table: Table, rows: Rows) -> None:
    given = [table.model._meta.get_field(name) for name in table.names.split()]
    others = list(_with_default(table, given))
    defaults = tuple(field.get_default() for field in others)
    quote = connection.ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in (*given, *others))  # type: ignore[union-attr]
    with cursor.copy(f"COPY {quote(table.model._meta.db_table)} ({columns}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row + defaults)


def _with_default(table: Table, given: list[Any]) -> Iterator["Field[Any, Any]"]:
    """The fields with a Python default that the rows leave out."""
    for field in table.model._meta.concrete_fields:
        filled_by_database = field.db_default is not NOT_PROVIDED or field.null
        if field not in given and not filled_by_database:
            yield field
