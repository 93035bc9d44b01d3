"""The URLs of GraphiQL's files, which `build.mjs` makes."""

from functools import cache
from pathlib import Path

from django.templatetags.static import static

VENDOR = Path(__file__).parent / "static" / "explorer" / "vendor"
SCRIPT, STYLE = "graphiql.js", "graphiql.css"
WORKERS = ("editor", "json", "graphql")


@cache
def vendored() -> bool:
    """Whether all files were built. Cached, because static files are indexed once at startup too."""
    return all((VENDOR / name).is_file() for name in (SCRIPT, STYLE, *(f"{one}.worker.js" for one in WORKERS)))


def url(name: str) -> str:
    """The URL of one of the files."""
    return static(f"explorer/vendor/{name}")


def workers() -> dict[str, str]:
    """The URLs of the scripts that check and complete what is typed, by what Monaco calls them."""
    return {one: url(f"{one}.worker.js") for one in WORKERS}
