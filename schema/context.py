"""The GraphQL context of a request: the viewer."""

import strawberry
from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import cached_property

from backend import logs
from backend.limits import spending
from backend.people.models import Person
from resolvers.access import bearer_token, note_use, signed_in, viewer_of
from resolvers.batches import gather


class Context:
    """The context of one request."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.token = bearer_token(request)

    def require_allowance(self) -> None:
        """Raise `RateLimited` if the sender has used up the allowance, before anything is done for the request."""
        spending.require(self.request, self.token)

    def spend(self, cost: int) -> None:
        """Count the cost of the request for its sender, before it is executed. Raises `RateLimited`."""
        spending.spend(self.request, self.token, cost)

    def charge(self, cost: int) -> None:
        """Count the cost of a request that could not be executed for its sender."""
        spending.charge(self.request, self.token, cost)

    @cached_property
    def viewer(self) -> Person | None:
        """The signed-in person, or None. Looked up at first use."""
        viewer = viewer_of(self.request)
        if viewer is not None:
            gather([viewer], viewer)
            logs.bind(viewer=str(viewer.pk))
        if self.token is not None:
            spending.learn(self.token, None if viewer is None else str(viewer.pk))
        return viewer

    @property
    def me(self) -> Person:
        """The signed-in person; raises `Unauthenticated` if there is none. Every mutation uses this first."""
        return signed_in(self.viewer, token=self.token)

    def settle_session(self) -> None:
        """Load the cookie's session before the read-only snapshot begins, because Django may have to delete it."""
        if self.token is None and settings.SESSION_COOKIE_NAME in self.request.COOKIES:
            self.request.user.is_authenticated  # noqa: B018

    def note_use(self) -> None:
        """Record, about once an hour, that the token was used. Called after the read-only snapshot, because it is a write."""
        if getattr(self.__dict__.get("viewer"), "use_is_unnoted", False):
            note_use(self.request)

    def forget_viewer(self) -> None:
        """Look up the viewer again at the next use, after signing in or out."""
        self.__dict__.pop("viewer", None)


Info = strawberry.Info[Context, None]
