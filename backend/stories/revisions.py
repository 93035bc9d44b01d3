"""Revisions: stored with each write, read as history and as the base of conflicts and merges, and pruned."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson
from django.db import connection
from django.db.models import Q

from backend.engine.declarations import insert, query, select
from backend.engine.errors import FieldConflict
from backend.engine.ids import uuid7
from backend.engine.removal import removing
from backend.engine.statements import Declared, Json, Result, compiled
from backend.engine.versions import Expected, changed_since
from backend.pages import NUMBER
from backend.people.queries import found
from backend.sources import Page as Sourced
from backend.sources import Row, Value
from backend.stories.models import Chapter, Revision, Story
from backend.stories.queries import VISIBLE
from backend.stories.rights import writes

CHAPTERS = "chapters"
"""The field of a story's revision that holds the order of its chapters, by id."""
REMOVED = "removed"
"""The field of a story's revision that holds a chapter which was deleted."""


def keep(row: Story | Chapter, by: uuid.UUID, fields: Iterable[str], *, moderated: bool = False) -> None:
    """Store what a write replaced, in its transaction.

    `row` comes from a `replace`; `fields` are those that it set, of which some may be as they were. `moderated`: by a
    moderator.
    """
    before: Mapping[str, Any] = row.before  # type: ignore[union-attr]
    values = {field: before[field] for field in fields if before[field] != getattr(row, field)}
    _keep_values(row, row.version, by, values, {field: before[f"{field}_changed"] for field in values}, moderated)


def keep_order(
    story: Story, version: int, since: int, by: uuid.UUID, order: Sequence[uuid.UUID], removed: Chapter | None = None
) -> None:
    """Store the order of the chapters before the write that made this version, and the chapter that it deleted, if any.

    The order had been current since the version `since`.
    """
    values: dict[str, Any] = {CHAPTERS: list(map(str, order))}
    if removed is not None:
        values[REMOVED] = {name: getattr(removed, name) for name in ("position", "title", "body", "version")}
        values[REMOVED]["id"] = str(removed.pk)
    _keep_values(story, version, by, values, dict.fromkeys(values, since))


def _keep_values(
    row: Story | Chapter,
    version: int,
    by: uuid.UUID,
    values: dict[str, Any],
    since: dict[str, int],
    moderated: bool = False,
) -> None:
    story_id, chapter_id = _keys(row)
    _keep(
        id=uuid7(),
        story=story_id,
        chapter=chapter_id,
        version=version,
        moderated=moderated,
        by=by,
        values=values,
        since=since,
        size=len(orjson.dumps(values)),
    )


@compiled
def _keep(
    *,
    id: uuid.UUID,
    story: uuid.UUID,
    chapter: uuid.UUID | None,
    version: int,
    moderated: bool,
    by: uuid.UUID,
    values: Json,
    since: Json,
    size: int,
) -> Declared[Revision]:
    return insert(
        Revision,
        id=id,
        story=story,
        chapter_id=chapter,
        version=version,
        moderated=moderated,
        by=by,
        values=values,
        since=since,
        size=size,
    )


def _keys(row: Story | Chapter) -> tuple[uuid.UUID, uuid.UUID | None]:
    """The ids of the story and the chapter for a revision of this row; no chapter for the story itself."""
    return (row.story_id, row.pk) if isinstance(row, Chapter) else (row.pk, None)


BASES = """
SELECT kept.field, revision.values -> kept.field
FROM stories_revision AS revision CROSS JOIN LATERAL jsonb_each(revision.since) AS kept (field, at)
WHERE revision.story_id = %(story)s AND {chapter}
  AND revision.version > %(version)s AND NOT revision.version = ANY(%(own)s)
  AND kept.field = ANY(%(fields)s) AND (kept.at::bigint <= %(version)s OR kept.at::bigint = ANY(%(own)s))
ORDER BY revision.version
"""


