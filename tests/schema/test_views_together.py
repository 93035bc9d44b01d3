"""Several views in one request: each has its own answer, and none holds up the others."""

import uuid
from typing import Any

import pytest

from backend.engine.models import IdempotencyKey
from backend.reading.models import Reading, View
from bench.count import heard
from schema.nodes import to_id
from schema.reading import MAX_VIEWS
from tests.api import ApiClient
from tests.api.moderation import new_key
from tests.races.rows import assert_verified
from tests.schema.footprint import nothing_written

pytestmark = pytest.mark.django_db(transaction=True)

NOWHERE = uuid.UUID(int=7)


def published(author: ApiClient, count: int) -> list[Any]:
    """So many stories with two chapters each."""
    return [author.published_story(str(number), chapters=2) for number in range(count)]


def cards(stories: list[Any]) -> list[dict[str, Any]]:
    """A view of each, without a place."""
    return [{"story": story["id"]} for story in stories]


def views(who: ApiClient, story: str) -> int:
    """How many a story has."""
    count: int = who.ask("query ($id: ID!) { story(id: $id) { viewCount } }", id=story)["story"]["viewCount"]
    return count


def test_a_page_of_cards_is_one_request(asha: ApiClient, bilal: ApiClient) -> None:
    """Each view counts once a day, whether it came alone or with others; the places move forward only."""
    stories = published(asha, 3)
    bilal.record_view(stories[1]["id"], chapter=stories[1]["chapters"][1]["id"], offset=2)
    first, second = (chapter["id"] for chapter in stories[1]["chapters"])
    asked = cards(stories)
    asked[0]["place"] = {"chapter": stories[0]["chapters"][1]["id"], "offset": 1}
    asked[1]["place"] = {"chapter": first, "offset": 0}
    answer = bilal.record_views(asked)
    assert answer["applied"] == "WRITTEN"
    assert [(one["applied"], one["counted"]) for one in answer["views"]] == [
        ("WRITTEN", True),
        ("NOOP", False),
        ("WRITTEN", True),
    ]
    assert [one["reading"]["chapter"] and one["reading"]["chapter"]["id"] for one in answer["views"]] == [
        stories[0]["chapters"][1]["id"],
        second,
        None,
    ]
    assert [views(asha, story["id"]) for story in stories] == [1, 1, 1]
    again = bilal.record_views(asked)
    assert (again["applied"], [one["applied"] for one in again["views"]]) == ("NOOP", ["NOOP"] * 3)
    assert [one["reading"] for one in again["views"]] == [one["reading"] for one in answer["views"]]
    assert_verified()


def test_what_is_wrong_with_one_holds_up_none_of_the_others(asha: ApiClient, bilal: ApiClient) -> None:
    """Hidden looks like missing, in the words of recordView; what is wrong is named by the number of its view."""
    one, two = published(asha, 2)
    draft = asha.create_story("2")["story"]["id"]
    missing = to_id("Story", NOWHERE)
    answer = bilal.record_views(
        [
            {"story": draft},
            {"story": one["id"]},
            {"story": missing},
            {"story": "x"},
            {"story": one["id"]},
            {"story": two["id"], "place": {"chapter": one["chapters"][0]["id"], "offset": -1}, "seen": "99"},
            {"story": two["id"], "seen": "no version"},
        ]
    )
    kinds = [view["__typename"] for view in answer["views"]]
    assert kinds == ["NotFoundError", "ReadingSuccess", "NotFoundError", *["InvalidError"] * 4]
    assert answer["views"][0] == answer["views"][2]
    alone = bilal.record_view(missing, None, policy="FURTHEST")
    assert {name: answer["views"][0][name] for name in ("code", "message", "retry")} == {
        name: alone[name] for name in ("code", "message", "retry")
    }
    assert [[field["path"] for field in view["fields"]] for view in answer["views"][3:]] == [
        ["views.3.story"],
        ["views.4.story"],
        ["views.5.place.offset", "views.5.place.chapter", "views.5.seen"],
        ["views.6.seen"],
    ]
    assert (Reading.objects.count(), View.objects.count()) == (1, 1)
    assert_verified()


def test_a_refused_place_does_not_take_the_view_of_the_day_with_it(asha: ApiClient, bilal: ApiClient) -> None:
    """As of recordView: for who has been here before, the story was opened all the same."""
    (story,) = published(asha, 1)
    bilal.record_view(story["id"])
    View.objects.all().update(day="2020-01-01")
    wrong = {"story": story["id"], "place": {"chapter": to_id("Chapter", NOWHERE)}}
    (answer,) = bilal.record_views([wrong])["views"]
    assert answer["__typename"] == "InvalidError"
    assert (View.objects.count(), views(asha, story["id"])) == (2, 2)


def test_ones_own_stories_and_drafts_do_not_count(asha: ApiClient) -> None:
    """The places are kept."""
    (story,) = published(asha, 1)
    draft = asha.create_story("1")["story"]
    answer = asha.record_views(cards([story, draft]))
    assert [(one["applied"], one["counted"]) for one in answer["views"]] == [("WRITTEN", False)] * 2
    assert Reading.objects.count() == 2


def test_too_many_are_refused_and_none_are_nothing(bilal: ApiClient) -> None:
    """A page has at most a hundred cards."""
    with nothing_written():
        answer = bilal.record_views([{"story": "x"}] * (MAX_VIEWS + 1))
        assert [field["path"] for field in answer["fields"]] == ["views"]
        assert bilal.record_views([]) == {"__typename": "ViewsSuccess", "applied": "NOOP", "views": []}


def test_with_its_key_it_is_the_first_reply_again(asha: ApiClient, bilal: ApiClient) -> None:
    """Each answer; of a story that is gone since only that one is missing. Another page is another request."""
    stories, key = published(asha, 3), new_key()
    asked = [*cards(stories[:2]), {"story": to_id("Story", NOWHERE)}, {"story": "x"}]
    first = bilal.record_views(asked, key)
    again = bilal.record_views(asked, key)
    assert (again["applied"], [one.get("applied") for one in again["views"]]) == (
        "REPLAYED",
        ["REPLAYED"] * 2 + [None] * 2,
    )
    assert [one["reading"] for one in again["views"][:2]] == [one["reading"] for one in first["views"][:2]]
    assert again["views"][2:] == first["views"][2:]
    assert bilal.record_views(cards(stories), key)["code"] == "KEY_REUSED"
    asha.unpublish(stories[0]["id"], "2")
    hidden = bilal.record_views(asked, key)["views"]
    assert [one["__typename"] for one in hidden] == ["NotFoundError", "ReadingSuccess", "NotFoundError", "InvalidError"]
    assert IdempotencyKey.objects.filter(person_id=bilal.person.pk).count() == 1


def test_a_page_takes_a_few_round_trips_however_many_there_are(asha: ApiClient, bilal: ApiClient) -> None:
    """The stories and their chapters; the places and views; the totals, the reply and COMMIT."""
    stories = published(asha, 10)
    query = (
        "mutation ($v: [ViewInput!]!, $k: UUID) { recordViews(views: $v, key: $k) { ... on ViewsSuccess { applied views "
        "{ ... on ReadingSuccess { applied counted reading { version } } } } } }"
    )
    taken = []
    for some in (stories[:1], stories[1:2], stories[2:]):
        asked = [{"story": one["id"], "place": {"chapter": one["chapters"][0]["id"]}} for one in some]
        _, trips = heard(lambda asked=asked: bilal.ask(query, v=asked, k=new_key()))
        taken.append(trips)
    assert taken[1] == taken[2] == 3
    assert Reading.objects.count() == View.objects.count() == 10
