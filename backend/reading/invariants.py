"""Invariants of readers' positions and of view counts, for `manage.py verify`."""

from backend.engine.checks import Check, tally_check

INVARIANTS = (
    tally_check("views", "stories_storytally", "views", "SELECT story_id FROM reading_view"),
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
        WHERE author_id = reader_id AND handed_over_at IS NULL
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
