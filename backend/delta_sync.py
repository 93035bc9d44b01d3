"""What changed in a viewer's world since a cursor, for apps that were offline: as SQL over the change log.

A viewer's world is what is theirs, the stories that they write beside their authors, and what they hold of others' stories:
those that they read, notifications of them, and invitations to write them. Of theirs everything is told that was written or is
gone; of what they write with others the story and its chapters, all of it once that they come to write it or write it no more. Of
another's story it is told that it was written, as long as they see it; and once that they cease or begin to see it, with the
place in it and the notifications: because it was unpublished, taken down, deleted or handed over, because its author has left, or
because of a block. The look-up of each thing decides what they see, so that gone and hidden look alike.

Nothing is told that the viewer had no way to see: of a story that was hidden all the time neither edits nor that it is deleted,
and of a block that came and went neither. What somebody comes to see is what there is; what they cease to see was written to
the log when they did (`triggers.RemovalLog`), so nothing is told that came and went while they were away.
"""

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from backend.changes.kinds import HANDED, LEFT, PUBLIC, SIGHT, SIGNALS, SWEPT
from backend.changes.log import HOLDS, IDENTITY, Malformed, decoded, is_identity, is_snapshot
from backend.changes.triggers import kind_of
from backend.coauthors.models import Invitation
from backend.notifications.models import Notification
from backend.people.models import Person
from backend.reading.models import Reading
from backend.social.models import Relationship
from backend.sources import Row
from backend.stories.models import Chapter, Story
from backend.stories.queries import VISIBLE
from backend.visibility import apart, gone, met

STORY, READING, NOTIFICATION, INVITATION = map(kind_of, (Story, Reading, Notification, Invitation))
PERSON, RELATIONSHIP, CHAPTER = map(kind_of, (Person, Relationship, Chapter))
HANGING = (READING, NOTIFICATION, INVITATION)
"""What the viewer holds of a story, and is hidden with it."""


def _listed(kinds: tuple[str, ...]) -> str:
    return ", ".join(f"'{kind}'" for kind in kinds)


ENTRIES = """
    SELECT change.*, pg_visible_in_snapshot(change.xid, span.until) AS is_due FROM span JOIN changes_change AS change
        ON change.owner = {owner} AND change.xid >= pg_snapshot_xmin(span.begun)
        AND NOT pg_visible_in_snapshot(change.xid, span.begun)"""
"""The entries of one owner that were committed since the beginning of the span, and whether by its end. Unlike a reader of the
whole log, this one may look at those again that were committed beside one that stayed open: of one owner they are few.

What was at the beginning follows from the rows and from all of these: a page finds the rows as they are now, perhaps long after
the end of the span. Whether something is told in this walk, and after what, follows from those that are due: `seq`, else NULL.
"""

# Whether the other was hidden at the beginning of the span, and is now: 0, 1 or 3, see `kinds.SIGHT`. Of those who have left, the
# sweep tells that they are gone.
SIGHTS = f"""
    SELECT id AS person_id, (array_agg(version ORDER BY seq))[1] / 4 AS before,
        (array_agg(version ORDER BY seq DESC))[1] % 4 AS after, max(seq) FILTER (WHERE is_due) AS seq
    FROM mine WHERE kind = '{SIGHT}' AND aggregate <> id GROUP BY id"""

# The stories that the viewer came to write, or writes no more, and those that became theirs. Who was a co-author of one at the
# beginning, is first told that this has ended.
JOINED = f"""
    SELECT id AS story_id, (array_agg(gone ORDER BY seq) FILTER (WHERE kind = '{SIGHT}'))[1] AS before,
        bool_or(kind = '{HANDED}') AS is_given, max(seq) FILTER (WHERE is_due) AS seq
    FROM mine WHERE kind = '{SIGHT}' AND aggregate = id OR kind = '{HANDED}' GROUP BY id"""

# What went with its story, and whose that was: one transaction deletes or sweeps one story.
LOST = f"""
    SELECT mine.kind, mine.id, CASE WHEN mine.is_due THEN mine.seq END AS seq, story.owner AS author_id,
        coalesce(story.id, CASE WHEN mine.kind <> '{NOTIFICATION}' THEN mine.aggregate END) AS story_id
    FROM mine LEFT JOIN LATERAL (
        SELECT gone.id, gone.owner FROM changes_change AS gone
        WHERE gone.xid = mine.xid AND (gone.kind = '{STORY}' AND gone.gone OR gone.kind = '{SWEPT}') LIMIT 1
    ) AS story ON TRUE
    WHERE mine.gone AND mine.kind IN ({_listed(HANGING)})"""

