"""Demo whispers, their screening policy, and reports."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from backend.demo.chance import END, LIVING, Chance
from backend.demo.people import ASHA, NAMED, Someone
from backend.demo.sizes import Sizes
from backend.demo.stories import Tale
from backend.demo.words import whisper
from backend.moderation.models import ReportOutcome, ReportStatus
from backend.whispers.models import Effect

WORDS = {"gore": Effect.FLAG, "scam": Effect.REPORT}
"""The demo policy."""

WHISPERS_EACH = 2
"""Whispers per person, on average."""

SKEW = 0.5
FOUND, MARKED, REPORTED, SETTLED = 0.04, 0.03, 0.02, 0.5
ADDED = {"gore": " With all the gore.", "scam": " It was a scam."}
RUDE = (1, 2)
"""Who was reported, counted from the end: nobody with a name that visitors know."""
REASONS = ("This is rude.", "It is not true.", "Somebody ought to look at this.", "Not for children.")


@dataclass(frozen=True, slots=True)
class Whispered:
    """A demo whisper; `found` is the word that its screening found."""

    id: uuid.UUID
    author: int
    text: str
    nsfw: bool
    created_at: datetime
    found: str | None


@dataclass(frozen=True, slots=True)
class Reported:
    """A demo report: its reporter (None: the screening), the author and id of its subject, and its status."""

    id: uuid.UUID
    about: int
    reporter: int | None
    subject: dict[str, uuid.UUID]
    reason: str
    at: datetime
    steps: int
    """0: open, 1: claimed, 2: resolved as well."""
    outcome: ReportOutcome = ReportOutcome.DISMISSED
    """What it is resolved with."""

    def state(self, people: list[Someone]) -> tuple[Any, ...]:
        """Status, outcome, claimer, version, the stamp of its state, and when that was."""
        status = tuple(ReportStatus)[self.steps]
        outcome = self.outcome if status is ReportStatus.RESOLVED else None
        claimer = people[ASHA].id if self.steps else None
        version = 1 + self.steps
        return status, outcome, claimer, version, version, self.at + timedelta(hours=self.steps)


@dataclass(frozen=True)
class Murmur:
    """All whispers and reports."""

    words: list[tuple[uuid.UUID, str, Effect]] = field(default_factory=list)
    whispers: list[Whispered] = field(default_factory=list)
    reports: list[Reported] = field(default_factory=list)


def murmur(seed: int, sizes: Sizes, tales: list[Tale], people: list[Someone]) -> Murmur:
    """Generate whispers and reports, deterministic by seed and sizes."""
    chance = Chance(seed, "whispers")
    words = [(chance.id(LIVING), word, effect) for word, effect in WORDS.items()]
    authors = chance.ranks(sizes.people, SKEW)
    some = [(next(authors) + len(NAMED)) % sizes.people for _ in range(WHISPERS_EACH * sizes.people - len(NAMED))]
    whispers = [_whispered(chance, author, number) for number, author in enumerate(some)]
    whispers += [_said(chance, author, whisper(chance)) for author in NAMED]
    whispers = sorted(whispers, key=lambda one: one.id)
    reports = [*_reports(chance, sizes, whispers, tales), *_of_people(chance, sizes, people)]
    return Murmur(words, whispers, sorted(reports, key=lambda one: one.id))


def _whispered(chance: Chance, author: int, number: int) -> Whispered:
    """One whisper. Each word of the policy occurs in one of the first."""
    words = tuple(WORDS)
    by_chance = chance.one(words) if chance.random() < FOUND else None
    found = words[number] if number < len(words) else by_chance
    text = whisper(chance) + (ADDED[found] if found else "")
    nsfw = found is not None or chance.random() < MARKED
    return _said(chance, author, text, nsfw=nsfw, found=found)


def _said(chance: Chance, author: int, text: str, *, nsfw: bool = False, found: str | None = None) -> Whispered:
    at = chance.moment(LIVING, END - timedelta(days=1))
    return Whispered(chance.id(at), author, text, nsfw, at, found)


def _reports(chance: Chance, sizes: Sizes, whispers: list[Whispered], tales: list[Tale]) -> Iterator[Reported]:
    """Reports by the screening, and some by readers, of whispers and published stories."""
    for number, one in enumerate(whispers):
        if one.found is not None and WORDS[one.found] is Effect.REPORT:
            reason = f"Found on screening: {one.found}."
            yield _reported(chance, one.author, None, {"whisper": one.id}, reason, one.created_at)
        if chance.random() < REPORTED or not number:
            at = one.created_at + timedelta(hours=1)
            made = _reported(chance, one.author, _other(chance, sizes, one.author), {"whisper": one.id}, "", at)
            yield made if number else replace(made, steps=0)  # one open report, so that there is something to moderate
    for tale in tales:
        if tale.published_at is not None and chance.random() < REPORTED:
            at = tale.published_at + timedelta(hours=1)
            made = _reported(chance, tale.author, _other(chance, sizes, tale.author), {"story": tale.id}, "", at)
            yield replace(made, outcome=ReportOutcome.MARKED_NSFW) if tale.mature else made


def _of_people(chance: Chance, sizes: Sizes, people: list[Someone]) -> Iterator[Reported]:
    """One report that led to a warning, and one to a suspension which is over."""
    at = chance.moment(LIVING, END - timedelta(days=30))
    for number, outcome in zip(RUDE, (ReportOutcome.WARNED, ReportOutcome.SUSPENDED), strict=True):
        about = sizes.people - number
        made = _reported(chance, about, ASHA, {"person": people[about].id}, "This is rude.", at)
        yield replace(made, steps=2, outcome=outcome)


def _other(chance: Chance, sizes: Sizes, author: int) -> int:
    return (author + 1 + chance.randrange(sizes.people - 1)) % sizes.people


def _reported(
    chance: Chance, about: int, reporter: int | None, subject: dict[str, uuid.UUID], reason: str, at: datetime
) -> Reported:
    steps = chance.randint(1, 2) if chance.random() < SETTLED else 0
    return Reported(chance.id(at), about, reporter, subject, reason or chance.one(REASONS), at, steps)
