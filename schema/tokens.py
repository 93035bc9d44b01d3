"""Access tokens in GraphQL: listing and revoking them, changing the password, deleting the account."""

from typing import Annotated

import strawberry
import strawberry_django
from strawberry import auto

from backend.people import models
from backend.people import tokens as queries
from backend.sources import Value
from resolvers import access, tokens
from schema.answers import (
    Applied,
    BusyError,
    ForbiddenError,
    InvalidError,
    KeyReusedError,
    NotFoundError,
    RateLimitedError,
    applied_field,
    applied_of,
)
from schema.arguments import Key
from schema.context import Info
from schema.mutations import mutation
from schema.nodes import Node, PageInfo, key_of, sourced, to_id
from schema.people import Person


@strawberry_django.type(
    models.AccessToken,
    description="Something that signs you in: each signUp and signIn makes one. It never shows the token itself. Only for whom "
    "it signs in, and as long as it does.",
)
class AccessToken(Node):
    """A token, without its secret."""

    look_up = queries.BY_ID

    id: strawberry.ID = sourced(Value("$row.public_id"), "Names this token. Opaque.")
    label: auto = strawberry_django.field(
        description="What the client called itself that signed in (User-Agent), shortened; may be empty."
    )
    created_at: auto = strawberry_django.field(description="When it was made.")
    last_used_at: auto = strawberry_django.field(description="When it was last used, to the hour.")
    expires_at: auto = strawberry_django.field(description="When it stops signing you in.")

    current: bool = sourced(queries.IS_CURRENT, "Whether it is the token of this very request.")


@strawberry.type(description="A token in a list, with the place where the list can go on.")
class AccessTokenEdge:
    """Relay's edge."""

    cursor: str = strawberry.field(description="Where this token stands in the list.")
    node: AccessToken = strawberry.field(description="The token.")


@strawberry.type(description="A page of tokens.")
class AccessTokenConnection:
    """Relay's connection."""

    edges: list[AccessTokenEdge] = strawberry.field(description="The tokens of this page.")
    page_info: PageInfo = strawberry.field(description="Where this page stands in the list.")


# --- Writes -----------------------------------------------------------------------------------------------------


@strawberry.type(description="The token signs nobody in any more.")
class TokenRevoked:
    """A token is gone."""

    id: strawberry.ID = strawberry.field(description="The id that it had. It is never used again.")
    applied: Applied = applied_field()


@strawberry.type(
    description="The password is changed, and nothing but this request's token or session signs you in any more."
)
class PasswordSuccess:
    """A password was changed."""

    person: Person = strawberry.field(description="Whose password it is.")
    revoked: int = strawberry.field(description="How many other tokens were revoked.")
    applied: Applied = applied_field()


RevokeTokenResult = Annotated[
    TokenRevoked | NotFoundError | ForbiddenError | InvalidError | KeyReusedError | BusyError,
    strawberry.union("RevokeTokenResult", description="What revokeToken can answer."),
]
ChangePasswordResult = Annotated[
    PasswordSuccess | ForbiddenError | InvalidError | RateLimitedError | KeyReusedError | BusyError,
    strawberry.union("ChangePasswordResult", description="What changePassword can answer."),
]


@strawberry.type(
    description="The account is deleted. Nobody finds the person any more, nothing signs in as them, and no write of theirs "
    "succeeds."
)
class AccountDeleted:
    """An account is gone."""

    id: strawberry.ID = strawberry.field(description="The id that the person had. It is never used again.")
    applied: Applied = applied_field()


DeleteAccountResult = Annotated[
    AccountDeleted | ForbiddenError | InvalidError | RateLimitedError | KeyReusedError | BusyError,
    strawberry.union("DeleteAccountResult", description="What deleteAccount can answer."),
]


@strawberry.type
class TokensMutation:
    """Writes to tokens, the password and the account."""

    @mutation(
        description="Let one of your tokens sign nobody in any more: a device that was lost. One that is gone already, or is not "
        "yours, is not found."
    )
    def revoke_token(
        self,
        info: Info,
        id: Annotated[strawberry.ID, strawberry.argument(description="The id of the token, from `viewer.tokens`.")],
        key: Key = None,
    ) -> RevokeTokenResult:
        """Revoke a token."""
        me, token = info.context.me, key_of(id, "AccessToken", "id")
        outcome = tokens.revoke_token(me, token=token, key=key)
        info.context.forget_viewer()
        return TokenRevoked(id=id, applied=applied_of(outcome))

    @mutation(
        description="Change your password. All your other tokens are revoked and all your other browser sessions ended with it. "
        "A wrong `current` is FORBIDDEN, and counts as an attempt to sign in."
    )
    def change_password(
        self,
        info: Info,
        current: Annotated[str, strawberry.argument(description="The password that you have.")],
        new: Annotated[
            str,
            strawberry.argument(
                description="The password that you want: 8 to 1000 characters; not a common one, not only digits."
            ),
        ],
        key: Key = None,
    ) -> ChangePasswordResult:
        """Change the viewer's password."""
        me, request = info.context.me, info.context.request
        outcome, person = access.change_password(request, me, current=current, new=new, key=key)
        return PasswordSuccess(person=person, revoked=outcome.facts["revoked"], applied=applied_of(outcome))  # type: ignore[arg-type]

    @mutation(
        description="Delete your account, for good. At once nobody finds you or anything of yours, all your tokens and browser "
        "sessions are revoked, and your handle stays taken. Orders that are not shipped are cancelled; of the others the other "
        "side keeps the order, without your profile. A wrong password is FORBIDDEN, and counts as an attempt to sign in. Sent "
        "again after it was done, it is UNAUTHENTICATED, whatever the key."
    )
    def delete_account(
        self,
        info: Info,
        password: Annotated[str, strawberry.argument(description="Your password.")],
        key: Key = None,
    ) -> DeleteAccountResult:
        """Delete the viewer's account."""
        me = info.context.me
        outcome = access.delete_account(info.context.request, me, password=password, key=key)
        info.context.forget_viewer()
        return AccountDeleted(id=to_id("Person", me.pk), applied=applied_of(outcome))
