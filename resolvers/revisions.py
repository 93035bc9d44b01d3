"""Revisions: lookups, their authors, and restoring them."""

import uuid

from backend.engine.conditions import Target, conditioned
from backend.engine.idempotency import Outcome, Request
from backend.engine.versions import Expected
from backend.people.models import Person
from backend.stories import restore
from backend.stories.models import Revision
from resolvers.authoring import performed_on_story, with_shelf


def restore_revision(me: Person, *, revision: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Restore a revision of one's own story or chapter."""

    def work() -> Outcome:
        of = restore.find(revision, me.pk)
        name, pk = ("chapter", of.chapter_id) if of.chapter_id else ("story", of.story_id)
        return conditioned(me.pk, expect, Target(name, {"pk": pk}), lambda seen: write(of, seen))()

    def write(of: Revision, seen: Expected) -> Outcome:
        return with_shelf(restore.restore_revision(of, me.pk, seen), me)

    return performed_on_story(Request("restoreRevision", me.pk, key, {"id": str(revision)}), work, me)
