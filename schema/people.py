"""People in GraphQL: the type Person, lists of people, signing up, in and out, and the profile."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
import strawberry_django
from strawberry import auto

from backend.coauthors import queries as coauthors
from backend.market import queries as market
from backend.moderation import queries as moderation
from backend.notifications import queries as notifications
from backend.people import lists as lists_of_people
from backend.people import models, naming, queries, tokens
from backend.reading import queries as reading
from backend.social import queries as social
from backend.sources import Bound, Value
from backend.stories import lists
from backend.stories import queries as stories
from backend.whispers import queries as whispers
from resolvers import access, people
from schema.answers import (
    Applied,
    BusyError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    KeyReusedError,
    RateLimitedError,
    applied_field,
    applied_of,
)
from schema.arguments import ExpectArgument, Key, OnConflict, parse_expect
from schema.context import Info
from schema.mutations import mutation
from schema.nodes import SATURATED, After, Before, First, Last, PageInfo, Versioned, paged, query, sourced, window
from schema.scalars import BigInt

if TYPE_CHECKING:
    from schema.coauthors import InvitationConnection
    from schema.decisions import DecisionConnection
    from schema.market import OrderConnection
    from schema.moderation import ReportConnection
    from schema.notifications import NotificationConnection
    from schema.reading import ReadingConnection
    from schema.social import Relationship
    from schema.stories import Shelf, StoryConnection
    from schema.tokens import AccessTokenConnection
    from schema.whispers import WhisperConnection


@strawberry_django.type(models.Person, description="Somebody who reads, writes, follows and is followed.")
class Person(Versioned):
    """A person's public profile."""

    look_up = queries.BY_ID

    id: strawberry.ID = sourced(Value("$row.id"), "Names this person. Opaque.")
    handle: auto = strawberry_django.field(description="The unique name that they sign in with; never changes.")
    name: auto = strawberry_django.field(description="The name that they show.")
    bio: auto = strawberry_django.field(description="What they say about themselves; may be empty.")
    joined_at: auto = strawberry_django.field(description="When they signed up.")
    follower_count: int = sourced(
        queries.FOLLOWER_COUNT, f"How many people follow them. Exact; {SATURATED.format('followerTotal')}"
    )
    follower_total: BigInt = sourced(queries.FOLLOWER_COUNT, "How many people follow them. Exact.")
    following_count: int = sourced(
        queries.FOLLOWING_COUNT, f"How many people they follow. Exact; {SATURATED.format('followingTotal')}"
    )
    following_total: BigInt = sourced(queries.FOLLOWING_COUNT, "How many people they follow. Exact.")
    story_count: int = sourced(
        queries.STORY_COUNT, f"How many stories they have published. Exact; {SATURATED.format('storyTotal')}"
    )
    story_total: BigInt = sourced(queries.STORY_COUNT, "How many stories they have published. Exact.")
    relationship: Annotated["Relationship", strawberry.lazy("schema.social")] | None = sourced(
        social.OF_PERSON, "Between the viewer and this person; null when signed out or for oneself."
    )
    shelf: Annotated["Shelf", strawberry.lazy("schema.stories")] | None = sourced(
        stories.OF_PERSON_SHELF, "Only for oneself."
    )
    show_mature: bool | None = sourced(
        queries.SHOW_MATURE,
        "Whether lists show them stories for adults and NSFW whispers that others wrote. Only for oneself.",
    )
    unread_count: int | None = sourced(
        notifications.UNREAD_COUNT,
        "How many of their notifications they have not read; 100 stands for 100 or more. Only for oneself.",
    )

    suspended_until: datetime | None = sourced(
        moderation.SUSPENDED_UNTIL,
        "Until when the moderators have suspended them; null if they are not suspended. Only for oneself.",
    )

    followers: "PersonConnection" = paged(
        social.FOLLOWERS_PAGE,
        "Who follows them, newest first. Nobody across a block from the viewer.",
    )

    following: "PersonConnection" = paged(
        social.FOLLOWING_PAGE,
        "Whom they follow, newest first. Nobody across a block from the viewer.",
    )

    stories: Annotated["StoryConnection", strawberry.lazy("schema.stories")] = paged(
        lists.BY_AUTHOR,
        "What they have published, newest first; drafts are on the shelf. Stories for adults are left out, unless "
        "they are your own or you have set showMature in your profile.",
    )

    coauthored: Annotated["StoryConnection", strawberry.lazy("schema.stories")] | None = paged(
        coauthors.COAUTHORED,
        "What they write beside its author, drafts included, what they joined last first. Only for oneself.",
    )

    invitations: Annotated["InvitationConnection", strawberry.lazy("schema.coauthors")] | None = paged(
        coauthors.OF_PERSON,
        "What they were invited to, answered or not, newest first. Only for oneself.",
    )

    whispers: Annotated["WhisperConnection", strawberry.lazy("schema.whispers")] = paged(
        whispers.BY_AUTHOR,
        "What they have whispered, newest first. NSFW whispers are left out, unless they are your own or you have "
        "set showMature in your profile.",
    )

    readings: Annotated["ReadingConnection", strawberry.lazy("schema.reading")] | None = paged(
        reading.OF_PERSON,
        "Where they stand in the stories that they have opened, most recently moved first, as long as they can "
        "find the story: to continue reading. Only for oneself.",
    )

    sales: Annotated["OrderConnection", strawberry.lazy("schema.market")] | None = paged(
        market.SALES,
        "Orders of editions of their stories, newest first. Only for oneself.",
    )

    reports: Annotated["ReportConnection", strawberry.lazy("schema.moderation")] | None = paged(
        moderation.REPORTS_OF_PERSON,
        "What they have reported, newest first, with what became of it. Only for oneself.",
    )

    decisions: Annotated["DecisionConnection", strawberry.lazy("schema.decisions")] | None = paged(
        moderation.DECISIONS_OF_PERSON,
        "What the moderators have decided against them or something of theirs, newest first. Only for oneself.",
    )

    tokens: Annotated["AccessTokenConnection", strawberry.lazy("schema.tokens")] | None = paged(
        tokens.OF_PERSON,
        "What signs them in, newest first: one for each signUp and signIn. Only for oneself.",
    )

    @query(
        description="What they are told of, newest first. Left out is what is about a story that they cannot find now, and about "
        "one for adults unless they have set showMature in their profile. Only for oneself."
    )
    def notifications(
        self,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        unread: Annotated[
            bool | None,
            strawberry.argument(description="true: only what is unread; false: only what is read; all if left out."),
        ] = None,
    ) -> Annotated["NotificationConnection", strawberry.lazy("schema.notifications")] | None:
        """A page of the person's own notifications."""
        return Bound(notifications.OF_PERSON[unread], {}, window(first, after, last, before))  # type: ignore[return-value]


