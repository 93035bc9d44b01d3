"""What must hold of people who have left: that they are nobody, and that nothing is left of them once it is swept."""

from backend.monitoring.checks import Check

SWEPT = {
    "people_accesstoken": ("account_id",),
    "people_persontally": ("subject_id",),
    "engine_idempotencykey": ("person_id",),
    "social_relationship": ("low_id", "high_id"),
    "stories_tombstone": ("author_id",),
    "reading_reading": ("reader_id",),
    "reading_view": ("reader_id",),
    "whispers_whisper": ("author_id",),
    "moderation_report": ("about_id", "reporter_id", "claimed_by_id"),
    "notifications_notification": ("person_id",),
}
"""By table the columns that refer to nobody who has left once all is swept. What a moderator did stays in a story's history."""

LEFT_BEHIND = " UNION ALL ".join(
    f"SELECT '{table}' AS of, person_id FROM people_departure AS gone WHERE done "
    f"AND EXISTS (SELECT FROM {table} AS kept WHERE kept.{column} = gone.person_id)"
    for table, columns in SWEPT.items()
    for column in columns
)

LEAVING = (
    Check(
        "who_left_is_swept",
        "exactly those who have left have a mark of how far the sweeping has come",
        "(SELECT FROM people_person WHERE left_at IS NOT NULL)",
        """
        SELECT coalesce(id, person_id) AS person_id, left_at, stage FROM people_person
        FULL JOIN people_departure ON person_id = id
        WHERE (left_at IS NOT NULL) <> (person_id IS NOT NULL)
        """,
    ),
    Check(
        "who_left_cannot_sign_in",
        "nobody who has left has an account that is open, or a token",
        "(SELECT FROM people_person WHERE left_at IS NOT NULL)",
        """
        SELECT person_id, login FROM people_account AS account JOIN people_person AS person ON person.id = person_id
        WHERE left_at IS NOT NULL
          AND (is_active OR is_staff OR EXISTS (SELECT FROM people_accesstoken WHERE account_id = person_id))
        """,
    ),
    Check(
        "who_left_has_no_profile",
        "of somebody who has left there is the handle, which nobody else gets, and nothing that they said about themselves",
        "(SELECT FROM people_person WHERE left_at IS NOT NULL)",
        "SELECT id, handle FROM people_person WHERE left_at IS NOT NULL AND (name <> '' OR bio <> '' OR show_mature)",
    ),
    Check(
        "sweeping_goes_on",
        "whatever is still to be swept has a job that will do it, or a dead letter that could",
        "(SELECT FROM people_departure WHERE NOT done)",
        """
        SELECT person_id, stage, reached FROM people_departure WHERE NOT done AND NOT EXISTS (
            SELECT FROM procrastinate_jobs WHERE task_name = 'sweep' AND status IN ('todo', 'doing', 'failed')
              AND args = jsonb_build_object('person', person_id)
        )
        """,
    ),
    Check(
        "nothing_is_left_behind",
        "once all is swept, what is left of somebody are the handle and what orders need",
        "(SELECT FROM people_departure WHERE done)",
        f"""
        {LEFT_BEHIND}
        UNION ALL
        SELECT 'stories_story', person_id FROM people_departure JOIN stories_story AS story ON author_id = person_id
        WHERE done AND (
            published_at IS NOT NULL OR title <> '' OR summary <> ''
            OR EXISTS (SELECT FROM stories_chapter WHERE story_id = story.id)
            OR EXISTS (SELECT FROM stories_revision WHERE story_id = story.id)
            OR NOT EXISTS (
                SELECT FROM market_edition AS edition JOIN market_orderline AS line ON line.edition_id = edition.id
                WHERE edition.story_id = story.id
            )
        )
        UNION ALL
        SELECT 'market_order', person_id FROM people_departure JOIN market_order ON person_id IN (buyer_id, author_id)
        WHERE done AND status NOT IN ('SHIPPED', 'CANCELLED')
        """,
    ),
)