class Bases:
    """The values of some fields at the version that the caller saw last; fields whose revision was pruned are left out.

    A value was current from the version in `since` until the one that replaced it. So exactly one revision has the value that
    the caller saw last: written at a version that they have seen, and replaced at one that they have not. If the caller sent
    a text that was merged, the base is that text.
    """

    def __init__(
        self, story_id: uuid.UUID, chapter_id: uuid.UUID | None, seen: Expected, fields: Iterable[str]
    ) -> None:
        """Ask for them, of a chapter or of the story itself. The row with which they are compared must be asked for before."""
        self._sent = {field: seen.sent[field] for field in fields if field in seen.sent}
        kept = [field for field in fields if field not in self._sent]
        self._asked: Result[tuple[str, str]] | None = None
        if kept and not seen.anything:
            self._asked = _bases(
                chapter_id is not None,
                story=story_id,
                chapter=chapter_id,
                version=seen.version or 0,
                own=list(seen.own),
                fields=kept,
            )

    @property
    def values(self) -> dict[str, Any]:
        """By field."""
        found = {field: orjson.loads(value) for field, value in self._asked.rows} if self._asked is not None else {}
        if CHAPTERS in found:
            found[CHAPTERS] = list(map(uuid.UUID, found[CHAPTERS]))
        return {**found, **self._sent}


@compiled
def _bases(
    of_chapter: bool,
    *,
    story: uuid.UUID,
    chapter: uuid.UUID | None,
    version: int,
    own: list[int],
    fields: list[str],
) -> Declared[tuple[str, str]]:
    sql = BASES.format(chapter="revision.chapter_id = %(chapter)s" if of_chapter else "revision.chapter_id IS NULL")
    return query(sql, story=story, chapter=chapter, version=version, own=own, fields=fields)


def overlaps(row: Story | Chapter, mine: Mapping[str, Any], seen: Expected, bases: Bases) -> list[FieldConflict]:
    """Base, mine and theirs for each field that this write sets and somebody else has written since `seen`."""
    base = bases.values
    changed = changed_since(row, seen, mine)
    return [FieldConflict(field, base.get(field), mine[field], getattr(row, field)) for field in changed]


def own_of(row: Story | Chapter, mine: Mapping[str, Any], seen: Expected, bases: Bases) -> dict[str, Any]:
    """What the caller of a merge has changed: not a field that others have changed, and that was sent as the caller saw it.

    A text stays, because texts are merged by paragraphs.
    """
    base, changed = bases.values, set(changed_since(row, seen, mine)) - {"body"}
    return {field: value for field, value in mine.items() if field not in changed or base.get(field, ...) != value}


def of_write(row: Story | Chapter, version: int) -> Revision | None:
    """The revision of the write that made this version of the row; None if it was pruned, or the row has changed since.

    A chapter's move is a revision of its story, and the story's version of a text is the chapter's own.
    """
    story_id, chapter_id = _keys(row)
    own = _own(chapter_id is not None, story=story_id, chapter=chapter_id, version=version).row
    if own is not None:
        return own
    return (_newest_text(story=story_id, version=version) if chapter_id is None else _newest_order(story=story_id)).row


@compiled
def _own(of_chapter: bool, *, story: uuid.UUID, chapter: uuid.UUID | None, version: int) -> Declared[Revision]:
    of = Q(chapter_id=chapter) if of_chapter else Q(chapter_id__isnull=True)
    return select(Revision.objects.filter(of, story_id=story, version=version))


@compiled
def _newest_order(*, story: uuid.UUID) -> Declared[Revision]:
    kept = Revision.objects.filter(story_id=story, chapter_id__isnull=True, values__has_key=CHAPTERS)
    return select(kept.order_by("-version")[:1])


@compiled
def _newest_text(*, story: uuid.UUID, version: int) -> Declared[Revision]:
    written = Chapter.objects.filter(story_id=story, story_version=version).values("pk")
    return select(Revision.objects.filter(story_id=story, chapter_id__in=written).order_by("-version")[:1])


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


OF_STORY = _page("revision.story_id = $row.id AND revision.chapter_id IS NULL", writes("$viewer", "$row"))

OF_CHAPTER = _page(
    "revision.story_id = $row.story_id AND revision.chapter_id = $row.id",
    f"EXISTS (SELECT FROM stories_story AS story WHERE story.id = $row.story_id AND {writes('$viewer')})",
)

BY_ID = Row(
    "SELECT revision.* FROM stories_revision AS revision JOIN stories_story AS story ON story.id = revision.story_id "
    f"WHERE revision.id = $key::uuid AND {writes('$viewer')} AND {VISIBLE}",
    type="Revision",
)
"""Of stories that the viewer writes: nobody else sees a revision."""

BY_MODERATOR = Value("$row.moderated")

AUTHOR = found("$row.by_id", when="(NOT $row.moderated OR $moderator OR $row.by_id = $viewer)")
"""Who wrote; none for a moderator, who is a moderator and nobody else to all but moderators, and to those whom they block."""

CHANGED = Value("""ARRAY(SELECT jsonb_object_keys($row.values) COLLATE "C" AS name ORDER BY name)""")
