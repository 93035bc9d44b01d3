"""What is sent as it is changes nothing: a form sends all of its fields, and its author has changed one of them."""

from typing import Any

from backend.people.models import Person
from backend.stories.models import Chapter, Revision, Story
from tests.api import ApiClient


def kept(who: ApiClient, story: str) -> list[list[str]]:
    """The fields of each revision, newest first."""
    return [sorted(one["values"]) for one in who.revisions(story)]


def shown(answer: Any) -> tuple[str, str, str]:
    """What an updateStory answers."""
    return answer["applied"], answer["story"]["title"], answer["story"]["summary"]


def test_a_title_sent_as_it_is_conflicts_with_no_other(asha: ApiClient) -> None:
    """It gets no stamp and no revision, so a title that another device writes meanwhile is no conflict."""
    story = asha.create_story("0", title="One", summary="Old")["story"]["id"]
    sent = asha.update_story(story, {"title": "One", "summary": "New"}, "1", merge=True)
    assert shown(sent) == ("WRITTEN", "One", "New")
    row = Story.objects.get()
    assert (row.version, row.title_changed, row.summary_changed) == (2, 1, 2)
    assert kept(asha, story) == [["summary"]]
    assert shown(asha.update_story(story, {"title": "Two"}, "1", merge=True)) == ("MERGED", "Two", "New")


def test_a_title_that_others_have_changed_is_left_as_theirs(asha: ApiClient) -> None:
    """Who sends it as they saw it has not changed it: the rest is written, and if there is nothing else, nothing is."""
    story = asha.create_story("0", title="One", summary="Old")["story"]["id"]
    asha.update_story(story, {"title": "Two"}, "1")
    assert shown(asha.update_story(story, {"title": "One", "summary": "New"}, "1", merge=True)) == (
        "MERGED",
        "Two",
        "New",
    )
    assert kept(asha, story) == [["summary"], ["title"]]
    assert shown(asha.update_story(story, {"title": "One"}, "1", merge=True)) == ("MERGED", "Two", "New")
    assert Story.objects.get().version == 3
    late = asha.update_story(story, {"title": "Three", "summary": "Old"}, "1", merge=True)
    assert [(one["path"], one["base"], one["mine"], one["theirs"]) for one in late["overlaps"]] == [
        ("title", "One", "Three", "Two")
    ]
    assert asha.update_story(story, {"title": "One"}, "1")["code"] == "CONFLICT", "only who merges says so"


def test_the_title_of_a_chapter_too(asha: ApiClient) -> None:
    """With the text, of which paragraphs are merged; and with nothing else."""
    story = asha.published_story()["id"]
    chapter = Chapter.objects.get()
    id_, version, title = asha.ask("query ($id: ID!) { story(id: $id) { chapters { id version title } } }", id=story)[
        "story"
    ]["chapters"][0].values()
    asha.update_chapter(id_, {"title": "Theirs"}, version)
    merged = asha.update_chapter(id_, {"title": title, "body": "Mine."}, version, merge=True)
    assert (merged["applied"], merged["chapter"]["title"], merged["chapter"]["body"]) == ("MERGED", "Theirs", "Mine.")
    again = asha.update_chapter(id_, {"title": title}, version, merge=True)
    assert (again["applied"], again["chapter"]["title"]) == ("MERGED", "Theirs")
    kept = Revision.objects.filter(chapter_id=chapter.pk).order_by("version")
    assert [list(one.values) for one in kept] == [["title"], ["body"]]
    chapter.refresh_from_db()
    assert (chapter.version, chapter.title_changed, chapter.body_changed) == (3, 2, 3)


def test_a_profile_too(asha: ApiClient) -> None:
    """A name that is sent as it is gets no stamp."""
    asha.update_profile({"name": "Asha", "bio": "New"}, "1", merge=True)
    row = Person.objects.get()
    assert (row.version, row.name_changed, row.bio_changed) == (2, 1, 2)
    assert asha.update_profile({"name": "Other"}, "1", merge=True)["applied"] == "MERGED"
