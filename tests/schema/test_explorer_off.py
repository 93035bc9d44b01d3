"""A server without its pages for developers: what browsers and programs get instead, and when that is so."""

import os
import subprocess
import sys
from io import StringIO
from typing import Any

import pytest

from schema.management.commands.serve import Command
from tests.api.http import Client
from tests.serving import ROOT

pytestmark = pytest.mark.django_db

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
def off(settings: Any) -> None:
    settings.EXPLORER = False


@pytest.mark.parametrize("path", ["/", "/schema.graphql", "/docs/", "/docs/clients", "/docs/operations/alerts.yml"])
def test_the_pages_are_there_or_not(client: Client, settings: Any, path: str) -> None:
    """As the setting says: 404 in JSON, as for any path that is none."""
    assert client.get(path, headers={"accept": BROWSER}).status_code == 200
    settings.EXPLORER = False
    for ask in (client.get, client.head, client.post):
        answer = ask(path, headers={"accept": BROWSER})
        assert answer.status_code in (404, 405)
        assert answer.headers["Content-Type"].startswith("application/json")
    assert client.get(path).json()["errors"][0]["extensions"]["code"] == "NOT_FOUND"


@pytest.mark.usefixtures("off")
@pytest.mark.parametrize(("accept", "status"), [(BROWSER, 400), ("text/html", 406), ("application/json", 400)])
def test_a_browser_is_a_client_like_others(client: Client, accept: str, status: int) -> None:
    """At /graphql, where it would get GraphiQL."""
    answer = client.get("/graphql", headers={"accept": accept})
    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json()["errors"][0]["message"]


@pytest.mark.usefixtures("off")
def test_graphql_and_the_admin_are_served_all_the_same(client: Client) -> None:
    assert client.get("/graphql", {"query": "{ __typename }"}).json() == {"data": {"__typename": "Query"}}
    assert client.get("/admin/login/").status_code == 200


@pytest.mark.parametrize(("shown", "says"), [(True, "GraphiQL"), (False, "the explorer is off")])
def test_serve_does_not_name_a_page_that_is_off(settings: Any, shown: bool, says: str) -> None:
    settings.EXPLORER = shown
    said = StringIO()
    Command(stdout=said)._welcome("127.0.0.1", 8000)
    assert "/graphql " in said.getvalue()
    assert says in said.getvalue()
    assert ("GraphiQL" in said.getvalue()) is shown


@pytest.mark.parametrize(
    ("only", "explorer", "shown"),
    [("", "", True), ("1", "", False), ("1", "1", True), ("", "0", False), ("1", "0", False), ("0", "", True)],
)
def test_when_the_pages_are_on(only: str, explorer: str, shown: bool) -> None:
    """Unless something else is said: off where only trusted documents are served."""
    environment = {**os.environ, "TRUSTED_DOCUMENTS_ONLY": only, "EXPLORER": explorer}
    command = [sys.executable, "-c", "from backend import settings; print(settings.EXPLORER)"]
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout == f"{shown}\n"
