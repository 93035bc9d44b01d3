"""Deleting a story against every write to it: nothing of it is left behind, and whoever comes late is told."""

import uuid
from collections.abc import Callable
from functools import partial

import pytest

from backend.engine.errors import Conflict, NotFound
from backend.engine.idempotency import Outcome
from backend.people.models import Person
from backend.stories.models import Shelf, Story, Tombstone
from tests import depth
from tests.api import ApiClient
from tests.races.authored_story import Answer, AuthoredStory, authored_stories, told, word, words
from tests.races.rivals import Rival, race, rounds
from tests.races.rows import assert_nothing_left, assert_verified, everything, scalar
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

Write = Callable[[AuthoredStory], Outcome]
SEEN = 3
WRITES: dict[str, Write] = {
    "updateStory": lambda authored: authored.edit(SEEN, merge=True, title="Another title"),
    "updateChapter": lambda authored: authored.write(authored.order()[0], 1, body="Another body."),
    "appendChapter": lambda authored: authored.append(),
    "deleteChapter": lambda authored: authored.drop(authored.order()[1], 1),
    "reorderChapters": lambda authored: authored.reorder(authored.order()[::-1], SEEN),
    "unpublishStory": lambda authored: authored.unpublish(SEEN),
    "restoreRevision": lambda authored: authored.restore(authored.revisions()[0].pk, SEEN),
}


def read(author: ApiClient, reader: ApiClient) -> AuthoredStory:
    """A published story of two chapters at version 3, with a history and a reader in its second chapter."""
    authored = AuthoredStory.of(author.person, "One.", "Two.")
    authored.edit(1, title="A better title")
    authored.publish(2)
    authored.view(reader.person, authored.order()[1])
    return authored


def come_while(statement: str, held: Callable[[], Outcome], late: Callable[[], Outcome]) -> tuple[Outcome, Answer]:
    """What two are told of which the second comes before this statement of the first one, and waits for it."""
    rivals: list[Rival] = []
    with before(statement, lambda: rivals.append(Rival(partial(told, late)).until_it_waits())):
        first = held()
    return first, rivals[0].result()


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_waited_for_a_deletion_is_told_when_it_was(asha: ApiClient, bilal: ApiClient, name: str) -> None:
    """Nothing is written, and nothing is left of the story."""
    authored = read(asha, bilal)
    chapters = authored.order()
    deleted, answer = come_while(
        'INSERT INTO "stories_tombstone"', lambda: authored.delete(SEEN), lambda: WRITES[name](authored)
    )
    assert word(deleted) == "WRITTEN"
    assert isinstance(answer, NotFound)
    assert str(Tombstone.objects.filter(pk__in=[authored.story, *chapters])[0].deleted_at.isoformat()) in answer.message
    assert set(Tombstone.objects.values_list("pk", flat=True)) == {authored.story, *chapters}
    assert_nothing_left(authored.story, *chapters)
    assert (Shelf.objects.get(author=asha.person).story_count, Story.objects.count()) == (0, 0)
    assert_verified()


@pytest.mark.parametrize("name", WRITES)
def test_a_deletion_that_waited_for_a_write_is_told_of_it(asha: ApiClient, bilal: ApiClient, name: str) -> None:
    """Whoever deletes has to have seen all of it; nothing is deleted, the shelf is as it was."""
    authored = read(asha, bilal)
    shelf = Shelf.objects.get(author=asha.person)
    _, answer = come_while(
        'INSERT INTO "stories_revision"', lambda: WRITES[name](authored), lambda: authored.delete(SEEN)
    )
    assert isinstance(answer, Conflict)
    assert len(answer.overlaps) == 1
    assert (answer.current.pk, answer.current.version) == (authored.story, SEEN + 1)
    assert Shelf.objects.get(author=asha.person).version == shelf.version
    assert word(authored.delete(SEEN + 1)) == "WRITTEN"
    assert_nothing_left(authored.story)
    assert_verified()


