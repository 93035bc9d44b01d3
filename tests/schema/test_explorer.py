"""The pages for people, as the server sends them, and the prepared documents."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.http import HttpResponse
from graphql import GraphQLSchema, OperationDefinitionNode, build_schema, parse, validate

from resolvers.people import DEMO_PASSWORD
from schema.server.explorer import views
from schema.server.explorer.examples import FOLDER, examples
from tests.api.http import Client

pytestmark = pytest.mark.django_db

ROOT = FOLDER.parents[1]
EXPLORER = ROOT / "schema" / "server" / "explorer"
DOCUMENTS = sorted(FOLDER.glob("*.graphql"))
PLACEHOLDER = re.compile(r"<(\w+)\.(\w+)>")
PEOPLE = [("asha", "Asha"), ("bilal", "Bilal <b>")]


class Page(HTMLParser):
    """The tags of a page and the facts that it hands to its script."""

    def __init__(self, response: HttpResponse) -> None:
        super().__init__()
        self.text = response.content.decode()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep every tag with its attributes."""
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of each tag of a kind."""
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def facts(self) -> dict[str, object]:
        """What the page's script is told."""
        found = re.search(r'<script id="page" type="application/json">(.*?)</script>', self.text, re.S)
        assert found
        return dict(json.loads(found[1]))


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """Two demo people."""
    monkeypatch.setattr(views, "demo_people", lambda: PEOPLE)
    return PEOPLE


@pytest.fixture(params=[True, False], ids=["built", "not built"])
def vendored(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """With GraphiQL's files and without them, whether or not they were built here."""
    monkeypatch.setattr(views, "vendored", lambda: request.param)
    return bool(request.param)


def graphiql(client: Client) -> HttpResponse:
    """The page as a browser gets it."""
    return client.get("/graphql", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})


@pytest.mark.usefixtures("people")
def test_the_prepared_documents_are_the_tabs_in_file_order(client: Client, vendored: bool) -> None:
    """A document put into docs/examples is a tab, with its variables, and needs no code."""
    tabs = Page(graphiql(client)).facts["tabs"]
    assert isinstance(tabs, list)
    assert [tab["query"] for tab in tabs] == [path.read_text(encoding="utf-8") for path in DOCUMENTS]
    assert all(json.loads(tab["variables"]) for tab in tabs)


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("path", ["/", "/graphql", "/docs/", "/docs/conflicts"])
def test_no_script_or_style_is_written_into_a_page(client: Client, vendored: bool, path: str) -> None:
    """What cannot be told apart from injected code must not be needed."""
    page = Page(client.get(path, headers={"accept": "text/html"}))
    for script in page.all("script"):
        assert script.get("src") or script.get("type") == "application/json"
    assert not page.all("style")
    names = {name for _tag, attributes in page.tags for name in attributes}
    assert not [name for name in names if name.startswith(("on", "style"))]


@pytest.mark.usefixtures("people")
def test_nobody_else_serves_anything(client: Client, vendored: bool) -> None:
    """All that the page loads is ours, and its policy lets nothing else in."""
    response = graphiql(client)
    page = Page(response)
    policy = response.headers["Content-Security-Policy"]
    loaded = [tag.get("src") or tag.get("href") or "" for tag in page.all("script") + page.all("link")]
    workers = page.facts["workers"]
    assert isinstance(workers, dict)
    loaded += [str(page.facts["graphiql"]), *workers.values()]
    assert all(url.startswith("/static/explorer/") for url in loaded if url)
    assert "script-src 'self';" in policy
    assert "unsafe-eval" not in policy
    assert "http" not in policy


@pytest.mark.usefixtures("people")
def test_a_page_without_its_files_says_how_to_get_them(client: Client, vendored: bool) -> None:
    """GraphiQL is loaded, or the page says what is missing: one of the two is shown from the beginning."""
    (missing,) = [tag for tag in Page(graphiql(client)).all("p") if tag.get("id") == "missing"]
    assert ("hidden" in missing) is vendored
    assert "make explorer" in graphiql(client).content.decode()


@pytest.mark.usefixtures("people")
def test_the_start_page_has_the_strictest_policy(client: Client) -> None:
    """It needs nothing but its own style sheet."""
    policy = client.get("/").headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'")
    assert "unsafe" not in policy


def test_a_person_is_chosen_in_the_bar(client: Client, people: list[tuple[str, str]]) -> None:
    """Every demo person is there, names are text, and the page has what signing in needs."""
    response = graphiql(client)
    page = Page(response)
    assert [option["value"] for option in page.all("option")] == ["", *(handle for handle, _name in people)]
    assert "Bilal &lt;b&gt;" in page.text
    assert page.facts["password"]
    assert str(page.facts["csrfCookie"]) in response.cookies


def test_without_demo_people_there_is_a_form_and_no_password(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a real server nobody is handed a password."""
    monkeypatch.setattr(views, "demo_people", list)
    page = Page(graphiql(client))
    assert not page.all("select")
    assert {field["name"] for field in page.all("input")} == {"handle", "password"}
    assert page.facts["password"] == ""
    assert DEMO_PASSWORD not in page.text
    assert DEMO_PASSWORD not in client.get("/").content.decode()


def test_the_lock_names_no_registry() -> None:
    """Who installs decides where from. Nor any other address, such as those at which npm tells of donations."""
    lock = (EXPLORER / "package-lock.json").read_text(encoding="utf-8")
    assert "resolved" not in lock
    assert "://" not in lock


@pytest.fixture(scope="module")
def printed() -> GraphQLSchema:
    """The schema as clients have it."""
    return build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.stem)
def test_each_document_is_valid_and_tells_what_happened(path: Path, printed: GraphQLSchema) -> None:
    """A reader who copies a document gets a client that can tell success, conflict and refusal apart."""
    text = path.read_text(encoding="utf-8")
    document = parse(text)
    assert validate(printed, document) == []
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    assert [operation.name is not None for operation in operations] == [True]
    declared = {variable.variable.name.value for variable in operations[0].variable_definitions or ()}
    assert set(json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))) == declared
    assert "__typename" in text
    if "\nmutation " in text:
        assert "... on Failure { code message retry { kind afterMs } }" in text


def test_each_placeholder_is_told_by_some_document_or_by_the_page() -> None:
    """A tab that waits for a name that nobody uses could never be sent."""
    script = (EXPLORER / "static" / "explorer" / "explorer.js").read_text(encoding="utf-8")
    told = script + "".join(example.query for example in examples())
    for example in examples():
        for name, field in PLACEHOLDER.findall(example.variables):
            assert name == "fresh" or re.search(rf"\b{name}\b[^{{]*\{{[^}}]*\b{field}\b", told), (name, field)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine")
def test_the_memory_of_the_page() -> None:
    """The script's own tests, which run without a browser."""
    ran = subprocess.run(["node", "--test"], cwd=EXPLORER, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout
