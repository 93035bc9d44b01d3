"""Demo decisions of moderators, and the log of what they did with reports."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count

from backend.demo.people import ASHA, Someone
from backend.demo.whispers import Reported
from backend.engine.ids import uuid7_of
from backend.moderation.models import ActionKind, Decision, ModerationAction, ReportOutcome
from backend.nouns import Rows, Table

SUSPENSION = timedelta(days=7)
APPEAL = "I did not mean it so."
REASON = "Please be kind to each other."

_DECISION = (
    "id about moderator report_id kind subject outcome reason excerpt decided_at until appeal appealed_at version appeal_changed "
    "updated_at"
)
_ACTION = "id at moderator kind outcome about_id report_id decision_id"


def decided(reports: Sequence[Reported]) -> list[Reported]:
    """Those that were resolved by a decision against somebody."""
    return [one for one in reports if one.steps == len(STEPS) and one.outcome is not ReportOutcome.DISMISSED]


def until(report: Reported) -> datetime | None:
    """When the suspension ends that came of a report, if one did."""
    return _at(report) + SUSPENSION if report.outcome is ReportOutcome.SUSPENDED else None


def tables(reports: Sequence[Reported], people: Sequence[Someone], titles: Mapping[uuid.UUID, str]) -> Iterator[Table]:
    """The decisions, of which warnings are appealed, and each step with a report. `titles` are those of stories."""
    made = decided(reports)
    yield Table("decisions", Decision, _DECISION, len(made), (_decision(one, people, titles) for one in made))
    steps = sum(one.steps for one in reports)
    yield Table("the log of moderators", ModerationAction, _ACTION, steps, _log(reports, people))


STEPS = (ActionKind.CLAIMED, ActionKind.RESOLVED)


def _at(report: Reported) -> datetime:
    """When it was resolved; see `Reported.state`."""
    return report.at + timedelta(hours=len(STEPS))


def _decision(one: Reported, people: Sequence[Someone], titles: Mapping[uuid.UUID, str]) -> tuple[object, ...]:
    ((kind, subject),) = one.subject.items()
    appealed = one.outcome is ReportOutcome.WARNED
    at, version = _at(one), 1 + appealed
    appealed_at = at + timedelta(hours=1) if appealed else None
    return (
        *(_id(at, one), people[one.about].id, people[ASHA].id, one.id, kind, subject, one.outcome.value, REASON),
        *(
            titles.get(subject, ""),
            at,
            until(one),
            APPEAL if appealed else "",
            appealed_at,
            version,
            version,
            appealed_at or at,
        ),
    )


def _log(reports: Sequence[Reported], people: Sequence[Someone]) -> Rows:
    numbers, of_decisions = count(), {one.id for one in decided(reports)}
    for one in reports:
        for hour, kind in enumerate(STEPS[: one.steps], start=1):
            at, resolved = one.at + timedelta(hours=hour), kind is ActionKind.RESOLVED
            decision = _id(at, one) if resolved and one.id in of_decisions else None
            yield (
                *(uuid7_of(int(at.timestamp() * 1_000), next(numbers)), at, people[ASHA].id, kind.value),
                *(one.outcome.value if resolved else None, people[one.about].id, one.id, decision),
            )


def _id(at: datetime, report: Reported) -> uuid.UUID:
    """The id of what was decided on a report: the same whenever it is asked for."""
    return uuid7_of(int(at.timestamp() * 1_000), report.id.int & 0xFFFF_FFFF)
