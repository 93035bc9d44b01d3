"""The page /together as the server sends it: to whom, with what, and what it says where something is missing."""

import json
import re
from typing import Any

import pytest

from resolvers.people import DEMO_PASSWORD
from schema.server.safety import PAGES
from schema.server.together import views
from tests.api.http import Client

pytestmark = pytest.mark.django_db

PEOPLE = [("asha", "Asha"), ("bilal", "Bilal <b>")]


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two demo people."""
    monkeypatch.setattr(views, "demo_people", lambda: PEOPLE)


def facts(text: str) -> Any:
    """What the page's script is told."""
    found = re.search(r'<script id="page" type="application/json">(.*?)</script>', text, re.S)
    assert found
    return json.loads(found[1])


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize("is_built", [True, False], ids=["built", "not built"])
def test_it_has_its_script_or_says_how_to_get_it(
    client: Client, monkeypatch: pytest.MonkeyPatch, is_built: bool
) -> None:
    """With the policy of all pages: nothing but our own files, no code in the page."""
    monkeypatch.setattr(views, "is_built", lambda: is_built)
    answer = client.get("/together")
    text = answer.content.decode()
    assert ("together/vendor/together.js" in text) is is_built
    assert ("make clients" in text) is not is_built
    assert answer["Content-Security-Policy"] == PAGES
    assert (answer["X-Content-Type-Options"], answer["X-Frame-Options"]) == ("nosniff", "DENY")
    assert not re.search(r"<style|\son\w+=|\sstyle=", text)
    assert re.findall(r"<script(?! id=\"page\" type=\"application/json\")[^>]*>", text) == re.findall(
        r"<script type=\"module\" src=[^>]*>", text
    )
    assert facts(text) == {"people": [list(one) for one in PEOPLE], "password": DEMO_PASSWORD}
    assert "Bilal &lt;b&gt;" in text


def test_without_demo_people_nobody_is_handed_a_password(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a real server: it says what the page would need, and has no script."""
    monkeypatch.setattr(views, "demo_people", list)
    monkeypatch.setattr(views, "is_built", lambda: True)
    text = client.get("/together").content.decode()
    assert facts(text) == {"people": [], "password": ""}
    assert DEMO_PASSWORD not in text
    assert "together.js" not in text
    assert "has none" in text


def test_it_is_for_developers_alone(client: Client, settings: Any) -> None:
    """As the start page, which leads to it."""
    assert "/together" in client.get("/").content.decode()
    settings.EXPLORER = False
    assert client.get("/together").status_code == 404
