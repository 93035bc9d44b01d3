"""What the core asks of the world. It does no I/O itself: it yields these, and a sync or an async client does them.

So there is one copy of every rule, which both clients drive, and which a test can drive with a clock of its own.
"""

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Reply:
    """An answer of the server, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Send:
    """Send one request, and give its `Reply`. Raises Unserved where nobody answers."""

    body: Mapping[str, Any]


@dataclass(frozen=True)
class Wait:
    """Wait for so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Ask:
    """Call a function of the caller, which may be a coroutine in an async client, and give what it returns."""

    call: Callable[..., Any]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Listen:
    """Open a stream of server-sent events; one that is open already is closed. Gives its head as a `Reply`, with the body only
    where it is no stream.
    """

    body: Mapping[str, Any]


@dataclass(frozen=True)
class NextLine:
    """Give the next line of the stream, or None at its end. Raises Unserved where it breaks or is silent for too long."""


@dataclass(frozen=True)
class Emit:
    """Give this to whoever iterates."""

    value: Any


@dataclass
class Clock:
    """What the core reads the time and chance from; tests have their own."""

    now: Callable[[], float]
    chance: Callable[[], float]
    """From 0 up to 1."""


Effect = Send | Wait | Ask | Listen | NextLine | Emit
Steps = Generator[Effect, Any, ResultT]
"""Yields what is to be done, is sent what came of it, and returns the result."""


@dataclass(frozen=True)
class Patience:
    """For how long, and how often, a request is sent again before the caller is told.

    The clock decides (`seconds`); `attempts` bounds what a server can cause that asks to come back at once. Pauses that no
    server names grow from `first_pause` to `longest_pause`. `rebases`: how many conflicts one write rebases.
    """

    seconds: float = 60.0
    attempts: int = 100
    first_pause: float = 0.1
    longest_pause: float = 5.0
    attempt: float = 30.0
    """How many seconds one answer is waited for: longer than the server takes, which gives up itself."""
    rebases: int = 20
    jitter: float = field(default=0.1)
    """By which part a pause that the server names may become longer; never shorter, for others are told other times."""
