"""The page's script, which `clients/typescript/build.mjs` makes."""

from functools import cache
from pathlib import Path

SCRIPT = "together/vendor/together.js"
STATIC = Path(__file__).parent / "static"


@cache
def is_built() -> bool:
    """Whether it was built. Cached, because static files are indexed once at startup too."""
    return (STATIC / SCRIPT).is_file()
