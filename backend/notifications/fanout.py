"""Telling the followers of an author of a story that was published: in batches, each follower once.

A batch is one unit of work: it tells some followers, and moves the mark of how far the telling has come, which it has
locked. So whoever does the same job at the same time waits, and goes on from there; whoever does it again after a crash does
so too. That a follower is told of a story once, also if it is published again, is a unique constraint.
"""

import uuid

from backend.engine.transactions import unit_of_work
from backend.notifications.models import Announcement, Notification, NotificationKind
from backend.social.queries import followers_after
from backend.stories.row_locks import lock_published

BATCH = 500
"""Followers who are told at once: few enough that the transaction is over in a moment."""

MARK = """
INSERT INTO notifications_announcement AS mark (story_id, publication, done) VALUES (%s, %s, false)
ON CONFLICT (story_id) DO UPDATE SET
    publication = GREATEST(mark.publication, EXCLUDED.publication),
    reached_at = CASE WHEN mark.publication < EXCLUDED.publication THEN NULL ELSE mark.reached_at END,
    reached_id = CASE WHEN mark.publication < EXCLUDED.publication THEN NULL ELSE mark.reached_id END,
    done = mark.done AND mark.publication >= EXCLUDED.publication
RETURNING *
"""
"""Locks the mark, made if there is none. A later publication begins at the beginning: others may follow by now."""


def announce(story_id: uuid.UUID, version: int) -> None:
    """Tell everybody who follows the author of the story that was published at this version."""
    while unit_of_work(lambda: tell_some(story_id, version)):
        pass


def tell_some(story_id: uuid.UUID, version: int) -> bool:
    """Tell the next batch of followers; returns whether there may be more.

    There are none to be told of a story that is no longer published: if it is published again, that is a job of its own.
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
