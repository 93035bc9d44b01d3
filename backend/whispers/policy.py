"""The screening policy: stored in the database, and cached by each process until its version number changes.

Triggers raise the number in the transaction of every change. A whisper is screened by the cached policy, and inserted only if
that one's number is still the present one; otherwise the policy is loaded. So a change applies, in every process, to each
whisper whose creation begins after its commit, without any message to the processes.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from backend.engine.declarations import query
from backend.engine.statements import Declared, compiled
from backend.whispers.models import MAX_LINKS, Effect
from backend.whispers.words import links, normalised

NUMBER = "SELECT number FROM whispers_policyversion"

LOAD = """
SELECT number, (SELECT most_links FROM whispers_policy),
       (SELECT coalesce(jsonb_object_agg(word, effect), '{}') FROM whispers_policyword)
FROM whispers_policyversion
"""
"""A single statement, so that it reads one consistent snapshot."""


@dataclass(frozen=True)
class Finding:
    """The result of a screening: the rules that matched, the worst of their effects, and the version of the policy."""

    rules: list[str]
    effect: Effect
    policy: int

    @classmethod
    def of(cls, found: Sequence[tuple[str, Effect]], policy: int) -> "Finding | None":
        """A finding from rules with their effects; None if there are none."""
        if not found:
            return None
        worst = Effect.REPORT if any(effect is Effect.REPORT for _, effect in found) else Effect.FLAG
        return cls([rule for rule, _ in found], worst, policy)


@dataclass(frozen=True)
class Screen:
    """The policy at one version."""

    number: int
    most_links: int = MAX_LINKS
    words: Mapping[str, str] = field(default_factory=dict)
    """Effects by word, as entered."""

    def __post_init__(self) -> None:
        prepared = [(word, normalised(word), Effect(effect)) for word, effect in sorted(self.words.items())]
        object.__setattr__(self, "_prepared", [one for one in prepared if one[1].strip()])

    _prepared: list[tuple[str, str, Effect]] = field(init=False, repr=False, compare=False, default_factory=list)

    def of(self, text: str, *, known: Collection[str] = ()) -> Finding | None:
        """Screen a text; None if nothing new is found. Rules in `known` are ignored."""
        words = normalised(text)
        found = [(word, effect) for word, looks, effect in self._prepared if looks in words]
        if links(text) > self.most_links:
            found.append((f"more than {self.most_links} links", Effect.REPORT))
        before = {_meaning(rule) for rule in known}
        return Finding.of([one for one in found if _meaning(one[0]) not in before], self.number)


LINKS = re.compile(r"more than \d+ links")


def _meaning(rule: str) -> str:
    """A normalised name of a rule, to compare rules: a word in any spelling, or links with any limit."""
    return "links" if LINKS.fullmatch(rule) else normalised(rule)


_remembered = Screen(0)
"""Before anything was loaded a policy that there never was: the first version is 1."""


def remembered() -> Screen:
    """The policy that this process has loaded last. Whoever uses it makes their write depend on its number."""
    return _remembered


def number() -> int:
    """The version of the policy in this transaction. It is not cached, because the transaction may not commit."""
    return _number().rows[0][0]


def current() -> Screen:
    """The present policy: one small query, or two if it has changed."""
    screen = _remembered
    return screen if screen.number == number() else load()


def load() -> Screen:
    """The present policy, which this process remembers from now on."""
    global _remembered
    ((version, most_links, words),) = _load().rows
    words = orjson.loads(words) if isinstance(words, str) else words
    screen = _remembered = Screen(version, MAX_LINKS if most_links is None else most_links, words)
    return screen


@compiled
def _number() -> Declared[tuple[int]]:
    return query(NUMBER)


@compiled
def _load() -> Declared[tuple[int, int | None, Any]]:
    return query(LOAD)
