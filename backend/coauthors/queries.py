"""Where co-authors and invitations come from, and who may see them.

An invitation is found by whoever is invited, by who invited them and by those who manage the story; by nobody across a block from
its author.
"""

import uuid

from backend.coauthors.models import Invitation, InvitationStatus
from backend.engine.declarations import select
from backend.engine.statements import Declared, compiled
from backend.people.queries import IS_VIEWER, named
from backend.sources import Page, Row, Rows, read
from backend.stories.models import Story
from backend.stories.queries import visible
from backend.stories.rights import manages
from backend.visibility import gone, met

MAX_OPEN = 20
"""How many invitations to a story may be open."""

OF_STORY = Rows(
    "SELECT coauthor.* FROM coauthors_coauthor AS coauthor WHERE coauthor.story_id = $row.id AND $row.version > 0 "
    f"AND NOT {gone('coauthor.person_id')} ORDER BY coauthor.since, coauthor.person_id",
    is_local=False,
)
"""Who writes a story beside its author, longest first; as they are now, also in a reply."""

PERSON = named("$row.person_id")
INVITED_BY = Row(f"SELECT inviter.* FROM ({named('$row.invited_by_id').sql}) AS inviter WHERE inviter.version > 0")
"""Who invited; none who is hidden from the viewer or has left."""

FOUND = (
    f"(invitation.person_id = $viewer OR invitation.invited_by_id = $viewer OR {manages('$viewer')}) "
    f"AND {met('story.author_id', '$viewer')}"
)
"""SQL: whether the viewer finds an invitation to `story`."""

BY_ID = Row(
    "SELECT invitation.* FROM coauthors_invitation AS invitation "
    f"JOIN stories_story AS story ON story.id = invitation.story_id WHERE invitation.id = $key::uuid AND {FOUND}",
    type="Invitation",
)

OF_NOTIFICATION = Row(BY_ID.sql.replace("$key::uuid", "$row.invitation_id"))
"""What somebody is told that they are invited to."""

OF_PERSON = Page(
    "SELECT invitation.*, invitation.created_at AS place_at FROM coauthors_invitation AS invitation "
    f"JOIN stories_story AS story ON story.id = invitation.story_id "
    f"WHERE invitation.person_id = $row.id AND {met('story.author_id', '$viewer')}$between $order",
    "invitation.created_at",
    "invitation.id",
    when=IS_VIEWER,
)
"""What somebody was invited to, newest first; private."""

OPEN = Rows(
    "SELECT invitation.* FROM coauthors_invitation AS invitation WHERE invitation.story_id = $row.id "
    f"AND invitation.status = 'PENDING' AND {manages('$viewer', '$row')} "
    f"ORDER BY invitation.created_at, invitation.id LIMIT {MAX_OPEN}",
)
"""The open invitations to a story, for those who manage it."""

COAUTHORED = Page(
    "SELECT story.*, coauthor.since AS place_at FROM coauthors_coauthor AS coauthor "
    "JOIN stories_story AS story ON story.id = coauthor.story_id "
    f"WHERE coauthor.person_id = $row.id AND NOT {gone('story.author_id')}$between $order",
    "coauthor.since",
    "coauthor.story_id",
    when=IS_VIEWER,
)
"""The stories that somebody writes beside their authors, drafts included; private."""

_HIDDEN = {
    "author_id": "story.author_id",
    "title": "story.title",
    "created_at": "story.created_at",
    "updated_at": "story.created_at",
    "summary": "''",
    "warnings": "'{}'::varchar[]",
    "writers": "'{}'::uuid[]",
    "managers": "'{}'::uuid[]",
    "status": "'DRAFT'",
    **dict.fromkeys(("mature", "held", "mature_held"), "FALSE"),
    **dict.fromkeys(("handed_over_at", "coauthors_by", "published_at", "republished_at", "was_published_at"), "NULL"),
}
"""What a draft shows to who does not find it; its versions are 0."""
_SHOWN = ", ".join(
    f"CASE WHEN story.is_hidden THEN {_HIDDEN.get(name, '0')} ELSE story.{name} END AS {name}"
    for name in (str(one.column) for one in Story._meta.concrete_fields)
    if name != "id"
)


def _offered(id_: str) -> Row:
    story = f"SELECT story.*, {visible('$viewer')} IS NOT TRUE AS is_hidden FROM stories_story AS story WHERE story.id = {id_}"
    return Row(f"SELECT story.id, {_SHOWN} FROM ({story} OFFSET 0) AS story")


STORY = _offered("$row.story_id")
"""What is offered: a draft that the viewer does not write shows its title and author, and is of version 0."""

OFFERED = _offered("(SELECT story_id FROM coauthors_invitation WHERE id = $key::uuid)")


def offered(invitation: uuid.UUID, viewer: uuid.UUID) -> Story | None:
    """The story of an invitation, as the viewer may see it; None if both are gone."""
    return read(Story, OFFERED, key=invitation, viewer=viewer).row


@compiled
def open_to(*, story: uuid.UUID) -> Declared[Invitation]:
    """The open invitations to this story."""
    return select(Invitation.objects.filter(story_id=story, status=InvitationStatus.PENDING.value))


@compiled
def author_of(*, story: uuid.UUID) -> Declared[tuple[uuid.UUID]]:
    """The author of a story."""
    return select(Story.objects.filter(pk=story).values_list("author_id"))


def _is_there(invitation: Invitation, person: uuid.UUID) -> bool:
    return read(Invitation, BY_ID, key=invitation.pk, viewer=person).row is not None


STILL_THERE = {Invitation: _is_there}
