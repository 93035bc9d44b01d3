"""Things that stay as they are on the server: by a subscription, and where there is none by asking from time to time."""

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from katha_client.effects import Clock, Emit, Listen, NextLine, Patience, Reply, Steps, Wait
from katha_client.errors import CursorExpired, NotListening, RequestError, Unserved
from katha_client.requests import data_of, query, told
from katha_client.sse import Events

STREAM = "text/event-stream"
NO_STREAM = {404, 405, 406, 415, 501}
"""Statuses of a server, or of something before it, that gives no stream here."""
UNKNOWN_THERE = {"GRAPHQL_VALIDATION_FAILED", "OPERATION_RESOLUTION_FAILURE", "METHOD_NOT_ALLOWED", "NOT_ACCEPTABLE"}
"""Codes of a server that knows no subscriptions, or not this one."""
LISTEN_AGAIN_SECONDS = 60.0
"""How long is polled before a stream is tried again."""
LIVED_SECONDS = 2.0
"""A stream that lasted as long was a good one: the next is opened soon."""
PAGE = 100
"""How many things are asked for at once."""
ONCE = Patience(attempts=1)
CHANGES = """query Changes($since: String) { changes(since: $since) { __typename
  ... on ChangePage { cursor hasMore changes { id version thing { __typename id version %s } } }
  ... on Failure { code message retry { kind afterMs } } } }"""

PRESENCE = """subscription Presence($story: ID!, $chapter: ID) { presence(story: $story, chapter: $chapter) {
  people { person { id handle name } chapter { id title } since } } }"""

Take = Callable[[dict[str, Any]], Any]
"""Makes of an event's data what is emitted; None is not."""


@dataclass(frozen=True)
class Change:
    """A thing is at a version that was not seen. `thing` is None where it is gone or hidden; the two look alike."""

    id: str
    version: str | None
    thing: dict[str, Any] | None


@dataclass(frozen=True)
class ChangePage:
    """A page of changes. Keep `cursor` once they are taken in; it is where to go on."""

    changes: list[Change]
    cursor: str


def changed_document(selection: str) -> str:
    """The subscription for things. `selection`: what to ask of each, such as `... on Story { title }`."""
    inner = f"__typename id version {selection}"
    return f"subscription Changed($things: [SeenInput!]!) {{ changed(things: $things) {{ id version thing {{ {inner} }} }} }}"


def polled_document(selection: str) -> str:
    """The query that asks for the same things."""
    return f"query Look($ids: [ID!]!) {{ nodes(ids: $ids) {{ __typename id ... on Versioned {{ version }} {selection} }} }}"


# --- One subscription -------------------------------------------------------------------------------------------


def subscribing(
    document: str, variables: Callable[[], Mapping[str, Any]], take: Take, patience: Patience, clock: Clock
) -> Steps[None]:
    """Emit what `take` makes of each event's data, until the server completes. A stream that breaks is opened again, without end.

    `variables` is asked anew for each stream. Raises RequestError where the server refuses, NotListening where it has no streams.
    """
    pause = patience.first_pause
    while True:
        began, wait = clock.now(), None
        try:
            if (yield from streaming(document, variables(), take)):
                return
        except Unserved as problem:
            wait = told(problem.after, patience, clock) if problem.after is not None else None
        pause = next_pause(pause, clock.now() - began, patience)
        yield Wait(wait if wait is not None else pause * (0.5 + clock.chance()))


def people(data: Mapping[str, Any]) -> Any:
    """Who is there, from an event of presence."""
    return data["presence"]["people"]


def next_pause(pause: float, lived: float, patience: Patience) -> float:
    """How long to wait before the next stream: twice as long each time, unless the last one lived for a while.

    The server ends streams of presence behind a proxy after some seconds, to hear whether somebody is still there.
    """
    return patience.first_pause if lived > LIVED_SECONDS else min(patience.longest_pause, 2 * pause)


def streaming(document: str, variables: Mapping[str, Any], take: Take) -> Steps[bool]:
    """One stream. Gives whether the server completed it."""
    head: Reply = yield Listen({"query": document, "variables": dict(variables)})
    if not _header(head, "content-type").startswith(STREAM):
        refuse(head)
    events = Events()
    while (line := (yield NextLine())) is not None:
        event = events.feed(line)
        if event and event[0] == "complete":
            return True
        if event and event[0] == "next":
            value = take(data_of(Reply(head.status, {}, json.dumps(event[1]).encode())))
            if value is not None:
                yield Emit(value)
    return False


