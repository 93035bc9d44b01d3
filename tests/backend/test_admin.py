"""The admin: staff look at everything and change nothing that has a version; moderators edit the policy."""

import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib import admin
from django.utils import timezone

from backend.engine.guard import is_versioned
from backend.notifications.models import Notification
from backend.people.models import Account, Person
from backend.stories.models import Revision
from backend.whispers.models import PolicyWord
from tests.api import PASSWORD, ApiClient
from tests.api.http import Client
from tests.api.moderation import make_moderator

pytestmark = pytest.mark.django_db(transaction=True)


def signed_in(role: str) -> Client:
    """A browser in which asha, who has this role, has signed in to the admin."""
    Account.objects.filter(login="asha").update(**{role: True})
    browser = Client()
    browser.post("/admin/login/?next=/admin/", {"username": "ASHA", "password": PASSWORD})
    return browser


@pytest.fixture
def staff(asha: ApiClient) -> Client:
    """The browser of staff."""
    return signed_in("is_staff")


@pytest.fixture
def moderator(asha: ApiClient) -> Client:
    """The browser of a moderator."""
    return signed_in("is_moderator")


def test_staff_find_every_versioned_model(staff: Client) -> None:
    """The list of each opens, and so does a row of it."""
    for model in filter(is_versioned, apps.get_models()):
        assert admin.site.is_registered(model), model
        page = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert staff.get(page).status_code == 200, page


def test_the_admin_has_the_products_name(staff: Client) -> None:
    """On each page, also before and after somebody is signed in; no page speaks of Django, or of groups that nobody has."""
    pages = [
        "/admin/",
        "/admin/people/",
        "/admin/people/person/",
        "/admin/password_change/",
        "/admin/password_change/done/",
    ]
    for page in [Client().get("/admin/login/"), *map(staff.get, pages), staff.post("/admin/logout/")]:
        assert page.status_code == 200
        text = page.content.decode()
        assert re.search(r"<title>[^<]* \| Katha</title>", text), page.request["PATH_INFO"]
        assert "Django" not in text
        assert "Groups" not in text


def test_there_is_no_page_of_groups(staff: Client) -> None:
    """Roles are columns of the account."""
    assert staff.get("/admin/auth/group/").status_code == 404
    assert staff.get("/admin/auth/").status_code == 404
    assert not any(admin.site.is_registered(model) for model in apps.get_app_config("auth").get_models())


def test_staff_change_nothing(staff: Client, bilal: ApiClient) -> None:
    """Looking at a row is allowed; adding, changing and deleting are refused, and the row stays as it is."""
    page = f"/admin/people/person/{bilal.person.pk}"
    assert staff.get(f"{page}/change/").status_code == 200
    assert staff.post(f"{page}/change/", {"name": "Someone else"}).status_code == 403
    assert staff.post(f"{page}/delete/", {"post": "yes"}).status_code == 403
    assert staff.get("/admin/people/person/add/").status_code == 403
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
    """Who has no role is sent back to the sign-in page, whatever password is right."""
    browser = Client()
    browser.post("/admin/login/?next=/admin/", {"username": "bilal", "password": PASSWORD})
    assert browser.get("/admin/people/person/").status_code == 302


def test_a_role_that_is_taken_back_ends_at_once(moderator: Client, staff: Client) -> None:
    """Also in a browser that is signed in."""
    Account.objects.update(is_staff=False, is_moderator=False)
    for browser, page in ((moderator, "whispers/policy/"), (staff, "people/person/")):
        assert browser.get(f"/admin/{page}").status_code == 302


@pytest.mark.parametrize(("days", "status"), [(1, 403), (-1, 302)])
def test_who_is_suspended_looks_at_the_policy_and_does_not_edit_it(moderator: Client, days: int, status: int) -> None:
    """A moderator writes here as little as in the API, until that is over."""
    PolicyWord.objects.create(word="gore")
    Account.objects.filter(login="asha").update(suspended_until=timezone.now() + timedelta(days=days))
    word = f"/admin/whispers/policyword/{PolicyWord.objects.get().pk}"
    assert moderator.get(f"{word}/change/").status_code == 200
    for page, given in (
        (f"{word}/change/", {"word": "Gore", "effect": "REPORT"}),
        (f"{word}/delete/", {"post": "yes"}),
        ("/admin/whispers/policyword/add/", {"word": "spam", "effect": "FLAG"}),
        ("/admin/whispers/policy/add/", {"most_links": 0}),
    ):
        assert moderator.post(page, given).status_code == status, page
    assert list(PolicyWord.objects.values_list("word", flat=True)) == ["gore" if status == 403 else "spam"]


def test_staff_learn_not_from_the_admin_who_reported_or_moderated_them(
    staff: Client, asha: ApiClient, bilal: ApiClient, chitra: ApiClient
) -> None:
    """Neither by a notification of the reporter's nor by a revision of their own story; of others' stories they see them."""
    moderator = make_moderator(chitra)
    for author, reporter in ((asha, bilal), (bilal, asha)):
        story = author.published_story()["id"]
        moderator.decided(reporter.report(story)["report"]["id"], "REMOVED")
    for page, names, own in (
        ("notifications/notification", Notification.objects.filter(kind="REPORT_RESOLVED"), {"person": asha.person.pk}),
        ("stories/revision", Revision.objects.filter(by=chitra.person.pk), {"story__author": bilal.person.pk}),
    ):
        shown, hidden = names.get(**own), names.exclude(**own).get()
        listed = staff.get(f"/admin/{page}/").content.decode()
        assert (str(shown.pk) in listed, str(hidden.pk) in listed) == (True, False), page
        assert staff.get(f"/admin/{page}/{shown.pk}/change/").status_code == 200
        assert staff.get(f"/admin/{page}/{hidden.pk}/change/").status_code == 302
