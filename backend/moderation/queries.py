"""Queries for reports, for moderators."""

import uuid

from django.db import connection

from backend.engine.errors import Forbidden
from backend.moderation.models import ReportStatus
from backend.people import tokens
from backend.people.models import Account
from backend.people.queries import found
from backend.sources import Needs, Row
from backend.sources import Page as Sourced


def is_moderator(person: uuid.UUID) -> bool:
    """Whether this person is a moderator."""
    return Account.objects.filter(person_id=person, is_moderator=True, is_active=True).exists()


NOT_A_MODERATOR = "This is for moderators."

HOLD = "SELECT FROM people_account WHERE person_id = %s AND is_moderator AND is_active FOR SHARE"


def hold_moderator(person: uuid.UUID) -> None:
    """Lock the account, so that its role stays until the unit of work ends. Raises `Forbidden` if they are no moderator."""
    tokens.hold(person)
    with connection.cursor() as cursor:
        cursor.execute(HOLD, [person])
        if not cursor.rowcount:
            raise Forbidden(NOT_A_MODERATOR)


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
