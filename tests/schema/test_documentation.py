"""The documentation as pages: everything that a reader can click on leads somewhere on this server."""

import re
from html.parser import HTMLParser
from urllib.parse import urldefrag

import pytest

from schema.server.explorer import documentation
from tests.api.http import Client
from tests.schema.webdriver import browser, missing

pytestmark = pytest.mark.django_db

NAMES = list(documentation.paths())


class Read(HTMLParser):
    """The links, the ids and the tags of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep them."""
        self.tags.append(tag)
        for name, value in attrs:
            if (tag, name) == ("a", "href"):
                self.links.append(value or "")
            if name == "id":
                self.ids.append(value or "")


def read(client: Client, url: str) -> Read:
    """A page that is there, with the strictest policy."""
    answer = client.get(url, headers={"accept": "text/html"})
    assert answer.status_code == 200, url
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert "unsafe" not in answer["Content-Security-Policy"]
    return Read(answer.content.decode())


def test_every_markdown_file_is_a_page_that_is_listed(client: Client) -> None:
    assert {path.stem for path in documentation.DOCS.glob("*.md")} | {"readme", "changelog", "contributing"} == set(
        NAMES
    )
    for address in ("/docs", "/docs/"):
        assert [link for link in read(client, address).links if link in {f"/docs/{name}" for name in NAMES}] == [
            f"/docs/{name}" for name in NAMES
        ]


@pytest.mark.parametrize("url", ["/", "/docs/", *(f"/docs/{name}" for name in NAMES)])
def test_every_link_leads_somewhere(client: Client, url: str) -> None:
    """To an answer, and where it names a heading, to that."""
    page = read(client, url)
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        if re.match("https?:", link):
            continue
        address, heading = urldefrag(link)
        if heading:
            assert heading in (read(client, address) if address else page).ids, link
        else:
            assert client.get(address, headers={"accept": "text/html"}).status_code in (200, 302), link


def test_links_that_matter_are_kept(client: Client) -> None:
    """From page to page, to a heading, to the schema, to GraphiQL, to the files of a page."""
    links = [link for name in NAMES for link in read(client, f"/docs/{name}").links]
    for link in (
        "/docs/conflicts#lost-replies",
        "/schema.graphql",
        "/graphql",
        "/docs/operations/alerts.yml",
        "/docs/security",
    ):
        assert link in links


def test_a_file_of_the_repository_is_named_and_not_served(client: Client) -> None:
    """Nor is anything else, whatever the path says."""
    assert (
        b'<span class="file" title="a file in the repository">backend/settings.py</span>'
        in client.get("/docs/readme").content
    )
    for path in (
        "settings",
        "../backend/settings.py",
        "operations/../../manage.py",
        "%2e%2e/manage.py",
        "README.md",
        "clients/",
    ):
        answer = client.get(f"/docs/{path}")
        assert answer.status_code == 404
        assert answer.json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_what_the_file_says(client: Client, name: str) -> None:
    """Each heading, code as text, tables as tables, and no markup from the file."""
    text = documentation.paths()[name].read_text(encoding="utf-8")
    page = read(client, f"/docs/{name}")
    without_code = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)
    assert len(re.findall(r"^#{1,6} ", without_code, re.M)) == len(
        [tag for tag in page.tags if re.fullmatch("h[1-6]", tag)]
    )
    assert page.tags.count("pre") == len(re.findall(r"^ *```\w*$", text, re.M)) / 2
    assert ("table" in page.tags) is bool(re.search(r"^\|[-|]+\|$", text, re.M))
    assert page.tags.count("img") == len(re.findall(r"^!\[", text, re.M))
    assert not {"script", "style", "iframe"} & set(page.tags)


def test_a_file_that_belongs_to_a_page_is_text(client: Client) -> None:
    answer = client.get("/docs/operations/alerts.yml")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.content == documentation.FILES["operations/alerts.yml"].read_bytes()


def test_a_picture_is_served(client: Client) -> None:
    """README's first one is of the page on which two people write."""
    page = client.get("/docs/readme").content.decode()
    (source,) = re.findall(r'<img src="([^"]+)"', page)
    answer = client.get(source)
    assert answer["Content-Type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")


def test_the_start_page_leads_to_all_that_is_served(client: Client) -> None:
    links = read(client, "/").links
    for link in (
        "/graphql",
        "/docs/",
        "/docs/clients",
        "/admin/",
        "/metrics",
        "/schema.graphql",
        "/healthz",
        "/readyz",
    ):
        assert link in links


def test_html_in_a_file_is_text(monkeypatch: pytest.MonkeyPatch, tmp_path: documentation.Path) -> None:
    """Whoever writes documentation cannot write scripts into the page by mistake."""
    path = tmp_path / "one.md"
    path.write_text(
        "# A <b>\n\nSee <script>alert(1)</script> [x](javascript:alert(1)) [y](other.md)\n\n## A `b` c\n\n## A b c\n"
    )
    monkeypatch.setattr(documentation, "paths", lambda: {"one": path})
    documentation.page.cache_clear()
    page = documentation.page("one")
    documentation.page.cache_clear()
    assert page is not None
    assert "<script" not in page.html
    assert "<a" not in page.html
    assert page.title == "A <b>"
    assert [(one.id, one.title) for one in page.sections] == [("a-b-c", "A b c"), ("a-b-c-1", "A b c")]


@pytest.mark.skipif(bool(missing()), reason=f"not on this machine: {', '.join(missing())}")
def test_pages_fit_every_screen(live_url: str) -> None:
    """Nothing runs out of a telephone's page; what is wider is scrolled in its frame. The browser has nothing to complain of."""
    with browser() as session:
        for width in (390, 768, 1280):
            session.size(width)
            for path in ("", "docs/", *(f"docs/{name}" for name in NAMES)):
                session.open(f"{live_url}/{path}")
                assert session.run("return document.documentElement.scrollWidth <= innerWidth"), (width, path)
                frames = (
                    "return [...document.querySelectorAll('pre, .table')].filter((one) => one.tabIndex !== 0).length"
                )
                assert session.run(frames) == 0
        assert session.complaints() == []