HELD = f"""
    SELECT story_id, bool_or(is_read) AS is_read, bool_or(is_written) AS is_written, max(seq) AS seq,
        coalesce((SELECT author_id FROM stories_story WHERE id = story_id), max(author_id::text)::uuid) AS author_id
    FROM (
        SELECT story_id, TRUE AS is_read, FALSE AS is_written, NULL::bigint AS seq, NULL::uuid AS author_id
        FROM reading_reading WHERE reader_id = $viewer
        UNION ALL
        SELECT story_id, FALSE, TRUE, NULL, NULL FROM coauthors_coauthor WHERE person_id = $viewer
        UNION ALL
        SELECT story_id, FALSE, FALSE, NULL, NULL FROM notifications_notification
        WHERE person_id = $viewer AND story_id IS NOT NULL
        UNION ALL
        SELECT story_id, FALSE, FALSE, NULL, NULL FROM coauthors_invitation WHERE person_id = $viewer
        UNION ALL
        SELECT story_id, kind = '{READING}', FALSE, seq, author_id FROM lost WHERE story_id IS NOT NULL
    ) AS one
    GROUP BY story_id"""

# The authors of these stories, and those who had them before.
AUTHORS = f"""
    SELECT author_id FROM held WHERE author_id IS NOT NULL
    UNION
    SELECT change.aggregate FROM authors CROSS JOIN LATERAL ({ENTRIES.format(owner="authors.author_id")}
        AND change.kind = '{HANDED}'
    ) AS change"""

THEIRS = f"""
    SELECT change.* FROM authors CROSS JOIN LATERAL ({ENTRIES.format(owner="authors.author_id")}
        AND change.kind IN ({_listed((STORY, CHAPTER, PUBLIC, LEFT, HANDED))})
    ) AS change WHERE authors.author_id <> $viewer OR change.kind IN ({_listed((PUBLIC, HANDED))})"""

# What happened to a story: whether it was published at the beginning, whose it was, when it was written last.
EVENTS = f"""
    SELECT id AS story_id, (array_agg(gone ORDER BY seq) FILTER (WHERE kind = '{PUBLIC}'))[1] AS was_public,
        (array_agg(aggregate ORDER BY seq) FILTER (WHERE kind = '{HANDED}'))[1] AS author_before,
        max(seq) FILTER (WHERE kind IN ({_listed((PUBLIC, HANDED))}) AND is_due) AS seq,
        max(seq) FILTER (WHERE kind = '{STORY}' AND NOT gone AND is_due) AS written
    FROM theirs WHERE kind IN ({_listed((STORY, PUBLIC, HANDED))}) GROUP BY id"""

# Whether the viewer saw a story at the beginning of the span, and sees it now; and whether its author had met them, and has.
SEEN = f"""
    SELECT one.story_id, one.is_read, one.is_written, one.is_written AND one.was_writing IS NULL AS is_steady,
        one.written, one.turned, one.met_now,
        one.author_id IS NULL OR one.met_before AS was_met,
        EXISTS (SELECT FROM stories_story AS story WHERE story.id = one.story_id AND {VISIBLE}) AS is_seen,
        one.author_id IS NULL OR one.author_before = $viewer OR one.met_before AND (
            coalesce(one.was_writing, one.is_written) OR coalesce(one.was_public, EXISTS (
                SELECT FROM stories_story AS story WHERE story.id = one.story_id AND story.published_at IS NOT NULL
            ))
        ) AS was_seen
    FROM (
        SELECT story.*, {met("story.author_id", "$viewer")} AS met_now,
            coalesce(sight.before = 0, NOT {apart("story.author_before", "$viewer")})
            AND (fled.owner IS NOT NULL OR NOT {gone("story.author_before")}) AS met_before,
            greatest(story.seq, sight.seq, sight_now.seq, fled.seq) AS turned
        FROM (
            SELECT held.story_id, held.author_id, held.is_read, held.is_written, event.written, event.was_public,
                coalesce(event.author_before, held.author_id) AS author_before, joined.before AS was_writing,
                greatest(held.seq, event.seq, joined.seq) AS seq
            FROM held LEFT JOIN event ON event.story_id = held.story_id LEFT JOIN joined ON joined.story_id = held.story_id
        ) AS story
        LEFT JOIN sight ON sight.person_id = story.author_before
        LEFT JOIN sight AS sight_now ON sight_now.person_id = story.author_id
        LEFT JOIN (
            SELECT owner, max(seq) FILTER (WHERE is_due) AS seq FROM theirs WHERE kind = '{LEFT}' GROUP BY owner
        ) AS fled ON fled.owner = story.author_before
    ) AS one"""

