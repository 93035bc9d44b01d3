"""Many who edit one story at once: disjoint changes all stand, of rivals on one field one wins and the others are told."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from backend.engine.errors import Conflict, FieldConflict
from backend.engine.idempotency import Outcome
from backend.stories.models import ContentWarning, Revision
from tests import depth
from tests.api import ApiClient
from tests.races.authored_story import Answer, AuthoredStory, told, word, words
from tests.races.rivals import Rival, race, rounds
from tests.races.rows import assert_verified
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = depth.rounds(6, at_least=3)
STORY = ("title", "summary", "mature", "warnings")
CHAPTER = ("title", "body")
FIELDS = [(None, field) for field in STORY] + [(place, field) for place in (0, 1) for field in CHAPTER]
"""Eight fields that can change independently: four of the story, two of each of two chapters."""


def value(field: str, place: int | None, number: int) -> Any:
    """What is written to a field in a round: something else than in the round before."""
    if field == "mature":
        return number % 2 == 0
    return [ContentWarning.values[number]] if field == "warnings" else f"{field} of {place}, {number}"


def writer(
    authored: AuthoredStory, place: int | None, field: str, merge: bool, per_round: tuple[int, int]
) -> Callable[[int], Answer]:
    """Sets a field once in each round, from the versions at its beginning: story and chapters rise by so much in each."""
    of_story, of_chapter = per_round
    chapters = authored.order()

    def write(number: int) -> Answer:
        patch = {field: value(field, place, number)}
        if place is None:
            return told(lambda: authored.edit(1 + of_story * number, merge=merge, **patch))
        return told(lambda: authored.write(chapters[place], 1 + of_chapter * number, merge=merge, **patch))

    return write


def written(authored: AuthoredStory) -> list[Any]:
    """What the eight fields hold now."""
    story, chapters = authored.row(), authored.chapters()
    return [getattr(story if place is None else chapters[place], field) for place, field in FIELDS]


def versions(answers: list[Answer]) -> list[int]:
    """The versions of the story that writes made, in order."""
    made = [answer for answer in answers if isinstance(answer, Outcome) and word(answer) != "NOOP"]
    return sorted(answer.rows["story"].version for answer in made)  # type: ignore[attr-defined]


def test_eight_fields_merge_without_conflict(asha: ApiClient) -> None:
    """Each from the version at the beginning, all at once: every value stands, and each write has its version."""
    authored = AuthoredStory.of(asha.person, "One.", "Two.")
    works = [writer(authored, place, field, True, (8, 2)) for place, field in FIELDS]
    for number, answers in enumerate(rounds(works, ROUNDS)):
        assert set(words(answers)) <= {"WRITTEN", "MERGED"}
        assert versions(answers) == list(range(2 + 8 * number, 10 + 8 * number))
    assert written(authored) == [value(field, place, ROUNDS - 1) for place, field in FIELDS]
    assert [chapter.version for chapter in authored.chapters()] == [1 + 2 * ROUNDS] * 2
    assert_verified()


def test_two_who_write_the_same_do_not_collide(asha: ApiClient) -> None:
    """Sixteen in pairs that set one field to one value: of each pair one writes, the other finds it so already.

    It is told MERGED where others have changed another field of that row meanwhile.
    """
    authored = AuthoredStory.of(asha.person, "One.", "Two.")
    works = [writer(authored, place, field, True, (8, 2)) for place, field in FIELDS * 2]
    for number, answers in enumerate(rounds(works, ROUNDS)):
        assert set(words(answers)) <= {"WRITTEN", "MERGED", "NOOP"}
        assert sorted(set(versions(answers))) == list(range(2 + 8 * number, 10 + 8 * number))
    assert Revision.objects.count() == 8 * ROUNDS
    assert written(authored) == [value(field, place, ROUNDS - 1) for place, field in FIELDS]
    assert_verified()


def test_without_merging_one_story_writer_wins_and_chapters_do_not_mind(asha: ApiClient) -> None:
    """FAIL reads all that the mutation could set, and no more: a story and its chapters never collide."""
    authored = AuthoredStory.of(asha.person, "One.", "Two.")
    works = [writer(authored, place, field, False, (3, 1)) for place, field in FIELDS if field != "mature"]
    for number, answers in enumerate(rounds(works, ROUNDS)):
        for rivals in (answers[:3], answers[3:5], answers[5:]):
            assert words(rivals) == ["CONFLICT"] * (len(rivals) - 1) + ["WRITTEN"]
            (winner,) = (answer for answer in rivals if isinstance(answer, Outcome))
            row = winner.rows["story" if len(rivals) == 3 else "chapter"]
            for loser in (answer for answer in rivals if isinstance(answer, Conflict)):
                assert (loser.current.pk, loser.overlaps) == (row.pk, ())
                assert loser.current.version >= row.version > loser.expected  # type: ignore[attr-defined]
        assert versions(answers) == list(range(2 + 3 * number, 5 + 3 * number))
    assert_verified()


@pytest.mark.parametrize("merge", [False, True])
@pytest.mark.parametrize("place", [None, 0])
def test_of_eight_on_one_field_exactly_one_wins(asha: ApiClient, place: int | None, merge: bool) -> None:
    """The others are told what it was when they looked, what they want, and what the winner made of it."""
    authored = AuthoredStory.of(asha.person, "One.")
    chapter = authored.order()[0]
    base = "A story" if place is None else "Chapter 1"
    edit = authored.edit if place is None else partial(authored.write, chapter)
    mine = [f"Title {n}" for n in range(8)]
    answers = race([partial(told, partial(edit, 1, merge=merge, title=title)) for title in mine])
    assert words(answers) == ["CONFLICT"] * 7 + ["WRITTEN"]
    theirs = mine[[word(answer) for answer in answers].index("WRITTEN")]
    for title, answer in zip(mine, answers, strict=True):
        if isinstance(answer, Conflict):
            assert answer.overlaps == (FieldConflict("title", base, title, theirs),)
            assert (answer.current.title, answer.current.version) == (theirs, 2)
    assert (authored.row() if place is None else authored.chapters()[0]).title == theirs
    assert authored.row().version == 2


def test_sixteen_who_edit_a_paragraph_each_all_stand(asha: ApiClient) -> None:
    """One text from one version, brought together paragraph by paragraph, however they come."""
    texts = [f"Paragraph {n}." for n in range(16)]
    authored = AuthoredStory.of(asha.person, "\n\n".join(texts))
    chapter = authored.order()[0]
    edited = ["\n\n".join([*texts[:n], f"{texts[n]} Edited.", *texts[n + 1 :]]) for n in range(16)]
    answers = race([partial(told, partial(authored.write, chapter, 1, merge=True, body=text)) for text in edited])
    assert words(answers) == ["MERGED"] * 15 + ["WRITTEN"]
    row = authored.chapters()[0]
    assert row.body == "\n\n".join(f"{text} Edited." for text in texts)
    assert (row.version, authored.row().version, row.story_version) == (17, 17, 17)
    assert_verified()


@pytest.mark.parametrize("place", [None, 0])
def test_what_both_changed_alike_does_not_collide(asha: ApiClient, place: int | None) -> None:
    """Of two fields one was changed to the same by somebody else, so merging has nothing to refuse."""
    authored = AuthoredStory.of(asha.person, "One.")
    edit = authored.edit if place is None else partial(authored.write, authored.order()[0])
    other: dict[str, Any] = {"summary": "Mine"} if place is None else {"body": "Mine."}
    assert word(edit(1, title="Alike")) == "WRITTEN"
    assert word(edit(1, merge=True, title="Alike", **other)) == "MERGED"
    assert word(told(lambda: edit(1, merge=True, title="Unlike", **other))) == "CONFLICT"
    assert word(edit(1, merge=True, title="Alike", **other)) == "NOOP"
    assert_verified()


def test_texts_are_not_merged_away(asha: ApiClient) -> None:
    """Each of two deletes the half that the other one keeps: a chapter has to have a text, so it is a conflict."""
    authored = AuthoredStory.of(asha.person, "One.\n\nTwo.")
    chapter = authored.order()[0]
    answers = race(
        [partial(told, partial(authored.write, chapter, 1, merge=True, body=text)) for text in ("One.", "Two.")]
    )
    assert words(answers) == ["CONFLICT", "WRITTEN"]
    assert authored.chapters()[0].body in ("One.", "Two.")


# --- A write that says what it replaced ---------------------------------------------------------------------------


@pytest.mark.parametrize("merge", [False, True])
def test_who_waited_is_told_of_the_row_that_came_before(asha: ApiClient, merge: bool) -> None:
    """A write that waits for another one's lock keeps what that one made as what it replaced, not what it saw first."""
    authored = AuthoredStory.of(asha.person, "One.")
    chapter = authored.order()[0]
    rivals: list[Rival] = []

    def come() -> None:
        edit = partial(authored.edit, 1, merge=True, summary="Late")
        late = edit if merge else partial(authored.write, chapter, 1, title="Late")
        rivals.append(Rival(late).until_it_waits())

    with before('INSERT INTO "stories_revision"', come):
        authored.edit(1, title="First")
    assert word(rivals[0].result()) == ("MERGED" if merge else "WRITTEN")
    assert authored.row().version == 3
    assert [kept.version for kept in authored.revisions()] == ([2, 3] if merge else [2])
    assert_verified()


def test_eight_who_rebase_make_a_chain_of_revisions(asha: ApiClient) -> None:
    """Whoever has to yield looks and tries again: each revision holds exactly the title that its writer had seen."""
    authored = AuthoredStory.of(asha.person)

    def stubborn(title: str) -> tuple[str, str]:
        replaced, seen = "A story", 1
        while isinstance(answer := told(partial(authored.edit, seen, title=title)), Conflict):
            replaced, seen = answer.current.title, answer.current.version
        return title, replaced

    replaced: dict[str, str] = dict(race([partial(stubborn, f"Title {n}") for n in range(8)]))
    chain = [kept.values["title"] for kept in authored.revisions()] + [authored.row().title]
    assert [kept.version for kept in authored.revisions()] == list(range(2, 10))
    assert [kept.since["title"] for kept in authored.revisions()] == list(range(1, 9))
    assert chain[0] == "A story"
    assert {new: old for old, new in pairwise(chain)} == replaced
