"""Workers killed at random points, and workers that only seemed dead: every effect happens exactly once.

As many jobs as JOBS says, else 200 in the exhaustive run and fewer in the quick one:
`JOBS=5000 make test ARGS="-k killed_at_random -s"` takes some minutes.
"""

import random
import signal
import time
from contextlib import ExitStack

import pytest
from django.core.management import call_command
from psycopg import connect

from tests import depth
from tests.races.rows import crowd, query, scalar
from tests.serving import until
from tests.working import all_done, jobs, make_followers, publish, start_worker, told, working

pytestmark = pytest.mark.django_db(transaction=True)

JOBS = depth.rounds(200, at_least=60)
FAMOUS_JOBS = depth.rounds(10, at_least=4)
FEW, MANY = 3, 1_200


def test_workers_killed_at_random_points_do_every_job_once(served_database: str) -> None:
    """`kill -9` of one of two workers, again and again while they work; then one is left to do the rest."""
    known, famous, *people = crowd(MANY + 2)
    make_followers(known, people[:FEW])
    make_followers(famous, people)
    expected = dict.fromkeys(publish(famous, FAMOUS_JOBS), MANY) | dict.fromkeys(
        publish(known, JOBS - FAMOUS_JOBS), FEW
    )
    began, kills = time.monotonic(), 0
    workers = [start_worker(served_database, "--concurrency", "4") for _ in range(2)]
    try:
        while jobs("todo") > JOBS // 10:
            enough = min(jobs("succeeded") + random.randrange(1, min(JOBS // 4, 250)), JOBS * 9 // 10)
            until(lambda enough=enough: jobs("succeeded") >= enough, "the workers get on")
            time.sleep(random.uniform(0, 0.1))
            victim = workers.pop(0)
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            kills += 1
            workers.append(start_worker(served_database, "--concurrency", "4"))
        until(all_done, "all jobs are done")
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    cut = scalar("SELECT count(*) FROM procrastinate_events WHERE type = 'deferred_for_retry'")
    print(f"{JOBS} jobs, {kills} kills, {cut} jobs cut short, {time.monotonic() - began:.0f} s")
    assert kills
    assert jobs("succeeded") == JOBS, query("SELECT status, attempts, count(*) FROM procrastinate_jobs GROUP BY 1, 2")
    assert told() == expected
    assert query("SELECT * FROM notifications_announcement WHERE NOT done") == []
    call_command("verify", verbosity=0)


def test_a_worker_that_was_only_slow_does_no_harm(served_database: str) -> None:
    """Stopped in the middle for so long that another does its jobs, then let go on: it does them again, to no effect."""
    famous, *people = crowd(MANY + 1)
    make_followers(famous, people)
    first, *others = publish(famous, 6)
    expected = dict.fromkeys((first, *others), MANY)
    with connect(served_database) as holder, ExitStack() as at_work:
        # However quick it is, it is not done with this one.
        holder.execute("SELECT FROM stories_story WHERE id = %s FOR UPDATE", [first])
        slow = at_work.enter_context(working(served_database, "--concurrency", "4"))
        until(lambda: jobs("doing") > 0, "it has begun")
        slow.send_signal(signal.SIGSTOP)
        holder.rollback()
        with working(served_database):
            until(all_done, "the other has done all")
            slow.send_signal(signal.SIGCONT)
            assert told() == expected
            expected |= dict.fromkeys(publish(people[0], 2), 0)
            until(all_done, "they go on together")
    assert told() == {story: count for story, count in expected.items() if count}
