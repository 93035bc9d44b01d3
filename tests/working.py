"""Starts `manage.py worker` in a process of its own, and makes jobs for it."""

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.models.functions import Now
from procrastinate.contrib.django import app, connector_params
from procrastinate.job_context import JobContext
from procrastinate.psycopg_connector import PsycopgConnector
from procrastinate.worker import Worker

from backend.engine import tallies
from backend.engine.transactions import unit_of_work
from backend.jobs.outcomes import watched
from backend.jobs.queue import defer
from backend.people.models import Person, PersonTally
from backend.social.models import Relationship
from backend.stories.models import Shelf, Story, StoryRank, StoryStatus
from tests.races.rows import query, scalar
from tests.serving import PATIENCE_SECONDS, ROOT, Process, until
from tests.writing import remove_all

ENDED = "('succeeded', 'failed', 'cancelled', 'aborted')"
LISTENING = """
SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND query LIKE '%%LISTEN %%'
"""
"""The connections by which workers hear of new jobs."""


def start_worker(database: str, *more: str, stderr: int | None = None) -> Process:
    """Start a worker over this database."""
    environment = {**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    return subprocess.Popen(
        [sys.executable, "manage.py", "worker", *more],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        start_new_session=True,
    )


@contextmanager
def working(database: str, *more: str) -> Iterator[Process]:
    """A worker that is at work: it listens for jobs. Killed when the block ends, if it has not ended.

    Its row comes before that, and would stay if the worker was told to stop before it had heard that the row is written.
    """
    before = set(query(LISTENING))
    process = start_worker(database, *more)
    try:
        until(lambda: not before >= set(query(LISTENING)), "the worker works")
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_SECONDS)


def jobs(status: str) -> int:
    """How many jobs stand so, those aside that come by the clock."""
    return scalar(
        "SELECT count(*) FROM procrastinate_jobs WHERE status::text = %s AND queueing_lock IS NOT NULL", status
    )


def all_done() -> bool:
    """Whether every job has ended, those aside that come by the clock."""
    sql = f"SELECT count(*) FROM procrastinate_jobs WHERE status NOT IN {ENDED} AND queueing_lock IS NOT NULL"
    return scalar(sql) == 0


def make_followers(author: Person, followers: Sequence[Person]) -> None:
    """Let them follow, without a word of the API: thousands are quick."""
    pairs = []
    for follower in followers:
        low, high = sorted((author.pk, follower.pk))
        side = "low" if follower.pk == low else "high"
        other = "high" if side == "low" else "low"
        stamps = {f"{side}_following_changed": 1, f"{other}_followed_changed": 1, "low_version": 1, "high_version": 1}
        pairs.append(Relationship(low_id=low, high_id=high, **{f"{side}_follows_at": Now()}, **stamps))
    Relationship.objects.bulk_create(pairs, batch_size=2_000)
    raised = [(one.pk, "following", 1) for one in followers]
    unit_of_work(lambda: tallies.add(PersonTally, [(author.pk, "followers", len(followers)), *raised]))


def publish(author: Person, count: int) -> list[uuid.UUID]:
    """So many published stories of the author, whose jobs are waiting: as if each had just been published."""
    stories = [
        Story(
            author=author,
            title=f"Story {number}",
            status=StoryStatus.PUBLISHED,
            published_at=Now(),
            version=2,
            status_changed=2,
        )
        for number in range(count)
    ]

    def work() -> None:
        Story.objects.bulk_create(stories, batch_size=2_000)
        remove_all(Shelf.objects.filter(pk=author.pk))
        Shelf.objects.bulk_create([Shelf(author=author, story_count=count, version=count, stories_changed=count)])
        StoryRank.objects.bulk_create([StoryRank(story=story) for story in stories])
        tallies.add(PersonTally, [(author.pk, "stories", count)])
        for story in stories:
            defer("announce", f"announce:{story.pk}:2", story=str(story.pk), version=2)

    unit_of_work(work)
    return [story.pk for story in stories]


def told() -> dict[uuid.UUID, int]:
    """How many have been told of each story."""
    return dict(query("SELECT story_id, count(*) FROM notifications_notification GROUP BY story_id"))


def closing(attempt: Callable[[], Any], _context: JobContext, _worker: Worker) -> Any:
    """Leaves no connection behind in a thread that ends."""
    try:
        return attempt()
    finally:
        connection.close()


def work_off() -> None:
    """Do the jobs that are due, in this process, where a test can change what they do."""
    connector = PsycopgConnector(kwargs=connector_params(), min_size=1, max_size=2)
    with app.replace_connector(connector):
        app.run_worker(
            wait=False, listen_notify=False, install_signal_handlers=False, task_middleware=[closing, watched]
        )
