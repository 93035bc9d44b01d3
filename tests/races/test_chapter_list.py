"""The list of a story's chapters while many append, delete, move and bring back: 1, 2, 3 … without gaps, in every snapshot."""

import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from functools import partial

import pytest

from backend.engine.errors import Invalid, NotFound, Wrong
from backend.engine.transactions import snapshot
from backend.people.models import Person
from backend.reading.models import Reading
from backend.stories.models import Chapter, Revision, Tombstone
from tests import depth
from tests.api import ApiClient
from tests.races.authored_story import AuthoredStory, authored_stories, told, word
from tests.races.rivals import Rival, elsewhere, race
from tests.races.rows import assert_verified, crowd, query, scalar
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

EDITORS, STEPS, ROUNDS = 8, 12, depth.rounds(3)
BREATH_SECONDS = 0.02

GAPS = """
SELECT story_id, array_agg(position ORDER BY position) FROM stories_chapter GROUP BY story_id
HAVING min(position) <> 1 OR max(position) <> count(*) OR count(DISTINCT position) <> count(*)
"""
LOST = """
SELECT place.id FROM reading_reading AS place LEFT JOIN stories_chapter AS chapter ON chapter.id = place.chapter_id
WHERE (place.chapter_id IS NOT NULL OR EXISTS (SELECT FROM stories_chapter WHERE story_id = place.story_id))
  AND chapter.story_id IS DISTINCT FROM place.story_id
"""
AHEAD = """
SELECT chapter.id FROM stories_chapter AS chapter JOIN stories_story AS story ON story.id = story_id
WHERE chapter.version > story.version OR chapter.story_version > story.version
"""


def step(authored: AuthoredStory, move: str, chance: random.Random) -> str:
    """One write to the list, as its author would who looks before it."""
    seen, chapters = authored.row().version, authored.chapters()
    if move == "restore":
        kept = [revision.pk for revision in authored.revisions() if "removed" in revision.values]
        return word(told(lambda: authored.restore(chance.choice(kept), seen))) if kept else "NOOP"
    if move == "append" or not chapters:
        return word(told(authored.append))
    if move == "delete":
        chapter = chance.choice(chapters)
        return word(told(lambda: authored.drop(chapter.pk, chapter.version)))
    order = [chapter.pk for chapter in chapters]
    return word(told(lambda: authored.reorder(chance.sample(order, len(order)), seen)))


def walk(authored: AuthoredStory, chance: random.Random) -> Counter[tuple[str, str]]:
    """So many random writes, and what was said to each kind."""
    moves = chance.choices(["append", "delete", "reorder", "restore"], [3, 3, 2, 2], k=STEPS)
    return Counter((move, step(authored, move, chance)) for move in moves)


def wander(authored: AuthoredStory, reader: Person, chance: random.Random, is_over: threading.Event) -> int:
    """A reader who opens any chapter that there is, for as long as it goes on; how often they could not."""
    refused = 0
    while not is_over.wait(BREATH_SECONDS):
        chapter = chance.choice(authored.order() or [None])
        refused += word(told(partial(authored.view, reader, chapter))) not in ("WRITTEN", "NOOP", "INVALID")
    return refused


def watch(is_over: threading.Event) -> int:
    """How many snapshots, taken for as long as it goes on, are sound; each looks twice and sees the same."""
    looks = 0
    while not is_over.wait(BREATH_SECONDS):
        with snapshot():
            order = query("SELECT id, position FROM stories_chapter ORDER BY position")
            assert query(GAPS) == []
            assert query(LOST) == []
            assert query(AHEAD) == []
            assert query("SELECT id, position FROM stories_chapter ORDER BY position") == order
        looks += 1
    return looks


