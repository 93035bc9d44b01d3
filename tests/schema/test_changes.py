"""`changes`: what an app that was offline is told."""

from typing import Any

import pytest

from backend.changes import log
from backend.changes.log import decoded, encoded
from backend.changes.models import Mark
from backend.erasure import sweeping
from schema.nodes import from_id, to_id
from tests.api import PASSWORD, ApiClient
from tests.working import work_off

pytestmark = pytest.mark.django_db(transaction=True)

CHANGES = """
query ($since: String, $first: Int! = 100) {
  changes(since: $since, first: $first) {
    __typename
    ... on ChangePage { changes { id version thing { __typename id version } } cursor hasMore }
    ... on Failure { code message retry { kind afterMs } }
  }
}"""


def asked(caller: ApiClient, since: str | None = None, first: int = 100) -> Any:
    return caller.ask(CHANGES, since=since, first=first)["changes"]


def begun(caller: ApiClient) -> str:
    page = asked(caller)
    assert (page["__typename"], page["changes"], page["hasMore"]) == ("ChangePage", [], False)
    cursor: str = page["cursor"]
    return cursor


def walked(caller: ApiClient, since: str, first: int = 100) -> tuple[dict[str, str | None], str]:
    """What is told, by id; each thing once, and as a look-up shows it."""
    found: dict[str, str | None] = {}
    more = True
    while more:
        page = asked(caller, since, first)
        assert len(page["changes"]) <= first
        for one in page["changes"]:
            assert one["id"] not in found
            found[one["id"]] = one["version"]
            assert one["thing"] is None or (one["thing"]["id"], one["thing"]["version"]) == (one["id"], one["version"])
        since, more = page["cursor"], page["hasMore"]
    things = caller.ask("query ($i: [ID!]!) { nodes(ids: $i) { ... on Versioned { version } } }", i=list(found))[
        "nodes"
    ]
    assert list(found.values()) == [one and one["version"] for one in things]
    return found, since


def pair_id(one: ApiClient, other: ApiClient) -> str:
    return to_id("Relationship", one.person.pk, other.person.pk)


def place_id(reader: ApiClient, story: str) -> str:
    found = from_id(story)
    assert found is not None
    return to_id("Reading", reader.person.pk, *found[1])


def test_what_is_ones_own_is_told_once_as_it_is_now(asha: ApiClient, bilal: ApiClient) -> None:
    """Of everybody's writes only these, and nothing again from the cursor after them."""
    at = begun(asha)
    story = asha.create_story("0", chapters=2)["story"]
    asha.update_story(story["id"], {"title": "Other"}, "1")
    asha.update_profile({"bio": "I write."}, "1")
    whisper = asha.create_whisper()["whisper"]
    bilal.create_story("0")
    bilal.follow(asha)
    chapters = [one["id"] for one in story["chapters"]]
    pair = pair_id(asha, bilal)
    shelf = asha.ask("{ viewer { shelf { id } } }")["viewer"]["shelf"]["id"]
    for first in (1, 2, 100):
        found, _ = walked(asha, at, first)
        assert found == {
            **dict.fromkeys(chapters, "1"),
            story["id"]: "2",
            asha.id: "2",
            whisper["id"]: "1",
            shelf: "1",
            pair: "1",
        }
    _, later = walked(asha, at)
    assert walked(asha, later)[0] == {}
    asha.delete_whisper(whisper["id"])
    assert walked(asha, later)[0] == {whisper["id"]: None}


@pytest.fixture
def read(asha: ApiClient, bilal: ApiClient) -> tuple[str, str]:
    """A story of asha's that bilal is reading, and his place in it."""
    story = asha.published_story(chapters=2)["id"]
    bilal.record_view(story)
    return story, place_id(bilal, story)


def told(caller: ApiClient, since: str) -> dict[str, str | None]:
    return walked(caller, since, 2)[0]


