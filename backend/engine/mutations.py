"""A mutation as data, and what happens in its one transaction.

The order is

1. its key is claimed, or the first reply to it is given again
2. whether the person may do this
3. what `expect` means: which version of the target they have seen
4. its own work: the conditioned writes, with all that belongs to them
5. what they have seen afterwards, and the reply, are stored with the key
6. COMMIT
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

from backend.engine.errors import Invalid
from backend.engine.idempotency import Applied, Outcome, Used, claim, fingerprint_of, outcome_of, replay, reply
from backend.engine.transactions import unit_of_work
from backend.engine.versions import Expected

SAW = "saw"
"""The key of an outcome's facts under which the versions seen by the caller are stored, by row name. `expect.after` reads it."""

ANYTHING = Expected(None)
"""What is expected of a write without a condition."""
NOTHING = Expected(0)
"""What a caller has seen who wrote without a condition: nothing."""


class Target(NamedTuple):
    """The row that a write is conditioned on: its name in outcomes, and how to recognise it."""

    name: str
    of: Mapping[str, Any]
    version: str = "version"


@dataclass(slots=True)
class Mutation:
    """What one person wants to be done, once for each key."""

    operation: str
    person_id: uuid.UUID
    key: uuid.UUID | None
    arguments: Mapping[str, Any]
    """What identifies a repeated request, with the operation: what can be JSON. Without `expect`: a retry after a conflict names
    another version, but is the same request.
    """
    work: Callable[[Expected], Outcome]
    """Gets what the person has seen of the target."""
    target: Target | None = None
    """What the work is conditioned on, if it is."""
    expect: Expected = ANYTHING
    makes: str | None = None
    """The name of the row that it creates. Its creator has seen all of it."""
    may: Callable[[], None] | None = None
    """Raises `Forbidden` for whoever may not do this."""
    facts: Callable[[Outcome], Mapping[str, Any]] | None = None
    """What is stored with the key besides, for a replay."""


def perform(mutation: Mutation) -> Outcome:
    """Run it as one unit of work, once: a request whose key was used already gets the first outcome again.

    Raises `KeyReused` if the key was used for other arguments, and what its work refuses.
    """
    try:
        return unit_of_work(partial(_performed, mutation))
    except Used:
        assert mutation.key is not None
        fingerprint = fingerprint_of(mutation.operation, mutation.arguments)
        return unit_of_work(partial(replay, mutation.person_id, mutation.key, fingerprint))


def _performed(mutation: Mutation) -> Outcome:
    key = mutation.key
    if key is not None:
        claim(mutation.person_id, key, fingerprint_of(mutation.operation, mutation.arguments))
    if mutation.may is not None:
        mutation.may()
    seen = mutation.expect
    if mutation.target is not None:
        seen = seen_by(mutation.person_id, seen, mutation.target)
    outcome = mutation.work(seen)
    if key is not None:
        if mutation.target is not None:
            outcome = saw(outcome, seen, mutation.target)
        if mutation.makes is not None:
            outcome = made(outcome, mutation.makes)
        if mutation.facts is not None:
            outcome = outcome._replace(facts={**outcome.facts, **mutation.facts(outcome)})
        reply(mutation.person_id, key, outcome)
    return outcome


def seen_by(person_id: uuid.UUID, expect: Expected, target: Target) -> Expected:
    """What the caller has seen of the target. Raises what `outcome_of` raises, and `Invalid` for the key of another target."""
    if expect.after is None:
        return expect
    before = outcome_of(person_id, expect.after)
    row, seen = before.rows.get(target.name), before.facts.get(SAW, {}).get(target.name)
    if seen is None or any(getattr(row, name) != value for name, value in target.of.items()):
        raise Invalid.one("expect.after", "is the key of a mutation that was not conditioned on this, nor made it.")
    return Expected(seen["version"], own=tuple(seen["own"]), sent=seen["sent"])


def saw(outcome: Outcome, seen: Expected, target: Target) -> Outcome:
    """The outcome, with what the caller has seen of the target after it.

    The version in the reply also covers writes of others that the caller may never have read. So `expect.after` means
    what the caller had seen before, plus their own write: a chain of writes by keys never overwrites anything unseen.
    After a text that was merged with those of others, the caller's next write is based on the text as sent.
    """
    row = outcome.rows.get(target.name)
    if row is None:
        return outcome
    if seen.anything:
        seen = NOTHING
    if outcome.applied is Applied.NOOP or not outcome.is_own:
        seen = seen.and_sent(outcome.sent)
    else:
        sent = {name: value for name, value in seen.sent.items() if name not in outcome.sent}
        seen = seen.and_wrote(getattr(row, target.version))._replace(sent=sent)
    return _with(outcome, target.name, {"version": seen.version, "own": seen.own, "sent": dict(seen.sent)})


def made(outcome: Outcome, name: str) -> Outcome:
    """The outcome of creating a row. Its creator has seen all of it."""
    row: Any = outcome.rows[name]
    return _with(outcome, name, {"version": row.version, "own": [], "sent": {}})


def _with(outcome: Outcome, name: str, seen: Mapping[str, Any]) -> Outcome:
    return outcome._replace(facts={**outcome.facts, SAW: {**outcome.facts.get(SAW, {}), name: seen}})
