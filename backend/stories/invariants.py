"""Invariants of shelves, stories, chapters, revisions and ranks, for `manage.py verify`."""

from backend.engine.checks import Check, tally_check
from backend.stories.models import ContentWarning

WARNINGS = ", ".join(f"'{warning}'" for warning in ContentWarning.values)

INVARIANTS = (
    Check(
        "everybody_has_a_shelf",
        "every person has a shelf, so every story is on one",
        "people_person",
        """
        SELECT id, handle FROM people_person
        WHERE NOT EXISTS (SELECT FROM stories_shelf WHERE author_id = people_person.id)
        """,
    ),
    tally_check(
        "stories",
        "people_persontally",
        "stories",
        "SELECT author_id FROM stories_story WHERE published_at IS NOT NULL",
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
        "republished_after_it_was_published",
        "a story that was published again keeps the date of its first publication, also while it is a draft",
        "stories_story",
        """
        SELECT id, status, published_at, republished_at, was_published_at FROM stories_story
        WHERE (republished_at IS NOT NULL AND (published_at IS NULL OR republished_at < published_at))
           OR (was_published_at IS NOT NULL AND status = 'PUBLISHED')
        """,
    ),
    Check(
        "publishing_was_written",
        "each story was created before it was published, which is a write of its own",
        "stories_story",
        "SELECT id, version, status_changed FROM stories_story WHERE published_at IS NOT NULL AND status_changed < 2",
    ),
    Check(
        "words_of_stories",
        "each story is found by the words of its title, its summary and the titles of its chapters, and at its place",
        "stories_story",
        """
        SELECT id, title FROM stories_story AS story LEFT JOIN stories_storywords AS found ON story_id = id
        WHERE ROW(found.words, found.published_at) IS DISTINCT FROM ROW(stories_words_of(story), story.published_at)
        """,
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
