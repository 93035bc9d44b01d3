"""What must hold of the rows, whatever interleaving of writes has made them."""

from backend.engine.tallies import SLOTS
from backend.monitoring.checks import Check
from backend.monitoring.jobs import JOBS, NOTIFICATIONS
from backend.monitoring.leaving import LEAVING
from backend.monitoring.market import MARKET
from backend.monitoring.moderation import MODERATION
from backend.stories.models import ContentWarning

WARNINGS = ", ".join(f"'{warning}'" for warning in ContentWarning.values)


def _tally(name: str, table: str, kind: str, counted: str) -> Check:
    """That the slots of a total sum up to the rows that it counts, of which `counted` gives the subject of each."""
    return Check(
        name,
        f"each total of {kind} is the number of rows that it counts",
        f"({counted})",
        f"""
        SELECT subject, coalesce(counted, 0) AS counted, coalesce(tallied, 0) AS tallied
        FROM (SELECT subject, count(*) AS counted FROM ({counted}) AS rows (subject) GROUP BY subject) AS rows
        FULL JOIN (
            SELECT subject_id AS subject, sum(count) AS tallied FROM {table} WHERE kind = '{kind}' GROUP BY subject_id
        ) AS tallies USING (subject)
        WHERE coalesce(counted, 0) <> coalesce(tallied, 0)
        """,
    )


PEOPLE = (
    Check(
        "one_person_per_handle",
        "no two people have the same handle, however it is capitalised",
        "people_person",
        "SELECT lower(handle) AS handle, count(*) AS people FROM people_person GROUP BY lower(handle) HAVING count(*) > 1",
    ),
    Check(
        "logins_are_handles",
        "people sign in with their own handle",
        "people_account",
        """
        SELECT person_id, login, handle FROM people_account JOIN people_person ON id = person_id
        WHERE login <> lower(handle)
        """,
    ),
    Check(
        "everybody_has_a_shelf",
        "every person has a shelf, so every story is on one",
        "people_person",
        """
        SELECT id, handle FROM people_person
        WHERE NOT EXISTS (SELECT FROM stories_shelf WHERE author_id = people_person.id)
        """,
    ),
)

PAIRS = (
    Check(
        "no_follow_across_a_block",
        "nobody follows somebody across a block",
        "social_relationship",
        """
        SELECT id, low_id, high_id, low_follows_at, high_follows_at, low_blocks_at, high_blocks_at
        FROM social_relationship
        WHERE (low_follows_at IS NOT NULL OR high_follows_at IS NOT NULL)
          AND (low_blocks_at IS NOT NULL OR high_blocks_at IS NOT NULL)
        """,
    ),
    Check(
        "one_row_per_pair",
        "two people have one row, whoever met whom",
        "social_relationship",
        """
        SELECT LEAST(low_id, high_id) AS low_id, GREATEST(low_id, high_id) AS high_id, count(*) AS rows
        FROM social_relationship GROUP BY 1, 2 HAVING count(*) > 1
        """,
    ),
    Check(
        "low_before_high",
        "a pair is two people, the lower id first",
        "social_relationship",
        "SELECT id, low_id, high_id FROM social_relationship WHERE low_id >= high_id",
    ),
    Check(
        "ties_were_written",
        "each follow is stamped on both sides, each block on its own",
        "social_relationship",
        """
        SELECT id, low_id, high_id FROM social_relationship
        WHERE (low_follows_at IS NOT NULL AND 0 IN (low_following_changed, high_followed_changed))
           OR (high_follows_at IS NOT NULL AND 0 IN (high_following_changed, low_followed_changed))
           OR (low_blocks_at IS NOT NULL AND low_blocking_changed = 0)
           OR (high_blocks_at IS NOT NULL AND high_blocking_changed = 0)
        """,
    ),
)

