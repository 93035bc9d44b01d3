"""A replay is one moment: the first reply with all that its versions cover, or that the thing is gone."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from backend.engine import metrics, transactions
from tests.api import ApiClient
from tests.api.notifications import told_of
from tests.races.test_keys import MUTATIONS as KEYED
from tests.races.test_keys import prepared
from tests.schema.footprint import nothing_written

STORY = (
    "id version updatedAt title summary status chapterCount chapters { id version updatedAt position title body "
    "story { version } revisions { edges { node { version } } } } revisions { edges { node { version } } }"
)
CHAPTER = f"chapter {{ id version title body story {{ {STORY} }} }}"
REFUSED = "... on Failure { code message } ... on NotFoundError { deletedAt }"
SUCCESSES = {
    "StorySuccess": f"story {{ {STORY} }}",
    "ChapterSuccess": f"{CHAPTER} story {{ {STORY} }}",
    "ChapterDeleted": f"story {{ {STORY} }}",
    "RevisionSuccess": f"{CHAPTER} story {{ {STORY} }}",
}
SUCCESS = {
    "appendChapter": "ChapterSuccess",
    "updateChapter": "ChapterSuccess",
    "deleteChapter": "ChapterDeleted",
    "restoreRevision": "RevisionSuccess",
}
"""The success of a write to a story, if it is not StorySuccess."""
DECLARED = {
    "createStory": "$input: CreateStoryInput!, $expect: Expect!",
    "updateStory": "$id: ID!, $patch: StoryPatch!, $expect: Expect!",
    "publishStory": "$id: ID!, $expect: Expect!",
    "unpublishStory": "$id: ID!, $expect: Expect!",
    "reorderChapters": "$story: ID!, $order: [ID!]!, $expect: Expect!",
    "appendChapter": "$story: ID!, $chapter: ChapterInput!",
    "updateChapter": "$id: ID!, $patch: ChapterPatch!, $expect: Expect!",
    "deleteChapter": "$id: ID!, $expect: Expect!",
    "restoreRevision": "$id: ID!, $expect: Expect!",
}
Send = Callable[[], Any]


def sender(caller: ApiClient, mutation: str, **given: Any) -> Send:
    """Sends a write to a story, again with its key; asks for all that the story's version covers."""
    passed = ", ".join(f"{name}: ${name}" for name in given)
    success = SUCCESS.get(mutation, "StorySuccess")
    answer = f"... on {success} {{ applied {SUCCESSES[success]} }} {REFUSED}"
    key = "UUID!" if mutation == "appendChapter" else "UUID"
    query = (
        f"mutation ({DECLARED[mutation]}, $key: {key}) {{ {mutation}({passed}, key: $key) {{ __typename {answer} }} }}"
    )
    fixed = {**given, "key": str(uuid.uuid4())}
    return lambda: caller.ask(query, **fixed)[mutation]


def written(asha: ApiClient, mutation: str) -> tuple[Send, Callable[[], tuple[str, str]]]:
    """A write to a draft of two chapters, ready to be sent; and what then gives the story's id and its present version."""
    if mutation == "createStory":
        chapters = [{"title": f"Chapter {n}", "body": f"Text {n}."} for n in (1, 2)]
        send = sender(asha, mutation, input={"title": "T", "chapters": chapters}, expect={"version": "0"})
        return send, lambda: _the_only(asha)
    story = asha.create_story("0", chapters=2)["story"]
    one, two = (chapter["id"] for chapter in story["chapters"])
    asha.update_story(story["id"], {"title": "Edited"}, "1")
    if mutation == "unpublishStory":
        asha.publish(story["id"], "2")
    version = {"version": "3" if mutation == "unpublishStory" else "2"}
    given: dict[str, dict[str, Any]] = {
        "updateStory": {"id": story["id"], "patch": {"summary": "S"}, "expect": version},
        "publishStory": {"id": story["id"], "expect": version},
        "unpublishStory": {"id": story["id"], "expect": version},
        "reorderChapters": {"story": story["id"], "order": [two, one], "expect": version},
        "appendChapter": {"story": story["id"], "chapter": {"title": "Third", "body": "More."}},
        "updateChapter": {"id": one, "patch": {"body": "Mine."}, "expect": {"version": "1"}},
        "deleteChapter": {"id": two, "expect": {"version": "1"}},
        "restoreRevision": {"id": asha.revisions(story["id"])[0]["id"], "expect": version},
    }
    return sender(asha, mutation, **given[mutation]), lambda: _the_only(asha)


