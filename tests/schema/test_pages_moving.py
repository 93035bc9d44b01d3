"""Pages of lists whose rows come and go."""

import uuid

import pytest

from backend.engine.transactions import unit_of_work
from backend.reading.models import Reading, View
from backend.stories.models import Story, StoryRank
from schema.nodes import to_id
from tests.api import ApiClient
from tests.schema.page_lists import COUNT, Lists, add_stories, ids, make_lists
from tests.writing import remove_all


@pytest.fixture
def lists(transactional_db: None) -> Lists:
    """Asha looks at bilal's lists."""
    return make_lists()


def remove_stories(*ids: uuid.UUID) -> None:
    """With what refers to them; pages show nothing else of them."""

    def work() -> None:
        for model in (View, Reading, StoryRank):
            remove_all(model.objects.filter(story_id__in=ids))
        remove_all(Story.objects.filter(pk__in=ids))

    unit_of_work(work)


def test_pages_stay_put_while_rows_come_and_go(lists: Lists) -> None:
    """What is inserted before the cursor or removed behind it moves nothing; the cursor's own row may be gone."""
    first = lists.page("stories", first=4)
    newer = add_stories(lists.them, range(COUNT + 3, COUNT + 9))
    cursor, last_id = first["pageInfo"]["endCursor"], ids(first)[-1]
    by_id = {to_id("Story", story.pk): story.pk for story in Story.objects.all()}
    remove_stories(by_id[ids(first)[0]], by_id[last_id])
    second = lists.page("stories", first=4, after=cursor)
    assert ids(second) == lists.order["stories"][4:8]
    gone = lists.order["stories"][8]
    remove_stories(by_id[gone])
    third = lists.page("stories", first=4, after=second["pageInfo"]["endCursor"])
    assert ids(third) == lists.order["stories"][9:]
    assert third["pageInfo"]["hasNextPage"] is False
    back = lists.page("stories", last=10, before=cursor)
    assert ids(back) == newer + lists.order["stories"][1:3]


def test_without_a_size_there_are_twenty(lists: Lists) -> None:
    """And more are announced."""
    add_stories(lists.them, range(20, 40))
    page = lists.page("stories")
    assert (len(page["edges"]), page["pageInfo"]["hasNextPage"]) == (20, True)


def test_totals_are_of_the_whole_list(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Whatever the page."""
    asha.follow(chitra)
    bilal.follow(chitra)
    chitra.follow(bilal, "1")
    query = """{ person(handle: "chitra") {
      followers(first: 1) { totalCount edges { node { handle } } } following(first: 0) { totalCount edges { cursor } }
    } }"""
    found = asha.ask(query)["person"]
    assert found["followers"] == {"totalCount": 2, "edges": [{"node": {"handle": "bilal"}}]}
    assert found["following"] == {"totalCount": 1, "edges": []}
