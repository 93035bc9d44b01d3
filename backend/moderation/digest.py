"""The daily digest: one notification for each moderator and day, however often the job runs."""

from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Count, Q
from psycopg import IsolationLevel

from backend.engine.transactions import unit_of_work
from backend.moderation.models import Report, ReportStatus
from backend.notifications.models import FIGURES, Notification, NotificationKind
from backend.people.models import Account


def tell_moderators(day: date) -> None:
    """Notify every moderator how many reports are open and claimed, and how many were resolved on that day (UTC).

    All get the same numbers, also those who became moderators before the job was repeated: the numbers of the day's first
    digest. Moderators who have the day's digest get no second one.

    SERIALIZABLE, because that is a rule over a set of rows which may still be empty. Before the first digest there is no
    row that two concurrent runs could lock or condition their writes on.
    """
    unit_of_work(lambda: _tell(day), isolation=IsolationLevel.SERIALIZABLE)


def _tell(day: date) -> None:
    figures = Notification.objects.filter(day=day).values(*FIGURES).first() or _figures(day)
    moderators = Account.objects.filter(is_moderator=True, is_active=True).order_by("pk").values_list("pk", flat=True)
    Notification.objects.bulk_create(
        (
            Notification(person_id=person, kind=NotificationKind.MODERATION_DIGEST, day=day, **figures)
            for person in moderators
        ),
        ignore_conflicts=True,
    )


def _figures(day: date) -> dict[str, int]:
    begin = datetime.combine(day, time(), tzinfo=UTC)
    on_that_day = Q(updated_at__gte=begin, updated_at__lt=begin + timedelta(days=1))
    return Report.objects.aggregate(
        open_reports=Count("pk", filter=Q(status=ReportStatus.OPEN)),
        claimed_reports=Count("pk", filter=Q(status=ReportStatus.CLAIMED)),
        resolved_reports=Count("pk", filter=Q(status=ReportStatus.RESOLVED) & on_that_day),
    )
