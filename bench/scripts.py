"""What a client does, as a generator: it yields requests and is sent their answers. Who sends them is not its business.

So the same script runs over HTTP where it is timed, and inside a process where its statements are counted.
"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Request:
    """One GraphQL request."""

    document: str
    variables: dict[str, Any] = field(default_factory=dict)
    token: str | None = None
    after_ms: int = 0
    """How long to wait before it is sent."""


Answer = Any
"""The member `data` of a response that has no `errors`."""

Script = Generator[Request, Answer, Any]


class Wrong(Exception):
    """The server did not answer, or not what it should have: its speed does not matter then."""


def require(is_so: bool, what: str, answer: Any) -> None:
    """Raise `Wrong` unless it is so."""
    if not is_so:
        raise Wrong(f"{what}; the answer was {answer!r:.2000}")


@dataclass(frozen=True)
class Batch:
    """One measurement of a work: what its clients do, what must be so afterwards, and what pgbench has to know."""

    scripts: Sequence[Script]
    check: Callable[[], None] = lambda: None
    variables: dict[str, object] = field(default_factory=dict)


def play(script: Script, ask: Callable[[Request], Answer]) -> Any:
    """Run a script to its end, one request after the other; returns what it returned."""
    answer = None
    while True:
        try:
            request = script.send(answer)
        except StopIteration as done:
            return done.value
        answer = ask(request)
