"""Why the database failed, in words that hold no value.

An error's message may quote a row, a text or a name, so none of it is repeated. PostgreSQL's errors are told apart by their
SQLSTATE. libpq passes none on for a connection that was never made, so these are told apart by their messages.
"""

import re
from collections.abc import Iterator

from psycopg import Error, InterfaceError, OperationalError, errors

CONNECTION_CAUSES = {
    "refused": "the connection was refused: no PostgreSQL listens there",
    "host": "there is no such host",
    "password": "the role or its password was not accepted",
    "too_many": "too many connections",
    "starting": "the database is starting or stopping",
    "no_database": "there is no such database",
    "timeout": "no answer came in time",
    "lost": "the connection broke",
    "other": "the connection failed",
}
"""Why there is no connection: labels of a metric, and the words for the log."""

MESSAGES = (
    ("refused", re.compile(r"Connection refused|No such file or directory|No route to host|Network is unreachable")),
    ("host", re.compile(r"failed to resolve host|could not translate host name")),
    ("too_many", re.compile(r"FATAL:  (sorry, )?too many (clients|connections)|FATAL:  remaining connection slots")),
    ("starting", re.compile(r"FATAL:  the database system is ")),
    ("no_database", re.compile(r'FATAL:  database "[^"]*" (does not exist|is not currently accepting)')),
    (
        "password",
        re.compile(
            r'FATAL:  (\S+ authentication failed|role "|no pg_hba.conf entry|pg_hba.conf rejects)|no password supplied'
        ),
    ),
    ("timeout", re.compile(r"timeout expired|timed out|no time is left")),
    (
        "lost",
        re.compile(r"closed|consuming input failed|Connection reset|Broken pipe|EOF detected|the connection is lost"),
    ),
)
"""What libpq, psycopg and PostgreSQL say. The first that is found decides."""

SQLSTATES = {
    "25P02": "an earlier statement of the transaction had failed",
    "25P03": "the transaction was idle for too long",
    "40001": "it could not be serialized with what others wrote",
    "40P01": "deadlock",
    "53100": "the disk is full",
    "53200": "out of memory",
    "53300": CONNECTION_CAUSES["too_many"],
    "55P03": "a lock was not to be had in time",
    "57014": "the statement was cancelled: it took too long, or the request's time was up",
    "57P01": "the connection was ended by an administrator or a shutdown",
    "57P02": "a process of the database has crashed",
    "57P03": CONNECTION_CAUSES["starting"],
}
"""In words, by SQLSTATE (PostgreSQL manual, appendix A). All others are called as the manual calls them."""


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and its causes, in the order in which Python follows them."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ or (None if one.__suppress_context__ else one.__context__)


def database_facts(error: BaseException | None) -> dict[str, str]:
    """The `cause` of a database error, and what PostgreSQL sent with it: `sqlstate`, constraint, table. Empty for others."""
    found = next((one for one in chain(error) if isinstance(one, Error)), None) if error is not None else None
    if found is None:
        return {}
    named = {name: getattr(found.diag, name) for name in ("sqlstate", "constraint_name", "table_name")}
    return {"cause": cause(found)} | {name: value for name, value in named.items() if value}


def cause(error: Error) -> str:
    """Why a statement or a connection failed."""
    if error.sqlstate is None:
        return CONNECTION_CAUSES[connection_cause(error)]
    return SQLSTATES.get(error.sqlstate) or _as_the_manual_says(error.sqlstate)


def connection_cause(error: Error) -> str:
    """Why a connection failed: a key of `CONNECTION_CAUSES`."""
    said = str(error)
    return next((kind for kind, message in MESSAGES if message.search(said)), "other")


def _as_the_manual_says(sqlstate: str) -> str:
    """The manual's name of a condition, such as "unique violation"."""
    try:
        name = errors.lookup(sqlstate).__name__
    except KeyError:
        return "an error that the manual does not list"
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()


def in_postgresqls_words(error: BaseException) -> str | None:
    """What PostgreSQL, or the attempt to reach it, said: for commands, whose reader runs the server. Not for the log.

    None if the error does not come from a database that is away, or has no time or no room. It names the address, the role or
    the database, but never a password, a statement or a row.
    """
    found = next((one for one in chain(error) if isinstance(one, OperationalError | InterfaceError)), None)
    if found is None:
        return None
    lines = [line.strip() for line in (found.diag.message_primary or str(found)).splitlines() if line.strip()]
    if not lines:
        return type(found).__name__
    several = lines[0].startswith("Multiple connection attempts failed")
    line = lines[-1] if several else lines[0]
    return line.removeprefix("connection failed: ").removeprefix("connection is bad: ")
