"""The view of /together: two demo people write one story, in one browser or on two machines."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from resolvers.people import DEMO_PASSWORD, demo_people
from schema.server.refusals import for_developers, reading
from schema.server.together.assets import SCRIPT, is_built


@reading
@for_developers
def together(request: HttpRequest) -> HttpResponse:
    """The page, or what to do for it: it needs its script, and demo people to play."""
    people = demo_people()
    page = {"people": people, "password": DEMO_PASSWORD if people else ""}
    script = SCRIPT if people and is_built() else ""
    return render(request, "together/together.html", {"page": page, "script": script, "people": people})
