"""The admin: moderators look at everything and change nothing that has a version."""

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client

from backend.engine.guard import is_versioned
from backend.people.models import Account, Person
from backend.whispers.models import PolicyWord
from tests.api import PASSWORD, ApiClient

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def moderator(asha: ApiClient) -> Client:
    """A browser in which a moderator has signed in to the admin."""
    Account.objects.filter(login="asha").update(is_staff=True)
    browser = Client()
    browser.post("/admin/login/?next=/admin/", {"username": "ASHA", "password": PASSWORD})
    return browser


def test_a_moderator_signs_in_and_finds_every_versioned_model(moderator: Client) -> None:
    """The list of each opens, and so does a row of it."""
    for model in filter(is_versioned, apps.get_models()):
        assert admin.site.is_registered(model), model
        page = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert moderator.get(page).status_code == 200, page


def test_a_moderator_changes_nothing(moderator: Client, bilal: ApiClient) -> None:
    """Looking at a row is allowed; adding, changing and deleting are refused, and the row stays as it is."""
    page = f"/admin/people/person/{bilal.person.pk}"
    assert moderator.get(f"{page}/change/").status_code == 200
    assert moderator.post(f"{page}/change/", {"name": "Someone else"}).status_code == 403
    assert moderator.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    assert moderator.get("/admin/people/person/add/").status_code == 403
    assert Person.objects.get(pk=bilal.person.pk).name == "Bilal"


def test_a_moderator_edits_the_policy(moderator: Client, bilal: ApiClient) -> None:
    """Words can be added, changed and deleted, and the number of links changed; each holds for the next whisper."""
    words, policy = "/admin/whispers/policyword", "/admin/whispers/policy"
    assert moderator.get(f"{words}/add/").status_code == 200
    assert moderator.post(f"{words}/add/", {"word": "Gore", "effect": "FLAG"}).status_code == 302
    assert bilal.create_whisper("gore")["whisper"]["nsfw"] is True
    word = PolicyWord.objects.get()
    assert moderator.post(f"{words}/{word.pk}/change/", {"word": "Gore", "effect": "REPORT"}).status_code == 302
    assert bilal.create_whisper("gore")["report"] is not None
    assert moderator.post(f"{words}/{word.pk}/delete/", {"post": "yes"}).status_code == 302
    assert bilal.create_whisper("gore")["whisper"]["nsfw"] is False
    refused = moderator.post(f"{words}/add/", {"word": "?!", "effect": "FLAG"})
    assert (refused.status_code, b"no letter or digit" in refused.content) == (200, True)
    assert moderator.post(f"{policy}/add/", {"most_links": 0}).status_code == 302
    assert bilal.create_whisper("www.a.example")["report"] is not None
    assert moderator.post(f"{policy}/1/change/", {"most_links": 1}).status_code == 302
    assert bilal.create_whisper("www.a.example")["report"] is None
    assert moderator.get(f"{policy}/add/").status_code == 403
    assert moderator.post(f"{policy}/1/delete/", {"post": "yes"}).status_code == 403


def test_everybody_else_stays_outside(bilal: ApiClient) -> None:
    """Who is no moderator is sent back to the sign-in page, whatever password is right."""
    browser = Client()
    browser.post("/admin/login/?next=/admin/", {"username": "bilal", "password": PASSWORD})
    assert browser.get("/admin/people/person/").status_code == 302
