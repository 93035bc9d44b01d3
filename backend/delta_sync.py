"""What changed in a viewer's world since a cursor, for apps that were offline: as SQL over the change log.

A viewer's world is what is theirs, the stories that they write beside their authors, and what they hold of others' stories:
those that they read, notifications of them, and invitations to write them. Of theirs everything is told that was written or is
gone; of what they write with others the story and its chapters, all of it once that they come to write it or write it no more. Of
another's story it is told that it was written, as long as they see it; and once that they cease or begin to see it, with the
place in it and the notifications: because it was unpublished, taken down, deleted or handed over, because its author has left, or
because of a block. The look-up of each thing decides what they see, so that gone and hidden look alike.

Nothing is told that the viewer had no way to see: of a story that was hidden all the time neither edits nor that it is deleted
or swept, and of a block that came and went neither. What somebody comes to see is what there is. What they cease to see was
written to the log when they did (`triggers.RemovalLog`), so nothing is told that came and went while they were away.
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

FIRST = "(array_agg({} ORDER BY seq) FILTER (WHERE {}))[1]"
"""SQL: what the first of some entries says was so until then."""

# Whether the other was hidden at the beginning of the span, at its end, and is now: 0, 1 or 3, see `kinds.SIGHT`. Of those who
# have left, the sweep tells that they are gone.
SIGHTS = f"""
    SELECT *, coalesce(since / 4, now) AS until FROM (
        SELECT id AS person_id, {FIRST.format("version", "TRUE")} / 4 AS before, {FIRST.format("version", "NOT is_due")} AS since,
            (array_agg(version ORDER BY seq DESC))[1] % 4 AS now, max(seq) FILTER (WHERE is_due) AS seq
        FROM mine WHERE kind = '{SIGHT}' AND aggregate <> id GROUP BY id
    ) AS one"""

# The stories that the viewer came to write, or writes no more, and those that became theirs. Who was a co-author of one at the
# beginning, is first told that this has ended.
JOINED = f"""
    SELECT id AS story_id, {FIRST.format("gone", f"kind = '{SIGHT}'")} AS before,
        {FIRST.format("gone", f"kind = '{SIGHT}' AND NOT is_due")} AS until, bool_or(NOT is_due) AS is_later,
        max(seq) FILTER (WHERE is_due) AS seq
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
    SELECT story_id, bool_or(is_read) AS is_read, bool_or(is_written) AS is_written, bool_or(is_later) AS is_later,
        max(seq) AS seq,
        coalesce((SELECT author_id FROM stories_story WHERE id = story_id), max(author_id::text)::uuid) AS author_id
    FROM (
        SELECT story_id, TRUE AS is_read, FALSE AS is_written, NULL::bigint AS seq, FALSE AS is_later, NULL::uuid AS author_id
        FROM reading_reading WHERE reader_id = $viewer
        UNION ALL
        SELECT story_id, FALSE, TRUE, NULL, FALSE, NULL FROM coauthors_coauthor WHERE person_id = $viewer
        UNION ALL
        SELECT story_id, FALSE, FALSE, NULL, FALSE, NULL FROM notifications_notification
        WHERE person_id = $viewer AND story_id IS NOT NULL
        UNION ALL
        SELECT story_id, FALSE, FALSE, NULL, FALSE, NULL FROM coauthors_invitation WHERE person_id = $viewer
        UNION ALL
        SELECT story_id, kind = '{READING}', FALSE, seq, seq IS NULL, author_id FROM lost WHERE story_id IS NOT NULL
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

# What happened to a story: whether it was published at the beginning and at the end, whose it was, when it was written last.
EVENTS = f"""
    SELECT id AS story_id, {FIRST.format("gone", f"kind = '{PUBLIC}'")} AS public_before,
        {FIRST.format("gone", f"kind = '{PUBLIC}' AND NOT is_due")} AS public_until,
        {FIRST.format("aggregate", f"kind = '{HANDED}'")} AS author_before,
        {FIRST.format("aggregate", f"kind = '{HANDED}' AND NOT is_due")} AS author_until,
        bool_or(kind <> '{STORY}' AND NOT is_due) AS is_later, max(seq) FILTER (WHERE kind <> '{STORY}' AND is_due) AS seq,
        max(seq) FILTER (WHERE kind = '{STORY}' AND NOT gone AND is_due) AS written
    FROM theirs WHERE kind IN ({_listed((STORY, PUBLIC, HANDED))}) GROUP BY id"""

FLED = f"""
    SELECT owner AS person_id, TRUE AS before, bool_or(NOT is_due) AS until, max(seq) FILTER (WHERE is_due) AS seq
    FROM theirs WHERE kind = '{LEFT}' GROUP BY owner"""


def _met(at: str) -> str:
    """SQL: whether the author that a story had at this moment and the viewer had met."""
    author = f"story.author_{at}"
    return (
        f"coalesce(sight_{at}.{at} = 0, NOT {apart(author, '$viewer')}) "
        f"AND (coalesce(fled_{at}.{at}, FALSE) OR NOT {gone(author)})"
    )


def _seen(at: str) -> str:
    """SQL: whether the viewer saw a story at this moment."""
    return (
        f"(one.author_{at} = $viewer OR one.met_{at} "
        f"AND (coalesce(one.writing_{at}, one.is_written) OR coalesce(one.public_{at}, one.is_public)))"
    )


# Of the stories to which something happened, whether the viewer saw them at the beginning of the span, at its end, and sees them
# now; and the same of their authors having met the viewer. At its end is as now, if nothing has turned later.
SEEN = f"""
    SELECT story_id, is_read, is_written, is_steady, written, turned, was_seen, was_met, is_seen, met_now,
        CASE WHEN is_other_now THEN seen_until ELSE is_seen END AS seen_at_end,
        CASE WHEN is_other_now THEN met_until ELSE met_now END AS met_at_end
    FROM (
        SELECT one.*, one.is_written AND one.writing_before IS NULL AS is_steady,
            EXISTS (SELECT FROM stories_story AS story WHERE story.id = one.story_id AND {VISIBLE}) AS is_seen,
            one.author_id IS NULL OR one.met_before AS was_met,
            one.author_id IS NULL OR {_seen("before")} AS was_seen, coalesce({_seen("until")}, FALSE) AS seen_until
        FROM (
            SELECT story.*, {met("story.author_id", "$viewer")} AS met_now,
                {_met("before")} AS met_before, {_met("until")} AS met_until,
                EXISTS (SELECT FROM stories_story WHERE id = story.story_id AND published_at IS NOT NULL) AS is_public,
                story.is_later OR sight_until.since IS NOT NULL OR coalesce(fled_until.until, FALSE) AS is_other_now,
                greatest(story.seq, sight_before.seq, sight_until.seq, fled_before.seq, fled_until.seq) AS turned
            FROM (
                SELECT held.story_id, held.author_id, held.is_read, held.is_written, event.written,
                    event.public_before, event.public_until, joined.before AS writing_before, joined.until AS writing_until,
                    coalesce(event.author_before, held.author_id) AS author_before,
                    coalesce(event.author_until, held.author_id) AS author_until,
                    held.is_later OR coalesce(event.is_later, FALSE) OR coalesce(joined.is_later, FALSE) AS is_later,
                    greatest(held.seq, event.seq, joined.seq) AS seq
                FROM held LEFT JOIN event ON event.story_id = held.story_id
                LEFT JOIN joined ON joined.story_id = held.story_id
            ) AS story
            LEFT JOIN sight AS sight_before ON sight_before.person_id = story.author_before
            LEFT JOIN sight AS sight_until ON sight_until.person_id = story.author_until
            LEFT JOIN fled AS fled_before ON fled_before.person_id = story.author_before
            LEFT JOIN fled AS fled_until ON fled_until.person_id = story.author_until
        ) AS one WHERE one.turned IS NOT NULL OR one.written IS NOT NULL OR one.is_other_now
    ) AS one"""

TOLD = f"""
    SELECT mine.kind::text, mine.id, mine.seq
    FROM mine LEFT JOIN seen ON mine.kind = '{CHAPTER}' AND seen.story_id = mine.aggregate
    WHERE is_due AND mine.kind NOT IN ({_listed(SIGNALS)})
        AND NOT (mine.gone AND mine.kind IN ({_listed(HANGING)}))
        AND NOT (mine.kind = '{RELATIONSHIP}' AND (mine.gone OR {gone("mine.id")}))
        AND (is_steady AND NOT was_seen AND NOT seen_at_end) IS NOT TRUE
    UNION ALL
    SELECT kind, person_id, seq FROM sight CROSS JOIN (VALUES ('{PERSON}'), ('{RELATIONSHIP}')) AS either (kind)
    WHERE before <> until AND (until = 3 OR NOT {gone("person_id")})
    UNION ALL
    SELECT '{STORY}', story_id, written FROM seen WHERE (is_read OR is_written) AND is_seen AND seen_at_end
    UNION ALL
    SELECT '{CHAPTER}', chapter.id, theirs.seq FROM seen JOIN theirs
        ON theirs.kind = '{CHAPTER}' AND theirs.aggregate = seen.story_id AND theirs.is_due
    JOIN stories_chapter AS chapter ON chapter.id = theirs.id
    WHERE is_written AND is_seen AND seen_at_end
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
    WHERE is_written AND seen_at_end <> was_seen
    UNION ALL
    SELECT kind, story_id, turned FROM seen CROSS JOIN (VALUES ('{STORY}'), ('{READING}')) AS either (kind)
    WHERE is_read AND seen_at_end <> was_seen
    UNION ALL
    SELECT '{NOTIFICATION}', notification.id, turned
    FROM seen JOIN notifications_notification AS notification
        ON notification.person_id = $viewer AND notification.story_id = seen.story_id
    WHERE seen_at_end <> was_seen
    UNION ALL
    SELECT '{INVITATION}', invitation.id, turned
    FROM seen JOIN coauthors_invitation AS invitation
        ON invitation.person_id = $viewer AND invitation.story_id = seen.story_id
    WHERE met_at_end <> was_met
    UNION ALL
    SELECT lost.kind::text, lost.id, coalesce(lost.seq, turned) FROM lost LEFT JOIN seen ON seen.story_id = lost.story_id
    WHERE CASE lost.kind WHEN '{NOTIFICATION}' THEN lost.story_id IS NULL OR seen_at_end <> was_seen
        WHEN '{INVITATION}' THEN was_met AND (lost.seq IS NOT NULL OR NOT met_at_end) END"""

# What was hidden at the end of the span, and is back: a page tells that it is hidden, and the next walk that it is back.
VEILED = f"""
    SELECT kind, person_id AS id FROM sight CROSS JOIN (VALUES ('{PERSON}'), ('{RELATIONSHIP}')) AS either (kind)
    WHERE until = 3 AND now <> 3
    UNION ALL
    SELECT either.kind, either.id FROM seen CROSS JOIN LATERAL (
        SELECT '{STORY}' AS kind, seen.story_id AS id
        UNION ALL
        SELECT '{READING}', seen.story_id
        UNION ALL
        SELECT '{CHAPTER}', chapter.id FROM stories_chapter AS chapter WHERE chapter.story_id = seen.story_id
        UNION ALL
        SELECT '{NOTIFICATION}', notification.id FROM notifications_notification AS notification
        WHERE notification.person_id = $viewer AND notification.story_id = seen.story_id
    ) AS either WHERE is_seen AND NOT seen_at_end
    UNION ALL
    SELECT '{INVITATION}', invitation.id FROM seen JOIN coauthors_invitation AS invitation
        ON invitation.person_id = $viewer AND invitation.story_id = seen.story_id
    WHERE met_now AND NOT met_at_end"""

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
), fled AS MATERIALIZED ({FLED}
), seen AS MATERIALIZED ({SEEN}
), told AS ({TOLD}
), page AS MATERIALIZED (
    SELECT kind, id, max(seq) AS seq FROM told GROUP BY kind, id
    HAVING (max(seq), kind, id) > ($seq::bigint, $kind::text, $key::uuid)
    ORDER BY max(seq), kind, id LIMIT $first::int + 1
), veiled AS MATERIALIZED ({VEILED}
), numbered AS (
    SELECT page.*, row_number() OVER (ORDER BY seq, kind, id) AS number, (kind, id) IN (SELECT kind, id FROM veiled) AS is_veiled
    FROM page
)
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
is read: that is never older than the end of the walk, so nothing goes backwards. But what was hidden at that end is told to be
hidden, because the next walk begins there and tells what has come back. Each page looks at all entries since the beginning, so
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
