"""Watches the SQL statements of this thread, and does something between two of them."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import connection

from backend.engine import metrics

WRITE = re.compile(
    r'\s*(?:WITH\b.*?\b(?<!FOR ))?(?:INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)"?', re.IGNORECASE | re.DOTALL
)
LOCK = re.compile(
    r'\s*SELECT\b.*?\bFROM\s+"?(\w+)"?.*\bFOR (?:(?:NO KEY )?UPDATE|(?:KEY )?SHARE)\b', re.IGNORECASE | re.DOTALL
)
EACH_WRITE = re.compile(r'(?:^|[()])\s*(INSERT INTO|UPDATE|DELETE FROM)\s+"?(\w+)"?', re.IGNORECASE)
LOCK_STRENGTH = re.compile(r"\bFOR ((?:NO KEY )?UPDATE|(?:KEY )?SHARE)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Statement:
    """One statement, and whether it was part of a transaction."""

    sql: str
    parameters: Any
    in_unit: bool
    operation: str = ""
    """The mutation or job that it belongs to."""

    @property
    def locks(self) -> str | None:
        """The table whose rows it locks, if it does."""
        found = WRITE.match(self.sql) or LOCK.match(self.sql)
        return found[1] if found else None

    @property
    def locked(self) -> list[str]:
        """All tables whose rows it locks, in order: with a WITH it may write to several."""
        return [table for table, _ in self.locked_how]

    @property
    def locked_how(self) -> list[tuple[str, str]]:
        """The same, each with how: what it does to the rows, or the strength of the lock."""
        if self.is_write:
            return [(table, verb.split()[0].upper()) for verb, table in EACH_WRITE.findall(self.sql)]
        strength = LOCK_STRENGTH.search(self.sql)
        return [] if self.locks is None or strength is None else [(self.locks, f"FOR {strength[1].upper()}")]

    @property
    def is_write(self) -> bool:
        """Whether it inserts, updates or deletes."""
        return bool(WRITE.match(self.sql))


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Collect the statements of this thread. COMMIT is not among them: no cursor sends it."""
    statements: list[Statement] = []

    def note(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
        operation = metrics._OPERATION.get()
        statements.append(Statement(sql, parameters, connection.in_atomic_block, operation))
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(note):
        yield statements


@contextmanager
def before(pattern: str, *acts: Callable[[], Any]) -> Iterator[None]:
    """Before the first statement that matches `pattern` do the first of `acts`, before the next match the next one."""
    left = list(acts)

    def interrupt(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if left and re.search(pattern, sql):
            left.pop(0)()
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(interrupt):
        yield
    assert not left, f"no statement matched {pattern!r} often enough"


@contextmanager
def fault_at(number: int, fault: Callable[[], Any]) -> Iterator[list[Statement]]:
    """Do `fault` at statement `number` (from 1), once; collects the statements up to there."""
    statements: list[Statement] = []

    def strike(execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if len(statements) < number:
            statements.append(Statement(sql, parameters, connection.in_atomic_block))
            if len(statements) == number:
                fault()
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(strike):
        yield statements
