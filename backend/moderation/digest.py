"""The daily digest: one notification for each moderator and day, however often the job runs."""

from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Count, Q

from backend.moderation.models import Report, ReportStatus
from backend.notifications.models import Notification, NotificationKind
from backend.people.models import Account


def tell_moderators(day: date) -> None:
    """Notify every moderator how many reports are open and claimed, and how many were resolved on that day (UTC).

    One transaction, so that all get the same numbers. Moderators who have the day's digest get no second one.
    """
    begin = datetime.combine(day, time(), tzinfo=UTC)
    on_that_day = Q(updated_at__gte=begin, updated_at__lt=begin + timedelta(days=1))
    figures = Report.objects.aggregate(
        open_reports=Count("pk", filter=Q(status=ReportStatus.OPEN)),
        claimed_reports=Count("pk", filter=Q(status=ReportStatus.CLAIMED)),
        resolved_reports=Count("pk", filter=Q(status=ReportStatus.RESOLVED) & on_that_day),
    )
    moderators = Account.objects.filter(is_staff=True, is_active=True).order_by("pk").values_list("pk", flat=True)
    Notification.objects.bulk_create(
        (
            Notification(person_id=person, kind=NotificationKind.MODERATION_DIGEST, day=day, **figures)
            for person in moderators
        ),
        ignore_conflicts=True,
    )
