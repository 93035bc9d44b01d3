"""Keeps what was reported as it was then, so that moderators judge that, and nothing that its author has written since."""

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import Exists, OuterRef

from backend.engine.declarations import delete_all, query
from backend.engine.ids import uuid7
from backend.engine.removal import removing
from backend.engine.statements import Declared, Result, compiled
from backend.moderation.models import Evidence, Report

OF_STORY = """
SELECT story.id AS subject, story.version, story.author_id AS about_id,
    jsonb_build_object(
        'title', story.title, 'summary', story.summary, 'warnings', story.warnings, 'updated_at', story.updated_at
    ) AS texts,
    (SELECT jsonb_agg(to_jsonb(chapter) ORDER BY position) FROM stories_chapter AS chapter WHERE story_id = story.id)
    AS chapters
FROM stories_story AS story WHERE story.published_at IS NOT NULL
"""

OF_CHAPTER = """
SELECT chapter.id AS subject, chapter.version, story.author_id AS about_id,
    jsonb_build_object(
        'title', story.title, 'summary', story.summary, 'warnings', story.warnings, 'updated_at', story.updated_at,
        'version', story.version
    ) AS texts,
    jsonb_build_array(to_jsonb(chapter)) AS chapters
FROM stories_chapter AS chapter JOIN stories_story AS story ON story.id = chapter.story_id
WHERE story.published_at IS NOT NULL
"""

OF_PERSON = """
SELECT id AS subject, version, id AS about_id,
    jsonb_build_object('name', name, 'bio', bio, 'updated_at', updated_at) AS texts, NULL::jsonb AS chapters
FROM people_person
"""

PRESENT = {"story": OF_STORY, "chapter": OF_CHAPTER, "person": OF_PERSON}
"""By kind, each thing as it is now, as rows of evidence. A draft has none: it may have become one since the caller looked."""
TABLES = {"story": "stories_story", "chapter": "stories_chapter", "person": "people_person"}

KEEP = """
WITH kept AS (
    SELECT evidence.id FROM moderation_evidence AS evidence
    JOIN {table} AS thing ON thing.id = evidence.subject AND thing.version = evidence.version WHERE thing.id = %(subject)s
), made AS (
    INSERT INTO moderation_evidence AS evidence (id, subject, version, about_id, texts, chapters)
    SELECT %(id)s, present.* FROM ({present}) AS present
    WHERE present.subject = %(subject)s AND present.about_id <> %(reporter)s
    AND NOT EXISTS (SELECT FROM kept) AND NOT EXISTS (
        SELECT FROM moderation_report
        WHERE {kind}_id = %(subject)s AND reporter_id = %(reporter)s AND status <> 'RESOLVED'
    )
    ON CONFLICT (subject, version) DO UPDATE SET version = EXCLUDED.version
    RETURNING evidence.id
)
SELECT id FROM kept UNION ALL SELECT id FROM made
"""
"""Of two who report one version at once, the second finds the row of the first. Nothing is kept for who cannot report it."""


def keep(kind: str, subject_id: uuid.UUID, *, reporter: uuid.UUID) -> Result[tuple[uuid.UUID]] | None:
    """Keep the thing as it is, unless its present version is kept already; the evidence is the result's row, None of a whisper.

    The caller has locked the thing against deletion, but not against its author, who may have unpublished it meanwhile and
    written on: then it is what nobody could report, and there is no row. Nor is there one of what is the reporter's own, or
    if they have an unresolved report of it.
    """
    if kind not in PRESENT:
        return None
    return _keep(kind, id=uuid7(), subject=subject_id, reporter=reporter)


@compiled
def _keep(kind: str, *, id: uuid.UUID, subject: uuid.UUID, reporter: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    text = KEEP.format(kind=kind, table=TABLES[kind], present=PRESENT[kind])
    return query(text, id=id, subject=subject, reporter=reporter)


def forget(gone: Mapping[str, Sequence[uuid.UUID]]) -> None:
    """Delete what was kept of things that are being deleted, by kind; of a story also of chapters that it has had.

    The caller resolves their reports in the same transaction, and the foreign key is checked at its end.
    """
    subjects = [id_ for kind, ids in gone.items() if kind in PRESENT for id_ in ids]
    if subjects:
        _forget(subjects=subjects)


FORGET = f"""
DELETE FROM moderation_evidence WHERE id IN (
    SELECT id FROM moderation_evidence WHERE subject = ANY(%(subjects)s)
    UNION ALL SELECT evidence_id FROM moderation_report WHERE buried_in = ANY(%(subjects)s)
) AND {removing("moderation_evidence")}
"""


@compiled
def _forget(*, subjects: list[uuid.UUID]) -> Declared[Any]:
    return query(FORGET, subjects=subjects)


def forget_with(reports: Sequence[uuid.UUID]) -> None:
    """Delete what was kept for these reports and for no other. The caller deletes them in the same transaction, as in `forget`.

    Whoever reports the same version at that moment, and has found it kept, is refused at the commit and sends it again.
    """
    theirs = Report.objects.filter(pk__in=reports, evidence_id__isnull=False).values("evidence_id")
    others = Report.objects.filter(evidence_id=OuterRef("pk")).exclude(pk__in=reports)
    delete_all(Evidence.objects.filter(~Exists(others), pk__in=theirs)).run()
