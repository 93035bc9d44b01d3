"""Co-authors in GraphQL: who writes a story beside its author, invitations, and every write to them."""

import enum
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
import strawberry_django
from strawberry import auto

from backend.coauthors import models, queries
from backend.engine.idempotency import Outcome
from backend.sources import Value
from backend.stories import rights
from resolvers import coauthors
from schema.answers import (
    Applied,
    BusyError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    KeyReusedError,
    NotFoundError,
    RateLimitedError,
    applied_field,
    applied_of,
)
from schema.arguments import ExpectArgument, Key, parse_expect
from schema.context import Info
from schema.mutations import mutation
from schema.nodes import PageInfo, Versioned, key_of, sourced, to_id

if TYPE_CHECKING:
    from schema.people import Person
    from schema.stories import Story


@strawberry.enum(description="What somebody may do with a story.")
class CoauthorRight(enum.Enum):
    """The rights, each with those before it."""

    WRITE = strawberry.enum_value("WRITE", description="Read drafts, write the story and its chapters.")
    MANAGE = strawberry.enum_value(
        "MANAGE", description="WRITE, and publish, unpublish, reorder, invite and remove co-authors."
    )
    OWN = strawberry.enum_value(
        "OWN",
        description="In an invitation: the story is handed over when it is accepted; who had it becomes a co-author with MANAGE. "
        "Else: its author, who may do everything.",
    )


@strawberry.enum(description="What has become of an invitation.")
class InvitationStatus(enum.Enum):
    """The states of an invitation."""

    PENDING = strawberry.enum_value("PENDING", description="Nobody has answered it.")
    ACCEPTED = strawberry.enum_value("ACCEPTED", description="It was accepted.")
    DECLINED = strawberry.enum_value("DECLINED", description="It was declined.")
    WITHDRAWN = strawberry.enum_value(
        "WITHDRAWN", description="It was taken back, or a block came between those who are concerned."
    )


@strawberry_django.type(models.Coauthor, description="Somebody who writes a story beside its author.")
class Coauthor:
    """A co-author."""

    person: Annotated["Person", strawberry.lazy("schema.people")] = sourced(queries.PERSON, "Who.")
    right: CoauthorRight = sourced(Value("$row.granted"), "What they may do with the story.")
    since: auto = strawberry_django.field(description="Since when they write it.")


@strawberry_django.type(
    models.Invitation,
    description="The offer of a right to a story. Who is invited finds it, who invited them, and whoever manages the story.",
)
class Invitation(Versioned):
    """An invitation."""

    look_up = queries.BY_ID

    id: strawberry.ID = sourced(Value("$row.id"), "Names this invitation. Opaque.")
    created_at: auto = strawberry_django.field(description="When it was made.")
    story: Annotated["Story", strawberry.lazy("schema.stories")] = sourced(
        queries.STORY,
        "What is offered. For who cannot find the story, such as a draft that they do not write yet: its title and author, at "
        "version 0.",
    )
    person: Annotated["Person", strawberry.lazy("schema.people")] = sourced(queries.PERSON, "Who is invited.")
    invited_by: Annotated["Person", strawberry.lazy("schema.people")] | None = sourced(
        queries.INVITED_BY, "Who invited; null if they have left or are hidden from you."
    )
    right: CoauthorRight = sourced(Value("$row.offered"), "What is offered.")
    status: InvitationStatus = sourced(Value("$row.status"), "What has become of it.")


@strawberry.type(description="An invitation in a list, with the place where the list can go on.")
class InvitationEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Where this invitation stands in the list.")
    node: Invitation = strawberry.field(description="The invitation.")


@strawberry.type(description="A page of invitations.")
class InvitationConnection:
    """Relay's connection."""

    edges: list[InvitationEdge] = strawberry.field(description="The invitations of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")


# --- Writes -----------------------------------------------------------------------------------------------------

OfferedStory = Annotated["Story", strawberry.lazy("schema.stories")]


@strawberry.type(description="The invitation as it is after the write.")
class InvitationSuccess:
    """An invitation was made or answered."""

    invitation: Invitation = strawberry.field(description="The invitation, with its version.")
    story: OfferedStory = strawberry.field(
        description="Its story as it is now, with the new version: inviting and accepting are writes to it. As in "
        "`invitation.story` for who cannot find it."
    )
    applied: Applied = applied_field()


@strawberry.type(description="The story as it is after the write.")
class CoauthorSuccess:
    """Who writes a story was changed."""

    story: OfferedStory = strawberry.field(description="The story, with the new version.")
    applied: Applied = applied_field()


@strawberry.type(description="You write the story no more. A draft is not found by you any more.")
class LeaveSuccess:
    """A story was left."""

    id: strawberry.ID = strawberry.field(description="The story's id.")
    applied: Applied = applied_field()


InviteCoauthorResult = Annotated[
    InvitationSuccess
    | ConflictError
    | NotFoundError
    | ForbiddenError
    | InvalidError
    | RateLimitedError
    | KeyReusedError
    | BusyError,
    strawberry.union("InviteCoauthorResult", description="What inviteCoauthor can answer."),
]
AcceptInvitationResult = Annotated[
    InvitationSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("AcceptInvitationResult", description="What acceptInvitation can answer."),
]
DeclineInvitationResult = Annotated[
    InvitationSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("DeclineInvitationResult", description="What declineInvitation can answer."),
]
WithdrawInvitationResult = Annotated[
    InvitationSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("WithdrawInvitationResult", description="What withdrawInvitation can answer."),
]
SetCoauthorRightResult = Annotated[
    CoauthorSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("SetCoauthorRightResult", description="What setCoauthorRight can answer."),
]
RemoveCoauthorResult = Annotated[
    CoauthorSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("RemoveCoauthorResult", description="What removeCoauthor can answer."),
]
LeaveStoryResult = Annotated[
    LeaveSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("LeaveStoryResult", description="What leaveStory can answer."),
]

