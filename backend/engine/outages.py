"""Says in one line why the database could not be used: for commands, whose reader runs the server."""

from collections.abc import Iterator

import psycopg

AWAY = (psycopg.OperationalError, psycopg.InterfaceError)
"""The database is not there, or has no time or no room. Other errors are faults of ours."""


def why(error: BaseException) -> str | None:
    """What PostgreSQL or the attempt to reach it said; None if the error does not come from a database that is away.

    It names the address, the role or the database, but never a password, a statement or a row.
    """
    found = next((one for one in _chain(error) if isinstance(one, AWAY)), None)
    if found is None:
        return None
    lines = [line.strip() for line in (found.diag.message_primary or str(found)).splitlines() if line.strip()]
    if not lines:
        return type(found).__name__
    several = lines[0].startswith("Multiple connection attempts failed")
    line = lines[-1] if several else lines[0]
    return line.removeprefix("connection failed: ").removeprefix("connection is bad: ")


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes."""
    one: BaseException | None = error
    while one is not None:
        yield one
        one = one.__cause__ or one.__context__
