"""What a write is conditioned on: what `expect` means for its target, and what the caller has seen once it is done."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from backend.engine.errors import Invalid
from backend.engine.idempotency import Applied, Outcome, outcome_of
from backend.engine.versions import Expected

SAW = "saw"
"""The fact in an outcome that says of its rows which versions the caller has seen: for `expect.after`."""


NOTHING = Expected(0)
"""What somebody has seen of a thing who wrote whatever it was."""


@dataclass(frozen=True)
class Target:
    """The thing that a write is conditioned on: the name of its row in outcomes, and how to tell it from others."""

    name: str
    of: Mapping[str, Any]
    version: str = "version"


def conditioned(
    person_id: uuid.UUID,
    expect: Expected,
    target: Target,
    write: Callable[[Expected], Outcome],
    sent: Mapping[str, Any] = MappingProxyType({}),
) -> Callable[[], Outcome]:
    """`write` as a unit of work that knows what `expect` means, and remembers what the caller has seen by it.

    The version in the reply covers writes of others that the caller may never have looked at. So `expect.after` means
    what the caller had seen before, and their own write: a chain of writes by keys never replaces anything unseen. `sent`
    are texts that may be merged with others': the caller goes on from these.
    """

    def work() -> Outcome:
        seen = _seen(person_id, expect, target)
        outcome = write(seen)
        row = outcome.rows.get(target.name)
        if row is None:
            return outcome
        if seen.anything:
            seen = NOTHING
        if outcome.applied is Applied.NOOP or not outcome.as_sent:
            seen = seen.and_sent(sent)
        else:
            seen = replace(seen.and_wrote(getattr(row, target.version)), sent=_without(seen.sent, sent))
        return with_fact(outcome, {target.name: {"version": seen.version, "own": seen.own, "sent": dict(seen.sent)}})

    return work


def _without(values: Mapping[str, Any], names: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names}


def with_fact(outcome: Outcome, saw: Mapping[str, Any]) -> Outcome:
    """The outcome, which also says what the caller has seen of the rows named in `saw`."""
    return replace(outcome, facts={**outcome.facts, SAW: {**outcome.facts.get(SAW, {}), **saw}})


def made(outcome: Outcome, name: str) -> Outcome:
    """The outcome of making a row, of which the caller has therefore seen everything."""
    row: Any = outcome.rows[name]
    return with_fact(outcome, {name: {"version": row.version, "own": [], "sent": {}}})


def _seen(person_id: uuid.UUID, expect: Expected, target: Target) -> Expected:
    """What the caller has seen of the target. Raises what `outcome_of` does, and `Invalid` for the key of something else."""
    if expect.after is None:
        return expect
    before = outcome_of(person_id, expect.after)
    row, saw = before.rows.get(target.name), before.facts.get(SAW, {}).get(target.name)
    if saw is None or any(getattr(row, name) != value for name, value in target.of.items()):
        raise Invalid.one("expect.after", "is the key of a mutation that was not conditioned on this, nor made it.")
    return Expected(saw["version"], own=tuple(saw["own"]), sent=saw["sent"])
