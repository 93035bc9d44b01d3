"""Queries for reports, for moderators."""

import uuid
from collections.abc import Callable
from typing import Any

from backend.engine.declarations import query, select
from backend.engine.errors import Forbidden
from backend.engine.statements import Declared, compiled
from backend.moderation.models import ReportStatus
from backend.people import tokens
from backend.people.models import Account
from backend.people.queries import found
from backend.sources import Needs, Row
from backend.sources import Page as Sourced


def is_moderator(person: uuid.UUID) -> bool:
    """Whether this person is a moderator."""
    return _moderator(person=person).row is not None


@compiled
def _moderator(*, person: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    return select(Account.objects.filter(person_id=person, is_moderator=True, is_active=True).values_list("pk"))


NOT_A_MODERATOR = "This is for moderators."

HOLD = "SELECT FROM people_account WHERE person_id = %(person)s AND is_moderator AND is_active FOR SHARE"


def hold_moderator(person: uuid.UUID, then: Callable[[], None]) -> None:
    """Lock the account, so that its role stays until the unit of work ends.

    Whether they are a moderator is told before the result of any statement that is sent after this one: `then` is called, or
    `Forbidden` is raised there.
    """

    def accept(found: int) -> None:
        if not found:
            raise Forbidden(NOT_A_MODERATOR)
        then()

    tokens.hold(person)
    _hold(person=person).check(accept)


@compiled
def _hold(*, person: uuid.UUID) -> Declared[Any]:
    return query(HOLD, person=person)


# --- Sources ----------------------------------------------------------------------------------------------------

_OTHERS = "report.about_id <> $viewer"
"""SQL: a moderator does not find a report about themselves, or something of theirs."""

BY_ID = Row(
    f"SELECT report.* FROM moderation_report AS report WHERE report.id = $key::uuid AND $moderator AND {_OTHERS}",
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

CLAIMED_BY, REPORTER = (found(f"$row.{one}_id", when="$moderator") for one in ("claimed_by", "reporter"))
"""Visible to moderators who can find that person."""
