"""Invariants of reports, for `manage.py verify`."""

from backend.engine.checks import Check
from backend.moderation.models import SUBJECTS

SUBJECT = ", ".join(f"{subject}_id" for subject in SUBJECTS)


def _in_force(outcome: str, story: str) -> str:
    """SQL: whether a decision about a story is in force."""
    return (
        "EXISTS (SELECT FROM moderation_decision AS decision "
        f"WHERE decision.subject = {story} AND outcome = '{outcome}' AND lifted_at IS NULL)"
    )


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
           OR outcome NOT IN ('DISMISSED', 'MARKED_NSFW', 'REMOVED', 'WARNED', 'SUSPENDED')
           OR (outcome IN ('WARNED', 'SUSPENDED')) > (person_id IS NOT NULL)
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
          AND coalesce(story.handed_over_at, of_chapter.handed_over_at) IS NULL
        """,
    ),
    Check(
        "what_is_reported_is_kept",
        "of a report of a story, a chapter or a person it is kept what that was then, also of a chapter that can be restored",
        "moderation_report",
        """
        SELECT report.id, kept.subject AS kept FROM moderation_report AS report
        JOIN people_person AS about ON about.id = report.about_id AND about.left_at IS NULL
        LEFT JOIN moderation_evidence AS kept ON kept.id = report.evidence_id
        WHERE kept.subject IS DISTINCT FROM coalesce(report.story_id, report.chapter_id, report.person_id, report.buried)
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
    Check(
        "buried_reports_can_come_back",
        "what comes back with a chapter is of one that was deleted, of a story that is there",
        "(SELECT FROM moderation_report WHERE buried IS NOT NULL)",
        """
        SELECT report.id, buried, buried_in FROM moderation_report AS report
        WHERE buried IS NOT NULL AND (
            EXISTS (SELECT FROM stories_chapter WHERE id = buried)
            OR NOT EXISTS (SELECT FROM stories_story WHERE id = buried_in)
        )
        """,
    ),
    Check(
        "stories_are_held_by_decisions",
        "what the moderators hold of a story is what decisions about it say that are in force",
        "stories_story",
        f"""
        SELECT story.id, held, mature_held FROM stories_story AS story
        JOIN people_person AS author ON author.id = story.author_id AND author.left_at IS NULL
        WHERE held <> {_in_force("REMOVED", "story.id")} OR mature_held <> {_in_force("MARKED_NSFW", "story.id")}
        """,
    ),
    Check(
        "suspended_as_decided",
        "somebody is suspended until the last of the suspensions ends that are in force",
        "people_account",
        """
        SELECT person_id, suspended_until, latest FROM people_account AS account
        JOIN people_person AS person ON person.id = person_id AND left_at IS NULL
        LEFT JOIN (
            SELECT about_id, max(until) AS latest FROM moderation_decision
            WHERE outcome = 'SUSPENDED' AND lifted_at IS NULL GROUP BY about_id
        ) AS suspensions ON about_id = person_id
        WHERE suspended_until IS DISTINCT FROM latest
        """,
    ),
    Check(
        "decisions_fit_their_kind",
        "people are warned or suspended, whispers and stories marked or removed; and what undoes it of a whisper is kept",
        "moderation_decision",
        """
        SELECT id, kind, outcome FROM moderation_decision
        WHERE CASE kind WHEN 'person' THEN outcome NOT IN ('WARNED', 'SUSPENDED') OR subject <> about_id
                        WHEN 'story' THEN outcome NOT IN ('MARKED_NSFW', 'REMOVED')
                        WHEN 'whisper' THEN outcome NOT IN ('MARKED_NSFW', 'REMOVED')
                        ELSE true END
           OR (kind = 'whisper') <> (before IS NOT NULL) OR (outcome = 'SUSPENDED') <> (until IS NOT NULL)
        """,
    ),
    Check(
        "appeals_are_judged_once",
        "an appeal says something, is judged only if it was made, and one that is overturned has lifted the decision",
        "moderation_decision",
        """
        SELECT id, appealed_at, appeal_outcome, lifted_at FROM moderation_decision
        WHERE (appealed_at IS NOT NULL) <> (appeal <> '') OR (appeal_outcome IS NOT NULL AND appealed_at IS NULL)
           OR appeal_outcome NOT IN ('UPHELD', 'OVERTURNED') OR (appeal_outcome = 'OVERTURNED' AND lifted_at IS NULL)
        """,
    ),
    Check(
        "decisions_are_in_the_log",
        "whatever moderators decided, lifted or judged is in the log",
        "moderation_decision",
        """
        SELECT decision.id, lifted_at, appeal_outcome, kinds FROM moderation_decision AS decision
        LEFT JOIN (
            SELECT decision_id, array_agg(kind::text) AS kinds FROM moderation_moderationaction
            WHERE decision_id IS NOT NULL GROUP BY decision_id
        ) AS logged ON decision_id = decision.id
        WHERE ('RESOLVED' = ANY(kinds)) IS NOT TRUE
           OR (lifted_at IS NOT NULL) <> (kinds && ARRAY['LIFTED', 'OVERTURNED'])
           OR (appeal_outcome IS NOT NULL) <> (kinds && ARRAY['UPHELD', 'OVERTURNED'])
        """,
    ),
)
