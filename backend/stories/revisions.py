"""Revisions: stored with each write, read as history and as the base of conflicts and merges, and pruned."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from django.db import connection

from backend.engine.errors import FieldConflict
from backend.engine.removal import removing
from backend.engine.versions import Expected, changed_since
from backend.pages import NUMBER
from backend.people.queries import found
from backend.sources import Page as Sourced
from backend.sources import Row, Value
from backend.stories.models import Chapter, Revision, Story

CHAPTERS = "chapters"
"""The field of a story's revision that holds the order of its chapters, by id."""
REMOVED = "removed"
"""The field of a story's revision that holds a chapter which was deleted."""


def keep(row: Story | Chapter, by: uuid.UUID, fields: Iterable[str]) -> None:
    """Store what a write replaced, in its transaction. `row` comes from `versions.replace`; `fields` are those that it set."""
    before: Mapping[str, Any] = row.before  # type: ignore[union-attr]
    values = {field: before[field] for field in fields}
    _insert(row, by, values, {field: before[f"{field}_changed"] for field in values})


def keep_order(story: Story, by: uuid.UUID, order: Sequence[uuid.UUID], removed: Chapter | None = None) -> None:
    """Store the order of the chapters before a write changed it, and the chapter that it deleted, if any."""
    since = story.before["chapters_changed"]  # type: ignore[attr-defined]
    values: dict[str, Any] = {CHAPTERS: list(map(str, order))}
    if removed is not None:
        values[REMOVED] = {name: getattr(removed, name) for name in ("position", "title", "body", "version")}
        values[REMOVED]["id"] = str(removed.pk)
    _insert(story, by, values, dict.fromkeys(values, since))


def _insert(row: Story | Chapter, by: uuid.UUID, values: dict[str, Any], since: dict[str, int]) -> None:
    story_id, chapter_id = _keys(row)
    kept = Revision(story_id=story_id, chapter_id=chapter_id, version=row.version, by_id=by, values=values, since=since)
    kept.size = len(orjson.dumps(values))
    Revision.objects.bulk_create([kept])


def _keys(row: Story | Chapter) -> tuple[uuid.UUID, uuid.UUID | None]:
    """The ids of the story and the chapter for a revision of this row; no chapter for the story itself."""
    return (row.story_id, row.pk) if isinstance(row, Chapter) else (row.pk, None)


BASES = """
SELECT kept.field, revision.values -> kept.field
FROM stories_revision AS revision CROSS JOIN LATERAL jsonb_each(revision.since) AS kept (field, at)
WHERE revision.story_id = %s AND {chapter} AND revision.version > %s AND NOT revision.version = ANY(%s::bigint[])
  AND kept.field = ANY(%s) AND (kept.at::bigint <= %s OR kept.at::bigint = ANY(%s::bigint[]))
ORDER BY revision.version
"""


def bases(row: Story | Chapter, seen: Expected, fields: Iterable[str]) -> dict[str, Any]:
    """The values of these fields at the version `seen`, in one query; fields whose revision was pruned are left out.

    A value was current from the version in `since` until the one that replaced it. So exactly one revision has the value that
    the caller saw last: written at a version that they have seen, and replaced at one that they have not. If the caller sent
    a text that was merged, the base is that text.
    """
    fields = list(fields)
    sent = {field: seen.sent[field] for field in fields if field in seen.sent}
    fields = [field for field in fields if field not in sent]
    if not fields or seen.anything:
        return sent
    story_id, chapter_id = _keys(row)
    sql = BASES.format(chapter=_chapter_is(chapter_id))
    of = [story_id] if chapter_id is None else [story_id, chapter_id]
    parameters: list[Any] = [*of, seen.version, list(seen.own), fields, seen.version, list(seen.own)]
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found = {field: orjson.loads(value) for field, value in cursor.fetchall()}
    kept = {field: list(map(uuid.UUID, value)) if field == CHAPTERS else value for field, value in found.items()}
    return {**kept, **sent}


