"""Races of one reader's devices under FURTHEST: wherever they are, the end is the furthest place, and nobody conflicts."""

import random
from typing import Any

import pytest

from backend.engine.transactions import unit_of_work
from backend.engine.versions import Expected
from backend.reading.actions import record_view
from backend.reading.models import Reading
from backend.reading.places import ReadingPlace
from backend.stories.models import Chapter, Story
from schema.nodes import to_id
from tests import depth
from tests.api import ApiClient
from tests.races.rivals import Rival, race, rounds
from tests.races.rows import assert_sound, empty, query, scalar

pytestmark = pytest.mark.django_db(transaction=True)

DEVICES, ROUNDS = 8, depth.rounds(20, at_least=4)
SWAP = """
UPDATE stories_chapter SET position = 4 - position, version = version + 1, position_changed = version + 1
WHERE position IN (1, 3) RETURNING 1
"""
LOCK = "SELECT 1 FROM reading_reading FOR NO KEY UPDATE"


def test_eight_devices_end_at_the_furthest_place(asha: ApiClient, bilal: ApiClient) -> None:
    """Each is told that it moved the place, or how much further it is; versions rise by one for each move."""
    chance = random.Random(8)
    stories = [asha.published_story(str(number), chapters=4) for number in range(ROUNDS)]
    places = [[(chance.randrange(4), chance.randrange(3)) for _ in range(DEVICES)] for _ in stories]

    def move(device: int, number: int) -> Any:
        chapter, offset = places[number][device]
        story = stories[number]
        return bilal.record_view(story["id"], None, story["chapters"][chapter]["id"], offset, policy="FURTHEST")

    results = rounds([lambda number, device=device: move(device, number) for device in range(DEVICES)], ROUNDS)
    for story, wanted, answers in zip(stories, places, results, strict=True):
        check_round([chapter["id"] for chapter in story["chapters"]], wanted, answers)
    assert scalar("SELECT count(*) FROM reading_view") == ROUNDS
    assert_sound()


def check_round(chapters: list[str], wanted: list[tuple[int, int]], answers: list[Any]) -> None:
    """What eight devices were told about one story, and what is left of it."""
    assert {answer["__typename"] for answer in answers} == {"ReadingSuccess"}
    assert {answer["applied"] for answer in answers} <= {"WRITTEN", "NOOP"}
    assert [answer["counted"] for answer in answers].count(True) == 1
    shown = [(chapters.index(answer["reading"]["chapter"]["id"]), answer["reading"]["offset"]) for answer in answers]
    assert all(there >= mine for there, mine in zip(shown, wanted, strict=True))
    steps = sorted(
        (int(answer["reading"]["version"]), mine)
        for answer, mine in zip(answers, wanted, strict=True)
        if answer["applied"] == "WRITTEN"
    )
    assert [version for version, _ in steps] == list(range(1, len(steps) + 1))
    assert [place for _, place in steps] == sorted({place for _, place in steps})
    assert steps[-1][1] == max(wanted)
    stored = Reading.objects.select_related("chapter").get(id__in=Reading.objects.filter(chapter_id__in=ids(chapters)))
    assert stored.chapter is not None
    assert (stored.chapter.position - 1, stored.offset, stored.version) == (*max(wanted), len(steps))


def ids(chapters: list[str]) -> list[Any]:
    """The keys of these chapters."""
    return [chapter.pk for chapter in Chapter.objects.all() if to_id("Chapter", chapter.pk) in chapters]


def test_the_furthest_place_wins_over_whoever_names_a_version(asha: ApiClient, bilal: ApiClient) -> None:
    """Eight at once, half of them exact: at most one of those moves the place, the others conflict, and none is lost."""
    story = asha.published_story(chapters=8)
    chapters = [chapter["id"] for chapter in story["chapters"]]
    policies = ["EXACT", "FURTHEST"] * 4
    results = race(
        [
            lambda n=n, policy=policy: bilal.record_view(story["id"], "0", chapters[n], policy=policy)
            for n, policy in enumerate(policies)
        ]
    )
    exact, furthest = results[::2], results[1::2]
    assert sum(answer["__typename"] == "ReadingSuccess" for answer in exact) <= 1
    assert {answer["applied"] for answer in furthest} <= {"WRITTEN", "NOOP"}
    assert query("SELECT position FROM reading_reading JOIN stories_chapter AS c ON c.id = chapter_id") == [(8,)]
    written = [answer for answer in results if answer.get("applied") == "WRITTEN"]
    assert sorted(int(answer["reading"]["version"]) for answer in written) == list(range(1, len(written) + 1))


def overtaken(
    bilal: ApiClient, story: Any, rivals: ReadingPlace, mine: ReadingPlace, *, chapters_move: bool = False
) -> Any:
    """What a device is told that found the reader's row locked, while another one moved it."""
    row = Story.objects.get()

    def hold() -> Rival:
        if chapters_move:
            query(SWAP)
        query(LOCK)
        chapter = to_id("Chapter", mine.chapter_id)
        rival = Rival(lambda: bilal.record_view(story["id"], None, chapter, mine.offset, policy="FURTHEST"))
        rival.until_it_waits()
        record_view(bilal.person.pk, row.pk, rivals, Expected(None), furthest=True)
        return rival

    return unit_of_work(hold).result()


@pytest.mark.parametrize(("rivals", "mine", "applied"), [(7, 3, "NOOP"), (3, 7, "WRITTEN")])
def test_a_device_that_waited_compares_with_what_it_waited_for(
    asha: ApiClient, bilal: ApiClient, rivals: int, mine: int, applied: str
) -> None:
    """Not with what was there when it came."""
    story, chapter = asha.published_story(), Chapter.objects.get()
    bilal.record_view(story["id"])
    answer = overtaken(bilal, story, ReadingPlace(chapter.pk, rivals), ReadingPlace(chapter.pk, mine))
    assert answer["applied"] == applied
    assert (answer["reading"]["offset"], Reading.objects.get().offset) == (7, 7)


def test_a_device_that_waited_compares_by_the_present_order(asha: ApiClient, bilal: ApiClient) -> None:
    """The chapters may have been moved while it waited: its place was further when it came, and is not any more."""
    story, (one, two, _) = asha.published_story(chapters=3), Chapter.objects.order_by("position")
    bilal.record_view(story["id"], "0", story["chapters"][0]["id"])
    answer = overtaken(bilal, story, ReadingPlace(one.pk, 5), ReadingPlace(two.pk, 0), chapters_move=True)
    assert (answer["applied"], answer["reading"]["chapter"]) == ("NOOP", {"id": to_id("Chapter", one.pk)})
    assert Reading.objects.get().chapter_id == one.pk


def test_the_version_that_was_seen_ends_at_the_newest(asha: ApiClient, bilal: ApiClient) -> None:
    """Eight devices that show eight versions of the story: none takes back what another has seen."""
    story = asha.published_story()
    raise_version = "UPDATE stories_story SET version = version + 1, texts_changed = version + 1 RETURNING version"
    versions = [scalar(raise_version) for _ in range(DEVICES)]
    chance = random.Random(9)
    for _ in range(depth.rounds(5, at_least=2)):
        empty("reading_view", "reading_reading", "stories_storytally")
        chance.shuffle(versions)
        answers = race(
            [
                lambda seen=seen: bilal.record_view(story["id"], None, policy="FURTHEST", seen=str(seen))
                for seen in versions
            ]
        )
        assert Reading.objects.get().story_version == max(versions)
        written = [int(one["reading"]["version"]) for one in answers if one["applied"] == "WRITTEN"]
        assert sorted(written) == list(range(1, len(written) + 1))
