"""docs/access.md holds of the admin: each role gets what its table says of every page, and each look is in the log."""

from typing import Any

import pytest
from django.contrib import admin
from django.db import connection

from backend.moderation.models import Report
from backend.notifications.models import Announcement, Notification, NotificationKind
from backend.people.models import Account
from backend.whispers.models import Policy
from tests.api import ApiClient, join
from tests.api.http import Client
from tests.api.moderation import make_moderator, screen_for
from tests.schema.access_fixture import AccessFixture, Row, key_in, table
from tests.schema.footprint import nothing_written

ROLES = ("signed out", "person", "moderator", "staff")
PAGES = table("The admin", ROLES)
MODELS = {model.__name__: model for model in admin.site._registry}
WHOLE = ("index", "password_change")
OF_A_ROW = {"list": "", "row": "{key}/change/", "history": "{key}/history/", "add": "add/", "delete": "{key}/delete/"}


def made_staff(caller: ApiClient) -> ApiClient:
    """Let somebody look at the admin."""
    Account.objects.filter(pk=caller.person.pk).update(is_staff=True)
    return caller


def browser_of(caller: ApiClient | None) -> Client:
    """A browser in which somebody has signed in, or nobody."""
    browser = Client()
    if caller is not None:
        browser.force_login(Account.objects.get(pk=caller.person.pk))
    return browser


@pytest.fixture
def scene(transactional_db: None) -> AccessFixture:
    """A row of each model, and somebody of each role."""
    scene = AccessFixture()
    screen_for("REPORT", "gore")
    scene.author.create_whisper("Gore.")
    Announcement.objects.get_or_create(story_id=key_in(scene.ids["Story (published)"](scene.author)), publication=1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE procrastinate_jobs SET status = 'failed'")
    return scene


@pytest.fixture
def browsers(scene: AccessFixture) -> dict[str, Client]:
    """One for each role."""
    people = {
        "person": scene.callers["stranger"],
        "moderator": scene.callers["moderator"],
        "staff": made_staff(join("from-the-staff")),
    }
    return {role: browser_of(people.get(role)) for role in ROLES}


def answered(browser: Client, page: str, name: str | None) -> str:
    """What a page answers, in the table's words."""
    if name is None:
        response = browser.get("/admin/" if page == "index" else f"/admin/{page}/")
    else:
        response = _of_a_row(browser, page, MODELS[name])
    if response.status_code == 302 and response["Location"].startswith("/admin/login/"):
        return "sign in"
    done = 302 if page == "run_again" else 200
    return {done: "✓", 403: "FORBIDDEN"}[response.status_code]


def _of_a_row(browser: Client, page: str, model: Any) -> Any:
    folder = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    rows = model.objects.exclude(kind=NotificationKind.REPORT_RESOLVED) if model is Notification else model.objects
    key = str(rows.values_list("pk", flat=True).first())
    if page == "run_again":
        return browser.post(folder, {"action": "run_again", "_selected_action": [key]})
    if page == "change":
        return browser.post(f"{folder}{key}/change/", {"word": ""})
    return browser.get(folder + OF_A_ROW[page].format(key=key))


def tables_of(row: Row) -> tuple[str, ...] | list[str]:
    """The tables that a row names; where it names none, all that no other row of the page does."""
    named = {name for one in PAGES if one.what == row.what for name in one.names}
    return row.names or sorted(set(MODELS) - named)


def test_every_page_is_in_the_table() -> None:
    """Each page of each registered model, once."""
    of_rows = [(row.what, name) for row in PAGES if row.what in {*OF_A_ROW, "change"} for name in tables_of(row)]
    assert sorted(of_rows) == sorted((page, name) for page in (*OF_A_ROW, "change") for name in MODELS)
    assert all(set(row.cells) == set(ROLES) and all(row.cells.values()) for row in PAGES)


def asked(scene: AccessFixture) -> list[tuple[Row, str | None]]:
    """Every row of the table with each of its models; those that write last, the only row of the policy before it is there."""
    whole = [(row, name) for row in PAGES for name in ((None,) if row.what in WHOLE else tables_of(row))]
    return sorted(whole, key=lambda one: (one[0].what == "run_again", (one[0].what, one[1]) != ("add", "Policy")))


def test_pages(scene: AccessFixture, browsers: dict[str, Client]) -> None:
    """Each page, by each role; who may not change a row has not."""
    for row, name in asked(scene):
        if name == "Policy" and row.what != "add":
            Policy.objects.get_or_create(pk=1, defaults={"most_links": 3})
        for role, browser in browsers.items():
            if row.cells[role] != "✓":
                with nothing_written():
                    assert answered(browser, row.what, name) == row.cells[role], (row.what, name, role)
            else:
                assert answered(browser, row.what, name) == "✓", (row.what, name, role)


def test_each_look_is_in_the_log(
    scene: AccessFixture, browsers: dict[str, Client], caplog: pytest.LogCaptureFixture
) -> None:
    """Who, and at what; not where a page was refused."""
    story = scene.ids["Story (draft)"](scene.author)
    key = str(Account.objects.get(login="from-the-staff").pk)
    caplog.set_level("INFO", "katha")
    draft = scene.author.ask("query ($id: ID!) { story(id: $id) { title } }", id=story)["story"]["title"]
    row = MODELS["Story"].objects.get(title=draft)
    page = "/admin/stories/story/"
    for browser in browsers.values():
        browser.get(page)
        browser.get(f"{page}{row.pk}/change/")
        browser.get(f"{page}{row.pk}/history/")
    looks = [one for one in caplog.records if one.getMessage() == "looked at what is not public"]
    assert [(one.viewer, one.type, getattr(one, "thing", None)) for one in looks] == [  # type: ignore[attr-defined]
        (key, "Story", None),
        (key, "Story", str(row.pk)),
        (key, "Story", str(row.pk)),
    ]


def test_staff_do_not_see_reports_about_themselves(asha: ApiClient, bilal: ApiClient) -> None:
    """Not in the list, and not by its address."""
    browser = browser_of(made_staff(asha))
    bilal.report(asha.id, "About asha.")
    make_moderator(asha).report(bilal.id, "About bilal.")
    page = "/admin/moderation/report/"
    shown = browser.get(page).content.decode()
    assert ("About bilal." in shown, "About asha." in shown) == (True, False)
    about_her = Report.objects.get(reason="About asha.")
    assert browser.get(f"{page}{about_her.pk}/change/").status_code == 302
    assert "About asha." not in browser.get(f"{page}{about_her.pk}/history/", follow=True).content.decode()
