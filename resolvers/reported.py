"""What a report is of: to moderators as it was reported, to whoever made the report as they may find it now."""

import uuid
from collections import Counter
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
    distinct = {_name(one): one for one in shown.values()}
    chapters = _chapters({one.kept.pk for one in distinct.values() if one.kept and isinstance(one.present, Chapter)})
    things = {name: _made(one, chapters) for name, one in distinct.items()}
    for one in distinct.values():
        if not one.is_found or (one.kept is not None and one.kept.version != one.present.version):
            kind = type(one.present).__name__
            logs.looked_at(kind, str(one.present.pk), viewer="" if viewer is None else str(viewer.pk))
    groups: dict[Group, list[Any]] = {}
    for name, one in distinct.items():
        groups.setdefault(Group(type(one.present), one.is_found, one.kept is not None), []).append(things[name])
    for group, rows in groups.items():
        _prepare(group, rows, viewer)
    return {pk: things[_name(one)] for pk, one in shown.items()}


class Group(NamedTuple):
    """What is loaded alike: things of one kind that the viewer finds or not, with evidence or without."""

    kind: type[Any]
    is_found: bool
    is_kept: bool


def _name(one: Shown) -> tuple[Any, Any]:
    return one.present.pk, one.kept and one.kept.pk


def _made(one: Shown, chapters: Mapping[uuid.UUID, list[Chapter]]) -> Any:
    """The thing as it was reported."""
    if one.kept is None:
        return one.present
    if isinstance(one.present, Story):
        return _story(one.present, one.kept)
    if isinstance(one.present, Person):
        person = _with(one.present, one.kept, "name", "bio")
        person.version = one.kept.version
        return person
    (chapter,) = chapters[one.kept.pk]
    if not one.is_found:
        chapter.story = _story(one.present.story, one.kept, chapter)
    return chapter


def _story(present: Story, kept: Evidence, chapter: Chapter | None = None) -> Any:
    """The story with the texts that were kept of it; of a reported chapter, with that chapter alone."""
    story = _with(present, kept, "title", "summary", "warnings")
    story.version = kept.texts.get("version", kept.version)
    story.kept_id, story.kept_chapter = kept.pk, chapter
    return story


def _prepare(group: Group, rows: list[Any], viewer: Person | None) -> None:
    """Make batches of these things, which load what belongs to them as it was reported."""
    for batch in _batches(rows, viewer):
        if group.is_kept and group.kind is Story:
            _keep_chapters(batch)
        if not group.is_found and group.kind is Person:
            people.tell_nothing_of(batch)
    if group.is_kept and not group.is_found and group.kind is Chapter:
        for batch in _batches([chapter.story for chapter in rows], viewer):
            _keep_chapters(batch)


def _batches(rows: list[Any], viewer: Person | None) -> list[list[Any]]:
    """As few batches as hold none of these twice: two reports may show one thing as it was at two times."""
    batches: dict[int, list[Any]] = {}
    times: Counter[uuid.UUID] = Counter()
    for row in rows:
        batches.setdefault(times[row.pk], []).append(row)
        times[row.pk] += 1
    return [gather(batch, viewer) for batch in batches.values()]


def _keep_chapters(of_one_batch: list[Any]) -> None:
    batch: Batch = of_one_batch[0].batch
    batch.instead("chapters", _load_kept)
    batch.instead("chapter_count", _count_kept)


def _count_kept(batch: Batch) -> Mapping[uuid.UUID, int]:
    counts = evidence.chapter_counts(story.kept_id for story in batch.rows.values())
    return {pk: counts[story.kept_id] for pk, story in batch.rows.items()}


def _load_kept(batch: Batch) -> Mapping[uuid.UUID, list[Chapter]]:
    """The chapters that were kept of these stories; of a story whose chapter was reported, that one."""
    of_stories = _chapters({story.kept_id for story in batch.rows.values() if story.kept_chapter is None})
    gather((chapter for of in of_stories.values() for chapter in of), batch.viewer)
    found = {
        pk: of_stories[story.kept_id] if story.kept_chapter is None else [story.kept_chapter]
        for pk, story in batch.rows.items()
    }
    for pk, chapters in found.items():
        for chapter in chapters:
            chapter.story = batch.rows[pk]
    return found


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
