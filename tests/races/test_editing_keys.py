"""Keys of edits: one key has one effect, and `expect.after` makes a chain of requests that are sent without waiting."""

import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from backend.engine.errors import Busy, Conflict, Invalid
from backend.engine.idempotency import Outcome, forget_keys
from tests.api import ApiClient
from tests.races.authored_story import Answer, AuthoredStory, fields, told, word, words
from tests.races.rivals import GLANCE_SECONDS, PATIENCE_SECONDS, Rival, elsewhere, race
from tests.races.rows import assert_verified, everything, scalar
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

LINKS = 8

Send = Callable[[uuid.UUID], Outcome]


def prepared(mutation: str, authored: AuthoredStory) -> Send:
    """A request of each new mutation, ready to be sent with a key."""
    one, two = authored.order()
    authored.edit(1, title="Again")
    authored.drop(authored.append().rows["chapter"].pk, 1)
    if mutation == "unpublishStory":
        authored.publish(4)
    first, last = authored.revisions()[0].pk, authored.revisions()[-1].pk
    sends: dict[str, Send] = {
        "updateStory": lambda key: authored.edit(4, key=key, summary="New", warnings=["DEATH", "GORE"], mature=True),
        "updateChapter": lambda key: authored.write(one, 1, key=key, merge=True, body="New."),
        "appendChapter": lambda key: authored.append("New", "New.", key),
        "deleteChapter": lambda key: authored.drop(one, 1, key),
        "reorderChapters": lambda key: authored.reorder([two, one], 4, key),
        "publishStory": lambda key: authored.publish(4, key),
        "unpublishStory": lambda key: authored.unpublish(5, key),
        "restoreRevision": lambda key: authored.restore(first, 4, key),
        "restoreRevision of a list": lambda key: authored.restore(last, 4, key),
        "deleteStory": lambda key: authored.delete(4, key),
    }
    return sends[mutation]


MUTATIONS = ["updateStory", "updateChapter", "appendChapter", "deleteChapter", "reorderChapters", "publishStory"]
MUTATIONS += ["unpublishStory", "restoreRevision", "restoreRevision of a list", "deleteStory"]


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_eight_requests_with_one_key_have_one_effect_and_one_answer(mutation: str, asha: ApiClient) -> None:
    """Seven of them wait for the first and repeat its reply, whatever has become of the rows."""
    authored = AuthoredStory.of(asha.person, "One.", "Two.")
    send, key = prepared(mutation, authored), uuid.uuid4()
    shelf = scalar("SELECT version FROM stories_shelf")
    keys = scalar("SELECT count(*) FROM engine_idempotencykey")
    answers = race([lambda: send(key)] * 8)
    assert words(answers) == ["REPLAYED"] * 7 + ["WRITTEN"]
    first, *others = ({name: fields(row) for name, row in answer.rows.items()} for answer in answers)
    assert all(other == first for other in others)
    assert scalar("SELECT count(*) FROM engine_idempotencykey") == keys + 1
    if mutation == "deleteStory":
        assert scalar("SELECT version FROM stories_shelf") == shelf + 1
    else:
        assert authored.row().version == (6 if mutation == "unpublishStory" else 5)
    once = everything()
    assert word(send(key)) == "REPLAYED"
    assert everything() == once
    assert_verified()


# --- expect.after -------------------------------------------------------------------------------------------------


def until_served(send: Callable[[], Outcome]) -> Answer:
    """Send a request again for as long as it is told to."""
    pause, tries = threading.Event(), 0
    while isinstance(answer := told(send), Busy):
        tries += 1
        assert tries * GLANCE_SECONDS < PATIENCE_SECONDS, "a request was told BUSY for ever"
        pause.wait(GLANCE_SECONDS)
    return answer


@pytest.mark.parametrize("backwards", [False, True], ids=["in order", "backwards"])
@pytest.mark.parametrize("merge", [False, True])
def test_autosaves_that_are_sent_without_waiting_are_written_in_their_order(
    asha: ApiClient, merge: bool, backwards: bool
) -> None:
    """Each says after which one it comes; whatever order they arrive in, none is lost and the last one stands."""
    authored = AuthoredStory.of(asha.person, "Draft.")
    chapter, keys = authored.order()[0], [uuid.uuid4() for _ in range(2 * LINKS)]

    def save(link: int) -> Outcome:
        """By turns of the chapter and of the story, each after the one before of its kind."""
        seen = keys[link - 2] if link > 1 else 1
        if link % 2:
            return authored.edit(seen, merge=merge, key=keys[link], title=f"Save {link}")
        return authored.write(chapter, seen, merge=merge, key=keys[link], body=f"Save {link}.")

    links = range(2 * LINKS)
    rivals = {
        link: Rival(partial(until_served, partial(save, link))) for link in (reversed(links) if backwards else links)
    }
    answers = [rivals[link].result() for link in links]
    assert {word(answer) for answer in answers} <= {"WRITTEN", "MERGED"}
    assert [answer.rows["chapter"].version for answer in answers[::2]] == list(range(2, LINKS + 2))
    titles = [kept.values["title"] for kept in authored.revisions()] + [authored.row().title]
    assert titles == ["A story", *(f"Save {link}" for link in links[1::2])]
    assert authored.chapters()[0].body == f"Save {2 * LINKS - 2}."
    assert authored.row().version == 1 + 2 * LINKS
    assert_verified()


