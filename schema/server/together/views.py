"""The view of /together: two demo people write one story, in one browser or on two machines."""

from functools import cache
from pathlib import Path

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from resolvers.people import DEMO_PASSWORD, demo_people
from schema.server.refusals import for_developers, reading

SCRIPT = "together/vendor/together.js"
STATIC = Path(__file__).parent / "static"


@cache
def is_built() -> bool:
    """Whether the page's script was built. Cached, because static files are indexed once at startup too."""
    return (STATIC / SCRIPT).is_file()


@reading
@for_developers
def together(request: HttpRequest) -> HttpResponse:
    """The page, or what to do for it: it needs its script, and demo people to play."""
    people = demo_people()
    page = {"people": people, "password": DEMO_PASSWORD if people else ""}
    script = SCRIPT if people and is_built() else ""
    return render(request, "together/together.html", {"page": page, "script": script, "people": people})
