"""Co-authors: inviting and answering, changing a right, removing somebody, leaving."""

import uuid
from collections.abc import Callable
from typing import Any

from backend.coauthors import actions, invitations
from backend.coauthors.answers import UNKNOWN_INVITATION
from backend.coauthors.invitations import Written
from backend.coauthors.models import Invitation
from backend.coauthors.queries import offered
from backend.engine.errors import NotFound
from backend.engine.idempotency import Applied, Outcome
from backend.engine.mutations import Mutation, Target
from backend.engine.versions import Expected
from backend.notifications.actions import tell
from backend.notifications.models import NotificationKind
from backend.people.models import Person
from backend.stories.models import Story
from backend.stories.point_in_time import Moments
from backend.stories.rights import Right
from resolvers.authoring import performed_on_story
from resolvers.work import performed, shown_to


def invite_coauthor(
    me: Person, *, story: uuid.UUID, person: uuid.UUID, right: Right, expect: Expected, key: uuid.UUID | None
) -> Outcome:
    """Offer somebody a right to a story, and tell them."""

    def write(seen: Expected) -> Outcome:
        invitation, applied = invitations.invite(story, me.id, person, right, seen)
        if applied is Applied.WRITTEN:
            tell(person, NotificationKind.INVITED, invitation=invitation.pk)
        return _with_story(invitation, applied, me)

    arguments = {"story": story, "person": person, "right": right.value}
    mutation = Mutation("inviteCoauthor", me.id, key, arguments, write, _story(story), expect)
    return performed(mutation, me, while_suspended=True)  # `invite` itself asks, once it has counted


def accept_invitation(me: Person, *, invitation: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Take what one is offered."""
    return _answered("acceptInvitation", me, invitation, expect, key, invitations.accept)


def decline_invitation(me: Person, *, invitation: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Refuse what one is offered."""
    return _answered("declineInvitation", me, invitation, expect, key, invitations.decline)


def withdraw_invitation(me: Person, *, invitation: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Take an offer back."""
    return _answered("withdrawInvitation", me, invitation, expect, key, invitations.withdraw)


def _answered(
    operation: str,
    me: Person,
    invitation: uuid.UUID,
    expect: Expected,
    key: uuid.UUID | None,
    answer: Callable[[uuid.UUID, uuid.UUID, Expected], Written],
) -> Outcome:
    def write(seen: Expected) -> Outcome:
        row, applied = answer(invitation, me.id, seen)
        return _with_story(row, applied, me)

    target = Target("invitation", {"pk": invitation})
    return performed(Mutation(operation, me.id, key, {"id": invitation}, write, target, expect), me)


def _with_story(invitation: Invitation, applied: Applied, me: Person) -> Outcome:
    """The invitation, with its story as the viewer may see it: read with it, because both may be deleted after COMMIT.

    Raises `NotFound` if they are gone.
    """
    story = offered(invitation.pk, me.id)
    if story is None:
        raise NotFound(UNKNOWN_INVITATION)
    invitation.story = story
    return Outcome(applied, {"invitation": invitation})


def story_of(outcome: Outcome, me: Person) -> Any:
    """The story of the invitation that was written, as the viewer may see it: of a replay, as it is now."""
    invitation: Any = outcome.rows["invitation"]
    if outcome.applied is Applied.REPLAYED:
        _with_story(invitation, outcome.applied, me)
    return shown_to(invitation.story, me)


def set_coauthor_right(
    me: Person, *, story: uuid.UUID, person: uuid.UUID, right: Right, expect: Expected, key: uuid.UUID | None
) -> Outcome:
    """Give a co-author another right."""
    moments = Moments(wanted=key is not None)

    def write(seen: Expected) -> tuple[Story, Applied]:
        return actions.set_right(story, me.id, person, right, seen, moments)

    arguments = {"story": story, "person": person, "right": right.value}
    return _written("setCoauthorRight", me, story, expect, key, arguments, write, moments)


def remove_coauthor(
    me: Person, *, story: uuid.UUID, person: uuid.UUID, expect: Expected, key: uuid.UUID | None
) -> Outcome:
    """Take a co-author's right from them."""
    moments = Moments(wanted=key is not None)

    def write(seen: Expected) -> tuple[Story, Applied]:
        return actions.remove(story, me.id, person, seen, moments)

    arguments = {"story": story, "person": person}
    return _written("removeCoauthor", me, story, expect, key, arguments, write, moments)


def _written(
    operation: str,
    me: Person,
    story: uuid.UUID,
    expect: Expected,
    key: uuid.UUID | None,
    arguments: dict[str, Any],
    write: Callable[[Expected], tuple[Story, Applied]],
    moments: Moments,
) -> Outcome:
    def work(seen: Expected) -> Outcome:
        row, applied = write(seen)
        return Outcome(applied, {"story": row})

    return performed_on_story(Mutation(operation, me.id, key, arguments, work, _story(story), expect), me, moments)


def leave_story(me: Person, *, story: uuid.UUID, expect: Expected, key: uuid.UUID | None) -> Outcome:
    """Write a story no more."""

    def write(seen: Expected) -> Outcome:
        actions.leave(story, me.id, seen)
        return Outcome(Applied.WRITTEN, {})

    return performed(Mutation("leaveStory", me.id, key, {"story": story}, write, _story(story), expect), me)


def _story(story: uuid.UUID) -> Target:
    return Target("story", {"pk": story})
