"""Races of a view against the deletion of what is viewed: neither a deadlock, nor a place that is left behind."""

from typing import Any

import pytest

from backend.engine.transactions import unit_of_work
from backend.engine.versions import Expected, stamped
from backend.erasure.chapters import delete_chapter
from backend.erasure.stories import delete_story
from backend.reading import actions
from backend.reading.models import Reading
from backend.reading.places import ReadingPlace
from backend.stories.models import Chapter, Story
from tests import depth
from tests.api import ApiClient
from tests.races.rivals import Rival, elsewhere, race
from tests.races.rows import assert_sound, query, scalar
from tests.writing import write

pytestmark = pytest.mark.django_db(transaction=True)

PUBLISHED = Expected(2)
FIRST = Expected(1)


def delete(story: Story) -> None:
    """Delete the story, as its author."""
    unit_of_work(lambda: delete_story(story.pk, story.author_id, PUBLISHED))


def assert_nothing_left() -> None:
    """No place, no view and no total of a story that is gone."""
    for table in ("stories_story", "stories_chapter", "reading_reading", "reading_view", "stories_storytally"):
        assert query(f"SELECT * FROM {table}") == []
    assert_sound()


def test_a_view_waits_for_a_deletion_and_finds_no_story(asha: ApiClient, bilal: ApiClient) -> None:
    """Nothing is counted, and no place is remembered."""
    made = asha.published_story()
    story = Story.objects.get()

    def hold() -> Rival:
        delete_story(story.pk, story.author_id, PUBLISHED)
        return Rival(lambda: bilal.record_view(made["id"], "0", made["chapters"][0]["id"])).until_it_waits()

    assert unit_of_work(hold).result()["code"] == "NOT_FOUND"
    assert_nothing_left()


def test_a_deletion_waits_for_a_view_and_takes_it_along(asha: ApiClient, bilal: ApiClient) -> None:
    """The place, the view and the total that it made."""
    asha.published_story()
    story, chapter = Story.objects.get(), Chapter.objects.get()

    def hold() -> Rival:
        actions.record_view(bilal.person.pk, story.pk, ReadingPlace(chapter.pk, 1), Expected(0))
        return Rival(lambda: delete(story)).until_it_waits()

    unit_of_work(hold).result()
    assert_nothing_left()


def test_views_and_a_deletion_at_once_leave_nothing(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Whoever comes first; no view is answered with anything but success or that there is no such story."""

    def view(who: ApiClient, made: Any, policy: str) -> str:
        answer = who.record_view(made["id"], "0", made["chapters"][0]["id"], policy=policy)
        return str(answer["__typename"])

    for number in range(depth.rounds(10, at_least=4)):
        made = asha.published_story(str(2 * number))
        devices = [(who, made, policy) for who in (bilal, chitra) for policy in ("EXACT", "FURTHEST")]
        story = Story.objects.get()
        *said, _ = race(
            [*(lambda device=device: view(*device) for device in devices), lambda story=story: delete(story)]
        )
        assert set(said) <= {"ReadingSuccess", "ConflictError", "NotFoundError"}
        assert_nothing_left()


def test_a_view_waits_for_the_deletion_of_its_chapter(asha: ApiClient, bilal: ApiClient) -> None:
    """And is told that the story has none such."""
    made = asha.published_story(chapters=2)
    chapter = Chapter.objects.get(position=1)

    def hold() -> Rival:
        delete_chapter(chapter.pk, asha.person.pk, FIRST)
        return Rival(lambda: bilal.record_view(made["id"], "0", made["chapters"][0]["id"])).until_it_waits()

    answer = unit_of_work(hold).result()
    assert [field["path"] for field in answer["fields"]] == ["place.chapter"]
    assert scalar("SELECT count(*) FROM reading_reading") == 0


def test_the_deletion_of_a_chapter_waits_for_a_view_and_moves_the_reader(asha: ApiClient, bilal: ApiClient) -> None:
    """The place that the view made is not left in a chapter that is gone."""
    asha.published_story(chapters=2)
    story, (one, two) = Story.objects.get(), Chapter.objects.order_by("position")

    def hold() -> Rival:
        actions.record_view(bilal.person.pk, story.pk, ReadingPlace(one.pk, 7), Expected(None), furthest=True)
        return Rival(lambda: unit_of_work(lambda: delete_chapter(one.pk, asha.person.pk, FIRST))).until_it_waits()

    unit_of_work(hold).result()
    place = Reading.objects.get()
    assert (place.chapter_id, place.offset) == (two.pk, 0)


def test_views_and_edits_do_not_wait_for_each_other(asha: ApiClient, bilal: ApiClient) -> None:
    """An author who saves holds no reader off, nor does a reader hold off the author."""
    made = asha.published_story()
    story, chapter = Story.objects.get(), Chapter.objects.get()

    def edit() -> list[Any]:
        texts = write(Chapter.objects.filter(pk=chapter.pk), body="Other words.", **stamped(Chapter, ["body"]))
        return [*write(Story.objects.filter(pk=story.pk), **stamped(Story, ["texts"])), *texts]

    def view_during_an_edit() -> Any:
        edit()
        return elsewhere(lambda: bilal.record_view(made["id"], "0", made["chapters"][0]["id"]))

    def edit_during_a_view() -> Any:
        actions.record_view(bilal.person.pk, story.pk, ReadingPlace(chapter.pk, 9), Expected(1))
        return elsewhere(lambda: unit_of_work(edit))

    assert unit_of_work(view_during_an_edit)["applied"] == "WRITTEN"
    assert len(unit_of_work(edit_during_a_view)) == 2
    assert (Story.objects.get().version, Chapter.objects.get().version) == (4, 3)
