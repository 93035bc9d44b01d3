"""Races on a reader's place and on a story's views."""

import threading
from typing import Any

import pytest

from backend.engine.versions import Expected
from backend.reading.models import Reading
from backend.stories.models import Story
from resolvers import reading
from tests import depth
from tests.api import ApiClient
from tests.races.rivals import Rival, elsewhere, lost, race, won
from tests.races.rows import assert_sound, crowd, empty, query, scalar
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

VIEWS = "SELECT coalesce(sum(count), 0) FROM stories_storytally WHERE kind = 'views'"


@pytest.mark.parametrize("version", ["0", "1"], ids=["first place", "next place"])
def test_of_eight_devices_with_eight_places_exactly_one_wins(asha: ApiClient, bilal: ApiClient, version: str) -> None:
    """The losers are told where the winner stands, and the view counts once."""
    story = asha.published_story(chapters=8)
    if version == "1":
        bilal.record_view(story["id"])
    chapters = [chapter["id"] for chapter in story["chapters"]]
    works = [lambda chapter=c, n=n: bilal.record_view(story["id"], version, chapter, n) for n, c in enumerate(chapters)]
    results = race(works)
    (winner,) = won(results)
    assert len(lost(results)) == 7
    place = winner["reading"]
    assert place["version"] == str(int(version) + 1)
    assert all(one["current"]["version"] == place["version"] for one in lost(results))
    assert all(one["current"]["chapter"] == place["chapter"] for one in lost(results))
    assert all(one["current"]["offset"] == place["offset"] for one in lost(results))
    stored = Reading.objects.get()
    assert (stored.version, stored.offset) == (int(place["version"]), place["offset"])
    assert scalar("SELECT count(*) FROM reading_view") == scalar(VIEWS) == 1


def test_losers_who_rebase_leave_a_chain_of_places(asha: ApiClient, bilal: ApiClient) -> None:
    """Each place replaces one that its writer has seen."""
    story = asha.published_story()
    chapter = story["chapters"][0]["id"]

    def stubborn(offset: int) -> tuple[int, int]:
        version = "0"
        while True:
            answer = bilal.record_view(story["id"], version, chapter, offset)
            if answer["__typename"] == "ReadingSuccess":
                return int(version), int(answer["reading"]["version"])
            version = answer["current"]["version"]

    steps = race([lambda n=n: stubborn(n) for n in range(8)])
    assert sorted(steps) == [(n, n + 1) for n in range(8)]
    assert scalar(VIEWS) == 1
    assert_sound()


def test_sixty_four_readers_at_once_count_exactly(asha: ApiClient) -> None:
    """Readers of one story do not conflict, do not deadlock, and none is lost."""
    story = asha.published_story()
    row, readers = Story.objects.get(), crowd(64)

    def view(reader: Any) -> bool:
        return reading.record_view(reader, story=row.pk, place=None, expect=Expected(0), key=None).facts["counted"]

    assert race([lambda reader=reader: view(reader) for reader in readers]) == [True] * 64
    assert scalar(VIEWS) == scalar("SELECT count(*) FROM reading_view") == 64
    assert asha.ask("query($id: ID!) { story(id: $id) { viewCount } }", id=story["id"])["story"]["viewCount"] == 64
    assert_sound()


def test_the_same_reader_from_eight_connections_counts_once(asha: ApiClient, bilal: ApiClient) -> None:
    """A reader, a story and a day are one view, however many devices say so at once."""
    story = asha.published_story()["id"]
    bilal.record_view(story)
    empty("reading_view", "stories_storytally")  # a new day
    results = race([lambda: bilal.record_view(story, "1")] * 8)
    assert [one["__typename"] for one in results] == ["ReadingSuccess"] * 8
    assert sorted(one["counted"] for one in results) == [False] * 7 + [True]
    assert sorted(one["applied"] for one in results) == ["NOOP"] * 7 + ["WRITTEN"]
    assert scalar(VIEWS) == scalar("SELECT count(*) FROM reading_view") == 1


def test_eight_devices_that_conflict_on_a_new_day_count_once(asha: ApiClient, bilal: ApiClient) -> None:
    """Each is told where the place is, and one view of the day is counted for all of them."""
    story = asha.published_story()
    bilal.record_view(story["id"])
    bilal.record_view(story["id"], "1", story["chapters"][0]["id"])
    query("UPDATE reading_view SET day = '2020-01-01' RETURNING 1")
    results = race([lambda: bilal.record_view(story["id"], "1", story["chapters"][0]["id"], 1)] * 8)
    assert len(lost(results)) == 8
    assert scalar(VIEWS) == scalar("SELECT count(*) FROM reading_view") == 2
    assert_sound()


