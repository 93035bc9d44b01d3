"""Ways to break what `verify` checks of jobs and notifications: check, pick, how, what is shown, and which checks see it too."""

CONSTRAINTS = frozenset({"constraints"})
STORY = "SELECT id FROM stories_story WHERE status = 'PUBLISHED' LIMIT 1"
TOLD = "SELECT id FROM notifications_notification WHERE read_at IS NULL LIMIT 1"
FOLLOWED = (
    "SELECT story.id FROM stories_story AS story JOIN follow ON followee_id = author_id AND at < published_at "
    "WHERE NOT EXISTS (SELECT FROM notifications_notification WHERE story_id = story.id AND person_id = follower_id) LIMIT 1"
)
JOB = "INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, status) VALUES ('default', 'announce', {})"


def announced(publication: str, done: str) -> str:
    """A mark of how far the telling of a story has come."""
    return (
        "INSERT INTO notifications_announcement (story_id, publication, done) "
        f"SELECT id, {publication}, {done} FROM stories_story WHERE id = '{{it}}'"
    )


def changed(notification: str) -> str:
    """A write to a notification that its guard and its constraints would refuse."""
    return (
        "ALTER TABLE notifications_notification DISABLE TRIGGER USER; "
        f"UPDATE notifications_notification SET {notification} WHERE id = '{{it}}'; "
        "ALTER TABLE notifications_notification ENABLE TRIGGER USER"
    )


COPIED = (
    "INSERT INTO notifications_notification "
    "SELECT (jsonb_populate_record(row, jsonb_build_object('id', gen_random_uuid()))).* "
    "FROM notifications_notification AS row WHERE id = '{it}'"
)

WAYS = [
    (
        "jobs_have_a_worker",
        "SELECT 1",
        f"{JOB.format(chr(39) + 'one' + chr(39) + ', ' + chr(39) + 'doing' + chr(39))}; "
        "UPDATE procrastinate_events SET at = now() - interval '1 hour'",
        "task_name=announce attempts=0",
    ),
    (
        "one_job_per_key",
        "SELECT 1",
        "; ".join(JOB.format(f"'same', '{status}'") for status in ("todo", "succeeded")),
        "key=same jobs=2",
    ),
    ("announcements_of_publications", STORY, announced("1", "true"), "story_id={it} publication=1"),
    (
        "announcements_go_on",
        STORY,
        announced("status_changed", "false"),
        "story_id={it} publication=2",
    ),
    ("everybody_was_told", FOLLOWED, announced("status_changed", "true"), "story_id={it}"),
    (
        "one_screening",
        "SELECT number + 1 FROM whispers_policyversion",
        "INSERT INTO whispers_screening (id, policy, done) VALUES (1, {it}, true)",
        "id=1 policy={it}",
    ),
    (
        "notifications_fit_their_kind",
        TOLD,
        "ALTER TABLE notifications_notification DROP CONSTRAINT notification_fits_its_kind; "
        + changed("kind = 'MODERATION_DIGEST'"),
        "id={it} kind=MODERATION_DIGEST",
        CONSTRAINTS,
    ),
    (
        "told_once",
        TOLD,
        f"ALTER TABLE notifications_notification DROP CONSTRAINT notification_once_of_a_story; {COPIED}",
        "times=2",
        CONSTRAINTS,
    ),
    (
        "told_of_what_was_published",
        TOLD,
        changed("person_id = (SELECT author_id FROM stories_story WHERE id = story_id)"),
        "id={it}",
    ),
    (
        "one_digest_of_a_day",
        "SELECT '2020-01-01'",
        "INSERT INTO notifications_notification (id, person_id, kind, day, open_reports, claimed_reports, resolved_reports, "
        "version, read_changed) SELECT gen_random_uuid(), id, 'MODERATION_DIGEST', '{it}', number, 0, 0, 1, 1 "
        "FROM (SELECT id, row_number() OVER () AS number FROM people_person LIMIT 2) AS person",
        "day={it} digests=2",
    ),
    ("read_was_written", TOLD, changed("read_at = now()"), "id={it}"),
    ("versions_of_notification", TOLD, changed("version = 0"), "id={it} version=0"),
]