def _the_only(asha: ApiClient) -> tuple[str, str]:
    query = "{ viewer { shelf { stories { edges { node { id version } } } } } }"
    (edge,) = asha.ask(query)["viewer"]["shelf"]["stories"]["edges"]
    return edge["node"]["id"], edge["node"]["version"]


def chapters_of(asha: ApiClient, story: str) -> Any:
    query = "query ($id: ID!) { story(id: $id) { chapters { id version } } }"
    return asha.ask(query, id=story)["story"]["chapters"]


def edit_each(asha: ApiClient, story: str) -> None:
    for chapter in chapters_of(asha, story):
        version = chapter["version"]
        texts = {"title": f"Elsewhere, after {version}", "body": f"Written elsewhere, after {version}."}
        done(asha.update_chapter(chapter["id"], texts, version))


def drop_first(asha: ApiClient, story: str) -> None:
    edit_each(asha, story)
    first = chapters_of(asha, story)[0]
    done(asha.delete_chapter(first["id"], first["version"]))


def drop_and_restore(asha: ApiClient, story: str) -> None:
    drop_first(asha, story)
    done(asha.restore(asha.revisions(story)[0]["id"], _the_only(asha)[1]))
    edit_each(asha, story)


def turn_round(asha: ApiClient, story: str) -> None:
    done(asha.append(story))
    order = [chapter["id"] for chapter in chapters_of(asha, story)]
    done(asha.reorder(story, order[::-1], _the_only(asha)[1]))


def done(answer: Any) -> None:
    assert answer["applied"] == "WRITTEN", answer


CHANGES: dict[str, Callable[[ApiClient, str], None]] = {
    "its title": lambda asha, story: done(asha.update_story(story, {"title": "Elsewhere"}, _the_only(asha)[1])),
    "a chapter more": lambda asha, story: done(asha.append(story)),
    "the texts": edit_each,
    "a chapter less": lambda asha, story: drop_last(asha, story),
    "a chapter back": drop_and_restore,
    "the order": turn_round,
}


def drop_last(asha: ApiClient, story: str) -> None:
    last = chapters_of(asha, story)[-1]
    done(asha.delete_chapter(last["id"], last["version"]))


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("mutation", DECLARED)
def test_a_replay_shows_the_story_with_its_chapters_as_they_were(mutation: str, change: str, asha: ApiClient) -> None:
    """Every version beside what it stood for: texts, positions, number and history, whatever has been written since."""
    send, present = written(asha, mutation)
    first = send()
    assert first.pop("applied") == "WRITTEN"
    story, _ = present()
    CHANGES[change](asha, story)
    assert present()[1] != first["story"]["version"]
    with nothing_written():
        again = send()
    if mutation == "appendChapter" and change == "a chapter less":  # that was the one
        assert again["__typename"] == "NotFoundError"
        return
    assert again.pop("applied") == "REPLAYED"
    assert again == first


@pytest.mark.parametrize("mutation", DECLARED)
def test_a_replay_of_what_went_with_its_story_says_when(mutation: str, asha: ApiClient) -> None:
    """Typed, for the author; nothing is made again."""
    send, present = written(asha, mutation)
    send()
    story, version = present()
    done(asha.delete_story(story, version))
    with nothing_written():
        again = send()
    assert (again["__typename"], again["code"]) == ("NotFoundError", "NOT_FOUND")
    late = asha.update_story(story, {"title": "Late"}, version)
    assert again["deletedAt"] == late["deletedAt"] is not None
    assert again["message"].startswith("This request had been served before, and what it wrote is gone.")


@pytest.mark.parametrize("mutation", ["updateChapter", "appendChapter"])
def test_a_replay_of_a_chapter_that_went_says_when(mutation: str, asha: ApiClient) -> None:
    send, present = written(asha, mutation)
    chapter = send()["chapter"]
    done(asha.delete_chapter(chapter["id"], chapter["version"]))
    again = send()
    assert again["__typename"] == "NotFoundError"
    assert again["deletedAt"] == asha.update_chapter(chapter["id"], {"title": "Late"}, "1")["deletedAt"] is not None
    revision = asha.revisions(present()[0])[0]["id"]
    done(asha.restore(revision, present()[1]))
    assert send()["applied"] == "REPLAYED"