def test_the_list_has_no_gaps_whoever_writes_it(asha: ApiClient) -> None:
    """Eight who change it and two who read it, with somebody who watches: an append is never refused, no place is lost."""
    authored, readers = AuthoredStory.of(asha.person, "One.", "Two.", "Three."), crowd(2)
    authored.publish(1)
    said: Counter[tuple[str, str]] = Counter()
    for number in range(ROUNDS):
        is_over, still = threading.Event(), threading.Semaphore(EDITORS - 1)

        def edit(
            seed: str, is_over: threading.Event = is_over, still: threading.Semaphore = still
        ) -> Counter[tuple[str, str]]:
            try:
                return walk(authored, random.Random(seed))
            finally:
                if not still.acquire(blocking=False):  # the last one
                    is_over.set()

        editors = [partial(edit, f"{number} {one}") for one in range(EDITORS)]
        audience = [partial(wander, authored, reader, random.Random(str(reader.pk)), is_over) for reader in readers]
        *walks, refused, other, looks = race([*editors, *audience, partial(watch, is_over)])
        said += sum(walks, Counter())
        assert (refused, other) == (0, 0)
        assert looks > 0
        assert [chapter.position for chapter in authored.chapters()] == list(range(1, len(authored.order()) + 1))
        assert query(LOST) == []
        assert_verified()
    assert {answer for move, answer in said if move == "append"} == {"WRITTEN"}
    deleted = {answer for move, answer in said if move == "delete"}
    assert deleted <= {"WRITTEN", "CONFLICT", "NOT_FOUND", "BUSY", "INVALID"}  # the last chapter stays
    assert {answer for move, answer in said if move == "reorder"} <= {"WRITTEN", "CONFLICT", "NOOP"}
    assert {answer for move, answer in said if move == "restore"} <= {"WRITTEN", "CONFLICT", "NOOP"}
    written = sum(count for (_, answer), count in said.items() if answer == "WRITTEN")
    assert authored.row().version == 2 + written
    assert len(authored.revisions()) == 1 + written


def brought_back(authored: AuthoredStory, seen: int) -> Chapter:
    """The last chapter, deleted and brought back."""
    authored.drop(authored.order()[-1], seen)
    authored.restore(authored.revisions()[-1].pk, authored.row().version)
    return authored.chapters()[-1]


def test_a_chapter_that_comes_back_twice_never_has_a_version_again(asha: ApiClient) -> None:
    """Also from the first of its deletions, when it has been edited between the two."""
    authored = AuthoredStory.of(asha.person, "One.", "Two.")
    chapter = brought_back(authored, 1)
    edited = authored.write(chapter.pk, chapter.version, body="Edited.").rows["chapter"]
    assert isinstance(edited, Chapter)
    authored.drop(chapter.pk, edited.version)
    first = next(revision for revision in authored.revisions() if "removed" in revision.values)
    again = authored.restore(first.pk, authored.row().version).rows["chapter"]
    assert isinstance(again, Chapter)
    assert (again.body, again.version > edited.version > chapter.version) == ("Two.", True)
    assert word(told(lambda: authored.write(chapter.pk, edited.version, title="Late"))) == "CONFLICT"
    assert word(told(lambda: authored.write(chapter.pk, again.version, title="On time"))) == "WRITTEN"
    versions = Revision.objects.filter(chapter_id=chapter.pk).values_list("version", flat=True)
    assert len(set(versions)) == len(versions)
    assert_verified()


@pytest.mark.parametrize("move", ["write", "drop"])
def test_a_chapter_that_comes_back_while_it_is_looked_for_is_still_its_authors(
    asha: ApiClient, bilal: ApiClient, move: str
) -> None:
    """The author is told to send it again, which helps; nobody else learns anything."""
    authored = AuthoredStory.of(asha.person, "One.", "Two.")
    chapter = authored.order()[1]
    authored.drop(chapter, 1)
    writes: dict[str, Callable[[], str]] = {
        "write": lambda: word(told(lambda: authored.write(chapter, 1, body="Mine."))),
        "drop": lambda: word(told(lambda: authored.drop(chapter, 1))),
    }
    stranger = AuthoredStory(bilal.person, authored.story)
    with before("SELECT chapter", lambda: elsewhere(lambda: authored.restore(authored.revisions()[0].pk, 2))):
        assert writes[move]() == "BUSY"
    assert word(told(lambda: stranger.write(chapter, 1, body="Mine."))) == "NOT_FOUND"
    assert writes[move]() == "CONFLICT"
    authored.publish(3)
    assert word(told(lambda: stranger.write(chapter, 1, body="Mine."))) == "FORBIDDEN"


@pytest.mark.parametrize("move", ["write", "drop"])
def test_who_waited_for_the_deletion_of_a_chapter_is_told_when_it_was(asha: ApiClient, move: str) -> None:
    """Nothing is written, and the list is not touched again."""
    authored, rivals = AuthoredStory.of(asha.person, "One.", "Two."), list[Rival]()
    chapter = authored.order()[0]
    late = partial(authored.write, chapter, 1, body="Late.") if move == "write" else partial(authored.drop, chapter, 1)
    with before('INSERT INTO "stories_tombstone"', lambda: rivals.append(Rival(partial(told, late)).until_it_waits())):
        authored.drop(chapter, 1)
    answer = rivals[0].result()
    assert isinstance(answer, NotFound)
    assert Tombstone.objects.get(pk=chapter).deleted_at.isoformat() in answer.message
    assert (authored.row().version, len(authored.revisions()), len(authored.order())) == (2, 1, 1)
    assert_verified()


