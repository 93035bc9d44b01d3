"""The background tasks. Each calls an action of the app that it belongs to, and may be repeated at any point.

All share `MAX_ATTEMPTS` and the same backoff. Times are UTC.
"""

import uuid
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils import timezone
from procrastinate.contrib.django import app

from backend.changes import pruning
from backend.engine.idempotency import forget_keys
from backend.erasure import sweeping
from backend.jobs.queue import Backoff
from backend.jobs.removal import remove_finished
from backend.limits.buckets import forget_empty
from backend.moderation import digest, rescreening
from backend.notifications import fanout
from backend.stories.revisions import prune


@app.task(name="announce", retry=Backoff())
def announce(story: str, version: int) -> None:
    """Notify the author's followers of a story that was published at this version."""
    fanout.announce(uuid.UUID(story), version)


@app.task(name="sweep", retry=Backoff())
def sweep(person: str) -> None:
    """Delete the data of a person who has deleted their account."""
    sweeping.sweep(uuid.UUID(person))


@app.periodic(cron="*/5 * * * *")
@app.task(name="rescreen", retry=Backoff())
def rescreen(timestamp: int | None = None) -> None:  # noqa: ARG001
    """Screen all whispers again if the policy has changed. Also runs periodically, so that no change is missed."""
    rescreening.rescreen()


@app.periodic(cron="30 3 * * *")
@app.task(name="prune", retry=Backoff())
def prune_daily(timestamp: int) -> None:  # noqa: ARG001
    """Delete old idempotency keys, surplus revisions, old changes and empty rate-limit buckets."""
    prune(kept=settings.REVISIONS_KEPT, characters=settings.REVISION_CHARACTERS)
    forget_keys(timezone.now() - timedelta(days=settings.IDEMPOTENCY_KEY_DAYS))
    forget_empty()
    pruning.prune(timedelta(days=settings.CHANGES_KEPT_DAYS))


@app.periodic(cron="0 6 * * *")
@app.task(name="digest", retry=Backoff())
def digest_daily(timestamp: int) -> None:
    """Send moderators the digest of the previous day; the day is that of the job's schedule, not that of its execution."""
    day = datetime.fromtimestamp(timestamp, UTC).date() - timedelta(days=1)
    digest.tell_moderators(day)


@app.periodic(cron="17 * * * *")
@app.task(name="remove_finished", retry=Backoff())
def remove_finished_hourly(timestamp: int) -> None:  # noqa: ARG001
    """Delete jobs that ended some time ago."""
    remove_finished()
