"""Resolves `expect` for the target of a write, and records which versions the caller has seen after it."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from backend.engine.errors import Invalid
from backend.engine.idempotency import Applied, Outcome, outcome_of
from backend.engine.versions import Expected

SAW = "saw"
"""The key of an outcome's facts under which the versions seen by the caller are stored, by row name. `expect.after` reads it."""


NOTHING = Expected(0)
"""What a caller has seen who wrote without a condition: nothing."""


@dataclass(frozen=True)
class Target:
    """The row that a write is conditioned on: its name in outcomes, and how to recognise it."""

    name: str
    of: Mapping[str, Any]
    version: str = "version"


def conditioned(
    person_id: uuid.UUID,
    expect: Expected,
    target: Target,
    write: Callable[[Expected], Outcome],
) -> Callable[[], Outcome]:
    """`write` as a unit of work: resolves `expect` first, and stores with the outcome what the caller has seen.

    The version in the reply also covers writes of others that the caller may never have read. So `expect.after` means
    what the caller had seen before, plus their own write: a chain of writes by keys never overwrites anything unseen.
    After a text that was merged with those of others, the caller's next write is based on the text as sent.
    """

    def work() -> Outcome:
        seen = _seen(person_id, expect, target)
        outcome = write(seen)
        row = outcome.rows.get(target.name)
        if row is None:
            return outcome
        if seen.anything:
            seen = NOTHING
        if outcome.applied is Applied.NOOP or not outcome.is_own:
            seen = seen.and_sent(outcome.sent)
        else:
            seen = replace(seen.and_wrote(getattr(row, target.version)), sent=_without(seen.sent, outcome.sent))
        return with_fact(outcome, {target.name: {"version": seen.version, "own": seen.own, "sent": dict(seen.sent)}})

    return work


def _without(values: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def with_fact(outcome: Outcome, saw: Mapping[str, Any]) -> Outcome:
    """A copy of the outcome that also stores `saw`: what the caller has seen, by row name."""
    return replace(outcome, facts={**outcome.facts, SAW: {**outcome.facts.get(SAW, {}), **saw}})


def made(outcome: Outcome, name: str) -> Outcome:
    """The outcome of creating a row. Its creator has seen all of it."""
    row: Any = outcome.rows[name]
    return with_fact(outcome, {name: {"version": row.version, "own": [], "sent": {}}})


def _seen(person_id: uuid.UUID, expect: Expected, target: Target) -> Expected:
    """What the caller has seen of the target. Raises what `outcome_of` raises, and `Invalid` for the key of another target."""
    if expect.after is None:
        return expect
    before = outcome_of(person_id, expect.after)
    row, saw = before.rows.get(target.name), before.facts.get(SAW, {}).get(target.name)
    if saw is None or any(getattr(row, name) != value for name, value in target.of.items()):
        raise Invalid.one("expect.after", "is the key of a mutation that was not conditioned on this, nor made it.")
    return Expected(saw["version"], own=tuple(saw["own"]), sent=saw["sent"])