def test_a_replay_of_a_whisper_that_went_says_when(asha: ApiClient) -> None:
    key = str(uuid.uuid4())
    query = (
        'mutation ($k: UUID) { createWhisper(text: "Psst.", key: $k) { __typename ... on WhisperSuccess { whisper { id } } '
        "... on NotFoundError { deletedAt } } }"
    )
    whisper = asha.ask(query, k=key)["createWhisper"]["whisper"]["id"]
    asha.delete_whisper(whisper)
    again = asha.ask(query, k=key)["createWhisper"]
    assert again == {"__typename": "NotFoundError", "deletedAt": asha.delete_whisper(whisper)["deletedAt"]}


def test_an_edition_goes_with_its_story(asha: ApiClient) -> None:
    key, story = str(uuid.uuid4()), asha.published_story()["id"]
    done(asha.create_edition(story, key=key))
    done(asha.delete_story(story, "2"))
    assert asha.create_edition(story, key=key)["code"] == "NOT_FOUND"


def gone_or_hidden(bilal: ApiClient, story: str, how: str) -> None:
    if how == "deleted":
        done(bilal.delete_story(story, "2"))
    else:
        done(bilal.unpublish(story, "2"))


def test_what_hangs_on_a_hidden_story_replays_as_on_a_deleted_one(asha: ApiClient, bilal: ApiClient) -> None:
    """Neither a reader nor a follower learns which of the two it was."""
    said: list[Any] = []
    for number, how in enumerate(("deleted", "hidden")):
        story = bilal.published_story(str(2 * number))["id"]
        told, keys = told_of(asha, story), [str(uuid.uuid4()) for _ in range(2)]
        sends = [lambda: asha.record_view(story, "0", key=keys[0]), lambda: asha.mark_read(told, key=keys[1])]  # noqa: B023
        for send in sends:
            done(send())
        gone_or_hidden(bilal, story, how)
        said.append([send() for send in sends])
    assert said[0] == said[1]
    assert [answer["code"] for answer in said[0]] == ["NOT_FOUND", "NOT_FOUND"]


@pytest.mark.parametrize("mutation", KEYED)
def test_every_replay_reads_in_one_snapshot(
    mutation: str, asha: ApiClient, bilal: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its answer still reads; that of a changed password shows nothing that was stored."""
    send, key = prepared(mutation, asha, bilal), str(uuid.uuid4())
    moments: list[str] = []
    enter = transactions.snapshot

    def counted() -> Any:
        moments.append(mutation)
        return enter()

    assert send(key)["applied"] == "WRITTEN"
    monkeypatch.setattr(transactions, "snapshot", counted)
    assert send(key)["applied"] == "REPLAYED"
    assert moments == [name for name in [mutation] if name != "changePassword"]
    assert metrics._OPERATION.get() == "other", "what its thread does next would be counted for the mutation"


@pytest.mark.parametrize("status", ["DRAFT", "PUBLISHED"])
def test_who_was_removed_is_shown_no_replay(asha: ApiClient, bilal: ApiClient, chitra: ApiClient, status: str) -> None:
    """Neither of a text nor of the story: some of what it shows is of now, such as who is invited."""
    story = asha.written_with(bilal, "MANAGE")
    chapter = asha.story_as_found(story)["chapters"][0]["id"]
    edit, summary = str(uuid.uuid4()), str(uuid.uuid4())

    def write() -> list[Any]:
        return [
            bilal.update_chapter(chapter, {"body": "His."}, "1", key=edit),
            bilal.update_story(story, {"summary": "His."}, "4", key=summary),
        ]

    assert [one["applied"] for one in write()] == ["WRITTEN"] * 2
    assert [one["applied"] for one in write()] == ["REPLAYED"] * 2
    assert asha.remove_coauthor(story, bilal, asha.version_of(story))["applied"] == "WRITTEN"
    if status == "PUBLISHED":
        asha.publish(story, asha.version_of(story))
    assert asha.invite(story, chitra, asha.version_of(story))["applied"] == "WRITTEN"
    assert [one.get("code") for one in write()] == ["NOT_FOUND"] * 2