def test_after_a_request_that_is_under_way_is_waited_for(asha: ApiClient) -> None:
    """The second does not have to be sent again: it goes on from what the first one made."""
    authored, first = AuthoredStory.of(asha.person), uuid.uuid4()
    late: list[Rival] = []
    come = lambda: late.append(Rival(lambda: authored.edit(first, title="Second")).until_it_waits())  # noqa: E731
    with before('INSERT INTO "stories_revision"', come):
        authored.edit(1, key=first, title="First")
    assert word(late[0].result()) == "WRITTEN"
    assert (authored.row().title, authored.row().version) == ("Second", 3)


def test_after_a_refusal_all_that_follow_wait(asha: ApiClient) -> None:
    """Nothing is written on top of what did not happen; once it has, under the same key, the rest follows."""
    authored, first, second = AuthoredStory.of(asha.person), uuid.uuid4(), uuid.uuid4()
    authored.edit(1, title="Rival")
    assert word(told(lambda: authored.edit(1, key=first, title="First"))) == "CONFLICT"
    untouched = everything()
    for _ in range(3):
        assert word(told(lambda: authored.edit(first, key=second, title="Second"))) == "BUSY"
    assert everything() == untouched
    assert word(authored.edit(2, key=first, title="First")) == "WRITTEN"
    assert word(authored.edit(first, key=second, title="Second")) == "WRITTEN"
    assert (authored.row().title, authored.row().version) == ("Second", 4)


def test_after_does_not_pass_over_what_a_rival_wrote(asha: ApiClient) -> None:
    """It stands for the version that the mutation made, not for the present one."""
    authored, first = AuthoredStory.of(asha.person), uuid.uuid4()
    authored.edit(1, key=first, title="First")
    authored.edit(2, title="Rival")
    answer = told(lambda: authored.edit(first, merge=True, title="Second"))
    assert word(answer) == "CONFLICT"
    assert [(one.base, one.theirs) for one in answer.overlaps] == [("First", "Rival")]  # type: ignore[union-attr]
    assert word(authored.edit(first, merge=True, summary="Second")) == "MERGED"


def test_a_chain_has_not_seen_what_a_rival_wrote_before_its_first_link(asha: ApiClient) -> None:
    """Merging kept it, and nobody looked: what the rival wrote is neither replaced nor published by what follows."""
    authored, first, second = AuthoredStory.of(asha.person), uuid.uuid4(), uuid.uuid4()
    authored.edit(1, summary="Rival")
    assert word(authored.edit(1, merge=True, key=first, title="First")) == "MERGED"
    assert word(authored.edit(first, merge=True, key=second, title="Second")) == "MERGED"
    for late in (lambda: authored.edit(second, merge=True, summary="Mine"), lambda: authored.publish(second)):
        answer = told(late)
        assert isinstance(answer, Conflict)
        assert [(one.path, one.base, one.theirs) for one in answer.overlaps] == [("summary", "", "Rival")]
    assert (authored.row().title, authored.row().summary, authored.row().version) == ("Second", "Rival", 4)


def test_two_requests_that_wait_for_each_other_end(asha: ApiClient) -> None:
    """Each holds its own key and asks for the other one's: neither is ever served, and both are told so."""
    authored, keys = AuthoredStory.of(asha.person), [uuid.uuid4(), uuid.uuid4()]
    both_hold_their_own = threading.Barrier(2)
    meet = lambda: both_hold_their_own.wait(PATIENCE_SECONDS)  # noqa: E731

    def send(mine: uuid.UUID, other: uuid.UUID) -> Answer:
        with before("INSERT INTO engine_idempotencykey", lambda: None, meet):
            return told(lambda: authored.edit(other, key=mine, title="Mine"))

    untouched = everything()
    assert words(race([lambda: send(*keys), lambda: send(*reversed(keys))])) == ["BUSY", "BUSY"]
    assert everything() == untouched


def test_after_a_key_that_is_forgotten_meanwhile_all_wait(asha: ApiClient) -> None:
    """The first was served while the second looked for its key, and the key expired before it looked again."""
    authored, first = AuthoredStory.of(asha.person), uuid.uuid4()

    def serve_and_commit() -> None:
        elsewhere(lambda: authored.edit(1, key=first, title="First"))

    def forget() -> None:
        elsewhere(lambda: forget_keys(datetime.now(UTC) + timedelta(days=1)))

    looks = r'SELECT .* FROM "engine_idempotencykey"'
    with before("INSERT INTO engine_idempotencykey", serve_and_commit), before(looks, lambda: None, forget):
        assert word(told(lambda: authored.edit(first, title="Second"))) == "BUSY"
    assert (authored.row().title, authored.row().version) == ("First", 2)


def test_a_request_after_itself_is_told_that_it_makes_no_sense(asha: ApiClient) -> None:
    """At once, and again."""
    authored, key = AuthoredStory.of(asha.person), uuid.uuid4()
    for _ in range(2):
        assert isinstance(told(lambda: authored.edit(key, key=key, title="Mine")), Invalid)