TOLD = f"""
    SELECT mine.kind::text, mine.id, mine.seq
    FROM mine LEFT JOIN seen ON mine.kind = '{CHAPTER}' AND seen.story_id = mine.aggregate
    WHERE is_due AND mine.kind NOT IN ({_listed(SIGNALS)})
        AND NOT (mine.gone AND mine.kind IN ({_listed(HANGING)}))
        AND NOT (mine.kind = '{RELATIONSHIP}' AND (mine.gone OR {gone("mine.id")}))
        AND (is_steady AND NOT was_seen AND NOT is_seen) IS NOT TRUE
    UNION ALL
    SELECT kind, person_id, seq FROM sight CROSS JOIN (VALUES ('{PERSON}'), ('{RELATIONSHIP}')) AS either (kind)
    WHERE before <> after AND (after = 3 OR NOT {gone("person_id")})
    UNION ALL
    SELECT '{STORY}', story_id, written FROM seen WHERE (is_read OR is_written) AND is_seen AND written IS NOT NULL
    UNION ALL
    SELECT '{CHAPTER}', chapter.id, theirs.seq FROM seen JOIN theirs
        ON theirs.kind = '{CHAPTER}' AND theirs.aggregate = seen.story_id AND theirs.is_due
    JOIN stories_chapter AS chapter ON chapter.id = theirs.id
    WHERE is_written AND is_seen
    UNION ALL
    SELECT '{STORY}', story_id, seq FROM joined
    UNION ALL
    SELECT '{CHAPTER}', chapter.id, joined.seq
    FROM joined JOIN stories_story AS story ON story.id = joined.story_id AND $viewer = ANY(story.author_id || story.writers)
    JOIN stories_chapter AS chapter ON chapter.story_id = story.id
    UNION ALL
    SELECT '{INVITATION}', invitation.id, joined.seq
    FROM joined JOIN coauthors_invitation AS invitation ON invitation.story_id = joined.story_id
    JOIN stories_story AS story ON story.id = joined.story_id AND story.author_id = $viewer
    UNION ALL
    SELECT either.kind, either.id, turned FROM seen CROSS JOIN LATERAL (
        SELECT '{STORY}' AS kind, seen.story_id AS id
        UNION ALL
        SELECT '{CHAPTER}', chapter.id FROM stories_chapter AS chapter WHERE chapter.story_id = seen.story_id
    ) AS either
    WHERE is_written AND is_seen <> was_seen AND turned IS NOT NULL
    UNION ALL
    SELECT kind, story_id, turned FROM seen CROSS JOIN (VALUES ('{STORY}'), ('{READING}')) AS either (kind)
    WHERE is_read AND is_seen <> was_seen AND turned IS NOT NULL
    UNION ALL
    SELECT '{NOTIFICATION}', notification.id, turned
    FROM seen JOIN notifications_notification AS notification
        ON notification.person_id = $viewer AND notification.story_id = seen.story_id
    WHERE is_seen <> was_seen AND turned IS NOT NULL
    UNION ALL
    SELECT '{INVITATION}', invitation.id, turned
    FROM seen JOIN coauthors_invitation AS invitation
        ON invitation.person_id = $viewer AND invitation.story_id = seen.story_id
    WHERE met_now <> was_met AND turned IS NOT NULL
    UNION ALL
    SELECT lost.kind::text, lost.id, coalesce(lost.seq, turned) FROM lost LEFT JOIN seen ON seen.story_id = lost.story_id
    WHERE CASE lost.kind WHEN '{NOTIFICATION}' THEN lost.story_id IS NULL OR is_seen <> was_seen
        WHEN '{INVITATION}' THEN was_met AND (lost.seq IS NOT NULL OR NOT met_now) END"""

CURSOR = "translate(encode(convert_to(concat_ws('|', {parts}), 'UTF8'), 'base64'), E'+/=\\n', '-_')"
"""SQL: an opaque text of parts; see `log.encoded`."""

