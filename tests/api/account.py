"""What a caller of the API says about what signs them in."""

from typing import Any

from backend.engine.transactions import unit_of_work
from backend.people import actions
from backend.people.models import AccessToken, Account
from schema.nodes import to_id

TOKEN = "id label createdAt lastUsedAt expiresAt current"
REFUSED = "... on Failure { code message retry { kind afterMs } } ... on InvalidError { fields { path message } }"


class AccountCalls:
    """The mutations of tokens and passwords, and the viewer's own tokens."""

    ask: Any

    def tokens(self) -> Any:
        """The viewer's tokens, newest first."""
        query = f"{{ viewer {{ tokens {{ edges {{ cursor node {{ {TOKEN} }} }} pageInfo {{ hasNextPage }} }} }} }}"
        return [edge["node"] for edge in self.ask(query)["viewer"]["tokens"]["edges"]]

    def revoke_token(self, token: str, key: str | None = None) -> Any:
        query = (
            "mutation ($id: ID!, $k: UUID) { revokeToken(id: $id, key: $k) { __typename "
            f"... on TokenRevoked {{ id applied }} {REFUSED} }} }}"
        )
        return self.ask(query, id=token, k=key)["revokeToken"]

    def change_password(self, current: str, new: str, key: str | None = None) -> Any:
        query = (
            "mutation ($c: String!, $n: String!, $k: UUID) { changePassword(current: $c, new: $n, key: $k) { __typename "
            f"... on PasswordSuccess {{ applied revoked person {{ handle }} }} {REFUSED} }} }}"
        )
        return self.ask(query, c=current, n=new, k=key)["changePassword"]

    def delete_account(self, password: str, key: str | None = None) -> Any:
        query = (
            "mutation ($p: String!, $k: UUID) { deleteAccount(password: $p, key: $k) { __typename "
            f"... on AccountDeleted {{ id applied }} {REFUSED} }} }}"
        )
        return self.ask(query, p=password, k=key)["deleteAccount"]


def another_token(caller: Any) -> str:
    """A token of the caller's on another device: its id."""
    account = Account.objects.get(pk=caller.person.pk)
    token = unit_of_work(lambda: actions.new_token(account))
    return to_id("AccessToken", AccessToken.objects.get(digest=actions.digest(token)).public_id)
