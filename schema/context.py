"""What a field may know about the request: who is asking."""

from functools import cached_property

import strawberry
from django.conf import settings
from django.http import HttpRequest

from backend import logs
from backend.limits import spending
from backend.people.models import Person
from resolvers.access import bearer_token, note_use, signed_in, viewer_of
from resolvers.batches import gather


class Context:
    """One request."""

    def __init__(self, request: HttpRequest) -> None:
        self.request = request
        self.token = bearer_token(request)

    def spend(self, cost: int) -> None:
        """Count what the request costs for whoever sends it. Raises `RateLimited`."""
        spending.spend(self.request, self.token, cost)

    @cached_property
    def viewer(self) -> Person | None:
        """Who is asking; None when signed out. Looked up when it is first needed."""
        viewer = viewer_of(self.request)
        if viewer is not None:
            gather([viewer], viewer)
            logs.bind(viewer=str(viewer.pk))
        if self.token is not None:
            spending.learn(self.token, None if viewer is None else str(viewer.pk))
        return viewer

    @property
    def me(self) -> Person:
        """Who is asking; raises `Unauthenticated` when signed out. Every write asks this first."""
        return signed_in(self.viewer, token=self.token)

    def settle_session(self) -> None:
        """Look the session of a cookie up before a snapshot is taken: Django may have to end it, which is a write."""
        if self.token is None and settings.SESSION_COOKIE_NAME in self.request.COOKIES:
            self.request.user.is_authenticated  # noqa: B018

    def note_use(self) -> None:
        """Remember, about once an hour, that the token is used: not before a query's snapshot is over, because it is a write."""
        if getattr(self.__dict__.get("viewer"), "use_is_unnoted", False):
            note_use(self.request)

    def forget_viewer(self) -> None:
        """Look again the next time: somebody has just signed in or out."""
        self.__dict__.pop("viewer", None)


Info = strawberry.Info[Context, None]