def test_places_in_a_chapter_that_is_shortened_meanwhile_are_shown_within_it(asha: ApiClient, bilal: ApiClient) -> None:
    """Whichever came first: the author does not wait for readers, nor they for the author."""
    story = asha.published_story()
    chapter, lengths = story["chapters"][0]["id"], (9, 90) * depth.rounds(10, at_least=4)
    asha.update_chapter(chapter, {"body": "x" * 90}, "1")

    def edit() -> None:
        for version, length in enumerate(lengths, start=2):
            assert asha.update_chapter(chapter, {"body": "x" * length}, str(version))["applied"] == "WRITTEN"

    def read(device: int) -> list[bool]:
        shown = "reading { offset chapter { body } }"
        asked = f"query ($id: ID!) {{ story(id: $id) {{ {shown} }} }}"
        within = []
        for offset in range(len(lengths)):
            bilal.record_view(story["id"], None, chapter, offset * 8 + device, policy="FURTHEST")
            found = bilal.ask(asked, id=story["id"])["story"]["reading"]
            within.append(found["offset"] <= len(found["chapter"]["body"]))
        return within

    _, *readers = race([edit, *(lambda device=device: read(device) for device in range(2))])
    assert {one for within in readers for one in within} == {True}


def test_a_total_agrees_with_its_rows_at_every_moment(asha: ApiClient) -> None:
    """While readers come in, every snapshot shows as many views as the total says."""
    asha.published_story()
    row, readers, done = Story.objects.get(), crowd(depth.rounds(120, at_least=45)), threading.Event()
    both = f"SELECT ({VIEWS}), (SELECT count(*) FROM reading_view)"

    def view(some: list[Any]) -> None:
        for reader in some:
            reading.record_view(reader, story=row.pk, place=None, expect=Expected(0), key=None)
        done.set()

    def watch() -> set[bool]:
        agreed = {total == rows for total, rows in query(both)}
        while not done.wait(0):
            agreed |= {total == rows for total, rows in query(both)}
        return agreed

    *_, agreed = race([lambda n=n: view(readers[n::3]) for n in range(3)] + [watch])
    assert agreed == {True}
    assert scalar(VIEWS) == len(readers)


@pytest.mark.parametrize("of", ["somebody's", "one's own draft"])
def test_a_view_that_waits_for_a_deletion_has_seen_what_that_left(asha: ApiClient, bilal: ApiClient, of: str) -> None:
    """The reader names no version: it is the story's when the place is stored, not when the story was found."""
    reader = bilal if of == "somebody's" else asha
    story = asha.published_story(chapters=3) if reader is bilal else asha.create_story("0", chapters=3)["story"]
    _, two, three = (chapter["id"] for chapter in story["chapters"])
    view: list[Rival] = []

    def view_meanwhile() -> None:
        view.append(Rival(lambda: reader.record_view(story["id"], "0", three, 1)).until_it_waits())

    with before("stories_revision", view_meanwhile):  # the chapter that is viewed has moved up
        assert asha.delete_chapter(two, "1")["applied"] == "WRITTEN"
    assert view[0].result()["applied"] == "WRITTEN"
    assert scalar("SELECT story_version FROM reading_reading") == scalar("SELECT version FROM stories_story")


def test_a_story_that_is_hidden_meanwhile_was_seen_as_it_was_found(asha: ApiClient, bilal: ApiClient) -> None:
    """Its reader learns nothing of the versions of a draft."""
    story = asha.published_story()
    with before('INSERT INTO "reading_reading"', lambda: elsewhere(lambda: asha.unpublish(story["id"], "2"))):
        assert bilal.record_view(story["id"])["applied"] == "WRITTEN"
    assert (scalar("SELECT story_version FROM reading_reading"), scalar("SELECT version FROM stories_story")) == (2, 3)


def test_pages_of_cards_in_any_order_count_each_view_once(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Eight devices of two readers at once: no two wait for each other in a circle, and the furthest place stays."""
    stories = [asha.published_story(str(number), chapters=8) for number in range(6)]

    def page(reader: ApiClient, device: int) -> Any:
        asked = [{"story": one["id"], "place": {"chapter": one["chapters"][device]["id"]}} for one in stories]
        return reader.record_views(asked[::-1] if device % 2 else asked)

    works = [lambda who=who, n=n: page(who, n) for n in range(4) for who in (bilal, chitra)]
    answers = race(works)
    assert [one["__typename"] for one in answers] == ["ViewsSuccess"] * 8
    counted = [view["counted"] for one in answers for view in one["views"]]
    assert counted.count(True) == scalar(VIEWS) == scalar("SELECT count(*) FROM reading_view") == 12
    positions = (
        "SELECT DISTINCT position FROM reading_reading JOIN stories_chapter AS chapter ON chapter.id = chapter_id"
    )
    assert query(positions) == [(4,)]
    assert_sound()