PAGE = Row(
    f"""
WITH RECURSIVE span AS MATERIALIZED (
    SELECT $begun::pg_snapshot AS begun, coalesce($until::pg_snapshot, pg_current_snapshot()) AS until
), mine AS MATERIALIZED ({ENTRIES.format(owner="$viewer")} LIMIT $most::int + 1
), sight AS MATERIALIZED ({SIGHTS}
), joined AS MATERIALIZED ({JOINED}
), lost AS MATERIALIZED ({LOST}
), held AS MATERIALIZED ({HELD}
), authors AS MATERIALIZED ({AUTHORS}
), theirs AS MATERIALIZED ({THEIRS} LIMIT $most::int + 1
), event AS MATERIALIZED ({EVENTS}
), seen AS MATERIALIZED ({SEEN}
), told AS ({TOLD}
), page AS MATERIALIZED (
    SELECT kind, id, max(seq) AS seq FROM told GROUP BY kind, id
    HAVING (max(seq), kind, id) > ($seq::bigint, $kind::text, $key::uuid)
    ORDER BY max(seq), kind, id LIMIT $first::int + 1
), numbered AS (SELECT page.*, row_number() OVER (ORDER BY seq, kind, id) AS number FROM page)
SELECT
    coalesce((SELECT jsonb_agg(numbered ORDER BY number) FROM numbered WHERE number <= $first::int), '[]') AS changes,
    coalesce(
        (SELECT {CURSOR.format(parts="$identity::text, span.begun, span.until, last.seq, last.kind, last.id")}
         FROM numbered AS last WHERE last.number = $first::int AND EXISTS (SELECT FROM numbered WHERE number > $first::int)),
        {CURSOR.format(parts="$identity::text, span.until")}
    ) AS cursor,
    EXISTS (SELECT FROM numbered WHERE number > $first::int) AS has_more
FROM span
WHERE {HOLDS.format(identity=IDENTITY, expected="$identity::text", snapshot="$begun::pg_snapshot")}
    AND pg_snapshot_xmax(span.until) <= pg_snapshot_xmax(pg_current_snapshot())
    AND (SELECT count(*) FROM mine) <= $most::int AND (SELECT count(*) FROM theirs) <= $most::int""",
    type="ChangePage",
)
"""A page of a walk from one snapshot to another. Each thing comes once in a walk, at its last entry in it, and as it is when it
is read: that is never older than the end of the walk, so nothing goes backwards. Each page looks at all entries of the span, so
there is none with more than `$most` of the viewer, or of those whose stories they hold (`log.MAX_BEHIND`).
"""

BEGINNING = Row(
    f"SELECT '[]'::jsonb AS changes, {CURSOR.format(parts=f'{IDENTITY}, pg_current_snapshot()')} AS cursor, FALSE AS has_more "
    "WHERE $viewer IS NOT NULL",
    type="ChangePage",
)
"""Nothing, and the cursor of now."""


# --- Cursors ----------------------------------------------------------------------------------------------------

NUMBER = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
FIRST_KEY = uuid.UUID(int=0)


@dataclass(frozen=True)
class Place:
    """Where a walk stands: from which snapshot it goes to which, and after which thing it goes on."""

    identity: str
    begun: str
    until: str | None = None
    """None before its first page, which sets it."""
    seq: int = 0
    kind: str = ""
    key: uuid.UUID = FIRST_KEY

    @classmethod
    def of(cls, text: str) -> "Place":
        """The place in a cursor, whose text the statements above make. Raises `Malformed`."""
        match decoded(text):
            case [identity, begun] if is_identity(identity) and is_snapshot(begun):
                return cls(identity, begun)
            case [identity, begun, until, seq, kind, key] if (
                is_identity(identity)
                and is_snapshot(begun)
                and is_snapshot(until)
                and NUMBER.fullmatch(seq)
                and len(kind) == 1
            ):
                return cls(identity, begun, until, int(seq), kind, _key(key))
        raise Malformed

    @property
    def values(self) -> Mapping[str, Any]:
        """What is bound to `PAGE`."""
        return vars(self)


def _key(text: str) -> uuid.UUID:
    try:
        found = uuid.UUID(text)
    except ValueError:
        raise Malformed from None
    if str(found) != text:
        raise Malformed
    return found
