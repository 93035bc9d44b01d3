"""Notifies an author's followers of a published story, in batches, each follower once.

A batch is one unit of work: it locks the progress row (`Announcement`), notifies some followers, and advances the progress.
So two workers at the same job wait for each other, and a job that is repeated after a crash continues where it stopped. A
unique constraint ensures that a follower is notified of a story once, even if it is published again.
"""

import uuid

from backend.engine.transactions import unit_of_work
from backend.notifications.models import Announcement, Notification, NotificationKind
from backend.social.queries import followers_after
from backend.stories.row_locks import lock_published

BATCH = 500
"""Followers per batch: few enough for a short transaction."""

MARK = """
INSERT INTO notifications_announcement AS mark (story_id, publication, done) VALUES (%s, %s, false)
ON CONFLICT (story_id) DO UPDATE SET
    publication = GREATEST(mark.publication, EXCLUDED.publication),
    reached_at = CASE WHEN mark.publication < EXCLUDED.publication THEN NULL ELSE mark.reached_at END,
    reached_id = CASE WHEN mark.publication < EXCLUDED.publication THEN NULL ELSE mark.reached_id END,
    done = mark.done AND mark.publication >= EXCLUDED.publication
RETURNING *
"""
"""Lock the progress row, inserting it if needed. A later publication starts again, because there may be new followers."""


def announce(story_id: uuid.UUID, version: int) -> None:
    """Notify all followers of the author of the story that was published at this version."""
    while unit_of_work(lambda: tell_some(story_id, version)):
        pass


def tell_some(story_id: uuid.UUID, version: int) -> bool:
    """Notify the next batch of followers; returns whether there may be more.

    Does nothing if the story is no longer published: publishing it again defers its own job.
    """
    author_id = lock_published(story_id, version)
    if author_id is None:
        return False
    (mark,) = Announcement.objects.raw(MARK, [story_id, version])
    if mark.done:
        return False
    followers = followers_after(author_id, mark.place, BATCH)
    Notification.objects.bulk_create(
        (
            Notification(person_id=follower, kind=NotificationKind.STORY_PUBLISHED, story_id=story_id)
            for _, follower in followers
        ),
        ignore_conflicts=True,
    )
    done = len(followers) < BATCH
    moved = Announcement.objects.filter(pk=story_id)
    if followers:
        at, follower = followers[-1]
        moved.update(reached_at=at, reached_id=follower, done=done)
    else:
        moved.update(done=done)
    return not done
