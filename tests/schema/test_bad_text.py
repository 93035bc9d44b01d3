"""Text and input objects that make no sense: each mutation says what is wrong with them and touches no row."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api import join
from tests.schema.footprint import nothing_written
from tests.schema.mutation_fixture import (
    MEGABYTE,
    NUL,
    SURROGATE,
    MutationFixture,
    check_invalid,
    check_request_error,
    send,
)
from tests.worlds import MadeOnce

Arguments = Callable[[str], dict[str, Any]]


@pytest.fixture(scope="module")
def world(made_once: MadeOnce) -> MutationFixture:
    """The same for all: nothing that is sent here is written."""
    return made_once(lambda: MutationFixture.of(join("asha"), join("bilal")))


def chapter(**fields: str) -> dict[str, Any]:
    """The input of a story with this chapter."""
    return {"input": {"title": "A", "chapters": [{"title": "a", "body": "b", **fields}]}}


LINES: list[tuple[str, str, Arguments]] = [
    ("createStory", "input.title", lambda bad: {"input": {"title": bad}}),
    ("createStory", "input.chapters.0.title", lambda bad: chapter(title=bad)),
    ("updateStory", "patch.title", lambda bad: {"patch": {"title": bad}}),
    ("updateChapter", "patch.title", lambda bad: {"patch": {"title": bad}}),
    ("appendChapter", "chapter.title", lambda bad: {"chapter": {"title": bad, "body": "b"}}),
    ("updateProfile", "patch.name", lambda bad: {"patch": {"name": bad}}),
    ("signUp", "name", lambda bad: {"name": bad}),
    ("createEdition", "title", lambda bad: {"title": bad}),
]
TEXTS: list[tuple[str, str, Arguments]] = [
    ("createStory", "input.summary", lambda bad: {"input": {"title": "A", "summary": bad}}),
    ("createStory", "input.chapters.0.body", lambda bad: chapter(body=bad)),
    ("updateStory", "patch.summary", lambda bad: {"patch": {"summary": bad}}),
    ("updateChapter", "patch.body", lambda bad: {"patch": {"body": bad}}),
    ("appendChapter", "chapter.body", lambda bad: {"chapter": {"title": "a", "body": bad}}),
    ("createWhisper", "text", lambda bad: {"text": bad}),
    ("report", "reason", lambda bad: {"reason": bad}),
    ("updateProfile", "patch.bio", lambda bad: {"patch": {"bio": bad}}),
    ("signUp", "password", lambda bad: {"password": bad}),
    ("signUp", "handle", lambda bad: {"handle": bad}),
]


@pytest.mark.parametrize(("name", "path", "arguments"), [*LINES, *TEXTS], ids=lambda value: str(value)[:24])
def test_text_that_cannot_be_kept_is_invalid(
    world: MutationFixture, name: str, path: str, arguments: Arguments
) -> None:
    """NUL, half of a surrogate pair, a crowd of marks, or longer than any field."""
    bad = [NUL, SURROGATE, "\udc00", "e" + "\u0301" * 31, "x" * 200_001, MEGABYTE]
    check_invalid(world, name, path, *map(arguments, bad))


def test_credentials_are_normalized_as_well(world: MutationFixture) -> None:
    """Text that cannot be kept opens no account, changes no password and deletes nothing either."""
    arguments = (
        *(("signIn", "handle"), ("signIn", "password"), ("deleteAccount", "password")),
        *(("changePassword", "current"), ("changePassword", "new")),
    )
    for name, argument in arguments:
        check_invalid(world, name, argument, *({argument: bad} for bad in (NUL, SURROGATE, MEGABYTE)))


@pytest.mark.parametrize(("name", "path", "arguments"), LINES, ids=lambda value: str(value)[:24])
def test_a_line_says_something_in_one_line(world: MutationFixture, name: str, path: str, arguments: Arguments) -> None:
    """Titles and names are not empty, not blank, without control characters, also of direction, and not too long."""
    bad = ["", " ", "\t\n", "\u3000", "two\nlines", "a\u2028b", "a\x1bb", "x" * 201]
    bad += ["\u200b", " \u200d\ufeff", "a\u202egnp.", "\u2067a\u2069"]
    check_invalid(world, name, path, *map(arguments, bad))


def test_a_chapter_has_a_text(world: MutationFixture) -> None:
    """Empty and blank alike."""
    check_invalid(world, "createStory", "input.chapters.0.body", chapter(body=""), chapter(body=" \n "))
    for body in ("", " \n "):
        check_invalid(world, "updateChapter", "patch.body", {"patch": {"body": body}})
        check_invalid(world, "appendChapter", "chapter.body", {"chapter": {"title": "a", "body": body}})


def test_a_whisper_and_a_reason_say_something(world: MutationFixture) -> None:
    """Not blank, and not longer than they may be."""
    for name, path, most in (("createWhisper", "text", 500), ("report", "reason", 1_000)):
        check_invalid(world, name, path, *({path: bad} for bad in ("", " \n ", "\u200b", "x" * (most + 1))))


def test_a_handle_is_plain_and_free(world: MutationFixture) -> None:
    """Letters, digits and a few signs; taken in any case of letters is taken."""
    bad = ["", " ", ".asha", "a b", "a/b", "ä", "x" * 51, "asha", "ASHA"]
    check_invalid(world, "signUp", "handle", *({"handle": one} for one in bad))


def test_a_password_is_hard_to_guess(world: MutationFixture) -> None:
    """Too short, too common, only digits, like the handle, or absurdly long."""
    bad = ["", "short", "password", "12345678901", "longhandle", "x" * 1_001]
    check_invalid(world, "signUp", "password", *({"handle": "longhandle", "password": one} for one in bad))


def test_all_that_is_wrong_is_said_at_once(world: MutationFixture) -> None:
    """A client need not correct one thing after the other."""
    chapters = [{"title": "", "body": ""}, {"title": "Good", "body": "Good."}, {"title": "x" * 201, "body": "Good."}]
    with nothing_written():
        answer = send(world, "createStory", input={"title": " ", "summary": "x" * 2_001, "chapters": chapters})
    assert [field["path"] for field in answer["data"]["createStory"]["fields"]] == [
        "input.title",
        "input.summary",
        "input.chapters.0.title",
        "input.chapters.0.body",
        "input.chapters.2.title",
    ]


def test_a_story_has_at_most_two_hundred_chapters(world: MutationFixture) -> None:
    """All of them are counted before any is written."""
    chapters = [{"title": "One", "body": "Text."}] * 201
    check_invalid(world, "createStory", "input.chapters", {"input": {"title": "A", "chapters": chapters}})


def test_a_patch_sets_something(world: MutationFixture) -> None:
    """Nothing at all, or null, is no value."""
    check_invalid(world, "updateProfile", "patch", {"patch": {}})
    check_invalid(world, "updateProfile", "patch.name", {"patch": {"name": None}})
    check_invalid(world, "updateProfile", "patch.bio", {"patch": {"bio": None}})
    check_invalid(world, "updateProfile", "patch.showMature", {"patch": {"showMature": None}})


def test_what_the_schema_does_not_allow_is_a_request_error(world: MutationFixture) -> None:
    """Unknown members, null where something is needed, values of another type."""
    titled: dict[str, Any] = {"title": "A"}
    bad: dict[str, list[dict[str, Any]]] = {
        "updateProfile": [
            {"patch": {"handle": "other"}},
            {"patch": None},
            {"patch": {"showMature": "yes"}},
            {"onConflict": "IGNORE"},
            {"onConflict": None},
        ],
        "createStory": [
            {"input": {}},
            {"input": {"title": None}},
            {"input": {**titled, "mature": "yes"}},
            {"input": {**titled, "warnings": ["BOREDOM"]}},
            {"input": {**titled, "warnings": None}},
            {"input": {**titled, "chapters": [None]}},
            {"input": {**titled, "chapters": [titled]}},
            {"input": {**titled, "status": "PUBLISHED"}},
        ],
        "createWhisper": [{"text": None}, {"text": 5}, {"nsfw": "yes"}, {"nsfw": None}],
        "report": [{"reason": None}, {"reason": []}, {"subject": None}, {"subject": 1.5}],
        "recordView": [
            {"place": {}},
            {"place": {"chapter": "x", "offset": None}},
            {"place": {"chapter": "x", "offset": 2**31}},
        ],
        "signUp": [{"handle": None}, {"name": 5}, {"password": ["a"]}],
    }
    for name, requests in bad.items():
        check_request_error(world, name, *requests)
