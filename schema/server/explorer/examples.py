"""Reads the prepared documents of docs/examples, each of which becomes one tab of GraphiQL."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "examples"


@dataclass(frozen=True)
class Example:
    """One document and the variables that are sent with it; GraphiQL names the tab after the operation."""

    query: str
    variables: str


@cache
def examples() -> tuple[Example, ...]:
    """Every document, in the order of the file names."""
    return tuple(_read(path) for path in sorted(FOLDER.glob("*.graphql")))


@cache
def edition() -> str:
    """A hash of all documents, so that a browser can tell that its stored tabs are outdated."""
    return hashlib.sha256(repr(examples()).encode()).hexdigest()[:16]


def _read(path: Path) -> Example:
    variables = path.with_suffix(".json")
    return Example(
        query=path.read_text(encoding="utf-8"),
        variables=variables.read_text(encoding="utf-8").strip() if variables.is_file() else "",
    )
