"""Races of those who write one story: each has one outcome, whoever comes first, and no right goes past its end."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from backend.coauthors.models import Coauthor, Invitation
from backend.limits.rates import Rate
from backend.notifications.models import Notification
from backend.stories.models import Revision, Story
from schema.nodes import to_id
from tests import depth
from tests.api import ApiClient, join
from tests.api.moderation import new_key
from tests.races.rivals import Rival, elsewhere, lost, race, won
from tests.races.rows import assert_verified, query
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

Act = Callable[[str | None], Any]
"""Sends a request with a key."""


@dataclass(frozen=True)
class Meeting:
    """Two who come at the same moment, and what each is told in either order: of the first and of the second."""

    make: Callable[[ApiClient, ApiClient, ApiClient], tuple[Act, Act]]
    one_first: tuple[str, str]
    other_first: tuple[str, str]


def _invited(right: str = "WRITE", *, published: bool = False) -> Callable[[ApiClient, ApiClient], tuple[str, str]]:
    def make(author: ApiClient, invited: ApiClient) -> tuple[str, str]:
        story: str = author.create_story("0", chapters=2)["story"]["id"]
        if published:
            author.publish(story)
        made = author.invite(story, invited, author.version_of(story), right)
        return story, made["invitation"]["id"]

    return make


def _answers(one: str, other: str) -> Callable[[ApiClient, ApiClient, ApiClient], tuple[Act, Act]]:
    def make(asha: ApiClient, bilal: ApiClient, _chitra: ApiClient) -> tuple[Act, Act]:
        _, invitation = _invited()(asha, bilal)
        acts: dict[str, Act] = {
            "accept": lambda key: bilal.accept(invitation, key=key),
            "decline": lambda key: bilal.decline(invitation, key=key),
            "withdraw": lambda key: asha.withdraw(invitation, key=key),
            "block": lambda key: asha.block(bilal, key=key),
            "block back": lambda key: bilal.block(asha, key=key),
        }
        return acts[one], acts[other]

    return make


def _written(
    one: str, other: str, right: str = "WRITE"
) -> Callable[[ApiClient, ApiClient, ApiClient], tuple[Act, Act]]:
    def make(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> tuple[Act, Act]:
        story = asha.written_with(bilal, right)
        seen, chapter = asha.version_of(story), asha.story_as_found(story)["chapters"][0]["id"]
        acts: dict[str, Act] = {
            "remove": lambda key: asha.remove_coauthor(story, bilal, seen, key),
            "demote": lambda key: asha.set_right(story, bilal, "WRITE", seen, key),
            "leave": lambda key: bilal.leave_story(story, seen, key),
            "block": lambda key: asha.block(bilal, key=key),
            "edit": lambda key: bilal.update_story(story, {"title": "His"}, seen, merge=True, key=key),
            "edit text": lambda key: bilal.update_chapter(chapter, {"body": "His."}, "1", merge=True, key=key),
            "append": lambda key: bilal.append(story, key=key),
            "drop": lambda key: bilal.delete_chapter(chapter, "1", key=key),
            "publish": lambda key: asha.publish(story, seen, key),
            "publish his": lambda key: bilal.publish(story, seen, key),
            "invite": lambda key: asha.invite(story, chitra, seen, key=key),
            "invite his": lambda key: bilal.invite(story, chitra, seen, key=key),
        }
        return acts[one], acts[other]

    return make


def _handed(
    one: str, other: str, *, published: bool = False
) -> Callable[[ApiClient, ApiClient, ApiClient], tuple[Act, Act]]:
    def make(asha: ApiClient, bilal: ApiClient, _chitra: ApiClient) -> tuple[Act, Act]:
        story, invitation = _invited("OWN", published=published)(asha, bilal)
        seen = asha.version_of(story)
        acts: dict[str, Act] = {
            "take over": lambda key: bilal.accept(invitation, key=key),
            "delete": lambda key: asha.delete_story(story, seen, key),
            "publish": lambda key: asha.publish(story, seen, key),
            "unpublish": lambda key: asha.unpublish(story, seen, key),
            "print": lambda key: asha.create_edition(story, key=key),
            "edit": lambda key: asha.update_story(story, {"title": "Hers"}, seen, key=key),
        }
        return acts[one], acts[other]

    return make


def _handed_beside(
    one: str, other: str, *, is_in: bool
) -> Callable[[ApiClient, ApiClient, ApiClient], tuple[Act, Act]]:
    """Handed over to bilal, while chitra writes it or, if she `is_in` not yet, is invited to."""

    def make(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> tuple[Act, Act]:
        story, invitation = _invited()(asha, chitra)
        if is_in:
            chitra.accept(invitation)
        offered = asha.invite(story, bilal, asha.version_of(story), "OWN")["invitation"]["id"]
        acts: dict[str, Act] = {
            "take over": lambda key: bilal.accept(offered, key=key),
            "block": lambda key: chitra.block(bilal, key=key),
            "be blocked": lambda key: bilal.block(chitra, key=key),
            "accept": lambda key: chitra.accept(invitation, key=key),
        }
        return acts[one], acts[other]

    return make


BOTH, LATE, HIDDEN = ("WRITTEN", "WRITTEN"), ("WRITTEN", "CONFLICT"), ("WRITTEN", "NOT_FOUND")
MEETINGS = {
    "accept, withdraw": Meeting(_answers("accept", "withdraw"), LATE, LATE),
    "accept, decline": Meeting(_answers("accept", "decline"), LATE, LATE),
    "decline, withdraw": Meeting(_answers("decline", "withdraw"), LATE, LATE),
    "accept, block": Meeting(_answers("accept", "block"), BOTH, HIDDEN),
    "accept, block back": Meeting(_answers("accept", "block back"), BOTH, HIDDEN),
    "withdraw, block": Meeting(_answers("withdraw", "block"), BOTH, LATE),
    "remove, edit": Meeting(_written("remove", "edit"), HIDDEN, BOTH),
    "remove, edit text": Meeting(_written("remove", "edit text"), HIDDEN, BOTH),
    "remove, append": Meeting(_written("remove", "append"), HIDDEN, BOTH),
    "remove, drop": Meeting(_written("remove", "drop"), HIDDEN, BOTH),
    "remove, leave": Meeting(_written("remove", "leave"), HIDDEN, LATE),
    "remove, invite his": Meeting(_written("remove", "invite his", "MANAGE"), HIDDEN, LATE),
    "demote, publish his": Meeting(_written("demote", "publish his", "MANAGE"), ("WRITTEN", "FORBIDDEN"), BOTH),
    "demote, invite his": Meeting(_written("demote", "invite his", "MANAGE"), ("WRITTEN", "FORBIDDEN"), LATE),
    "block, edit text": Meeting(_written("block", "edit text"), HIDDEN, BOTH),
    "block, invite his": Meeting(_written("block", "invite his", "MANAGE"), HIDDEN, BOTH),
    "leave, publish": Meeting(_written("leave", "publish"), LATE, BOTH),
    "leave, invite": Meeting(_written("leave", "invite"), LATE, LATE),
    "leave, block": Meeting(_written("leave", "block"), BOTH, HIDDEN),
    "take over, delete": Meeting(_handed("take over", "delete"), ("WRITTEN", "FORBIDDEN"), HIDDEN),
    "take over, publish": Meeting(_handed("take over", "publish"), LATE, BOTH),
    "take over, unpublish": Meeting(_handed("take over", "unpublish", published=True), BOTH, BOTH),
    "take over, print": Meeting(
        _handed("take over", "print", published=True), ("WRITTEN", "FORBIDDEN"), ("WRITTEN", "INVALID")
    ),
    "take over, edit": Meeting(_handed("take over", "edit"), BOTH, BOTH),
    "take over, block by a co-author": Meeting(_handed_beside("take over", "block", is_in=True), BOTH, BOTH),
    "take over, block of a co-author": Meeting(_handed_beside("take over", "be blocked", is_in=True), BOTH, BOTH),
    "take over, block by one invited": Meeting(_handed_beside("take over", "block", is_in=False), BOTH, BOTH),
    "take over, accept": Meeting(_handed_beside("take over", "accept", is_in=False), ("WRITTEN", "BUSY"), BOTH),
}


def told(answer: Any) -> str:
    """What a caller is told, in one word."""
    return str(answer.get("applied") or answer.get("code"))


def forced(first: Act, second: Act) -> tuple[str, str]:
    """What both are told, if the second comes when the first has written all of it and has not committed."""
    rivals: list[Rival] = []
    with before('UPDATE "engine_idempotencykey"', lambda: rivals.append(Rival(lambda: second(None)).until_it_waits())):
        answer = first(new_key())
    return told(answer), told(rivals[0].result())


@pytest.mark.parametrize("order", ["one first", "other first"])
@pytest.mark.parametrize("name", MEETINGS)
def test_two_who_meet_have_one_outcome(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, name: str, order: str
) -> None:
    """The second waits for the first, and meets what that has made of it."""
    meeting = MEETINGS[name]
    one, other = meeting.make(asha, bilal, chitra)
    if order == "one first":
        assert forced(one, other) == meeting.one_first
    else:
        assert forced(other, one) == meeting.other_first
    assert_verified()


AT_ONCE = ["accept, withdraw", "accept, block", "remove, edit text", "leave, publish", "take over, delete"]


@pytest.mark.parametrize("name", AT_ONCE)
def test_two_at_once_have_one_of_the_outcomes(asha: ApiClient, bilal: ApiClient, chitra: ApiClient, name: str) -> None:
    """From a barrier, as it comes; afterwards the rows say the same as the answers."""
    meeting = MEETINGS[name]
    for number in range(depth.rounds(30)):
        people = (join(f"one{number}"), join(f"other{number}"), chitra)
        one, other = meeting.make(*people)
        first, second = (told(answer) for answer in race([partial(one, new_key()), partial(other, new_key())]))
        assert (first, second) in (meeting.one_first, meeting.other_first[::-1])
    assert_verified()


# --- Of eight with one version one wins -------------------------------------------------------------------------


def test_of_eight_invitations_on_one_version_one_is_made(asha: ApiClient) -> None:
    """Each to another person; the others are told that somebody was invited."""
    story = asha.create_story("0")["story"]["id"]
    people = [join(f"one{number}") for number in range(8)]
    results = race([lambda who=who: asha.invite(story, who, "1") for who in people])
    (winner,) = won(results)
    assert [one["changedFields"] for one in lost(results)] == [["coauthors"]] * 7
    assert winner["invitation"]["person"]["id"] == to_id("Person", Invitation.objects.get().person_id)
    assert Story.objects.get().version == 2
    assert_verified()


@pytest.mark.parametrize("right", ["WRITE", "OWN"])
@pytest.mark.parametrize("answer", ["accept", "decline", "withdraw"])
def test_of_eight_answers_on_one_version_one_is_given(
    asha: ApiClient, bilal: ApiClient, answer: str, right: str
) -> None:
    """The others see it."""
    _, invitation = _invited(right)(asha, bilal)
    who = asha if answer == "withdraw" else bilal
    results = race([lambda: getattr(who, answer)(invitation)] * 8)
    (winner,) = won(results)
    assert [one["current"]["status"] for one in lost(results)] == [winner["invitation"]["status"]] * 7
    assert Coauthor.objects.count() == (answer == "accept")
    assert_verified()


NEXT = {
    "accept": 'SELECT "stories_story"."author_id"',
    "decline": 'UPDATE "coauthors_invitation"',
    "withdraw": 'FROM "stories_story".* FOR NO KEY UPDATE',
}
"""What each sends right after it has looked at the invitation."""


@pytest.mark.parametrize("right", ["WRITE", "OWN"])
@pytest.mark.parametrize("answer", NEXT)
def test_a_story_that_is_deleted_while_an_invitation_to_it_is_answered(
    asha: ApiClient, bilal: ApiClient, answer: str, right: str
) -> None:
    """It went after the invitation was looked at, and took it along."""
    story, invitation = _invited(right)(asha, bilal)
    seen, who = asha.version_of(story), asha if answer == "withdraw" else bilal
    with before(NEXT[answer], lambda: elsewhere(lambda: asha.delete_story(story, seen))):
        assert told(getattr(who, answer)(invitation)) == "NOT_FOUND"
    assert query("SELECT FROM stories_story UNION ALL SELECT FROM coauthors_invitation") == []
    assert_verified()


@pytest.mark.parametrize(("answer", "table"), [("accept", "stories_story"), ("decline", "coauthors_invitation")])
def test_an_answer_on_a_version_that_is_made_meanwhile_is_none(
    asha: ApiClient, bilal: ApiClient, answer: str, table: str
) -> None:
    """The offer is taken back while it is answered, on the very version that this makes: it is answered once."""
    _, invitation = _invited()(asha, bilal)
    with before(f'UPDATE "{table}"', lambda: elsewhere(lambda: asha.withdraw(invitation))):
        assert getattr(bilal, answer)(invitation, "2")["code"] == "BUSY"
    assert Invitation.objects.get().status == "WITHDRAWN"
    assert_verified()


def test_of_four_who_accept_and_four_who_withdraw_one_does(asha: ApiClient, bilal: ApiClient) -> None:
    """Either the right is given or it is taken back."""
    _, invitation = _invited()(asha, bilal)
    results = race([lambda: bilal.accept(invitation), lambda: asha.withdraw(invitation)] * 4)
    (winner,) = won(results)
    assert len(lost(results)) == 7
    assert Coauthor.objects.count() == (winner["invitation"]["status"] == "ACCEPTED")


@pytest.mark.parametrize("act", ["set", "remove", "leave"])
def test_of_eight_changes_on_one_version_one_is_made(asha: ApiClient, bilal: ApiClient, act: str) -> None:
    """Of a right, of who writes it, by who leaves."""
    story = asha.written_with(bilal)
    seen = asha.version_of(story)
    acts: dict[str, Callable[[], Any]] = {
        "set": lambda: asha.set_right(story, bilal, "MANAGE", seen),
        "remove": lambda: asha.remove_coauthor(story, bilal, seen),
        "leave": lambda: bilal.leave_story(story, seen),
    }
    results = race([acts[act]] * 8)
    assert len(won(results)) == 1
    assert [told(one) for one in results].count("NOT_FOUND" if act == "leave" else "CONFLICT") == 7
    assert Story.objects.get().version == int(seen) + 1
    assert_verified()


def test_many_write_one_story_and_nothing_is_lost(asha: ApiClient) -> None:
    """Eight people append and edit at once: every acknowledged write is in the story or its history, by who wrote it."""
    story = asha.create_story("0", chapters=8)["story"]["id"]
    people = [join(f"one{number}") for number in range(8)]
    for who in people:
        asha.written_with(who, story=story)
    chapters = [chapter["id"] for chapter in asha.story_as_found(story)["chapters"]]

    def write(number: int) -> list[Any]:
        who = people[number]
        mine = who.update_chapter(chapters[number], {"body": f"By {number}."}, "1", merge=True)
        shared = who.update_story(story, {"summary": f"By {number}."}, asha.version_of(story))
        return [mine, who.append(story, title=f"Of {number}"), shared]

    results = race([lambda number=number: write(number) for number in range(8)])
    assert [[told(one) for one in answers[:2]] for answers in results] == [["WRITTEN", "WRITTEN"]] * 8
    of_each = Revision.objects.filter(chapter_id__isnull=False).values_list("by_id", flat=True)
    assert sorted(of_each) == sorted(who.person.pk for who in people)
    summaries = [number for number, answers in enumerate(results) if told(answers[2]) == "WRITTEN"]
    kept = Revision.objects.filter(values__has_key="summary").values_list("by_id", flat=True)
    assert sorted(kept) == sorted(people[number].person.pk for number in summaries)
    assert Story.objects.get().chapters.count() == 16
    assert_verified()


# --- How many one person may invite -----------------------------------------------------------------------------

SLOW = 900.0


def test_invitations_that_race_are_counted_exactly(asha: ApiClient, bilal: ApiClient, settings: Any) -> None:
    """Of one inviter, to all stories together: whom the limit refuses, nobody is told of, and the story is as it was."""
    settings.INVITATIONS = Rate(3, SLOW)
    stories = [asha.create_story(str(number))["story"]["id"] for number in range(6)]
    said = [told(one) for one in race([lambda one=one: asha.invite(one, bilal, "1") for one in stories])]
    assert sorted(said) == ["RATE_LIMITED"] * 3 + ["WRITTEN"] * 3
    assert Invitation.objects.count() == Notification.objects.count() == 3
    assert sorted(Story.objects.values_list("version", flat=True)) == [1, 1, 1, 2, 2, 2]
    refused = asha.invite(stories[said.index("RATE_LIMITED")], bilal, "1")
    assert refused["retry"]["kind"] == "SAME_REQUEST"
    assert 0 < refused["retry"]["afterMs"] <= SLOW * 1000
    assert_verified()


def test_only_an_invitation_that_is_made_counts(asha: ApiClient, bilal: ApiClient, settings: Any) -> None:
    """Not one that is refused, nor the same request once more; one that was withdrawn does, for somebody was told of it."""
    settings.INVITATIONS = Rate(2, SLOW)
    story, key = asha.create_story("0")["story"]["id"], new_key()
    assert [told(asha.invite(story, bilal, "9")) for _ in range(3)] == ["CONFLICT"] * 3
    assert [told(asha.invite(story, asha, "1")) for _ in range(3)] == ["INVALID"] * 3
    made = [asha.invite(story, bilal, "1", key=key) for _ in range(4)]
    assert [told(one) for one in made] == ["WRITTEN", *["REPLAYED"] * 3]
    assert told(asha.withdraw(made[0]["invitation"]["id"])) == "WRITTEN"
    assert told(asha.invite(story, bilal, "2")) == "WRITTEN"
    assert told(asha.withdraw(_open_to(asha, story))) == "WRITTEN"
    assert told(asha.invite(story, bilal, "3")) == "RATE_LIMITED"


def _open_to(author: ApiClient, story: str) -> str:
    found = author.ask("query ($id: ID!) { story(id: $id) { invitations { id } } }", id=story)["story"]["invitations"]
    return str(found[0]["id"])


# --- Why the rights stand in the story's own row ----------------------------------------------------------------

NAIVE = """
UPDATE stories_story SET title = 'Lost', version = version + 1, title_changed = version + 1
WHERE id = %s AND EXISTS (SELECT FROM coauthors_coauthor WHERE story_id = stories_story.id AND person_id = %s)
"""
OURS = """
UPDATE stories_story SET title = 'Lost', version = version + 1, title_changed = version + 1
WHERE id = %s AND %s = ANY (writers)
"""


@pytest.mark.parametrize(("statement", "written"), [(NAIVE, 1), (OURS, 0)], ids=["in another table", "in the row"])
def test_a_right_in_another_table_is_not_checked_again(
    asha: ApiClient, bilal: ApiClient, statement: str, written: int
) -> None:
    """An UPDATE that waited for a removal writes all the same, if the right is looked up elsewhere."""
    story = asha.written_with(bilal)
    key, seen = Story.objects.get().pk, asha.version_of(story)

    def edit() -> int:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, [key, bilal.person.pk])
            return int(cursor.rowcount)

    rivals: list[Rival] = []
    with before('UPDATE "engine_idempotencykey"', lambda: rivals.append(Rival(edit).until_it_waits())):
        assert asha.remove_coauthor(story, bilal, seen, new_key())["applied"] == "WRITTEN"
    assert rivals[0].result() == written
    assert query("SELECT title FROM stories_story") == [("Lost" if written else "A story",)]
