"""The views of the start page, of GraphiQL and of the documentation."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import ensure_csrf_cookie

from resolvers.people import DEMO_PASSWORD, demo_people
from schema.server.explorer import documentation
from schema.server.explorer.assets import SCRIPT, STYLE, url, vendored, workers
from schema.server.explorer.examples import edition, examples
from schema.server.refusals import for_developers, not_found, reading
from schema.server.safety import PAGES

POLICY = f"{PAGES}; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self' data:"
"""GraphiQL's editor needs inline styles, and fonts as data URLs; scripts are files only."""


@reading
@for_developers
def home(request: HttpRequest) -> HttpResponse:
    """The start page, with links."""
    people = demo_people()
    handle, password = (people[0][0], DEMO_PASSWORD) if people else ("HANDLE", "PASSWORD")
    base = request.build_absolute_uri("/").rstrip("/")
    return render(request, "explorer/home.html", {"base": base, "handle": handle, "password": password})


@reading
@for_developers
@ensure_csrf_cookie  # the page sends its value back with every request
def explorer(request: HttpRequest) -> HttpResponse:
    """GraphiQL with the prepared tabs and a bar to choose who is signed in."""
    people = demo_people()
    page = render(
        request,
        "explorer/graphiql.html",
        {
            "people": people,
            "style": url(STYLE) if vendored() else "",
            "page": _facts(people),
        },
    )
    page["Content-Security-Policy"] = POLICY
    return page


@reading
@for_developers
def docs(request: HttpRequest, name: str = "") -> HttpResponse:
    """A page of the documentation, a file that belongs to one, or, without a name, the list of pages."""
    if name in documentation.FILES:
        text = documentation.FILES[name].read_text(encoding="utf-8")
        return HttpResponse(text, content_type="text/plain; charset=utf-8")
    if name in documentation.PICTURES:
        return HttpResponse(documentation.PICTURES[name].read_bytes(), content_type="image/png")
    found = documentation.page(name)
    if name and found is None:
        return not_found(request)
    return render(request, "explorer/docs.html", {"page": found, "pages": [] if found else documentation.pages()})


def _facts(people: list[tuple[str, str]]) -> dict[str, Any]:
    """The data for the page's script, passed as JSON rather than as code."""
    return {
        "handles": [handle for handle, _name in people],
        "password": DEMO_PASSWORD if people else "",
        "csrfCookie": settings.CSRF_COOKIE_NAME,
        "tabs": [asdict(example) for example in examples()],
        "edition": edition(),
        "graphiql": url(SCRIPT) if vendored() else "",
        "workers": workers() if vendored() else {},
    }
