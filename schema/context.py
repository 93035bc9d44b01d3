"""The GraphQL context of a request: the viewer."""

import uuid
from contextlib import suppress
from typing import Any, Final

import strawberry
from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest
from django.utils.functional import cached_property

from backend import logs
from backend.engine.errors import Unauthenticated
from backend.engine.statements import Columns
from backend.limits import spending
from backend.people import queries
from backend.people.claims import claimed
from backend.people.models import Person
from backend.postgresql.reads import Row
from resolvers.access import DEAD_TOKEN, bearer_token, digest_of, note_use, signed_in, viewer_of

ONLY_ID: Final = Columns(Person, [b"id"])
"""Makes a person of whom only the id is known: the rest is read when it is looked at."""


class Context:
    """The context of one request."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self._token = digest_of(request)
        self.a_minute: int = settings.COST_A_MINUTE
        """What the sender may spend in a minute; 0 for no limit."""
        self._use_is_unnoted = False
        self._unverified = False
        """Whether the token is yet to be asked for, of a viewer who is only known to have had it."""
        self.viewer_id: str | None = None
        """The id of the viewer that a plan has found out."""
        self.token_is_dead = False
        """Whether the request has a token, and it was found to sign nobody in."""

    @property
    def has_token(self) -> bool:
        """Whether the request has a token, which may be a dead one. Then cookies count for nothing."""
        return self._token is not None

    @property
    def token(self) -> bytes | None:
        """The digest of the request's token, if it has one."""
        return self._token

    def require_allowance(self) -> None:
        """Raise `RateLimited` if the sender has used up the allowance, before anything is done for the request."""
        spending.require(self.request, self._token, self.a_minute)

    def spend(self, cost: int) -> None:
        """Count the cost of the request for its sender, before it is executed. Raises `RateLimited`."""
        spending.spend(self.request, self._token, cost, self.a_minute)

    def charge(self, cost: int) -> None:
        """Count the cost of a request that could not be executed for its sender."""
        spending.charge(self.request, self._token, cost, self.a_minute)

    @cached_property
    def viewer(self) -> Person | None:
        """The signed-in person, or None. Looked up at first use."""
        viewer = viewer_of(self.request)
        if viewer is not None:
            logs.bind(viewer=str(viewer.id))
        self._learn(None if viewer is None else str(viewer.id))
        return viewer

    @property
    def me(self) -> Person:
        """The signed-in person; raises `Unauthenticated` if there is none. Every mutation uses this first."""
        return signed_in(self.viewer, with_token=self.has_token)

    def identify(self) -> None:
        """Find out who is asking, or raise `Unauthenticated`. Every mutation begins with this.

        Whom a token signs in never changes. So if it says whom, or this process knows it, the question is only whether it still
        does. That is asked in one round trip with the first statements of the mutation, before any of them has a result.
        """
        if not self._unverified:
            owner = None if "viewer" in self.__dict__ else self._owner()
            if owner is None:
                self.me  # noqa: B018
                return
            self.__dict__["viewer"] = ONLY_ID.row([owner])
            self._unverified = True
        assert self._token is not None
        found = queries.by_token(self._token)
        found.check(lambda _: self._verify(found.row))

    def _owner(self) -> uuid.UUID | None:
        """The person whom the request's token has signed in at some time, if that is known without asking."""
        if self._token is None:
            return None
        known = spending.owner(self._token)
        return claimed(bearer_token(self.request) or "") if known is None else uuid.UUID(known)

    def _verify(self, viewer: Person | None) -> None:
        assert self.viewer is not None
        self._unverified = False
        if viewer is None or viewer.id != self.viewer.id:
            self._learn(None)
            self.__dict__["viewer"] = None
            raise Unauthenticated(DEAD_TOKEN)
        self.__dict__["viewer"] = viewer
        viewer_id = str(viewer.id)
        self._learn(viewer_id)
        logs.bind(viewer=viewer_id)

    def name_viewer(self) -> None:
        """Let the lines that follow say who has asked, also if a fault came before that was verified."""
        if self._unverified:
            self._unverified = False
            self.forget_viewer()
            with suppress(DatabaseError, InterfaceError):
                self.viewer  # noqa: B018

    def credentials(self) -> tuple[str, dict[str, Any]] | None:
        """How a plan knows the viewer, and by which values; None without credentials. A token may turn out to be dead."""
        if self._token is not None:
            return "token", {"viewer": self._token, "token": self._token}
        if settings.SESSION_COOKIE_NAME in self.request.COOKIES and self.request.user.is_authenticated:
            return "person", {"viewer": self.request.user.pk, "token": None}
        return None

    def is_known(self, row: Row | None) -> None:
        """Remember what a plan's row says about the viewer; None if the credentials sign nobody in."""
        if row is not None:
            _, viewer, unnoted = row
            assert viewer is not None
            self.viewer_id, self._use_is_unnoted = viewer.decode(), unnoted == b"t"
        self._learn(self.viewer_id)

    def _learn(self, viewer_id: str | None) -> None:
        """Remember whom the token signs in, if the request has one."""
        if self._token is not None:
            self.token_is_dead = viewer_id is None
            spending.learn(self._token, viewer_id)

    def bind(self) -> None:
        """Let the lines that this thread logs from now on say who the viewer is, if a plan has found it out."""
        if self.viewer_id is not None:
            logs.bind(viewer=self.viewer_id)

    @property
    def use_is_unnoted(self) -> bool:
        """Whether it is to be recorded that the token was used: about once an hour."""
        return self._use_is_unnoted or getattr(self.__dict__.get("viewer"), "use_is_unnoted", False)

    def note_use(self) -> None:
        """Record that the token was used, if it is time to. Called after everything has been read, because it is a write."""
        if self.use_is_unnoted:
            note_use(self.request)

    def forget_viewer(self) -> None:
        """Look up the viewer again at the next use, after signing in or out."""
        self.__dict__.pop("viewer", None)


Info = strawberry.Info[Context, None]
"""What methods of mutations are given: of it only `context` is theirs to use."""
