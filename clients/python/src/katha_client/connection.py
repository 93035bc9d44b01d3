"""What both clients send, and how they read it: the parts of HTTP that do not depend on how one waits."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from katha_client.effects import Clock, Patience, Reply
from katha_client.errors import Unserved
from katha_client.live import STREAM

ANSWER = "application/graphql-response+json, application/json;q=0.9"


@dataclass
class Address:
    """Where the server is, and how long anything may take."""

    url: str
    token: str | None = None
    """What signs in; may be changed at any time."""
    silent_seconds: float = 40.0
    """How long a stream may be silent. The server says something every 15 seconds."""
    patience: Patience = field(default_factory=Patience)
    clock: Clock = field(default_factory=lambda: Clock(time.monotonic, random.random))

    def request(self, body: Mapping[str, Any], *, stream: bool = False) -> dict[str, Any]:
        """The arguments of a request."""
        headers = {"Accept": f"{STREAM}, {ANSWER}" if stream else ANSWER}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        timeout = httpx.Timeout(self.patience.attempt, read=self.silent_seconds if stream else self.patience.attempt)
        return {"url": self.url, "json": dict(body), "headers": headers, "timeout": timeout}


def reply(response: httpx.Response) -> Reply:
    """What came; of a stream its head."""
    return Reply(response.status_code, response.headers, b"" if is_stream(response) else response.content)


def is_stream(response: httpx.Response) -> bool:
    """Whether it goes on."""
    return str(response.headers.get("content-type", "")).startswith(STREAM)


@contextmanager
def unserved() -> Iterator[None]:
    """Raises Unserved for whatever the network can do to a request: it cannot be told whether the server has it."""
    try:
        yield
    except (httpx.TransportError, httpx.StreamError, httpx.DecodingError) as problem:
        raise Unserved(f"{type(problem).__name__}: {problem}") from problem


Listener = Callable[[Any], Any]
"""Is called with the thing that has changed."""