def refuse(head: Reply) -> None:
    """Raises what an answer says that is no stream."""
    if head.status in NO_STREAM:
        raise NotListening(f"status {head.status}")
    try:
        data_of(head)
    except RequestError as problem:
        if problem.code in UNKNOWN_THERE:
            raise NotListening(str(problem)) from problem
        raise
    raise NotListening("an answer that is no stream")


def _header(reply: Reply, name: str) -> str:
    return next((value for key, value in reply.headers.items() if key.lower() == name), "")


# --- Things -----------------------------------------------------------------------------------------------------


@dataclass
class Watched:
    """The versions that were seen last."""

    seen: dict[str, str | None]
    gone: set[str] = field(default_factory=set)
    """Those that were told to be gone."""

    def things(self) -> dict[str, Any]:
        """The subscription's variables: what has been seen is not told again."""
        return {"things": [{"id": name, "version": version} for name, version in self.seen.items()]}

    def take(self, data: Mapping[str, Any]) -> Change | None:
        """The change in an event, unless it has been seen."""
        return self.change(data["changed"]["id"], data["changed"]["thing"])

    def change(self, name: str, thing: dict[str, Any] | None) -> Change | None:
        """The change to what is there now, unless it has been seen."""
        version = thing["version"] if thing else None
        if name not in self.seen or (version == self.seen[name] and (thing or name in self.gone)):
            return None
        self.seen[name] = version
        (self.gone.discard if thing else self.gone.add)(name)
        return Change(name, version, thing)


def watching(
    things: Mapping[str, str | None], selection: str, interval: float, patience: Patience, clock: Clock
) -> Steps[None]:
    """Emit a Change for each of these things that is not at the version that was seen, now and then always.

    Each time that the stream breaks the things are asked for once, so that nothing waits for the next one; where there are no
    streams they are asked for each `interval` seconds.
    """
    watched = Watched(dict(things))
    document, pause = changed_document(selection), patience.first_pause
    while True:
        began = clock.now()
        try:
            if (yield from streaming(document, watched.things(), watched.take)):
                return
        except NotListening:
            yield from polling(watched, selection, interval, LISTEN_AGAIN_SECONDS, clock)
            continue
        except Unserved:
            yield from asking(watched, selection, clock)
        pause = next_pause(pause, clock.now() - began, patience)
        yield Wait(pause * (0.5 + clock.chance()))


def polling(watched: Watched, selection: str, interval: float, seconds: float, clock: Clock) -> Steps[None]:
    """Ask for so many seconds, now and then each `interval`."""
    end = clock.now() + seconds
    while clock.now() < end:
        yield from asking(watched, selection, clock)
        yield Wait(interval * (0.9 + 0.2 * clock.chance()))


def asking(watched: Watched, selection: str, clock: Clock) -> Steps[None]:
    """Ask once for all, and emit what has changed. Nobody there is no matter: it is asked again."""
    names = list(watched.seen)
    for start in range(0, len(names), PAGE):
        ids = names[start : start + PAGE]
        with contextlib.suppress(Unserved):
            nodes = (yield from query(polled_document(selection), {"ids": ids}, ONCE, clock))["nodes"]
            for name, thing in zip(ids, nodes, strict=True):
                if change := watched.change(name, thing):
                    yield Emit(change)


# --- What was missed --------------------------------------------------------------------------------------------


def catching_up(since: str | None, selection: str, patience: Patience, clock: Clock) -> Steps[None]:
    """Emit a ChangePage after another, until nothing is left. Raises CursorExpired, and as `query` does."""
    cursor = since
    while True:
        page = (yield from query(CHANGES % selection, {"since": cursor}, patience, clock))["changes"]
        if page["__typename"] == "CursorExpiredError":
            raise CursorExpired(page["message"])
        if "cursor" not in page:
            raise RequestError([{"message": page["message"], "extensions": {"code": page["code"]}}])
        cursor = page["cursor"]
        yield Emit(ChangePage([Change(one["id"], one["version"], one["thing"]) for one in page["changes"]], cursor))
        if not page["hasMore"]:
            return