def test_two_who_bring_one_chapter_back_make_one(asha: ApiClient) -> None:
    """Eight from one version: one does, the others are told that the list has changed."""
    authored = AuthoredStory.of(asha.person, "One.", "Two.")
    deleted = authored.order()[1]
    authored.drop(deleted, 1)
    kept = authored.revisions()[0].pk
    answers = [word(answer) for answer in race([lambda: told(lambda: authored.restore(kept, 2))] * 8)]
    assert sorted(answers) == ["CONFLICT"] * 7 + ["WRITTEN"]
    assert authored.order()[1] == deleted
    assert scalar("SELECT count(*) FROM stories_tombstone") == 0
    assert_verified()


def test_a_reader_in_the_last_chapter_is_moved_by_each_deletion(asha: ApiClient, bilal: ApiClient) -> None:
    """All chapters of a draft are deleted at once: the reader is never in one that is gone, and in none when none is left."""
    authored = AuthoredStory.of(asha.person, *"123456")
    authored.publish(1)
    authored.view(bilal.person, authored.order()[-1])
    authored.unpublish(2)
    answers = race([partial(told, partial(authored.drop, chapter, 1)) for chapter in authored.order()])
    assert {word(answer) for answer in answers} == {"WRITTEN"}
    assert authored.order() == []
    assert Reading.objects.get().chapter_id is None
    assert_verified()


def test_of_all_chapters_of_a_published_story_one_stays(asha: ApiClient) -> None:
    """All are deleted at once: exactly one is refused, whichever comes last."""
    authored = AuthoredStory.of(asha.person, *"123456")
    authored.publish(1)
    chapters = authored.order()
    answers = race([partial(told, partial(authored.drop, chapter, 1)) for chapter in chapters])
    assert Counter(map(word, answers)) == {"WRITTEN": 5, "INVALID": 1}
    assert authored.order() == [chapters[[word(answer) for answer in answers].index("INVALID")]]
    assert_verified()


def test_who_waits_with_the_last_but_one_is_the_last(asha: ApiClient) -> None:
    """Two devices delete one each of the two that are left: whoever waited is refused, and the list is not touched again."""
    authored, rivals = AuthoredStory.of(asha.person, "One.", "Two."), list[Rival]()
    authored.publish(1)
    one, two = authored.order()
    late = partial(told, partial(authored.drop, two, 1))
    with before('INSERT INTO "stories_tombstone"', lambda: rivals.append(Rival(late).until_it_waits())):
        authored.drop(one, 1)
    answer = rivals[0].result()
    assert isinstance(answer, Invalid)
    assert [field.code for field in answer.fields] == [Wrong.LAST_CHAPTER]
    assert (authored.order(), authored.row().version) == ([two], 3)
    assert_verified()


def test_a_draft_is_published_with_its_last_chapter_or_not_at_all(asha: ApiClient) -> None:
    """Of a device that deletes it and one that publishes what it saw with it, the first one wins, in either order."""
    first, second = authored_stories(asha.person, 2, "One.")
    rivals = list[Rival]()
    publish = partial(told, partial(first.publish, 1))
    with before('INSERT INTO "stories_tombstone"', lambda: rivals.append(Rival(publish).until_it_waits())):
        assert word(told(partial(first.drop, first.order()[0], 1))) == "WRITTEN"
    assert word(rivals[0].result()) == "CONFLICT"
    drop = partial(told, partial(second.drop, second.order()[0], 1))
    with before('INSERT INTO "stories_revision"', lambda: rivals.append(Rival(drop).until_it_waits())):
        assert word(told(partial(second.publish, 1))) == "WRITTEN"
    assert word(rivals[1].result()) == "INVALID"
    assert [(one.row().status, len(one.order())) for one in (first, second)] == [("DRAFT", 0), ("PUBLISHED", 1)]
    assert_verified()


def test_appending_ends_at_the_most_that_a_story_may_have(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight at once where there is room for three: three are added, and the others are told."""
    monkeypatch.setattr("backend.stories.chapters.MAX_CHAPTERS", 4)
    authored = AuthoredStory.of(asha.person, "One.")
    titles = [f"Chapter {uuid.uuid4()}" for _ in range(8)]
    answers = [word(answer) for answer in race([partial(told, partial(authored.append, title)) for title in titles])]
    assert sorted(answers) == ["INVALID"] * 5 + ["WRITTEN"] * 3
    assert [chapter.position for chapter in authored.chapters()] == [1, 2, 3, 4]
    assert authored.row().version == 4