def test_of_a_story_that_is_read_it_is_told_that_it_was_written(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, read: tuple[str, str]
) -> None:
    """By its version, which covers the chapters. Not to who does not read it, whoever they follow."""
    story, _ = read
    chitra.follow(asha)
    since = {caller: begun(caller) for caller in (bilal, chitra)}
    asha.append(story)
    assert told(bilal, since[bilal]) == {story: "3"}
    assert told(chitra, since[chitra]) == {}


def test_a_story_that_is_unpublished_goes_and_comes_back_and_nothing_is_told_between(
    asha: ApiClient, bilal: ApiClient, read: tuple[str, str]
) -> None:
    """With the place in it. Of the draft neither edits nor chapters are told."""
    story, place = read
    at = begun(bilal)
    asha.unpublish(story, "2")
    found, hidden = walked(bilal, at)
    assert found == {story: None, place: None}
    asha.append(story)
    asha.update_story(story, {"title": "Secret"}, "4")
    found, later = walked(bilal, hidden)
    assert found == {}
    asha.publish(story, "5")
    assert told(bilal, later) == told(bilal, hidden) == {story: "6", place: "1"}
    assert told(bilal, at) == {story: "6"}


def test_a_story_that_goes_for_good_is_told_as_one_that_is_hidden(
    asha: ApiClient, bilal: ApiClient, read: tuple[str, str]
) -> None:
    """Deleted as it was, or when it was a draft again; of one that was hidden before nothing is told."""
    story, place = read
    at = begun(bilal)
    asha.unpublish(story, "2")
    hidden = begun(bilal)
    assert asha.delete_story(story, "3")["__typename"] == "StoryDeleted"
    assert told(bilal, at) == {story: None, place: None}
    assert told(bilal, hidden) == {}
    other = asha.published_story("2")["id"]
    bilal.record_view(other)
    at = begun(bilal)
    asha.delete_story(other, "2")
    assert told(bilal, at) == {other: None, place_id(bilal, other): None}


def test_a_block_hides_what_is_theirs_from_either_side(
    asha: ApiClient, bilal: ApiClient, read: tuple[str, str]
) -> None:
    """Whom it hides something from is told that, and no more; who blocks hears of it too. Lifting it tells both again."""
    story, place = read
    at = {caller: begun(caller) for caller in (asha, bilal)}
    asha.block(bilal)
    assert told(asha, at[asha]) == {bilal.id: "1", pair_id(asha, bilal): "1"}
    found, blocked = walked(bilal, at[bilal])
    assert found == {asha.id: None, pair_id(bilal, asha): None, story: None, place: None}
    asha.append(story)
    found, later = walked(bilal, blocked)
    assert found == {}
    asha.unblock(bilal, "1")
    assert told(bilal, later) == {asha.id: "1", pair_id(bilal, asha): "0", story: "3", place: "1"}


def test_a_block_that_came_and_went_is_not_told(asha: ApiClient, bilal: ApiClient, read: tuple[str, str]) -> None:
    """Nobody learns of a block that hid nothing while they looked."""
    at = begun(bilal)
    asha.block(bilal)
    asha.unblock(bilal, "1")
    assert told(bilal, at) == {}


def test_whoever_leaves_is_gone_at_once_and_after_the_sweep(
    asha: ApiClient, bilal: ApiClient, read: tuple[str, str]
) -> None:
    """With what was read of theirs. Who was offline all the time is told it too."""
    story, place = read
    bilal.follow(asha)
    at = begun(bilal)
    asha.delete_account(PASSWORD)
    hidden = {story: None, place: None}
    assert told(bilal, at) == hidden
    sweeping.sweep(asha.person.pk)
    assert told(bilal, at) == {**hidden, asha.id: None, pair_id(bilal, asha): None}


def test_notifications_come_and_are_hidden_with_their_story(asha: ApiClient, bilal: ApiClient) -> None:
    """Though nobody wrote to them."""
    bilal.follow(asha)
    at = begun(bilal)
    story = asha.published_story()["id"]
    work_off()
    (notification, *none), since = walked(bilal, at)
    assert none == []
    asha.unpublish(story, "2")
    found, hidden = walked(bilal, since)
    assert found == {notification: None}
    asha.publish(story, "3")
    found, later = walked(bilal, hidden)
    assert found == {notification: "1"}
    asha.delete_story(story, "4")
    assert told(bilal, later) == {notification: None}


