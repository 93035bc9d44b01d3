"""Queries for reports, for moderators."""

import uuid
from collections.abc import Iterable

from backend.moderation.models import Report, ReportStatus
from backend.pages import Page, Window
from backend.people.models import Account
from backend.stories.models import Chapter, Story

REPORTS = """
SELECT report.*, report.created_at AS place_at FROM moderation_report AS report WHERE {status}{between} {order}
"""


def is_moderator(person: uuid.UUID) -> bool:
    """Whether this person is a moderator."""
    return Account.objects.filter(person_id=person, is_moderator=True, is_active=True).exists()


def by_ids(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Report]:
    """These reports, in one query."""
    return Report.objects.in_bulk(list(ids))


def reports(status: ReportStatus | None, window: Window) -> Page[Report]:
    """The reports with this status, or all, in the window's order."""
    between, places = window.condition("report.created_at", "report.id")
    sql = REPORTS.format(
        status="TRUE" if status is None else "report.status = %s",
        between=between,
        order=window.order("report.created_at", "report.id"),
    )
    return Page.of(Report.objects.raw(sql, places if status is None else [status.value, *places]), window)


def stories(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Story]:
    """These stories, including drafts and regardless of blocks, in one query; none of people who have left."""
    return Story.objects.filter(author__left_at__isnull=True).in_bulk(list(ids))


def chapters(ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Chapter]:
    """These chapters with their stories, with the same visibility as `stories`, in one query."""
    return Chapter.objects.filter(story__author__left_at__isnull=True).select_related("story").in_bulk(list(ids))