def overlaps(row: Story | Chapter, mine: Mapping[str, Any], seen: Expected) -> list[FieldConflict]:
    """Base, mine and theirs for each field that this write sets and somebody else has written since `seen`."""
    changed = changed_since(row, seen, mine)
    base = bases(row, seen, changed)
    return [FieldConflict(field, base.get(field), mine[field], getattr(row, field)) for field in changed]


def of_write(row: Story | Chapter, version: int) -> Revision | None:
    """The revision of the write that made this version of the row; None if it was pruned, or the row has changed since.

    A chapter's move is a revision of its story, and the story's version of a text is the chapter's own.
    """
    story_id, chapter_id = _keys(row)
    kept = Revision.objects.filter(story_id=story_id)
    own = kept.filter(chapter_id=chapter_id, version=version).first()
    if own is not None:
        return own
    newest = kept.order_by("-version")
    if chapter_id is not None:
        return newest.filter(chapter_id=None, values__has_key=CHAPTERS).first()
    written = Chapter.objects.filter(story_id=story_id, story_version=version).values("pk")
    return newest.filter(chapter_id__in=written).first()


def _chapter_is(chapter_id: uuid.UUID | None) -> str:
    """SQL: the condition for this chapter, or for the story itself; both use the unique index."""
    return "revision.chapter_id IS NULL" if chapter_id is None else "revision.chapter_id = %s"


# --- History ----------------------------------------------------------------------------------------------------


PRUNE = f"""
DELETE FROM stories_revision WHERE id IN (
    SELECT id FROM stories_revision JOIN (
        SELECT id, row_number() OVER newest AS number, sum(size) OVER newest AS characters
        FROM stories_revision WINDOW newest AS (PARTITION BY story_id, chapter_id ORDER BY version DESC)
    ) AS ranked USING (id)
    WHERE number > %s OR (number > 1 AND characters > %s) LIMIT %s FOR UPDATE OF stories_revision SKIP LOCKED
) AND {removing("stories_revision")}
"""
"""Rows that are locked, because their story is being deleted, are skipped, so that neither waits for the other."""


def prune(*, kept: int, characters: int, batch: int = 10_000) -> int:
    """Delete the oldest revisions of each story and chapter beyond `kept` or `characters`; returns how many.

    The newest is always kept. Runs in batches, to keep transactions short.
    """
    pruned = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(PRUNE, [kept, characters, batch])
            found: int = cursor.rowcount
        pruned += found
        if found < batch:
            return pruned


def _page(of: str, when: str) -> Sourced:
    return Sourced(
        "SELECT revision.*, revision.version AS place_at FROM stories_revision AS revision "
        f"WHERE {of} AND revision.version <= $row.version$between $order",
        "revision.version",
        "revision.id",
        by=NUMBER,
        when=when,
        is_local=True,
    )


OF_STORY = _page("revision.story_id = $row.id AND revision.chapter_id IS NULL", "$row.author_id = $viewer")

OF_CHAPTER = _page(
    "revision.story_id = $row.story_id AND revision.chapter_id = $row.id",
    "EXISTS (SELECT FROM stories_story AS story WHERE story.id = $row.story_id AND story.author_id = $viewer)",
)

BY_ID = Row(
    "SELECT revision.* FROM stories_revision AS revision JOIN stories_story AS story ON story.id = revision.story_id "
    "WHERE revision.id = $key::uuid AND story.author_id = $viewer",
    type="Revision",
)
"""Of the viewer's own stories: nobody else sees a revision."""

BY_MODERATOR = Value("$row.by_id <> $viewer")
"""Nobody but the author sees a revision, and nobody but a moderator writes to what is another's."""

AUTHOR = found("$row.by_id", when="($moderator OR $row.by_id = $viewer)")
"""Who wrote; none for a moderator, who is a moderator and nobody else to all but moderators, and to those whom they block."""

CHANGED = Value("""ARRAY(SELECT jsonb_object_keys($row.values) COLLATE "C" AS name ORDER BY name)""")
