"""What two writers wrote, with types: beside the JSON, and always the same as it."""

from typing import Any

import pytest

from backend.stories.merge import suggestion, three_way
from schema.overlaps import MAX_PARTS, body_parts
from tests.api import ApiClient
from tests.api.notifications import told_of

VALUE = (
    "{ __typename ... on TextValue { text } ... on FlagValue { flag } ... on NumberValue { number } "
    "... on MomentValue { moment } "
    "... on NamesValue { names } ... on ChapterValue { chapter title } ... on ChaptersValue { chapters } }"
)
CONFLICT = (
    "... on ConflictError { overlaps { path base mine theirs "
    f"baseValue {VALUE} mineValue {VALUE} theirsValue {VALUE} }} suggestion suggestedBody {{ __typename "
    "... on CleanPart { text } ... on CollidingPart { base mine theirs } } }"
)


def plain(value: Any) -> Any:
    """A typed value as the JSON beside it has it."""
    if value is None:
        return None
    own = {name: one for name, one in value.items() if name not in ("__typename", "title")}
    (found,) = own.values()
    return {"id": found, "title": value["title"]} if value.get("title") is not None else found


def overlaps(who: ApiClient, declared: str, mutation: str, **variables: Any) -> dict[str, Any]:
    """The overlaps of a conflict by path, each checked against its JSON; the value that is now by its type."""
    name = mutation.partition("(")[0]
    answer = who.ask(f"mutation ({declared}) {{ {mutation} {{ __typename {CONFLICT} }} }}", **variables)[name]
    assert answer["__typename"] == "ConflictError"
    for one in answer["overlaps"]:
        for side in ("base", "mine", "theirs"):
            assert plain(one[f"{side}Value"]) == one[side], (one, side)
    return {one["path"]: one["theirsValue"] for one in answer["overlaps"]}


def test_the_values_of_a_story_have_types(asha: ApiClient) -> None:
    """Texts, flags, names; of publishing also the order of the chapters and those that were written."""
    story = asha.create_story("0", chapters=2)["story"]
    one, two = (chapter["id"] for chapter in story["chapters"])
    asha.update_story(story["id"], {"title": "New", "mature": True, "warnings": ["GORE", "ABUSE"]}, "1")
    edit = 'updateStory(id: $id, patch: {title: "Mine", mature: false, warnings: []}, expect: {version: "1"})'
    assert overlaps(asha, "$id: ID!", edit, id=story["id"]) == {
        "title": {"__typename": "TextValue", "text": "New"},
        "mature": {"__typename": "FlagValue", "flag": True},
        "warnings": {"__typename": "NamesValue", "names": ["ABUSE", "GORE"]},
    }
    asha.reorder(story["id"], [two, one], "1")
    asha.update_chapter(one, {"title": "Written"}, "2")
    found = overlaps(asha, "$id: ID!", 'publishStory(id: $id, expect: {version: "2"})', id=story["id"])
    assert found == {
        "chapters": {"__typename": "ChaptersValue", "chapters": [two, one]},
        "chapters.2": {"__typename": "ChapterValue", "chapter": one, "title": "Written"},
    }


def test_so_have_those_of_everything_else(asha: ApiClient, bilal: ApiClient) -> None:
    """Numbers, a chapter, a moment."""
    story = asha.published_story()
    edition = asha.create_edition(story["id"], stock=5)["edition"]["id"]
    asha.adjust_stock(edition, 2)
    stock = overlaps(asha, "$id: ID!", 'setStock(edition: $id, to: 3, expect: {version: "1"})', id=edition)
    assert stock == {"stock": {"__typename": "NumberValue", "number": 7}}
    chapter = story["chapters"][0]["id"]
    bilal.record_view(story["id"], "0", chapter, 2)
    view = 'recordView(story: $id, place: {chapter: $chapter, offset: 1}, expect: {version: "0"})'
    place = overlaps(bilal, "$id: ID!, $chapter: ID!", view, id=story["id"], chapter=chapter)
    assert place == {
        "chapter": {"__typename": "ChapterValue", "chapter": chapter, "title": None},
        "offset": {"__typename": "NumberValue", "number": 2},
    }
    told = told_of(bilal, story["id"])
    bilal.mark_read(told)
    read = overlaps(bilal, "$id: ID!", 'markNotificationRead(id: $id, expect: {version: "1"})', id=told)
    assert read["readAt"]["__typename"] == "MomentValue"


@pytest.mark.parametrize("merge", ["FAIL", "MERGE"])
def test_a_suggested_text_has_typed_parts(asha: ApiClient, merge: str) -> None:
    """In order, as in the JSON."""
    story = asha.create_story("0")["story"]
    chapter = story["chapters"][0]["id"]
    asha.update_chapter(chapter, {"body": "One.\n\nTwo."}, "1")
    asha.update_chapter(chapter, {"body": "One.\n\nTheirs."}, "2")
    query = (
        'mutation ($id: ID!, $c: OnConflict!) { updateChapter(id: $id, patch: {body: "One!\\n\\nMine."}, '
        f'expect: {{version: "2"}}, onConflict: $c) {{ {CONFLICT} }} }}'
    )
    answer = asha.ask(query, id=chapter, c=merge)["updateChapter"]
    assert answer["suggestedBody"] == [
        {"__typename": "CleanPart", "text": answer["suggestion"]["body"][0]["text"]},
        {"__typename": "CollidingPart", "base": "Two.", "mine": "Mine.", "theirs": "Theirs."},
    ]
    asha.update_chapter(chapter, {"title": "New"}, "3")
    query = 'mutation ($id: ID!) { updateChapter(id: $id, patch: {title: "Late"}, expect: {version: "3"}) { %s } }'
    answer = asha.ask(query % CONFLICT, id=chapter)["updateChapter"]
    assert (answer["suggestion"], answer["suggestedBody"]) == (None, None)


@pytest.mark.parametrize(("parts", "told"), [(MAX_PARTS, True), (MAX_PARTS + 2, False)])
def test_a_text_of_too_many_parts_is_in_the_json_alone(parts: int, told: bool) -> None:
    """How many parts there can be is reckoned before anything is known of the text."""
    base = [f"{n}." for n in range(parts)]
    mine, theirs = ([f"{one}{sign}" if n % 2 else one for n, one in enumerate(base)] for sign in "!?")
    found = {"body": suggestion(three_way(*map("\n\n".join, (base, mine, theirs))))}
    assert len(found["body"]) == parts
    assert (body_parts(found) is not None) == told
