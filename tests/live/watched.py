"""Subscribes in this process, without a stream: what a subscription is made of, and what its statement tells."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from django.test import RequestFactory

from backend.live.hub import PARTS, STATE
from backend.live.subscriptions import Asked, Subscription, Thing
from backend.postgresql.select import select
from schema.context import Context
from schema.execution.watching import Watching
from schema.server.asked import Asked as Document
from schema.server.driving import driven
from schema.server.in_process import InProcess
from schema.server.live.opening import opened
from schema.server.policy import Policy
from schema.server.requests import Request
from tests.api import ApiClient

CHANGED = "subscription ($things: [SeenInput!]!) { changed(things: $things) { id version thing { __typename id } } }"


def watching(caller: ApiClient, query: str, extra: str | None = None, **variables: Any) -> Watching:
    """What this person's subscription is made of. Raises what refuses it."""
    headers = {"HTTP_AUTHORIZATION": f"Bearer {caller.token}"} if caller.token else {}
    environ = RequestFactory().post("/graphql", **headers).META
    request = Request({**environ, "HTTP_HOST": "testserver"}, Policy.of_settings())
    request.arrived(b"")
    context = Context(request)
    steps = opened(request, Document(query, None, None, variables, None), context, lambda _thing: extra)
    running = driven(request, steps, InProcess(request))
    try:
        running.send(None)
    except StopIteration as done:
        found: Watching = done.value
        return found
    raise AssertionError("it waits for something")


def told(found: Sequence[Watching]) -> list[dict[str, Any] | None]:
    """What each of them is told first of each of its things, in order: those that can be are read by one statement. None for
    somebody who is not signed in any more.
    """
    asked = [Asked(_subscription(one), thing) for one in found for thing in one.seen]
    batches: defaultdict[int, list[int]] = defaultdict(list)
    for place, (subscription, _) in enumerate(asked):
        batches[id(subscription.batch)].append(place)
    answers: list[dict[str, Any] | None] = [None] * len(asked)
    for places in batches.values():
        these = [asked[place] for place in places]
        many = these[0].subscription.batch
        row = select(many.statement, many.bind(these))
        assert row is not None
        for part in (row[0] or b"").split(PARTS):
            if part:
                number, _, printed = part.split(STATE, 2)
                place = places[int(number) - 1]
                viewer = str(asked[place].subscription.viewer.id or "")
                answers[place] = json.loads(many.payload(printed, viewer))
    return answers


def seen(*ids: str) -> list[dict[str, Any]]:
    """Things of which nothing was seen."""
    return [{"id": id_} for id_ in ids]


class Nowhere:
    """An outlet to nobody."""

    is_ready = True

    async def send(self, payload: bytes) -> None: ...

    def end(self, ending: Any) -> None: ...


def _subscription(found: Watching) -> Subscription:
    things: dict[Thing, bytes | None] = dict(found.seen)
    return Subscription(found.viewer, found.many, Nowhere(), things, found.topics)
