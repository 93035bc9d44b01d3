"""What a caller of the API says about notifications, and how they come to be without a worker."""

import itertools
from datetime import date, timedelta
from typing import Any

from backend.notifications import fanout
from backend.notifications.models import Notification, NotificationKind
from backend.stories.models import Story
from schema.nodes import from_id, to_id

NOTIFICATION = (
    "id version kind createdAt readAt story { id title } digest { day openReports claimedReports resolvedReports }"
)
FAILURE = "... on Failure { code message retry { kind afterMs } } ... on InvalidError { fields { path message } }"
CONFLICT = (
    "... on ConflictError { expected overlaps { path base mine theirs } current { __typename id version updatedAt "
    f"... on Notification {{ {NOTIFICATION} }} }} }}"
)
_days = itertools.count()


class NotificationCalls:
    """The mutation of notifications, and the viewer's own list."""

    ask: Any

    def mark_read(self, notification: str, version: str = "1", key: str | None = None) -> Any:
        query = (
            "mutation ($id: ID!, $e: Expect!, $k: UUID) { markNotificationRead(id: $id, expect: $e, key: $k) { __typename "
            f"... on NotificationSuccess {{ applied notification {{ {NOTIFICATION} }} }} {FAILURE} {CONFLICT} }} }}"
        )
        return self.ask(query, id=notification, e={"version": version}, k=key)["markNotificationRead"]

    def notifications(self, unread: bool | None = None, first: int = 20, after: str | None = None) -> Any:
        """The connection, and how many are unread."""
        query = (
            "query ($u: Boolean, $n: Int, $a: String) { viewer { unreadCount notifications(unread: $u, first: $n, after: $a) "
            f"{{ edges {{ cursor node {{ {NOTIFICATION} }} }} pageInfo {{ hasNextPage endCursor }} }} }} }}"
        )
        viewer = self.ask(query, u=unread, n=first, a=after)["viewer"]
        return {**viewer["notifications"], "unreadCount": viewer["unreadCount"]}

    def titles(self, unread: bool | None = None) -> list[str | None]:
        """The titles of the stories that the viewer is told of, newest first."""
        nodes = [edge["node"] for edge in self.notifications(unread)["edges"]]
        return [node["story"] and node["story"]["title"] for node in nodes]


def announce(story: str) -> None:
    """Do the job of the story's present publication."""
    found = from_id(story)
    assert found is not None
    fanout.announce(found[1][0], Story.objects.get(pk=found[1][0]).status_changed)


def told_of_a_day(caller: Any) -> str:
    """A digest for this person, of a day of its own: its id."""
    figures = {"open_reports": 3, "claimed_reports": 2, "resolved_reports": 1}
    day = date(2020, 1, 1) + timedelta(days=next(_days))
    row = Notification(person=caller.person, kind=NotificationKind.MODERATION_DIGEST, day=day, **figures)
    Notification.objects.bulk_create([row])
    return to_id("Notification", row.pk)


def told_of(caller: Any, story: str) -> str:
    """That this person is told of the story: the notification's id."""
    found = from_id(story)
    assert found is not None
    row = Notification(person=caller.person, kind=NotificationKind.STORY_PUBLISHED, story_id=found[1][0])
    Notification.objects.bulk_create([row])
    return to_id("Notification", row.pk)
