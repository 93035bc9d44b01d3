"""Client scripts as generators: they yield requests and receive answers, independently of the transport.

So the same script runs over HTTP to be timed, and within a process to count its statements.
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
    """Milliseconds to wait before it is sent."""


Answer = Any
"""The member `data` of a response that has no `errors`."""

Script = Generator[Request, Answer, Any]


class Wrong(Exception):
    """The server gave no answer, or a wrong one, which makes the measurement void."""


def require(is_so: bool, what: str, answer: Any) -> None:
    """Raise `Wrong` unless `is_so`."""
    if not is_so:
        raise Wrong(f"{what}; the answer was {answer!r:.2000}")


@dataclass(frozen=True)
class Batch:
    """One measurement of a workload: the clients' scripts, a check of the result, and the variables for pgbench."""

    scripts: Sequence[Script]
    check: Callable[[], None] = lambda: None
    variables: dict[str, object] = field(default_factory=dict)


def play(script: Script, ask: Callable[[Request], Answer]) -> Any:
    """Run a script to its end; returns its return value."""
    answer = None
    while True:
        try:
            request = script.send(answer)
        except StopIteration as done:
            return done.value
        answer = ask(request)
