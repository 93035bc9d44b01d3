"""Invariants of reports, for `manage.py verify`."""

from backend.engine.checks import Check
from backend.moderation.models import SUBJECTS

SUBJECT = ", ".join(f"{subject}_id" for subject in SUBJECTS)

INVARIANTS = (
    Check(
        "flagged_to_be_reported",
        "a whisper was reported by its screening if, and only if, a rule asked for that",
        "whispers_whisper",
        """
        SELECT whisper.id, flag.effect, count(report.id) AS reports FROM whispers_whisper AS whisper
        LEFT JOIN whispers_flag AS flag ON flag.whisper_id = whisper.id
        LEFT JOIN moderation_report AS report ON report.whisper_id = whisper.id AND report.reporter_id IS NULL
        GROUP BY whisper.id, flag.effect
        HAVING (count(report.id) > 0) <> (coalesce(flag.effect, '') = 'REPORT')
        """,
    ),
    Check(
        "reports_have_a_subject",
        "a report is of one thing; only one that is resolved may have lost it",
        "moderation_report",
        f"""
        SELECT id, status, {SUBJECT} FROM moderation_report
        WHERE num_nonnulls({SUBJECT}) > 1 OR (num_nonnulls({SUBJECT}) = 0 AND status <> 'RESOLVED')
        """,
    ),
    Check(
        "claimed_reports_have_a_claimer",
        "a report is claimed by somebody exactly if it says so, and open if by nobody",
        "moderation_report",
        """
        SELECT id, status, claimed_by_id FROM moderation_report
        WHERE (status = 'CLAIMED' AND claimed_by_id IS NULL) OR (status = 'OPEN' AND claimed_by_id IS NOT NULL)
        """,
    ),
    Check(
        "resolved_reports_have_an_outcome",
        "a report has an outcome if, and only if, it is resolved",
        "moderation_report",
        """
        SELECT id, status, outcome FROM moderation_report
        WHERE status NOT IN ('OPEN', 'CLAIMED', 'RESOLVED') OR (status = 'RESOLVED') <> (outcome IS NOT NULL)
           OR outcome NOT IN ('DISMISSED', 'MARKED_NSFW', 'REMOVED')
        """,
    ),
    Check(
        "one_open_report",
        "a reporter has one report of a thing that is not resolved, and the screening has one as well",
        "(SELECT FROM moderation_report WHERE status <> 'RESOLVED')",
        f"""
        SELECT reporter_id, {SUBJECT}, count(*) AS reports FROM moderation_report WHERE status <> 'RESOLVED'
        GROUP BY reporter_id, {SUBJECT} HAVING count(*) > 1
        """,
    ),
    Check(
        "reports_about_the_author",
        "a report knows whose thing it is of",
        "moderation_report",
        """
        SELECT report.id, report.about_id, coalesce(
            whisper.author_id, story.author_id, of_chapter.author_id, report.person_id
        ) AS author_id
        FROM moderation_report AS report
        LEFT JOIN whispers_whisper AS whisper ON whisper.id = report.whisper_id
        LEFT JOIN stories_story AS story ON story.id = report.story_id
        LEFT JOIN stories_chapter AS chapter ON chapter.id = report.chapter_id
        LEFT JOIN stories_story AS of_chapter ON of_chapter.id = chapter.story_id
        WHERE report.about_id <> coalesce(whisper.author_id, story.author_id, of_chapter.author_id, report.person_id)
        """,
    ),
    Check(
        "what_is_reported_is_kept",
        "of a report of a story, a chapter or a person it is kept what that was then, and of no other report",
        "moderation_report",
        """
        SELECT report.id, kept.subject AS kept FROM moderation_report AS report
        JOIN people_person AS about ON about.id = report.about_id AND about.left_at IS NULL
        LEFT JOIN moderation_evidence AS kept ON kept.id = report.evidence_id
        WHERE kept.subject IS DISTINCT FROM coalesce(report.story_id, report.chapter_id, report.person_id)
        """,
    ),
    Check(
        "nobody_reports_themselves",
        "no report is by whom it is about",
        "moderation_report",
        "SELECT id, about_id, reporter_id FROM moderation_report WHERE about_id = reporter_id",
    ),
    Check(
        "reports_are_counted",
        "no more reports of a person and a day (UTC) are there than were counted for the daily limit",
        "(SELECT FROM moderation_report WHERE reporter_id IS NOT NULL)",
        """
        SELECT reporter_id, day, reports, coalesce(daily.count, 0) AS counted
        FROM (
            SELECT reporter_id, (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS reports
            FROM moderation_report WHERE reporter_id IS NOT NULL GROUP BY 1, 2
        ) AS made
        LEFT JOIN moderation_dailyreports AS daily USING (reporter_id, day)
        WHERE reports > coalesce(daily.count, 0)
        """,
    ),
)