def test_orders_are_told_to_both_sides(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """An order is of two people's worlds, and of nobody else's."""
    story = asha.published_story()["id"]
    edition = asha.create_edition(story)["edition"]["id"]
    at = {caller: begun(caller) for caller in (asha, bilal, chitra)}
    order = bilal.place_order((edition, 1))["order"]["id"]
    assert told(asha, at[asha]) == {edition: "2", order: "1"}
    assert told(bilal, at[bilal]) == {order: "1"}
    assert told(chitra, at[chitra]) == {}


def test_who_is_signed_out_is_refused(nobody: ApiClient) -> None:
    """Nobody has no world."""
    for since in (None, "x"):
        page = nobody.post(CHANGES, since=since)
        if since is None:
            assert page["data"]["changes"] == {
                "__typename": "ForbiddenError",
                "code": "UNAUTHENTICATED",
                "message": "Sign in first: this needs a signed-in person.",
                "retry": {"kind": "NEVER", "afterMs": 0},
            }


def test_a_cursor_that_the_log_cannot_answer_has_expired(asha: ApiClient) -> None:
    """One of another log, one of a later time, one that is older than what was pruned: also in the middle of a walk."""
    at = begun(asha)
    asha.create_story("0", chapters=3)
    middle = asked(asha, at, 1)["cursor"]
    for cursor in (at, middle):
        identity, *rest = decoded(cursor)
        other = encoded("1" + identity, *rest)
        later = encoded(identity, *(f"{2**62 - 1}:{2**62 - 1}:" if ":" in one else one for one in rest))
        for foreign in (other, later):
            answer = asked(asha, foreign)
            assert (answer["__typename"], answer["code"], answer["retry"]["kind"]) == (
                "CursorExpiredError",
                "CURSOR_EXPIRED",
                "NEVER",
            )
    now = int(decoded(begun(asha))[1].split(":")[1])
    Mark.objects.create(xid=now, pruned=True)
    assert {asked(asha, cursor)["__typename"] for cursor in (at, middle)} == {"CursorExpiredError"}
    assert asked(asha)["__typename"] == "ChangePage"


def test_what_is_too_far_behind_has_expired(asha: ApiClient, bilal: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every page looks at all entries of its span: of the viewer, and of those whose stories they read."""
    story = asha.published_story()
    bilal.record_view(story["id"], "0", story["chapters"][0]["id"], 1)
    hers, his = begun(asha), begun(bilal)
    for version in range(1, 7):
        asha.update_chapter(story["chapters"][0]["id"], {"title": f"Version {version}"}, str(version))
    assert {asked(who, at)["__typename"] for who, at in ((asha, hers), (bilal, his))} == {"ChangePage"}
    monkeypatch.setattr(log, "MAX_BEHIND", 5)
    for who, at in ((asha, hers), (bilal, his)):
        assert asked(who, at)["code"] == "CURSOR_EXPIRED"
        assert asked(who, begun(who))["__typename"] == "ChangePage"
    monkeypatch.setattr(log, "MAX_BEHIND", 50)
    assert {asked(who, at)["__typename"] for who, at in ((asha, hers), (bilal, his))} == {"ChangePage"}


@pytest.mark.parametrize("since", ["", "x", "ü", encoded("1.00000001.1.1.1", "1:"), encoded("a", "1:1:"), "A" * 30_000])
def test_nonsense_is_bad_input(asha: ApiClient, since: str) -> None:
    """Never a fault, and never an expired cursor."""
    (error,) = asha.post(CHANGES, since=since)["errors"]
    assert error["extensions"]["code"] == "INVALID"


@pytest.mark.parametrize("first", [0, -1, 101])
def test_a_page_has_a_size(asha: ApiClient, first: int) -> None:
    """As every other page."""
    (error,) = asha.post(CHANGES, first=first)["errors"]
    assert error["extensions"]["code"] == "INVALID"
