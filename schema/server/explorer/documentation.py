"""The repository's Markdown as pages: docs/*.md and the files beside README.md, with links that work on this server."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
FILES = {f"operations/{path.name}": path for path in sorted((DOCS / "operations").iterdir())}
"""What is no page but belongs to one, by its path below /docs/."""
PICTURES = {path.name: path for path in sorted(DOCS.glob("*.png"))}
"""The pictures of pages, by their path below /docs/."""
ELSEWHERE = {
    ROOT / "schema" / "schema.graphql": "/schema.graphql",
    DOCS / "examples": "/graphql",
    ROOT / "SECURITY.md": "/docs/security",
    **{path: f"/docs/{name}" for name, path in FILES.items()},
}
"""Where this server has what pages link to and what is no page."""

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True)
class Section:
    """A heading of the second level, as the list of contents has it."""

    id: str
    title: str


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    name: str
    title: str
    summary: str
    """Its first sentence, without markup."""
    sections: tuple[Section, ...]
    html: SafeString


def paths() -> dict[str, Path]:
    """The files that are pages, by name, in the order in which they are listed."""
    files = [ROOT / "README.md", *sorted(DOCS.glob("*.md")), ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
    return {path.stem.lower(): path for path in files}


@cache
def page(name: str) -> Page | None:
    """The page of this name, read once."""
    path = paths().get(name)
    if path is None:
        return None
    tokens = _MARKDOWN.parse(path.read_text(encoding="utf-8"))
    headings = list(_headings(tokens))
    for token in tokens:
        _link(token.children or [], path)
    html = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    return Page(
        name=name,
        title=next(_text(inline) for tag, _id, inline in headings if tag == "h1"),
        summary=next(_first(inline) for before, inline in pairwise(tokens) if before.type == "paragraph_open"),
        sections=tuple(Section(id, _text(inline)) for tag, id, inline in headings if tag == "h2"),
        html=mark_safe(_scrollable(html)),
    )


def pages() -> list[Page]:
    """All pages."""
    return [found for name in paths() if (found := page(name))]


def _headings(tokens: list[Token]) -> Iterator[tuple[str, str, Token]]:
    """Each heading's tag, the id that it gets, and its text. Ids are those that GitHub makes, so that links fit both."""
    used: dict[str, int] = {}
    for before, inline in pairwise(tokens):
        if before.type == "heading_open":
            slug = re.sub(r"[^\w -]", "", inline.content).lower().replace(" ", "-")
            used[slug] = used.get(slug, -1) + 1
            id = f"{slug}-{used[slug]}" if used[slug] else slug
            before.attrSet("id", id)
            yield before.tag, id, inline


def _text(inline: Token) -> str:
    return "".join(" " if one.type == "softbreak" else one.content for one in inline.children or [])


def _first(inline: Token) -> str:
    return re.split(r"(?<=\.) ", _text(inline))[0]


def _link(tokens: list[Token], path: Path) -> None:
    """Let the links in these tokens lead to pages of this server. A file that it does not serve is named, not linked."""
    served = True
    for token in tokens:
        if token.type == "image":
            token.attrSet("src", f"/docs/{Path(str(token.attrGet('src'))).name}")
        if token.type == "link_open":
            url = _url(str(token.attrGet("href")), path)
            served = url is not None
            token.attrs = {"href": url} if url else {"class": "file", "title": "a file in the repository"}
        if token.type in ("link_open", "link_close"):
            token.tag = "a" if served else "span"


def _url(target: str, path: Path) -> str | None:
    if target.startswith(("http://", "https://", "#")):
        return target
    file, _, heading = target.partition("#")
    found = (path.parent / file).resolve()
    name = next((name for name, one in paths().items() if one == found), None)
    url = f"/docs/{name}" if name else ELSEWHERE.get(found)
    return f"{url}#{heading}" if url and heading else url


def _scrollable(html: str) -> str:
    """Code and tables that are wider than the screen are scrolled, by keyboard too."""
    html = html.replace("<pre><code", '<pre tabindex="0"><code')
    frame = '<div class="table" role="region" aria-label="Table" tabindex="0">'
    return html.replace("<table>", f"{frame}<table>").replace("</table>", "</table></div>")