TOTALS = (
    _tally("followers", "people_persontally", "followers", "SELECT followee_id FROM follow"),
    _tally("following", "people_persontally", "following", "SELECT follower_id FROM follow"),
    _tally(
        "stories",
        "people_persontally",
        "stories",
        "SELECT author_id FROM stories_story WHERE published_at IS NOT NULL",
    ),
    _tally("views", "stories_storytally", "views", "SELECT story_id FROM reading_view"),
    Check(
        "known_totals",
        "there are no totals of a kind or in a slot that nobody reads",
        "(SELECT FROM people_persontally UNION ALL SELECT FROM stories_storytally)",
        f"""
        SELECT * FROM people_persontally
        WHERE kind NOT IN ('followers', 'following', 'stories') OR slot NOT BETWEEN 0 AND {SLOTS - 1}
        UNION ALL
        SELECT * FROM stories_storytally WHERE kind <> 'views' OR slot NOT BETWEEN 0 AND {SLOTS - 1}
        """,
    ),
    Check(
        "shelf_counts",
        "each shelf counts its author's stories, and was written for each of them",
        "stories_shelf",
        """
        SELECT shelf.author_id, shelf.story_count, shelf.version, coalesce(counted, 0) AS counted
        FROM stories_shelf AS shelf
        LEFT JOIN (SELECT author_id, count(*) AS counted FROM stories_story GROUP BY author_id) AS stories
            USING (author_id)
        WHERE shelf.story_count <> coalesce(counted, 0) OR shelf.version < shelf.story_count
        """,
    ),
)

STORIES = (
    Check(
        "chapters_without_gaps",
        "the chapters of each story are 1, 2, 3 … without gaps",
        "stories_chapter",
        """
        SELECT story_id, count(*) AS chapters, array_agg(position ORDER BY position) AS positions
        FROM stories_chapter GROUP BY story_id
        HAVING min(position) <> 1 OR max(position) <> count(*) OR count(DISTINCT position) <> count(*)
        """,
    ),
    Check(
        "chapters_of_a_version",
        "each chapter was written by a version that its story has had",
        "stories_chapter",
        """
        SELECT chapter.id, chapter.story_id, chapter.story_version, story.version AS newest
        FROM stories_chapter AS chapter JOIN stories_story AS story ON story.id = chapter.story_id
        WHERE chapter.story_version NOT BETWEEN 1 AND story.version
        """,
    ),
    Check(
        "published_has_a_date",
        "a story has the date of its publication if, and only if, it is published",
        "stories_story",
        """
        SELECT id, status, published_at FROM stories_story
        WHERE status NOT IN ('DRAFT', 'PUBLISHED') OR (status = 'PUBLISHED') <> (published_at IS NOT NULL)
        """,
    ),
    Check(
        "publishing_was_written",
        "each story was created before it was published, which is a write of its own",
        "stories_story",
        "SELECT id, version, status_changed FROM stories_story WHERE published_at IS NOT NULL AND status_changed < 2",
    ),
    Check(
        "warnings_in_order",
        "the content warnings of each story are known, each once, in alphabetical order",
        "stories_story",
        f"""
        SELECT id, warnings FROM stories_story
        WHERE NOT warnings <@ ARRAY[{WARNINGS}]::varchar[]
           OR warnings <> ARRAY(SELECT DISTINCT warning COLLATE "C" FROM unnest(warnings) AS warning ORDER BY 1)
        """,
    ),
)

