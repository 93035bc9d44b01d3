"""The viewer's own tokens: listing and revoking them."""

import uuid
from collections.abc import Iterable

from django.http import HttpRequest

from backend.engine.idempotency import Applied, Outcome, Request
from backend.pages import Page, Window
from backend.people import tokens
from backend.people.models import AccessToken, Person
from resolvers.access import digest_of
from resolvers.batches import is_viewer
from resolvers.work import performed


def by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, AccessToken]:
    """The tokens among these ids that sign the viewer in."""
    return {} if viewer is None else tokens.by_ids(ids, person=viewer.pk)


def of_person(person: Person, window: Window) -> Page[AccessToken] | None:
    """The person's tokens, newest first; private."""
    if not is_viewer(person):
        return None
    return tokens.of_person(person.pk, window)


def is_current(token: AccessToken, request: HttpRequest) -> bool:
    """Whether it is the token of this request."""
    return bytes(token.digest) == digest_of(request)


def revoke_token(me: Person, *, token: uuid.UUID, key: uuid.UUID | None) -> Outcome:
    """Revoke one of the viewer's own tokens."""

    def work() -> Outcome:
        tokens.revoke(token, me.pk)
        return Outcome(Applied.WRITTEN)

    return performed(Request("revokeToken", me.pk, key, {"id": str(token)}), work, me)
