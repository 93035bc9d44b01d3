"""Invariants of notifications and of announcements, for `manage.py verify`."""

from backend.engine.checks import Check

OPEN_AT_ONCE = "interval '1 minute'"
"""Longer than any unit of work: a follow that is so much older than a publication was committed before it."""

INVARIANTS = (
    Check(
        "announcements_of_publications",
        "what followers are told of is a publication that its story has had",
        "notifications_announcement",
        """
        SELECT story_id, publication, status_changed, version FROM notifications_announcement
        JOIN stories_story ON id = story_id
        WHERE publication < 2 OR publication > status_changed OR (reached_at IS NULL) <> (reached_id IS NULL)
        """,
    ),
    Check(
        "announcements_go_on",
        "whatever followers are still to be told has a job that will tell them, or a dead letter that could",
        "(SELECT FROM notifications_announcement WHERE NOT done)",
        """
        SELECT story_id, publication, reached_at FROM notifications_announcement
        JOIN stories_story AS story ON story.id = story_id
        WHERE NOT done AND published_at IS NOT NULL AND publication = status_changed AND NOT EXISTS (
            SELECT FROM procrastinate_jobs
            WHERE task_name = 'announce' AND status IN ('todo', 'doing', 'failed')
              AND args = jsonb_build_object('story', story_id, 'version', publication)
        )
        """,
    ),
    Check(
        "everybody_was_told",
        "once the followers of a story's author were told of it, there is none who had followed and was not",
        "(SELECT FROM notifications_announcement WHERE done)",
        f"""
        SELECT story.id AS story_id, follower_id, published_at, republished_at FROM notifications_announcement AS announcement
        JOIN stories_story AS story ON story.id = story_id AND published_at IS NOT NULL AND status_changed = publication
            AND story.handed_over_at IS NULL
        JOIN (
            SELECT high_id AS author_id, low_id AS follower_id, low_follows_at AS since FROM social_relationship
            UNION ALL
            SELECT low_id, high_id, high_follows_at FROM social_relationship
        ) AS following ON following.author_id = story.author_id
            AND since < coalesce(republished_at, published_at) - {OPEN_AT_ONCE}
        JOIN people_person AS follower ON follower.id = follower_id AND left_at IS NULL
        WHERE done AND NOT EXISTS (
            SELECT FROM notifications_notification AS told
            WHERE told.story_id = story.id AND told.person_id = follower_id
        )
        """,
    ),
    Check(
        "one_digest_of_a_day",
        "all moderators are told the same figures of a day",
        "(SELECT FROM notifications_notification WHERE day IS NOT NULL)",
        """
        SELECT day, count(DISTINCT (open_reports, claimed_reports, resolved_reports)) AS digests
        FROM notifications_notification WHERE day IS NOT NULL GROUP BY day
        HAVING count(DISTINCT (open_reports, claimed_reports, resolved_reports)) > 1
        """,
    ),
    Check(
        "notifications_fit_their_kind",
        "a notification is of a published story, of a day of moderation with its figures, a decision, a report or an invitation",
        "notifications_notification",
        """
        SELECT id, kind, story_id, day, decision_id, report_id, invitation_id FROM notifications_notification
        WHERE kind NOT IN (
               'STORY_PUBLISHED', 'MODERATION_DIGEST', 'DECISION_MADE', 'DECISION_LIFTED', 'APPEAL_JUDGED', 'REPORT_RESOLVED',
               'INVITED'
           )
           OR (kind = 'STORY_PUBLISHED') <> (story_id IS NOT NULL)
           OR (kind IN ('DECISION_MADE', 'DECISION_LIFTED', 'APPEAL_JUDGED')) <> (decision_id IS NOT NULL)
           OR (kind = 'REPORT_RESOLVED') <> (report_id IS NOT NULL)
           OR (kind = 'INVITED') <> (invitation_id IS NOT NULL)
           OR num_nonnulls(day, open_reports, claimed_reports, resolved_reports)
              <> CASE kind WHEN 'MODERATION_DIGEST' THEN 4 ELSE 0 END
        """,
    ),
    Check(
        "told_once",
        "nobody is told twice of the same story, of the same day, or of the same step with a decision",
        "notifications_notification",
        """
        SELECT person_id, story_id, day, decision_id, kind, count(*) AS times FROM notifications_notification
        WHERE report_id IS NULL AND invitation_id IS NULL
        GROUP BY person_id, story_id, day, decision_id, kind HAVING count(*) > 1
        """,
    ),
    Check(
        "told_of_what_was_published",
        "nobody is told of a story of their own, or of one that was never published",
        "(SELECT FROM notifications_notification WHERE story_id IS NOT NULL)",
        """
        SELECT told.id, story_id, person_id, author_id, status_changed FROM notifications_notification AS told
        JOIN stories_story AS story ON story.id = story_id
        WHERE (author_id = person_id AND story.handed_over_at IS NULL) OR status_changed < 2
        """,
    ),
    Check(
        "read_was_written",
        "a notification was written to exactly if it has been read",
        "notifications_notification",
        """
        SELECT id, read_at, read_changed FROM notifications_notification
        WHERE (read_at IS NOT NULL) <> (read_changed > 1) OR read_at < created_at
        """,
    ),
)