RANKS = (
    Check(
        "published_has_a_rank",
        "every published story has its place among the most read",
        "(SELECT FROM stories_story WHERE published_at IS NOT NULL)",
        """
        SELECT id, published_at FROM stories_story
        WHERE published_at IS NOT NULL
          AND NOT EXISTS (SELECT FROM stories_storyrank WHERE story_id = stories_story.id)
        """,
    ),
    Check(
        "ranks_within_totals",
        "no story is ranked by more views than it has had, or by less than none",
        "stories_storyrank",
        """
        SELECT story_id, rank.views, coalesce(tallied, 0) AS tallied FROM stories_storyrank AS rank
        LEFT JOIN (
            SELECT subject_id AS story_id, sum(count) AS tallied FROM stories_storytally WHERE kind = 'views'
            GROUP BY subject_id
        ) AS tallies USING (story_id)
        WHERE rank.views NOT BETWEEN 0 AND coalesce(tallied, 0)
        """,
    ),
    Check(
        "revisions_were_written",
        "each revision is of a write that its story or chapter has had, and says how long each value had stood",
        "stories_revision",
        """
        SELECT revision.id, revision.story_id, revision.chapter_id, revision.version, story.version AS of_story,
               chapter.version AS of_chapter, revision.since
        FROM stories_revision AS revision JOIN stories_story AS story ON story.id = revision.story_id
        LEFT JOIN stories_chapter AS chapter ON chapter.id = revision.chapter_id
        WHERE revision.version < 2
           OR revision.version > CASE WHEN revision.chapter_id IS NULL THEN story.version ELSE chapter.version END
           OR NOT (revision.values ?& ARRAY(SELECT jsonb_object_keys(revision.since)))
           OR NOT (revision.since ?& ARRAY(SELECT jsonb_object_keys(revision.values)))
           OR EXISTS (
               SELECT FROM jsonb_each(revision.since) AS kept WHERE kept.value::bigint NOT BETWEEN 1 AND revision.version - 1
           )
        """,
    ),
    Check(
        "the_buried_are_gone",
        "what has a tombstone is not there any more",
        "stories_tombstone",
        """
        SELECT id, deleted_at FROM stories_tombstone
        WHERE EXISTS (SELECT FROM stories_story WHERE id = stories_tombstone.id)
           OR EXISTS (SELECT FROM stories_chapter WHERE id = stories_tombstone.id)
        """,
    ),
)

READING = (
    Check(
        "one_view_a_day",
        "a reader counts once for a story and a day",
        "reading_view",
        """
        SELECT story_id, reader_id, day, count(*) AS views FROM reading_view
        GROUP BY story_id, reader_id, day HAVING count(*) > 1
        """,
    ),
    Check(
        "no_view_by_the_author",
        "no author counts as a reader of their own story",
        "reading_view",
        """
        SELECT story_id, reader_id, day FROM reading_view JOIN stories_story ON id = story_id
        WHERE author_id = reader_id
        """,
    ),
    Check(
        "no_view_of_a_draft",
        "no story counts views that has never been published",
        "reading_view",
        """
        SELECT story_id, reader_id, day FROM reading_view JOIN stories_story ON id = story_id
        WHERE published_at IS NULL AND status_changed = 1
        """,
    ),
    Check(
        "views_with_a_place",
        "whoever has viewed a story has a place in it",
        "reading_view",
        """
        SELECT story_id, reader_id, day FROM reading_view AS seen
        WHERE NOT EXISTS (
            SELECT FROM reading_reading AS place
            WHERE place.story_id = seen.story_id AND place.reader_id = seen.reader_id
        )
        """,
    ),
    Check(
        "one_place_per_reader",
        "a reader has one place in a story",
        "reading_reading",
        """
        SELECT story_id, reader_id, count(*) AS places FROM reading_reading
        GROUP BY story_id, reader_id HAVING count(*) > 1
        """,
    ),
    Check(
        "places_in_their_story",
        "each place is in a chapter of the story that is read",
        "reading_reading",
        """
        SELECT place.id, place.story_id, place.chapter_id, chapter.story_id AS story_of_chapter
        FROM reading_reading AS place JOIN stories_chapter AS chapter ON chapter.id = place.chapter_id
        WHERE place.story_id <> chapter.story_id
        """,
    ),
    Check(
        "seen_versions_were_there",
        "nobody has seen a version that their story never had",
        "reading_reading",
        """
        SELECT place.id, place.story_id, place.story_version, story.version AS newest
        FROM reading_reading AS place JOIN stories_story AS story ON story.id = place.story_id
        WHERE place.story_version NOT BETWEEN 1 AND story.version
        """,
    ),
)

KEYS = (
    Check(
        "keys_have_a_reply",
        "each idempotency key has what it takes to be replayed",
        "engine_idempotencykey",
        """
        SELECT person_id, key, created_at FROM engine_idempotencykey
        WHERE reply IS NULL OR jsonb_typeof(reply) <> 'object' OR length(fingerprint) <> 32
        """,
    ),
)

INVARIANTS = (
    *PEOPLE,
    *PAIRS,
    *TOTALS,
    *STORIES,
    *RANKS,
    *READING,
    *MODERATION,
    *MARKET,
    *KEYS,
    *JOBS,
    *NOTIFICATIONS,
    *LEAVING,
)