def test_a_reader_who_waited_for_a_deletion_finds_nothing(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """A reader is not told that there has been a story; a new one leaves no place and no view."""
    authored = read(asha, bilal)
    chapter = authored.order()[0]
    for reader in (bilal, chitra):
        other = read(asha, bilal) if reader is chitra else authored
        chapter = other.order()[0]
        view = partial(other.view, reader.person, chapter)
        _, answer = come_while('INSERT INTO "stories_tombstone"', partial(other.delete, SEEN), view)
        assert (word(answer), answer.message) == ("NOT_FOUND", "There is no such story.")  # type: ignore[union-attr]
        assert_nothing_left(other.story, chapter)
    assert_verified()


@pytest.mark.parametrize("statement", ["INSERT INTO reading_view", "INSERT INTO .*stories_storytally"])
def test_a_deletion_that_waited_for_a_reader_takes_the_view_along(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, statement: str
) -> None:
    """Reading is no edit: the deletion happens, with the place, the view, the total and the rank."""
    authored = read(asha, bilal)
    chapter = authored.order()[0]
    viewed, answer = come_while(statement, lambda: authored.view(chitra.person, chapter), lambda: authored.delete(SEEN))
    assert words([viewed, answer]) == ["WRITTEN", "WRITTEN"]
    assert_nothing_left(authored.story, chapter)
    assert_verified()


def test_two_devices_delete_the_only_story(asha: ApiClient, bilal: ApiClient) -> None:
    """One does, the other is told that it is gone; the shelf counts it once."""
    authored = read(asha, bilal)
    answers = race([partial(told, partial(authored.delete, SEEN))] * 8)
    assert words(answers) == ["NOT_FOUND"] * 7 + ["WRITTEN"]
    assert all("deleted at" in answer.message for answer in answers if isinstance(answer, NotFound))
    assert (Shelf.objects.get(author=asha.person).story_count, Shelf.objects.get(author=asha.person).version) == (0, 2)
    untouched = everything()
    assert word(told(lambda: authored.delete(SEEN))) == "NOT_FOUND"
    assert word(told(lambda: AuthoredStory(bilal.person, authored.story).delete(SEEN))) == "NOT_FOUND"
    assert word(told(lambda: AuthoredStory(asha.person, uuid.uuid4()).delete(1))) == "NOT_FOUND"
    assert everything() == untouched
    assert_verified()


def test_whoever_comes_first_nothing_is_left(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """A stubborn deletion among edits and readers, often: no deadlock, no row of the story, its author counted right."""
    drafts = authored_stories(asha.person, depth.rounds(12, at_least=6), "One.", "Two.", "Three.")
    orders = [authored.order() for authored in drafts]
    for authored in drafts:
        authored.publish(1)

    def delete(number: int) -> Answer:
        seen = 2
        while isinstance(answer := told(partial(drafts[number].delete, seen)), Conflict):
            seen = answer.current.version
        return answer

    def view(reader: Person, place: int, number: int) -> Answer:
        return told(lambda: drafts[number].view(reader, orders[number][place]))

    works: list[Callable[[int], Answer]] = [
        delete,
        lambda number: told(lambda: drafts[number].write(orders[number][0], 1, merge=True, body="Another body.")),
        lambda number: told(drafts[number].append),
        lambda number: told(lambda: drafts[number].drop(orders[number][1], 1)),
        lambda number: told(lambda: drafts[number].reorder(orders[number][::-1], 2)),
        partial(view, bilal.person, 1),
        partial(view, chitra.person, 2),
    ]
    said = set()
    for authored, order, (deleted, *others) in zip(drafts, orders, rounds(works, len(drafts)), strict=True):
        assert word(deleted) == "WRITTEN"
        said |= set(words(others))
        assert_nothing_left(authored.story, *order)
        assert Tombstone.objects.filter(pk__in=[authored.story, *order]).count() == 4
    assert said <= {"WRITTEN", "MERGED", "CONFLICT", "NOT_FOUND", "INVALID"}
    assert scalar("SELECT count(*) FROM reading_reading") == 0
    assert_verified()
