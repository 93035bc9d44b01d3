"""Queries for reports, decisions and the log of moderators; who made a report, and whom a decision is against, see theirs."""

import uuid
from collections.abc import Callable
from typing import Any, NamedTuple

from backend.engine.declarations import query, select
from backend.engine.errors import Forbidden
from backend.engine.statements import Declared, compiled
from backend.moderation.interest import decisions_of_others, reports_of_others
from backend.moderation.models import ReportStatus
from backend.people import tokens
from backend.people.models import Account
from backend.people.queries import IS_VIEWER, found
from backend.people.suspension import hold_writer
from backend.sources import Needs, Row, Rows, Same, Value
from backend.sources import Page as Sourced
from backend.stories.queries import visible
from backend.visibility import gone


def is_moderator(person: uuid.UUID) -> bool:
    """Whether this person is a moderator."""
    return _moderator(person=person).row is not None


@compiled
def _moderator(*, person: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(Account.objects.filter(person_id=person, is_moderator=True, is_active=True).values_list("pk"))


NOT_A_MODERATOR = "This is for moderators."

HOLD = "SELECT FROM people_account WHERE person_id = %(person)s AND is_moderator AND is_active FOR SHARE"


class Against(NamedTuple):
    """Whose account a moderator's step may change: whom a row of this table is about."""

    table: str
    id: uuid.UUID


def hold_moderator(person: uuid.UUID, then: Callable[[], None], against: Against | None = None) -> None:
    """Lock the account, so that its role stays until the unit of work ends; and the account of whom the step is against.

    Whether they are a moderator, and not suspended, is told before the result of any statement that is sent after this one:
    `then` is called, or `Forbidden` is raised there.
    """

    def accept(found: int) -> None:
        if not found:
            raise Forbidden(NOT_A_MODERATOR)
        then()

    if against is None:
        tokens.hold(person)
    else:
        _hold_both_people(against.table, person=person, id=against.id)
        _hold_both_accounts(against.table, person=person, id=against.id)
    hold_writer(person)
    _hold(person=person).check(accept)


BOTH = "(%(person)s, (SELECT about_id FROM {table} WHERE id = %(id)s))"
"""SQL: a moderator, and whom a row is about. Two moderators who act against each other lock these in the same order."""


@compiled
def _hold_both_people(table: str, *, person: uuid.UUID, id: uuid.UUID) -> Declared[Any]:
    both = BOTH.format(table=table)
    return query(f"SELECT FROM people_person WHERE id IN {both} ORDER BY id FOR KEY SHARE", person=person, id=id)


@compiled
def _hold_both_accounts(table: str, *, person: uuid.UUID, id: uuid.UUID) -> Declared[Any]:
    both = BOTH.format(table=table)
    return query(
        f"SELECT FROM people_account WHERE person_id IN {both} ORDER BY person_id FOR UPDATE", person=person, id=id
    )


@compiled
def _hold(*, person: uuid.UUID) -> Declared[Any]:
    return query(HOLD, person=person)


# --- Sources ----------------------------------------------------------------------------------------------------

_OTHERS = reports_of_others("$viewer")
"""SQL: a moderator does not find a report about themselves, or something of theirs."""

_REPORT = "SELECT report.* FROM moderation_report AS report"

BY_ID = Row(
    f"{_REPORT} WHERE report.id = $key::uuid AND (report.reporter_id = $viewer OR ($moderator AND {_OTHERS}))",
    type="Report",
)


def _with(status: ReportStatus | None) -> str:
    return "" if status is None else f" AND report.status = '{status.value}'"


REPORTS = {
    status: Sourced(
        "SELECT report.*, report.created_at AS place_at FROM moderation_report AS report "
        f"WHERE {_OTHERS}{_with(status)}$between $order",
        "report.created_at",
        "report.id",
        oldest_first=True,
        needs=Needs.MODERATOR,
    )
    for status in (None, *ReportStatus)
}
"""All reports, and those with one status, oldest first."""

REPORTS_OF_PERSON = Sourced(
    "SELECT report.*, report.created_at AS place_at FROM moderation_report AS report "
    "WHERE report.reporter_id = $row.id$between $order",
    "report.created_at",
    "report.id",
    when=IS_VIEWER,
)
"""What this person has reported, newest first; private."""

CLAIMED_BY, REPORTER = (found(f"$row.{one}_id", when="$moderator") for one in ("claimed_by", "reporter"))
"""Visible to moderators who can find that person."""

# --- Decisions --------------------------------------------------------------------------------------------------

_DECISION = "SELECT decision.* FROM moderation_decision AS decision"
_DECISIONS = "SELECT decision.*, decision.decided_at AS place_at FROM moderation_decision AS decision"
_PLACE = ("decision.decided_at", "decision.id")

DECISION_BY_ID = Row(
    f"{_DECISION} WHERE decision.id = $key::uuid "
    f"AND (decision.about_id = $viewer OR ($moderator AND NOT {gone('decision.about_id')}))",
    type="Decision",
)

APPEALED = "decision.appealed_at IS NOT NULL AND decision.appeal_outcome IS NULL"
"""SQL: whether there is an appeal that nobody has judged."""

DECISIONS = {
    appealed: Sourced(
        f"{_DECISIONS} WHERE {decisions_of_others('$viewer')} AND NOT {gone('decision.about_id')}"
        f"{f' AND {APPEALED}' if appealed else ''}$between $order",
        *_PLACE,
        oldest_first=True,
        needs=Needs.MODERATOR,
    )
    for appealed in (False, True)
}
"""All decisions, and those with an appeal that is to be judged, oldest first; not those against the viewer."""

DECISIONS_OF_PERSON = Sourced(
    f"{_DECISIONS} WHERE decision.about_id = $row.id$between $order", *_PLACE, when=IS_VIEWER, is_local=True
)
"""What was decided against this person, newest first; private."""

MAX_IN_FORCE = 20
"""How many decisions about a story are shown."""

DECISIONS_OF_STORY = Rows(
    f"{_DECISION} WHERE decision.subject = $row.id AND decision.about_id = $viewer AND decision.lifted_at IS NULL "
    f"ORDER BY decision.decided_at, decision.id LIMIT {MAX_IN_FORCE}",
    is_local=False,
)

DECISION_OF_REPORT = Row(
    f"{_DECISION} WHERE decision.report_id = $row.id AND $moderator AND NOT {gone('decision.about_id')} "
    "ORDER BY decision.decided_at DESC, decision.id DESC LIMIT 1",
    is_local=True,
)

DECISION_OF_NOTIFICATION = Row(
    f"{_DECISION} WHERE decision.id = $row.decision_id AND decision.about_id = $viewer", is_local=True
)
REPORT_OF_NOTIFICATION = Row(f"{_REPORT} WHERE report.id = $row.report_id AND report.reporter_id = $viewer")

AGAINST = found("$row.about_id", when="($moderator OR $row.about_id = $viewer)")
DECIDED_BY = found("$row.moderator_id", when="($moderator AND $row.about_id <> $viewer)")
STORY_OF_DECISION = Row(
    f"SELECT story.* FROM stories_story AS story WHERE story.id = $row.subject AND {visible('$viewer')}"
)
REPORT_OF_DECISION = Row(f"{_REPORT} WHERE report.id = $row.report_id AND $moderator AND {_OTHERS}")
APPEAL = Same(when="$row.appealed_at IS NOT NULL")

# --- The log ----------------------------------------------------------------------------------------------------

_OF_OTHERS = "action.about_id <> $viewer"

ACTION_BY_ID = Row(
    "SELECT action.* FROM moderation_moderationaction AS action "
    f"WHERE action.id = $key::uuid AND $moderator AND {_OF_OTHERS}",
    type="ModerationAction",
)

LOG = Sourced(
    "SELECT action.*, action.at AS place_at FROM moderation_moderationaction AS action "
    f"WHERE {_OF_OTHERS}$between $order",
    "action.at",
    "action.id",
    needs=Needs.MODERATOR,
)
"""What moderators did, newest first, but for what was about the viewer."""

DECISION_OF_ACTION = Row(
    f"{_DECISION} WHERE decision.id = $row.decision_id AND $moderator AND NOT {gone('decision.about_id')}",
    is_local=True,
)

SUSPENDED_UNTIL = Value(
    f"CASE WHEN {IS_VIEWER} THEN (SELECT account.suspended_until FROM people_account AS account "
    "WHERE account.person_id = $row.id AND account.suspended_until > now()) END"
)
"""Until when the person is suspended, if they are; private."""
