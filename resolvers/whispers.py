"""Whispers: lookups, lists, creating and deleting them."""

import uuid
from collections.abc import Iterable, Mapping

from backend.engine.conditions import Target, conditioned, made
from backend.engine.idempotency import Applied, Outcome, Request
from backend.engine.versions import Expected
from backend.erasure import whispers as erasure
from backend.moderation import screening
from backend.pages import Page, Window
from backend.people.models import Person
from backend.whispers import queries
from backend.whispers.models import Whisper
from resolvers import people
from resolvers.access import shows_mature, the_id
from resolvers.batches import Batch, gather, gather_pages, loaded
from resolvers.work import performed


def by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Whisper]:
    """The whispers among these ids that the viewer can find."""
    found = queries.by_ids(ids, viewer=the_id(viewer))
    gather(found.values(), viewer)
    return found


def whispers(window: Window, *, viewer: Person | None) -> Page[Whisper]:
    """Whispers of the people whom the viewer follows, and their own; everybody's when signed out."""
    if viewer is None:
        page = queries.of_everybody(window)
    else:
        page = queries.of_followed(window, viewer=viewer.pk, mature=viewer.show_mature)
    gather(page.rows, viewer)
    return page


def of_person(person: Person, window: Window) -> Page[Whisper]:
    """The person's whispers, newest first."""

    def load(batch: Batch) -> Mapping[uuid.UUID, Page[Whisper]]:
        mature = shows_mature(batch.viewer)
        pages = queries.by_authors(list(batch.rows), window, viewer=batch.viewer_id, mature=mature)
        return gather_pages(pages, batch.viewer)

    return loaded(person, ("whispers", window), load)


def author(whisper: Whisper) -> Person:
    """Who wrote it."""
    return people.named(whisper, "author_id")


def create_whisper(me: Person, *, text: str, nsfw: bool, key: uuid.UUID | None) -> Outcome:
    """Create a whisper, with the flag and the report by its screening."""

    def work() -> Outcome:
        whisper, report = screening.create_whisper(me.pk, text, nsfw=nsfw)
        rows = {"whisper": whisper} if report is None else {"whisper": whisper, "report": report}
        return made(Outcome(Applied.WRITTEN, rows), "whisper")

    return performed(Request("createWhisper", me.pk, key, {"text": text, "nsfw": nsfw}), work, me)


def delete_whisper(me: Person, *, whisper: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Delete one's own whisper, if it has not changed."""

    def write(seen: Expected) -> Outcome:
        erasure.delete_whisper(whisper, me.pk, seen)
        return Outcome(Applied.WRITTEN)

    target = Target("whisper", {"pk": whisper})
    request = Request("deleteWhisper", me.pk, key, {"id": str(whisper)})
    return performed(request, conditioned(me.pk, expect, target, write), me)
