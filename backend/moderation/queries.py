"""Queries for reports, for moderators."""

import uuid
from collections.abc import Iterable

from django.db import connection

from backend.engine.errors import Forbidden
from backend.moderation.models import Report, ReportStatus
from backend.pages import Page, Window
from backend.people import tokens
from backend.people.models import Account
from backend.stories.models import Chapter, Story

REPORTS = """
SELECT report.*, report.created_at AS place_at FROM moderation_report AS report
WHERE report.about_id <> %s AND {status}{between} {order}
"""


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


def by_ids(ids: Iterable[uuid.UUID], *, moderator: uuid.UUID) -> dict[uuid.UUID, Report]:
    """The reports among these ids that are not about the moderator, in one query."""
    return Report.objects.exclude(about_id=moderator).in_bulk(list(ids))


def reports(status: ReportStatus | None, window: Window, *, moderator: uuid.UUID) -> Page[Report]:
    """The reports with this status, or all, but for those about the moderator, in the window's order."""
    between, places = window.condition("report.created_at", "report.id")
    sql = REPORTS.format(
        status="TRUE" if status is None else "report.status = %s",
        between=between,
        order=window.order("report.created_at", "report.id"),
    )
    wanted = [] if status is None else [status.value]
    return Page.of(Report.objects.raw(sql, [moderator, *wanted, *places]), window)


def stories(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Story]:
    """These stories, including drafts and regardless of blocks, in one query; none of people who have left."""
    return Story.objects.filter(author__left_at__isnull=True).in_bulk(list(ids))


def chapters(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Chapter]:
    """These chapters with their stories, with the same visibility as `stories`, in one query."""
    return Chapter.objects.filter(story__author__left_at__isnull=True).select_related("story").in_bulk(list(ids))
