"""What a report is of: to moderators as it was reported, to whoever made the report as they may find it now."""

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from copy import copy
from datetime import datetime
from typing import Any, NamedTuple

from backend import logs
from backend.moderation import evidence, queries
from backend.moderation.models import Evidence, Report, ReportStatus
from backend.people import queries as all_people
from backend.people.models import Person
from backend.stories.models import Chapter, Story
from backend.whispers import queries as all_whispers
from resolvers import people, stories, whispers
from resolvers.access import is_moderator
from resolvers.batches import Batch, gather, loaded

Key = tuple[str, uuid.UUID]
Loader = Callable[[Iterable[uuid.UUID], Person | None], Mapping[uuid.UUID, Any]]

SEEN: dict[str, Loader] = {
    "whisper": lambda ids, viewer: whispers.by_ids(ids, viewer=viewer),
    "story": lambda ids, viewer: stories.by_ids(ids, viewer=viewer),
    "chapter": lambda ids, viewer: stories.chapters_by_ids(ids, viewer=viewer),
    "person": lambda ids, viewer: people.by_ids(ids, viewer=viewer),
}
"""Loaders with the usual visibility rules."""

HIDDEN: dict[str, Loader] = {
    "whisper": lambda ids, _: all_whispers.all_of(ids),
    "story": lambda ids, _: queries.stories(ids),
    "chapter": lambda ids, _: queries.chapters(ids),
    "person": lambda ids, _: {pk: one for pk, one in all_people.all_of(ids).items() if one.left_at is None},
}
"""Loaders without visibility rules; none finds what is of somebody who has left."""


class Shown(NamedTuple):
    """What a report shows: the thing as it is now, whether the viewer finds it, and what it was; None of a whisper."""

    present: Any
    is_found: bool
    kept: Evidence | None


def subject(report: Report) -> Any:
    """The reported object; None if it was deleted, or the viewer may not see it.

    Moderators see its texts as they were reported, whatever its author has written since. While the report is not resolved
    they see it also as a draft or across a block: they have to judge it. Afterwards only if they find it as anybody would.
    """
    return loaded(report, "subject", _load)


def _load(batch: Batch) -> Mapping[uuid.UUID, Any]:
    reports = [row for row in batch.rows.values() if row.subject_key is not None]
    found = _by_key(SEEN, {row.subject_key for row in reports}, batch.viewer)
    if not is_moderator(batch.viewer):
        shown = {row.pk: found.get(row.subject_key) for row in reports}
    else:
        shown = _as_reported(_of_moderator(reports, found, batch.viewer), batch.viewer)
    return {pk: shown.get(pk) for pk in batch.rows}


def _by_key(loaders: Mapping[str, Loader], keys: Collection[Key], viewer: Person | None) -> dict[Key, Any]:
    """The things with these keys that the loaders find, in one query for each kind."""
    kinds: dict[str, list[uuid.UUID]] = {}
    for kind, id_ in keys:
        kinds.setdefault(kind, []).append(id_)
    return {(kind, pk): row for kind, ids in kinds.items() for pk, row in loaders[kind](ids, viewer).items()}


def _of_moderator(reports: list[Report], found: Mapping[Key, Any], viewer: Person | None) -> dict[uuid.UUID, Shown]:
    """What each report shows to a moderator."""
    keys = {row.pk: row.subject_key for row in reports}
    unsettled = {keys[row.pk] for row in reports if row.status != ReportStatus.RESOLVED}
    hidden = _by_key(HIDDEN, {key for key in unsettled if key is not None and key not in found}, viewer)
    of = {row.evidence_id for row in reports if row.evidence_id is not None}
    kept = evidence.by_ids(of) if of else {}
    shown = {}
    for row in reports:
        key: Any = keys[row.pk]
        present = found.get(key) or (hidden.get(key) if row.status != ReportStatus.RESOLVED else None)
        if present is not None:
            shown[row.pk] = Shown(present, key in found, None if row.evidence_id is None else kept[row.evidence_id])
    return shown


def _as_reported(shown: Mapping[uuid.UUID, Shown], viewer: Person | None) -> dict[uuid.UUID, Any]:
    """The things, with the texts that were reported. A look at what is not public, or not any more, is logged."""
    chapters = _chapters({one.kept.pk for one in shown.values() if one.kept and isinstance(one.present, Chapter)})
    things: dict[tuple[Any, Any], Any] = {}
    for one in shown.values():
        name = one.present.pk, one.kept and one.kept.pk
        if name not in things:
            things[name] = _made(one, chapters, viewer)
            if not one.is_found or (one.kept is not None and one.kept.version != one.present.version):
                kind = type(one.present).__name__
                logs.looked_at(kind, str(one.present.pk), viewer="" if viewer is None else str(viewer.pk))
    return {pk: things[one.present.pk, one.kept and one.kept.pk] for pk, one in shown.items()}


def _made(one: Shown, chapters: Mapping[uuid.UUID, list[Chapter]], viewer: Person | None) -> Any:
    """The thing, in a batch of its own: two reports may show one thing as it was at two times."""
    if one.kept is None:
        return one.present if one.is_found else gather([one.present], viewer)[0]
    if isinstance(one.present, Chapter):
        (chapter,) = gather(chapters[one.kept.pk], viewer)
        if not one.is_found:
            chapter.story = _story(one.present.story, one.kept, viewer, [chapter])
        return chapter
    if isinstance(one.present, Story):
        return _story(one.present, one.kept, viewer)
    (person,) = gather([_with(one.present, one.kept, "name", "bio")], viewer)
    person.version = one.kept.version
    if not one.is_found:
        people.tell_nothing_of([person])
    return person


def _story(present: Story, kept: Evidence, viewer: Person | None, chapters: list[Chapter] | None = None) -> Story:
    """The story with the texts that were kept of it; of a reported chapter, with that chapter alone."""
    (story,) = gather([_with(present, kept, "title", "summary", "warnings")], viewer)
    story.version = kept.texts.get("version", kept.version)
    batch: Batch = story.batch

    def load(_batch: Batch) -> Mapping[uuid.UUID, list[Chapter]]:
        found = gather(_chapters([kept.pk])[kept.pk], viewer) if chapters is None else chapters
        for chapter in found:
            chapter.story = story
        return {story.pk: found}

    batch.instead("chapters", load)
    batch.instead("chapter_count", lambda of: {story.pk: len(of.load("chapters", load)[story.pk])})
    return story


def _with(present: Any, kept: Evidence, *names: str) -> Any:
    """A copy of the row with the texts that were kept."""
    row = copy(present)
    for name in names:
        setattr(row, name, kept.texts[name])
    row.updated_at = datetime.fromisoformat(kept.texts["updated_at"])
    return row


def _chapters(ids: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Chapter]]:
    """The chapters that were kept, by the evidence."""
    kept = evidence.chapters(ids) if ids else {}
    return {pk: [_chapter(values) for values in of] for pk, of in kept.items()}


def _chapter(values: Mapping[str, Any]) -> Chapter:
    fields = [one for one in Chapter._meta.concrete_fields if one.attname in values]
    return Chapter(**{one.attname: one.to_python(values[one.attname]) for one in fields})
