"""Invariants of co-authors and invitations, for `manage.py verify`."""

from backend.engine.checks import Check

INVARIANTS = (
    Check(
        "coauthors_of_stories",
        "the table of co-authors says what each story says of who writes it",
        "stories_story",
        """
        SELECT coalesce(story_id, id) AS story_id, coalesce(person_id, person) AS person_id, granted, wanted
        FROM coauthors_coauthor FULL JOIN (
            SELECT id, person, CASE WHEN person = ANY (managers) THEN 'MANAGE' ELSE 'WRITE' END AS wanted
            FROM stories_story CROSS JOIN LATERAL unnest(writers) AS person
        ) AS said ON story_id = id AND person_id = person
        WHERE granted IS DISTINCT FROM wanted
        """,
    ),
    Check(
        "writers_once",
        "nobody is named twice among those who write a story, nor is its author, and each who manages it writes it",
        "stories_story",
        """
        SELECT id, author_id, writers, managers FROM stories_story
        WHERE cardinality(writers) <> (SELECT count(DISTINCT one) FROM unnest(writers) AS one)
           OR cardinality(managers) <> (SELECT count(DISTINCT one) FROM unnest(managers) AS one)
           OR NOT writers @> managers OR author_id = ANY (writers) OR cardinality(writers) > 20
        """,
    ),
    Check(
        "nobody_writes_across_a_block",
        "no story is written by two of whom one blocks the other and is its author, and nobody is invited to that",
        "coauthors_coauthor",
        """
        SELECT story.id AS story_id, story.author_id, theirs.person_id FROM (
            SELECT story_id, person_id FROM coauthors_coauthor
            UNION ALL
            SELECT story_id, person_id FROM coauthors_invitation WHERE status = 'PENDING'
        ) AS theirs JOIN stories_story AS story ON story.id = theirs.story_id
        JOIN social_relationship AS pair ON pair.low_id = LEAST(story.author_id, theirs.person_id)
            AND pair.high_id = GREATEST(story.author_id, theirs.person_id)
        WHERE pair.low_blocks_at IS NOT NULL OR pair.high_blocks_at IS NOT NULL
        """,
    ),
    Check(
        "invitations_can_be_accepted",
        "nobody is invited to what they have: an open invitation is not to its author, and to a co-author only to own it",
        "(SELECT FROM coauthors_invitation WHERE status = 'PENDING')",
        """
        SELECT invitation.id, story.id AS story_id, person_id FROM coauthors_invitation AS invitation
        JOIN stories_story AS story ON story.id = invitation.story_id
        WHERE invitation.status = 'PENDING'
          AND (person_id = author_id OR (person_id = ANY (writers) AND offered <> 'OWN'))
        """,
    ),
    Check(
        "one_open_invitation",
        "nobody has two open invitations to a story, and it is offered to one at most",
        "(SELECT FROM coauthors_invitation WHERE status = 'PENDING')",
        """
        SELECT story_id, count(*) AS open FROM coauthors_invitation WHERE status = 'PENDING' GROUP BY story_id, person_id
        HAVING count(*) > 1
        UNION ALL
        SELECT story_id, count(*) FROM coauthors_invitation WHERE status = 'PENDING' AND offered = 'OWN' GROUP BY story_id
        HAVING count(*) > 1
        """,
    ),
    Check(
        "answered_was_written",
        "an invitation was written to exactly if it is not open any more",
        "coauthors_invitation",
        "SELECT id, status, status_changed FROM coauthors_invitation WHERE (status <> 'PENDING') <> (status_changed > 1)",
    ),
)
