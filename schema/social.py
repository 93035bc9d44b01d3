"""Following and blocking in GraphQL."""

from datetime import datetime
from typing import Annotated, Any, cast

import strawberry

from backend.engine.idempotency import Outcome
from backend.social import models, queries
from backend.sources import Bound, Value
from resolvers import social
from schema.answers import (
    Applied,
    BusyError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    KeyReusedError,
    NotFoundError,
    applied_field,
    applied_of,
)
from schema.arguments import ANYTHING, ExpectArgument, Key, parse_expect
from schema.context import Info
from schema.mutations import mutation
from schema.nodes import Versioned, asked, check_id_count, key_of, keys_of, look_up, sourced
from schema.people import Person


@strawberry.type(
    description="The viewer's side of what stands between the viewer and another person. Its version changes only with "
    "what the viewer can see; it is 0 until the first of the two has followed or blocked the other."
)
class Relationship(Versioned):
    """One side of a pair."""

    row = models.PairSide
    look_up = queries.BY_ID
    belongs_to_viewer = True

    @classmethod
    def is_type_of(cls, value: object, _info: Any) -> bool:
        """Whether a value is a row of this type; GraphQL uses it to resolve interfaces and unions."""
        return isinstance(value, cls.row)

    id: strawberry.ID = sourced(
        Value("$row.viewer_id || ':' || $row.person_id"),
        "Names this side of the pair. Opaque; the same before and after the first contact.",
    )
    updated_at: datetime = sourced(queries.UPDATED_AT, "When your side last changed.")
    person: Person = sourced(queries.OTHER, "The other person.")
    following: bool = strawberry.field(description="Whether the viewer follows them.")
    followed_by: bool = strawberry.field(description="Whether they follow the viewer.")
    blocking: bool = strawberry.field(description="Whether the viewer blocks them.")


@strawberry.type(description="The relationship as it is after the write.")
class RelationshipSuccess:
    """A relationship was written."""

    relationship: Relationship = strawberry.field(description="Your side, with the new version.")
    applied: Applied = applied_field()


_Answer = (
    RelationshipSuccess | ConflictError | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError
)
FollowResult = Annotated[_Answer, strawberry.union("FollowResult", description="What follow can answer.")]
UnfollowResult = Annotated[_Answer, strawberry.union("UnfollowResult", description="What unfollow can answer.")]
RemoveFollowerResult = Annotated[
    _Answer, strawberry.union("RemoveFollowerResult", description="What removeFollower can answer.")
]
BlockResult = Annotated[_Answer, strawberry.union("BlockResult", description="What block can answer.")]
UnblockResult = Annotated[_Answer, strawberry.union("UnblockResult", description="What unblock can answer.")]

Whom = Annotated[strawberry.ID, strawberry.argument(description="The id of the other person.")]


@strawberry.type
class SocialQuery:
    """Reads of relationships."""

    @look_up(
        description="The viewer's side towards each of these people, in one go. Null for an id that is not of a person "
        "whom the viewer can find, for oneself, and for all when signed out."
    )
    def relationships(
        self,
        people: Annotated[list[strawberry.ID], strawberry.argument(description="Ids of people, at most 1000.")],
    ) -> list[Relationship | None]:
        """Relationships by person."""
        keys = keys_of(check_id_count(people, "people"), "Person")
        return Bound(  # type: ignore[return-value]
            queries.BY_PEOPLE, asked([("Relationship" if key else None, [key]) for key in keys])
        )


@strawberry.type
class SocialMutation:
    """Writes to relationships."""

    @mutation(
        description="Follow a person. Refused if you followed, unfollowed, blocked or unblocked them since `expect`; "
        "their following you does not matter. Somebody who blocks you is not found."
    )
    def follow(self, info: Info, person: Whom, expect: ExpectArgument, key: Key = None) -> FollowResult:
        """Follow."""
        whom, seen = key_of(person, "Person", "person"), parse_expect(expect)
        return _answer(social.follow(info.context.me, person=whom, expect=seen, key=key), info)

    @mutation(description="Stop following a person. Refused if you followed or unfollowed them since `expect`.")
    def unfollow(self, info: Info, person: Whom, expect: ExpectArgument, key: Key = None) -> UnfollowResult:
        """Unfollow."""
        whom, seen = key_of(person, "Person", "person"), parse_expect(expect)
        return _answer(social.unfollow(info.context.me, person=whom, expect=seen, key=key), info)

    @mutation(description="Make a person stop following you. Refused if that changed since `expect`.")
    def remove_follower(
        self, info: Info, person: Whom, expect: ExpectArgument, key: Key = None
    ) -> RemoveFollowerResult:
        """Remove a follower."""
        whom, seen = key_of(person, "Person", "person"), parse_expect(expect)
        return _answer(social.remove_follower(info.context.me, person=whom, expect=seen, key=key), info)

    @mutation(
        description="Block a person, which ends both follows. A block is never refused because of a race: expect defaults "
        "to {current: true}. Naming a version instead makes it conditioned like any other write."
    )
    def block(self, info: Info, person: Whom, expect: ExpectArgument = ANYTHING, key: Key = None) -> BlockResult:
        """Block."""
        whom, seen = key_of(person, "Person", "person"), parse_expect(expect, current_allowed=True)
        return _answer(social.block(info.context.me, person=whom, expect=seen, key=key), info)

    @mutation(description="Stop blocking a person. Refused if you blocked or unblocked them since `expect`.")
    def unblock(self, info: Info, person: Whom, expect: ExpectArgument, key: Key = None) -> UnblockResult:
        """Unblock."""
        whom, seen = key_of(person, "Person", "person"), parse_expect(expect)
        return _answer(social.unblock(info.context.me, person=whom, expect=seen, key=key), info)


def _answer(outcome: Outcome, info: Info) -> Any:
    """The answer to each of the five writes."""
    row = cast(models.Relationship, outcome.rows["relationship"])
    return RelationshipSuccess(relationship=social.side(row, info.context.me), applied=applied_of(outcome))  # type: ignore[arg-type]
