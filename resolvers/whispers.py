"""Whispers: lookups, lists, creating and deleting them."""

import uuid

from backend.engine.idempotency import Applied, Outcome
from backend.engine.mutations import Mutation, Target
from backend.engine.versions import Expected
from backend.erasure import whispers as erasure
from backend.moderation import screening
from backend.people.models import Person
from resolvers.work import performed


def create_whisper(me: Person, *, text: str, nsfw: bool, key: uuid.UUID | None) -> Outcome:
    """Create a whisper, with the flag and the report by its screening."""

    def work(_seen: Expected) -> Outcome:
        whisper, report = screening.create_whisper(me.id, text, nsfw=nsfw)
        rows = {"whisper": whisper} if report is None else {"whisper": whisper, "report": report}
        return Outcome(Applied.WRITTEN, rows)

    arguments = {"text": text, "nsfw": nsfw}
    return performed(Mutation("createWhisper", me.id, key, arguments, work, makes="whisper"), me)


def delete_whisper(me: Person, *, whisper: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Delete one's own whisper, if it has not changed."""

    def write(seen: Expected) -> Outcome:
        erasure.delete_whisper(whisper, me.id, seen)
        return Outcome(Applied.WRITTEN)

    target = Target("whisper", {"pk": whisper})
    return performed(Mutation("deleteWhisper", me.id, key, {"id": whisper}, write, target, expect), me)
