"""The digest of a day of moderation: one notification for each moderator and day, however often it is made."""

from datetime import UTC, date, datetime, time, timedelta

from django.db.models import Count, Q

from backend.moderation.models import Report, ReportStatus
from backend.notifications.models import Notification, NotificationKind
from backend.people.models import Account


def tell_moderators(day: date) -> None:
    """Tell every moderator how many reports are open and claimed, and how many were resolved on that day (UTC).

    One transaction, so all of them are told the same; whoever has been told of the day is not told again.
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