@strawberry.type(description="A person in a list, with the place where the list can go on.")
class PersonEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Where this person stands in the list.")
    node: Person = strawberry.field(description="The person.")


@strawberry.type(description="A page of people.")
class PersonConnection:
    """Relay's connection."""

    edges: list[PersonEdge] = strawberry.field(description="The people of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")
    total_count: int = strawberry.field(
        description=f"How many people the whole list holds for you. Exact; {SATURATED.format('total')}"
    )
    total: BigInt = strawberry.field(description="How many people the whole list holds for you. Exact.")


# --- Writes -----------------------------------------------------------------------------------------------------


@strawberry.type(
    description="The token goes into `Authorization: Bearer …`; a browser that loaded a page of this server and sends "
    "its CSRF token is signed in by cookie as well."
)
class SignSuccess:
    """Signed in."""

    person: Person = strawberry.field(description="Who is signed in now.")
    token: str = strawberry.field(description="The bearer token. It is shown this once.")


@strawberry.type(description="The profile as it is after the write.")
class ProfileSuccess:
    """A profile was changed."""

    person: Person = strawberry.field(description="The person, with the new version.")
    applied: Applied = applied_field()


@strawberry.type(description="Nobody is signed in by this request's token or browser session any more.")
class SessionEnded:
    """Signed out."""

    applied: Applied = applied_field()


EndSessionResult = Annotated[
    SessionEnded | ForbiddenError | InvalidError | BusyError,
    strawberry.union("EndSessionResult", description="What endSession can answer."),
]
SignResult = Annotated[
    SignSuccess | InvalidError | ForbiddenError | RateLimitedError | BusyError,
    strawberry.union("SignResult", description="What signing up or in can answer."),
]
UpdateProfileResult = Annotated[
    ProfileSuccess | ConflictError | InvalidError | ForbiddenError | KeyReusedError | BusyError,
    strawberry.union("UpdateProfileResult", description="What updateProfile can answer."),
]


@strawberry.input(description="The fields of a profile to set; those left out stay as they are.")
class ProfilePatch:
    """A patch."""

    name: str | None = strawberry.field(
        default=strawberry.UNSET, description="The name to show: one line, 1 to 100 characters; not null."
    )
    bio: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="About oneself: at most 2000 characters, may be empty; not null.",
    )
    show_mature: bool | None = strawberry.field(
        default=strawberry.UNSET,
        description="Whether lists shall show stories for adults and NSFW whispers that others wrote; at first they do not. "
        "Not null.",
    )


