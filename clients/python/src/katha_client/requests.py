"""Sending one request until it is served, and one write until it is answered."""

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from katha_client.effects import Ask, Clock, Patience, Reply, Send, Steps, Wait
from katha_client.errors import RequestError, Unserved
from katha_client.writes import Write

AnswerT = TypeVar("AnswerT")
OVERSLEPT_SECONDS = 2.0
"""A pause that took so much longer than it was to: the machine was asleep, and nobody was impatient meanwhile."""

Rebase = Callable[[dict[str, Any]], Any]
"""Is given a ConflictError. Gives the variables that differ now (such as the patch), or None to give up."""


def query(
    document: str, variables: Mapping[str, Any] | None, patience: Patience, clock: Clock
) -> Steps[dict[str, Any]]:
    """The `data` of a query. Raises RequestError, and Unserved once the patience is at its end."""
    return (yield from insist({"query": document, "variables": dict(variables or {})}, patience, clock))


def insist(
    body: Mapping[str, Any], patience: Patience, clock: Clock, *, repeatable: bool = True
) -> Steps[dict[str, Any]]:
    """Send the very same until it is served. `repeatable`: whether that is safe where nobody knows if it was done."""
    give_up = clock.now() + patience.seconds
    pause = patience.first_pause
    for attempt in range(1, patience.attempts + 1):
        began = clock.now()
        try:
            return data_of((yield Send(body)))
        except Unserved as problem:
            wait = (
                told(problem.after, patience, clock)
                if problem.after is not None
                else pause * (0.5 + clock.chance() / 2)
            )
            give_up += asleep(clock.now() - began - patience.attempt)
            over = clock.now() + wait > give_up or attempt == patience.attempts
            if over or not (repeatable or problem.unwritten):
                raise
        began = clock.now()
        yield Wait(wait)
        give_up += asleep(clock.now() - began - wait)
        pause = min(patience.longest_pause, 2 * pause)
    raise AssertionError("the last attempt returns or raises")


def asleep(longer: float) -> float:
    """For how long the machine slept, from how much longer something took than it could."""
    return longer if longer > OVERSLEPT_SECONDS else 0.0


def told(after: float, patience: Patience, clock: Clock) -> float:
    """A pause that the server named, a little longer by chance."""
    return after * (1 + patience.jitter * clock.chance())


def write(
    of: Write[AnswerT], patience: Patience, clock: Clock, *, key: str | None = None, rebase: Rebase | None = None
) -> Steps[AnswerT]:
    """The answer to a write, refusals included. One key from the first attempt to the last, rebases too.

    A conflict is sent again only with what `rebase` made of it, on top of `current`. What still asks to be sent again when the
    patience is at its end (a BusyError) is the answer too. Raises as `query` does.
    """
    variables = dict(of.variables)
    if of.keyed:
        variables["key"] = key or str(uuid.uuid4())
    for left in range(patience.rebases, -1, -1):
        body = {"query": of.document, "variables": variables}
        try:
            answer = (yield from insist(body, patience, clock, repeatable=of.keyed))[of.mutation]
        except Unserved as problem:
            if problem.answer is None:
                raise
            return problem.answer  # type: ignore[return-value]
        if not isinstance(answer, dict) or answer.get("__typename") != "ConflictError" or rebase is None or not left:
            return answer  # type: ignore[no-any-return]
        changed = yield Ask(rebase, (answer,))
        if changed is None:
            return answer  # type: ignore[return-value]
        variables = {**variables, "expect": {"version": answer["current"]["version"]}, **changed}
        yield Wait(told(answer["retry"]["afterMs"] / 1000, patience, clock))
    raise AssertionError("the last round returns")


# --- Reading what came ----------------------------------------------------------------------------------------


def data_of(reply: Reply) -> dict[str, Any]:
    """The `data` of a reply. Raises Unserved where the same request should be sent again, RequestError for other errors."""
    try:
        answer = json.loads(reply.body)
        data, errors = answer.get("data"), answer.get("errors")
    except (ValueError, AttributeError):
        data = errors = None
    if not errors and not isinstance(data, dict):
        # No GraphQL at all: a proxy's page. Its Retry-After is in seconds.
        raise Unserved(f"status {reply.status} without an answer", retry_after(reply))
    if errors:
        extensions = errors[0].get("extensions") or {}
        retry = extensions.get("retry") or {}
        after = retry.get("afterMs") if retry.get("kind") == "SAME_REQUEST" else extensions.get("afterMs")
        if after is not None:
            unwritten = extensions.get("code") != "OUTCOME_UNKNOWN"
            raise Unserved(str(errors[0].get("message")), after / 1000, unwritten=unwritten)
        raise RequestError(errors, data)
    for answered in data.values():
        refuse_if_unserved(answered)
    return data  # type: ignore[no-any-return]


def refuse_if_unserved(answered: Any) -> None:
    """Raises Unserved for a refusal of a mutation that asks for the very same request again."""
    retry = answered.get("retry") if isinstance(answered, dict) else None
    if isinstance(retry, dict) and retry.get("kind") == "SAME_REQUEST":
        unwritten = answered.get("code") != "OUTCOME_UNKNOWN"
        raise Unserved(
            str(answered.get("message")), retry.get("afterMs", 0) / 1000, unwritten=unwritten, answer=answered
        )


def retry_after(reply: Reply) -> float | None:
    """What a header says, in seconds."""
    text = next((value for name, value in reply.headers.items() if name.lower() == "retry-after"), "")
    return float(text) if text.strip().isdigit() else None
