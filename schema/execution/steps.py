"""What it takes to answer a request, told step by step: the work is a generator, and who drives it gives it what it needs.

The server drives it in the event loop, and in a fiber or a thread where that is asked for; the tests and the bench in their own
thread.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from backend.postgresql.reads import Row, Statement


@dataclass(frozen=True, slots=True)
class Read:
    """The first row of what this statement selects; it is sent in. What the database refuses is raised there."""

    statement: Statement
    parameters: Sequence[bytes | None]


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot of this lane of admission, instead of the one that is held. It goes on in a fiber in one for mutations, in a
    thread in one for hashing, and else where it was.
    """

    lane: str
    instead: str | None = None
    """The lane in which it goes on without hashing, if none is free here in time."""


class InThread:
    """What follows takes long, or waits for something, or writes to the log: it is done in a thread."""


IN_THREAD: Final = InThread()

DoneT = TypeVar("DoneT")
Need = Read | Slot | InThread
Steps = Generator[Need, Row | None, DoneT]