@strawberry.type
class PeopleQuery:
    """Reads of people."""

    viewer: Person | None = sourced(queries.VIEWER, "Who is asking; null when signed out.")

    @query(description="The person with this handle; null if there is none, or they block you.")
    def person(
        self, handle: Annotated[str, strawberry.argument(description="Their handle, in any case.")]
    ) -> Person | None:
        """A person by handle."""
        handle = naming.as_typed(handle)
        source = queries.BY_HANDLE if naming.HANDLE.fullmatch(handle) else None
        return Bound(source, {"handle": handle})  # type: ignore[return-value]

    @query(
        description="People with these words in handle or name: first whoever has exactly this handle, then those who joined "
        "last. Nobody across a block from the viewer."
    )
    def people(
        self,
        text: Annotated[
            str,
            strawberry.argument(
                description="Beginnings of words, in any case, order and script, with or without accents: at most 200 "
                "characters and 40 words, not blank. A handle may begin with @."
            ),
        ],
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
    ) -> PersonConnection:
        """People by handle and name."""
        return lists_of_people.searched(text, window(first, after, last, before))  # type: ignore[return-value]


@strawberry.type
class PeopleMutation:
    """Writes to people."""

    @mutation(anybody=True, description="Make an account, and sign it in. A handle that is taken is an InvalidError.")
    def sign_up(
        self,
        info: Info,
        handle: Annotated[
            str,
            strawberry.argument(
                description="1 to 50 letters A–Z, digits, dots, hyphens, underscores, the first a letter or digit; unique, and "
                "not one that could be taken for the platform's own."
            ),
        ],
        name: Annotated[
            str,
            strawberry.argument(
                description="The name to show: one line, 1 to 100 characters that can be seen, no word of letters from several "
                "scripts, and not one that speaks for the platform."
            ),
        ],
        password: Annotated[
            str, strawberry.argument(description="8 to 1000 characters; not a common one, not only digits.")
        ],
    ) -> SignResult:
        """Sign up."""
        person, token = access.sign_up(info.context.request, handle=handle, name=name, password=password)
        info.context.forget_viewer()
        return SignSuccess(person=person, token=token)  # type: ignore[arg-type]

    @mutation(
        anybody=True,
        description="Sign in. An unknown handle and a wrong password get the same answer, in the same time: "
        "ForbiddenError with code UNAUTHENTICATED.",
    )
    def sign_in(
        self,
        info: Info,
        handle: Annotated[str, strawberry.argument(description="Your handle, in any case.")],
        password: Annotated[str, strawberry.argument(description="Your password.")],
    ) -> SignResult:
        """Sign in."""
        person, token = access.sign_in(info.context.request, handle=handle, password=password)
        info.context.forget_viewer()
        return SignSuccess(person=person, token=token)  # type: ignore[arg-type]

    @mutation(
        anybody=True,
        description="Sign out: revoke the token of this request, and end its browser session. NOOP if nobody was signed in.",
    )
    def end_session(self, info: Info) -> EndSessionResult:
        """Sign out."""
        was_signed_in = access.sign_out(info.context.request)
        info.context.forget_viewer()
        return SessionEnded(applied=Applied.WRITTEN if was_signed_in else Applied.NOOP)

    @mutation(
        anybody=True,
        description="Revoke the token of this request and end its session; whether anybody was signed in.",
        deprecated="Use endSession, which answers as every mutation does. It goes on 2027-12-01 at the earliest.",
    )
    def sign_out(self, info: Info) -> bool:
        """Sign out."""
        was_signed_in = access.sign_out(info.context.request)
        info.context.forget_viewer()
        return was_signed_in

    @mutation(description="Change your own name, bio, or whether lists show you stories for adults.")
    def update_profile(
        self,
        info: Info,
        patch: Annotated[ProfilePatch, strawberry.argument(description="What to change.")],
        expect: ExpectArgument,
        on_conflict: Annotated[
            OnConflict,
            strawberry.argument(description="What to do if you changed your profile elsewhere meanwhile."),
        ] = OnConflict.FAIL,
        key: Key = None,
    ) -> UpdateProfileResult:
        """Update the viewer's profile."""
        outcome = people.update_profile(
            info.context.me,
            patch={name: value for name, value in vars(patch).items() if value is not strawberry.UNSET},
            expect=parse_expect(expect),
            merge=on_conflict is OnConflict.MERGE,
            key=key,
        )
        return ProfileSuccess(person=outcome.rows["person"], applied=applied_of(outcome))  # type: ignore[arg-type]
