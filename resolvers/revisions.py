"""Revisions: lookups, their authors, and restoring them."""

import uuid
from collections.abc import Iterable, Mapping

from backend.engine.conditions import Target, conditioned
from backend.engine.idempotency import Outcome, Request
from backend.engine.versions import Expected
from backend.people.models import Person
from backend.stories import restore, revisions
from backend.stories.models import Revision
from resolvers import people
from resolvers.authoring import performed_on_story, with_shelf
from resolvers.batches import Batch, gather, loaded


def by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Revision]:
    """The revisions among these ids that are of the viewer's own stories."""
    found = revisions.by_ids(ids, author=viewer.pk) if viewer else {}
    gather(found.values(), viewer)
    return found


def restore_revision(me: Person, *, revision: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Restore a revision of one's own story or chapter."""

    def work() -> Outcome:
        of = restore.find(revision, me.pk)
        name, pk = ("chapter", of.chapter_id) if of.chapter_id else ("story", of.story_id)
        return conditioned(me.pk, expect, Target(name, {"pk": pk}), lambda seen: write(of, seen))()

    def write(of: Revision, seen: Expected) -> Outcome:
        return with_shelf(restore.restore_revision(of, me.pk, seen), me)

    return performed_on_story(Request("restoreRevision", me.pk, key, {"id": str(revision)}), work, me)


def author(revision: Revision) -> Person | None:
    """Who made the write that this revision belongs to; None for a moderator whom the viewer may not know."""

    def load(batch: Batch) -> Mapping[uuid.UUID, Person | None]:
        found = people.writers((row.by_id for row in batch.rows.values()), _owner(batch), batch.viewer)
        return {row.pk: found[row.by_id] for row in batch.rows.values()}

    return loaded(revision, "by_id", load)


def by_moderator(revision: Revision) -> bool:
    """Whether a moderator made the write that this revision belongs to."""
    return revisions.by_moderator(revision.by_id, _owner(revision.batch))  # type: ignore[attr-defined]


def _owner(batch: Batch) -> uuid.UUID:
    """Whose stories the revisions of a batch are of: nobody but the author sees any."""
    assert batch.viewer_id is not None
    return batch.viewer_id
