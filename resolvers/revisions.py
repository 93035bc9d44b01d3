"""Revisions: lookups, their authors, and restoring them."""

import uuid

from backend.engine.idempotency import Outcome
from backend.engine.mutations import Mutation, Target, saw, seen_by
from backend.engine.versions import Expected
from backend.erasure.chapters import restore_revision as restored
from backend.people.models import Person
from backend.stories import restore
from backend.stories.point_in_time import Moments
from resolvers.authoring import performed_on_story, with_shelf


def restore_revision(me: Person, *, revision: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Restore a revision of one's own story or chapter."""
    moments = Moments(wanted=key is not None)

    def work(expect: Expected) -> Outcome:
        of = restore.find(revision, me.id)
        name, pk = ("chapter", of.chapter_id) if of.chapter_id else ("story", of.story_id)
        target = Target(name, {"pk": pk})
        seen = seen_by(me.id, expect, target)
        outcome = with_shelf(lambda: restored(of, me.id, seen, moments), me)
        return saw(outcome, seen, target)

    arguments = {"id": revision}
    mutation = Mutation("restoreRevision", me.id, key, arguments, work, expect=expect)
    return performed_on_story(mutation, me, moments)
