"""SQL that looks how long the texts of an answer are before it prints them.

The same selections are compiled once more, with the length of each long text between two control characters instead of all
values. Their sum decides whether the answer is printed at all. PostgreSQL knows the length in bytes of a text without reading it.
"""

from schema.execution.markers import MARK
from schema.execution.printing import literal

LENGTH = "\x02"
"""What stands before and after each length. Nothing else that is printed while measuring holds it."""


def length_of(sql: str) -> str:
    """The expression that prints the length of a text."""
    return f"coalesce({literal(LENGTH)} || octet_length(({sql})::text) || {literal(LENGTH)}, '')"


def unless_too_long(answer: str, lengths: str, limit: str) -> str:
    """The expression of the answer; if the sum of the lengths is over the limit, a mark and the sum instead."""
    total = (
        "SELECT coalesce(sum(CASE WHEN part.number % 2 = 0 THEN part.printed::bigint END), 0) AS bytes "
        f"FROM string_to_table({lengths}, {literal(LENGTH)}) WITH ORDINALITY AS part (printed, number) OFFSET 0"
    )
    too_long = f"measured.bytes > {limit}::bigint THEN {literal(MARK)} || measured.bytes"
    return f"(SELECT CASE WHEN {too_long} ELSE {answer} END FROM ({total}) AS measured)"


class TooLong(Exception):
    """The texts of an answer are too long to be printed: `found` bytes."""

    def __init__(self, found: int) -> None:
        super().__init__(found)
        self.found = found


def excess_of(answer: bytes) -> int | None:
    """The sum of the lengths if it was over the limit; None if this is the answer."""
    return int(answer[len(MARK) :]) if answer.startswith(MARK.encode()) else None
