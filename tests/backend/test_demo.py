"""Demo data: the same every time, as much as asked for, true in itself, and good to play with."""

import hashlib
import io
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Sum

from backend.changes.models import Change
from backend.demo import load as loader
from backend.market.models import Edition, Order, OrderStatus
from backend.people.actions import digest
from backend.people.demo import HANDLES, PASSWORD, token
from backend.people.models import AccessToken, Account, Person, PersonTally
from backend.people.queries import by_token
from backend.reading.models import View
from backend.social.models import Relationship
from backend.stories.models import Chapter, Story
from tests.api import ApiClient
from tests.clearing import clear

pytestmark = pytest.mark.django_db(transaction=True)


def demo(**options: Any) -> str:
    """Run the command; what it said."""
    said = io.StringIO()
    call_command("demo", stdout=said, **options)
    return said.getvalue()


def verify() -> str:
    said = io.StringIO()
    call_command("verify", stdout=said)
    return said.getvalue()


def one(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone()[0]


def contents() -> str:
    """A hash of every row but tokens, which are made new because they expire, and the change log, which numbers transactions."""
    summary = hashlib.sha256()
    for model in apps.get_models():
        if model.__module__.startswith("backend.") and model not in (AccessToken, Change):
            table = model._meta.db_table
            rows = one(f"SELECT string_agg(row::text, '|' ORDER BY row::text) FROM {table} AS row")
            summary.update(f"{table}: {rows}\n".encode())
    return summary.hexdigest()


def test_the_same_seed_and_sizes_make_the_same_rows_and_another_seed_others() -> None:
    made = []
    for seed in (1, 1, 2):
        demo(people=30, stories=20, seed=seed, verbosity=0)
        made.append(contents())
        clear()
    assert made[0] == made[1] != made[2]


@pytest.mark.parametrize(
    "sizes",
    [
        {"people": 40, "stories": 60, "chapters": 200, "follows": 390, "blocks": 188, "views": 2400},
        {"people": 8, "stories": 10, "chapters": 4, "follows": 14, "blocks": 0, "views": 80},
        {"people": 9, "stories": 0, "chapters": 0, "follows": 0, "blocks": 2, "views": 0},
        {"people": 50, "stories": 1, "chapters": 50, "follows": 1, "blocks": 0, "views": 50},
    ],
    ids=str,
)
def test_there_is_exactly_what_was_asked_for_and_all_of_it_is_true(sizes: dict[str, int]) -> None:
    demo(**sizes)
    assert {
        "people": Person.objects.count(),
        "stories": Story.objects.count(),
        "chapters": Chapter.objects.count(),
        "follows": one("SELECT count(*) FROM follow"),
        "blocks": one("SELECT count(*) FROM block"),
        "views": View.objects.count(),
    } == sizes
    assert "checks hold" in verify()


def test_editions_are_ordered_and_never_more_than_there_are() -> None:
    """However many orders there are of one edition; some are of two, and every status comes up."""
    demo(people=40, stories=60, editions=20, orders=900)
    assert (Edition.objects.count(), Order.objects.count()) == (20, 900)
    assert set(Order.objects.values_list("status", flat=True)) == set(OrderStatus.values)
    assert one("SELECT count(*) FROM market_orderline WHERE number = 2") > 20
    assert "checks hold" in verify()


def test_sizes_that_are_left_out_are_in_proportion() -> None:
    demo(people=100, verbosity=0)
    assert Story.objects.count() == 200
    assert Chapter.objects.count() == 600
    assert one("SELECT count(*) FROM follow") == 2_000
    assert (Edition.objects.count(), Order.objects.count()) == (40, 160)
    assert "checks hold" in verify()


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"people": 7}, "--people 7: .* can be 8 to"),
        ({"people": 8, "follows": 15}, "--follows 15: .* can be 0 to 14"),
        ({"people": 8, "blocks": 1}, "--blocks 1: .* can be 0 to 0"),
        ({"stories": 0, "chapters": 1}, "--chapters 1: .* can be 0 to 0"),
        ({"stories": -1}, "--stories -1"),
    ],
    ids=str,
)
def test_what_there_cannot_be_is_refused(sizes: dict[str, int], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        demo(**sizes)
    assert not Person.objects.exists()


def test_a_database_that_is_not_empty_is_left_alone(person: Callable[[str], ApiClient]) -> None:
    person("zoe")
    with pytest.raises(CommandError, match="not empty"):
        demo(people=8)
    assert "no demo data is added" in demo(people=8, if_empty=True)
    assert demo(people=8, if_empty=True, verbosity=0) == ""
    assert list(Person.objects.values_list("handle", flat=True)) == ["zoe"]


def test_it_is_loaded_whole_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise RuntimeError("the last step fails")

    monkeypatch.setattr(loader, "remember_token", fail)
    with pytest.raises(RuntimeError, match="the last step fails"):
        demo(people=8, verbosity=0)
    assert not Person.objects.exists()
    assert one("SHOW statement_timeout") != "0", "what was set for the load ends with it"


def test_the_named_people_sign_in_by_token_and_by_password() -> None:
    demo(people=20, verbosity=0)
    for handle in HANDLES:
        caller = ApiClient(token(handle))
        assert caller.ask("{ viewer { handle } }") == {"viewer": {"handle": handle}}
    query = "mutation($h: String!, $p: String!) { signIn(handle: $h, password: $p) { ... on SignSuccess { token } } }"
    someone = Person.objects.exclude(handle__in=HANDLES).values_list("handle", flat=True)[0]
    for handle in ("asha", someone):
        assert ApiClient().ask(query, h=handle, p=PASSWORD)["signIn"]["token"]
    assert list(Account.objects.filter(is_moderator=True).values_list("login", flat=True)) == ["asha"]


def test_under_a_secret_of_ones_own_nobody_can_sign_in(settings: Any) -> None:
    settings.SECRET_KEY = "a secret of my own"
    assert "cannot sign in" in demo(people=20)
    assert not AccessToken.objects.exists()
    assert by_token(digest(token("asha"))).row is None
    assert not any(account.has_usable_password() for account in Account.objects.all())
    assert not Account.objects.filter(is_moderator=True).exists()
    assert "checks hold" in verify()


def test_the_prepared_examples_find_what_they_need() -> None:
    """Asha has a full feed and a friend, bilal, whom she does not know yet, with chapters to read."""
    demo(people=60, verbosity=0)
    asha = ApiClient(token("asha"))
    answer = asha.ask(
        """
        { viewer { followerCount followingCount storyCount shelf { storyCount } }
          friend: person(handle: "bilal") {
            name relationship { version following followedBy blocking }
            stories(first: 3) { edges { node { viewCount reading { version } chapters { body } } } }
          }
          feed(first: 20) { edges { node { title author { handle } } } } }
        """
    )
    assert answer["friend"]["name"] == "Bilal Khan"
    assert answer["friend"]["relationship"] == {
        "version": "0",
        "following": False,
        "followedBy": False,
        "blocking": False,
    }
    stories = [edge["node"] for edge in answer["friend"]["stories"]["edges"]]
    assert len(stories) == 3
    assert all(len(chapter["body"]) > 1_000 for story in stories for chapter in story["chapters"])
    assert len(answer["feed"]["edges"]) == 20
    assert answer["viewer"]["followingCount"] >= 30
    assert answer["viewer"]["shelf"]["storyCount"] >= 1


def test_nobody_who_is_named_follows_asha_or_stands_across_a_block_from_another() -> None:
    demo(people=30, blocks=40, verbosity=0)
    named = f"(SELECT id FROM people_person WHERE handle = ANY(ARRAY{list(HANDLES)}))"
    asha = "(SELECT id FROM people_person WHERE handle = 'asha')"
    assert one(f"SELECT count(*) FROM follow WHERE followee_id = {asha} AND follower_id IN {named}") == 0
    assert one(f"SELECT count(*) FROM block WHERE blocker_id IN {named} AND blocked_id IN {named}") == 0


def test_a_few_people_have_most_of_the_followers() -> None:
    demo(people=400, follows=4_000, stories=0, verbosity=0)
    counts = sorted(
        PersonTally.objects.filter(kind="followers")
        .values_list("subject")
        .annotate(total=Sum("count"))
        .values_list("total", flat=True),
        reverse=True,
    )
    assert sum(counts) == 4_000
    assert sum(counts[:20]) > 4_000 * 0.3
    assert counts[0] > 20 * counts[len(counts) // 2]


def test_versions_are_what_the_actions_would_have_made(settings: Any) -> None:
    """A follow that a block ended has been seen by both sides; a first block by the blocker alone."""
    demo(people=60, blocks=60, verbosity=0)
    seen = set()
    for pair in Relationship.objects.exclude(low_blocks_at=None, high_blocks_at=None):
        mine, theirs = ("low_", "high_") if pair.low_blocks_at else ("high_", "low_")
        seen.add((getattr(pair, f"{mine}version"), getattr(pair, f"{theirs}version")))
    assert seen == {(1, 0), (2, 2)}


def test_it_says_what_there_is_line_by_line_where_there_is_no_terminal() -> None:
    said = demo(people=8).splitlines()
    assert "▸ people: 8" in said
    assert said[-1].startswith("▸ 8 people, 16 stories, 14 follows and 80 views in")
    assert settings.SECRET_KEY == settings.DEMO_SECRET


def test_on_a_terminal_it_shows_bars(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    call_command("demo", people=8, stdout=terminal)
    assert "totals of stories" in capsys.readouterr().out
    assert Person.objects.count() == 8
