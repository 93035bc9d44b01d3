"""Invariants of the sweep: it makes progress, and once it is done nothing of the person is left."""

from backend.engine.checks import Check
from backend.nouns import collect

OF_EVERYBODY = {
    "people_accesstoken": ("account_id",),
    "people_persontally": ("subject_id",),
    "engine_idempotencykey": ("person_id",),
    "stories_tombstone": ("author_id",),
    "whispers_whisper": ("author_id",),
}


def swept_columns() -> dict[str, tuple[str, ...]]:
    """By table, the columns in which nobody is left once they are swept. Moderators' actions stay in histories."""
    columns: dict[str, tuple[str, ...]] = {**OF_EVERYBODY}
    for contributed in collect("erasure", "SWEPT_COLUMNS"):
        columns.update(contributed)
    return columns


def _left_behind() -> str:
    return " UNION ALL ".join(
        f"SELECT '{table}' AS of, person_id FROM people_departure AS gone WHERE done "
        f"AND EXISTS (SELECT FROM {table} AS kept WHERE kept.{column} = gone.person_id)"
        for table, columns in swept_columns().items()
        for column in columns
    )


INVARIANTS = (
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
        {_left_behind()}
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
