"""Co-authors' part of deletions, and of blocks."""

import uuid
from collections.abc import Sequence

from backend.coauthors.actions import without_person
from backend.coauthors.models import Coauthor, Invitation
from backend.coauthors.parted import part
from backend.engine.declarations import IsAny, delete_all, update_all
from backend.engine.statements import Declared, compiled
from backend.engine.versions import stamped
from backend.stories.models import Story
from backend.stories.rights import stamped_by

SWEEP_STAGE = 35
SWEPT_COLUMNS = {
    "coauthors_coauthor": ("person_id",),
    "coauthors_invitation": ("person_id", "invited_by_id"),
}


def sweep_person(person_id: uuid.UUID, limit: int) -> bool:
    """Take up to `limit` rights and invitations from a person who has left; returns whether there may be more."""
    return any(sweep(person_id, limit) for sweep in (_sweep_rights, _sweep_invitations, _sweep_inviter))


def _sweep_rights(person_id: uuid.UUID, limit: int) -> bool:
    newest = Coauthor.objects.filter(person_id=person_id).order_by("-since", "-story")
    found = list(newest.values_list("story_id", flat=True)[:limit])
    list(Story.objects.filter(pk__in=found).order_by("pk").select_for_update(no_key=True).values_list("pk"))
    if found:
        stories = Story.objects.filter(IsAny("pk", found))
        update_all(stories, **without_person(person_id), **stamped_by(None)).run()
    return bool(found)


def _sweep_invitations(person_id: uuid.UUID, limit: int) -> bool:
    newest = Invitation.objects.filter(person_id=person_id).order_by("-created_at", "-pk")
    found = _locked(list(newest.values_list("pk", flat=True)[:limit]))
    if found:
        delete_all(Invitation.objects.filter(IsAny("pk", found))).run()
    return bool(found)


def _sweep_inviter(person_id: uuid.UUID, limit: int) -> bool:
    sent = Invitation.objects.filter(invited_by_id=person_id).order_by("pk")
    found = _locked(list(sent.values_list("pk", flat=True)[:limit]))
    if found:
        invitations = Invitation.objects.filter(IsAny("pk", found))
        update_all(invitations, invited_by=None, **stamped(Invitation, ["inviter"])).run()
    return bool(found)


def _locked(found: list[uuid.UUID]) -> list[uuid.UUID]:
    """Those of these invitations that are there, locked in their order."""
    there = Invitation.objects.filter(pk__in=found).order_by("pk").select_for_update()
    return list(there.values_list("pk", flat=True))


def story_deleted(story_id: uuid.UUID, chapter_ids: Sequence[uuid.UUID]) -> None:  # noqa: ARG001
    """Delete the invitations to a deleted story. Its co-authors go with it."""
    _delete_invitations(story=story_id)


@compiled
def _delete_invitations(*, story: uuid.UUID) -> Declared[Invitation]:
    return delete_all(Invitation.objects.filter(story_id=story))


def people_parted(one: uuid.UUID, other: uuid.UUID) -> None:
    """One of the two blocks the other from now on; their pair is locked."""
    part(one, other)