StoryArgument = Annotated[strawberry.ID, strawberry.argument(description="The story's id.")]
PersonArgument = Annotated[strawberry.ID, strawberry.argument(description="The person's id.")]
InvitationArgument = Annotated[strawberry.ID, strawberry.argument(description="The invitation's id.")]


@strawberry.type
class CoauthorsMutation:
    """Writes to who writes a story."""

    @mutation(
        description="Offer somebody a right to a story: to write it with you, or with OWN the story itself. They are told. "
        "`expect` names the story's version; refused if who writes it has changed since, and nothing else collides. Whoever "
        "manages the story may, OWN only its author; not of a story with editions, or that the moderators hold. RATE_LIMITED "
        "if you have invited many lately, to whatever story."
    )
    def invite_coauthor(
        self,
        info: Info,
        story: StoryArgument,
        person: PersonArgument,
        expect: ExpectArgument,
        right: Annotated[CoauthorRight, strawberry.argument(description="What is offered.")] = CoauthorRight.WRITE,
        key: Key = None,
    ) -> InviteCoauthorResult:
        """Invite a co-author."""
        outcome = coauthors.invite_coauthor(
            info.context.me,
            story=key_of(story, "Story", "story"),
            person=key_of(person, "Person", "person"),
            right=rights.Right[right.name],
            expect=parse_expect(expect),
            key=key,
        )
        return _invited(outcome, info)

    @mutation(
        description="Take what you are offered: from then on you write the story, or with OWN it is yours. `expect` names the "
        "invitation's version. Of accepting, declining, withdrawing and a block at the same moment one happens."
    )
    def accept_invitation(
        self, info: Info, id: InvitationArgument, expect: ExpectArgument, key: Key = None
    ) -> AcceptInvitationResult:
        """Accept an invitation."""
        invitation, expected = key_of(id, "Invitation", "id"), parse_expect(expect)
        outcome = coauthors.accept_invitation(info.context.me, invitation=invitation, expect=expected, key=key)
        return _invited(outcome, info)

    @mutation(description="Refuse what you are offered. `expect` names the invitation's version.")
    def decline_invitation(
        self, info: Info, id: InvitationArgument, expect: ExpectArgument, key: Key = None
    ) -> DeclineInvitationResult:
        """Decline an invitation."""
        invitation, expected = key_of(id, "Invitation", "id"), parse_expect(expect)
        outcome = coauthors.decline_invitation(info.context.me, invitation=invitation, expect=expected, key=key)
        return _invited(outcome, info)

    @mutation(description="Take an offer back. `expect` names the invitation's version. Whoever manages the story may.")
    def withdraw_invitation(
        self, info: Info, id: InvitationArgument, expect: ExpectArgument, key: Key = None
    ) -> WithdrawInvitationResult:
        """Withdraw an invitation."""
        invitation, expected = key_of(id, "Invitation", "id"), parse_expect(expect)
        outcome = coauthors.withdraw_invitation(info.context.me, invitation=invitation, expect=expected, key=key)
        return _invited(outcome, info)

    @mutation(
        description="Give a co-author the right WRITE or MANAGE. `expect` names the story's version; refused if who writes it "
        "has changed since. Whoever manages the story may."
    )
    def set_coauthor_right(
        self,
        info: Info,
        story: StoryArgument,
        person: PersonArgument,
        right: Annotated[CoauthorRight, strawberry.argument(description="The right; not OWN, which is offered.")],
        expect: ExpectArgument,
        key: Key = None,
    ) -> SetCoauthorRightResult:
        """Change a right."""
        outcome = coauthors.set_coauthor_right(
            info.context.me,
            story=key_of(story, "Story", "story"),
            person=key_of(person, "Person", "person"),
            right=rights.Right[right.name],
            expect=parse_expect(expect),
            key=key,
        )
        return _changed(outcome)

    @mutation(
        description="Take a co-author's right from them: nothing that they send later is written. `expect` names the story's "
        "version; refused if who writes it has changed since. Whoever manages the story may."
    )
    def remove_coauthor(
        self, info: Info, story: StoryArgument, person: PersonArgument, expect: ExpectArgument, key: Key = None
    ) -> RemoveCoauthorResult:
        """Remove a co-author."""
        outcome = coauthors.remove_coauthor(
            info.context.me,
            story=key_of(story, "Story", "story"),
            person=key_of(person, "Person", "person"),
            expect=parse_expect(expect),
            key=key,
        )
        return _changed(outcome)

    @mutation(
        description="Write a story no more that you are a co-author of. `expect` names the story's version; refused if who "
        "writes it has changed since. Its author hands it over first."
    )
    def leave_story(
        self, info: Info, story: StoryArgument, expect: ExpectArgument, key: Key = None
    ) -> LeaveStoryResult:
        """Leave a story."""
        left = key_of(story, "Story", "story")
        outcome = coauthors.leave_story(info.context.me, story=left, expect=parse_expect(expect), key=key)
        return LeaveSuccess(id=to_id("Story", left), applied=applied_of(outcome))


def _invited(outcome: Outcome, info: Info) -> InvitationSuccess:
    invitation: Any = outcome.rows["invitation"]
    story = coauthors.story_of(outcome, info.context.me)
    return InvitationSuccess(invitation=invitation, story=story, applied=applied_of(outcome))


def _changed(outcome: Outcome) -> CoauthorSuccess:
    story: Any = outcome.rows["story"]
    return CoauthorSuccess(story=story, applied=applied_of(outcome))
