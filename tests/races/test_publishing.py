"""Publishing against every other write to a story: what is published is what the publisher saw."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest

from backend.engine.errors import Conflict
from backend.engine.idempotency import Outcome
from backend.stories.models import Story, StoryStatus
from tests import depth
from tests.api import ApiClient
from tests.races.authored_story import Answer, AuthoredStory, authored_stories, told, word, words
from tests.races.rivals import Rival, elsewhere, race, rounds
from tests.races.rows import assert_verified, query, scalar
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

Write = Callable[[AuthoredStory, int], Outcome]
KEPT = 'INSERT INTO "stories_revision"'
"""The statement of every edit that comes when its story is locked and not yet committed."""

WRITES: dict[str, Write] = {
    "title": lambda authored, seen: authored.edit(seen, title="Another title"),
    "summary": lambda authored, seen: authored.edit(seen, merge=True, summary="Another summary"),
    "body": lambda authored, seen: authored.write(authored.order()[0], 1, body="Another body."),
    "append": lambda authored, seen: authored.append(),
    "reorder": lambda authored, seen: authored.reorder(authored.order()[::-1], seen),
    "delete chapter": lambda authored, seen: authored.drop(authored.order()[0], 1),
    "restore": lambda authored, seen: authored.restore(authored.revisions()[0].pk, seen),
}
COLLIDES_OVER = dict.fromkeys(WRITES, "chapters") | {
    "title": "title",
    "summary": "summary",
    "body": "chapters.1",
    "restore": "title",
}


def edited(caller: ApiClient) -> AuthoredStory:
    """A draft of two chapters at version 2, whose title has a history."""
    authored = AuthoredStory.of(caller.person, "One.", "Two.")
    authored.edit(1, title="A better title")
    return authored


def while_it_is_held(held: Callable[[], Outcome], late: Callable[[], Outcome]) -> tuple[Outcome, Answer]:
    """What two writes are told of which the second comes when the first has the story's lock, and waits for it."""
    rivals: list[Rival] = []
    with before(KEPT, lambda: rivals.append(Rival(partial(told, late)).until_it_waits())):
        first = held()
    return first, rivals[0].result()


@pytest.mark.parametrize("name", WRITES)
def test_a_publisher_who_waited_for_a_write_is_told_of_it(asha: ApiClient, name: str) -> None:
    """They had not seen it, so nothing is published."""
    authored = edited(asha)
    _, answer = while_it_is_held(lambda: WRITES[name](authored, 2), lambda: authored.publish(2))
    assert isinstance(answer, Conflict)
    assert [overlap.path for overlap in answer.overlaps] == [COLLIDES_OVER[name]]
    assert (answer.current.version, answer.current.status) == (3, StoryStatus.DRAFT)
    assert (authored.row().status, authored.row().version) == (StoryStatus.DRAFT, 3)
    assert_verified()


@pytest.mark.parametrize("name", WRITES)
def test_a_write_that_waited_for_a_publisher_comes_after(asha: ApiClient, name: str) -> None:
    """It is published as it was seen, and then written: an edit does not read whether a story is published."""
    authored = edited(asha)
    published, answer = while_it_is_held(lambda: authored.publish(2), lambda: WRITES[name](authored, 2))
    assert words([published, answer]) == (["MERGED", "WRITTEN"] if name == "summary" else ["WRITTEN"] * 2)
    seen = published.rows["story"]
    assert isinstance(seen, Story)
    assert (seen.version, seen.title, seen.chapters_changed, seen.texts_changed) == (3, "A better title", 1, 1)
    assert (authored.row().status, authored.row().version) == (StoryStatus.PUBLISHED, 4)
    assert_verified()


def test_again_and_again_what_is_published_is_what_the_publisher_saw(asha: ApiClient) -> None:
    """Both at once: either it was published as the first write after it was seen, or it was not published."""
    drafts = authored_stories(asha.person, depth.rounds(200, at_least=48), "One.", "Two.")
    names = [name for name in WRITES if name != "restore"]
    write = lambda number: told(lambda: WRITES[names[number % len(names)]](drafts[number], 1))  # noqa: E731
    results = rounds([lambda number: told(lambda: drafts[number].publish(1)), write], len(drafts))
    assert {word(answer) for _, answer in results} <= {"WRITTEN", "MERGED"}
    for authored, (published, _) in zip(drafts, results, strict=True):
        row = authored.row()
        if word(published) == "WRITTEN":
            assert (row.status, row.status_changed, row.version) == (StoryStatus.PUBLISHED, 2, 3)
        else:
            assert (word(published), row.status, row.version) == ("CONFLICT", StoryStatus.DRAFT, 2)
    assert {word(published) for published, _ in results} == {"WRITTEN", "CONFLICT"}
    assert_verified()


@pytest.mark.parametrize("is_published", [False, True])
def test_of_publishing_and_unpublishing_the_later_one_is_told(asha: ApiClient, is_published: bool) -> None:
    """Before the first has committed it is so already, and nobody waits; afterwards it is so no more."""
    authored, early = AuthoredStory.of(asha.person), list[Answer]()
    seen = 2 if is_published else 1
    move, other = (authored.unpublish, authored.publish) if is_published else (authored.publish, authored.unpublish)
    if is_published:
        authored.publish(1)
    with before(KEPT, lambda: early.append(elsewhere(lambda: told(lambda: other(seen))))):
        assert word(move(seen)) == "WRITTEN"
    late = told(lambda: other(seen))
    assert words([*early, late]) == ["CONFLICT", "NOOP"]
    assert isinstance(late, Conflict)
    old, new = ("PUBLISHED", "DRAFT") if is_published else ("DRAFT", "PUBLISHED")
    assert [(one.path, one.base, one.mine, one.theirs) for one in late.overlaps] == [("status", old, old, new)]
    assert_verified()


def test_publishing_and_unpublishing_take_turns(asha: ApiClient) -> None:
    """Four who publish and four who unpublish, each as they last saw it: by turns, and counted once each."""
    authored = AuthoredStory.of(asha.person)

    def walk(move: Callable[[int], Outcome]) -> int:
        seen, done = 1, 0
        for _ in range(depth.rounds(25, at_least=10)):
            answer = told(partial(move, seen))
            row: Any = answer.rows["story"] if isinstance(answer, Outcome) else answer.current  # type: ignore[attr-defined]
            seen, done = row.version, done + (word(answer) == "WRITTEN")
        return done

    done = race([partial(walk, move) for move in (authored.publish, authored.unpublish) for _ in range(4)])
    history = [kept.values["status"] for kept in authored.revisions()]
    assert all(one != other for one, other in pairwise([*history, authored.row().status]))
    assert history[0] == StoryStatus.DRAFT
    assert len(history) == sum(done) == authored.row().version - 1
    assert scalar("SELECT sum(count) FROM people_persontally WHERE kind = 'stories'") == sum(done[:4]) - sum(done[4:])
    assert_verified()


@pytest.mark.parametrize("is_published", [False, True])
def test_so_already_is_said_only_of_what_is_so(asha: ApiClient, is_published: bool) -> None:
    """Also when the version that a client guessed comes to be between the write and the look for its reason."""
    authored = AuthoredStory.of(asha.person)
    seen = 2 if is_published else 1
    move = authored.unpublish if is_published else authored.publish
    if is_published:
        authored.publish(1)
    with before("SELECT story", lambda: elsewhere(lambda: authored.edit(seen, title="Another"))):
        assert word(told(lambda: move(seen + 1))) == "CONFLICT"
    assert query("SELECT status, version FROM stories_story") == [(authored.row().status, seen + 1)]
