"""Follow against block: no interleaving leaves a follow across a block, and every block stands."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from backend.engine.declarations import delete_all
from backend.engine.transactions import unit_of_work
from backend.engine.versions import Expected
from backend.people.models import Person
from backend.social.models import Relationship
from backend.social.pairs import Pair
from resolvers import social
from tests import depth
from tests.api import ApiClient
from tests.races.rivals import PATIENCE_SECONDS, Rival, elsewhere, is_blocked, my_pid, rounds, said, until
from tests.races.rows import assert_sound, crowd, query, scalar
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = depth.rounds(500, at_least=40)
"""The exhaustive run does 500; what forty leave to chance, the tests at the end of this file force."""
BLOCKS = "SELECT count(*) FROM block"

Move = Callable[[Person, Person], str]


def follow(me: Person, them: Person, seen: int = 0) -> str:
    return said(lambda: social.follow(me, person=them.pk, expect=Expected(seen), key=None))


def unfollow(me: Person, them: Person) -> str:
    return said(lambda: social.unfollow(me, person=them.pk, expect=Expected(2), key=None))


def remove_follower(me: Person, them: Person) -> str:
    return said(lambda: social.remove_follower(me, person=them.pk, expect=Expected(2), key=None))


def follow_again(me: Person, them: Person) -> str:
    return follow(me, them, 2)


def block(me: Person, them: Person) -> str:
    return said(lambda: social.block(me, person=them.pk, expect=Expected(None), key=None))


def raced(one: Move, other: Move, prepare: Callable[[Person, Person], Any] | None = None) -> list[list[str]]:
    """Pairs of strangers, or of people prepared for it, where the first makes one move and the second the other."""
    people = crowd(2 * ROUNDS)
    pairs = list(zip(people[::2], people[1::2], strict=True))
    pairs = [pair[::-1] if number % 2 else pair for number, pair in enumerate(pairs)]  # either side may be the low one
    for pair in pairs if prepare else ():
        prepare(*pair)
    return rounds([lambda n: one(*pairs[n]), lambda n: other(*pairs[n][::-1])], ROUNDS)


def they_follow_each_other(one: Person, other: Person) -> None:
    assert follow(one, other) == follow(other, one) == "WRITTEN"


def they_met(one: Person, other: Person) -> None:
    """Version 2 for the first, nobody follows."""
    assert follow(one, other) == "WRITTEN"
    assert said(lambda: social.unfollow(one, person=other.pk, expect=Expected(1), key=None)) == "WRITTEN"


def test_between_strangers_no_follow_crosses_a_block() -> None:
    """The row of a pair that has none yet is where two tables would lose the race."""
    results = raced(follow, block)
    assert {blocked for _, blocked in results} == {"WRITTEN"}
    assert {followed for followed, _ in results} <= {"WRITTEN", "NOT_FOUND"}
    assert scalar(BLOCKS) == ROUNDS
    assert scalar("SELECT count(*) FROM follow") == 0
    assert_sound()


def test_between_acquaintances_no_follow_crosses_a_block() -> None:
    """The same where the row is there already."""
    results = raced(follow_again, block, they_met)
    assert {blocked for _, blocked in results} == {"WRITTEN"}
    assert {followed for followed, _ in results} <= {"WRITTEN", "NOT_FOUND"}
    assert scalar(BLOCKS) == ROUNDS
    assert_sound()


@pytest.mark.parametrize("end", [unfollow, remove_follower], ids=lambda end: end.__name__)
def test_a_follow_that_ends_twice_at_once_is_counted_once(end: Move) -> None:
    """A block ends follows too: whoever comes second must not lower the totals again."""
    results = raced(end, block, they_follow_each_other)
    assert {blocked for _, blocked in results} == {"WRITTEN"}
    assert {ended for ended, _ in results} <= {"WRITTEN", "NOT_FOUND"}
    assert scalar(BLOCKS) == ROUNDS
    assert scalar("SELECT count(*) FROM follow") == 0
    assert_sound()


COUNT = "INSERT INTO people_persontally"
"""What comes after the write to the pair, in the same transaction."""


@pytest.mark.parametrize("end", [unfollow, remove_follower], ids=lambda end: end.__name__)
def test_a_follow_that_ends_while_a_block_is_written_is_counted_once(end: Move) -> None:
    """The block holds what it has written until it commits: the other one waits, and finds nothing to end."""
    me, them = crowd(2)
    they_follow_each_other(me, them)
    ends: list[Rival] = []
    with before(COUNT, lambda: ends.append(Rival(lambda: end(me, them)).until_it_waits())):
        assert block(them, me) == "WRITTEN"
    assert ends[0].result() == "NOT_FOUND"
    assert scalar("SELECT count(*) FROM follow") == 0
    assert_sound()


@pytest.mark.parametrize("end", [unfollow, remove_follower], ids=lambda end: end.__name__)
def test_a_follow_that_is_ended_while_a_block_looks_is_counted_once(end: Move) -> None:
    """The block has begun to look at the row when the end is not yet committed: what it ends is what it finds after that."""
    me, them = crowd(2)
    they_follow_each_other(me, them)
    blocker, is_written = my_pid(), threading.Event()

    def commit_late() -> None:
        is_written.set()
        until(lambda: is_blocked(blocker), "the block to wait for the row")

    def end_it() -> str:
        with before(COUNT, commit_late):
            return end(me, them)

    ends: list[Rival] = []

    def begin() -> None:
        ends.append(Rival(end_it))
        assert is_written.wait(PATIENCE_SECONDS)

    with before('UPDATE "social_relationship"', begin):
        assert block(them, me) == "WRITTEN"
    assert ends[0].result() == "WRITTEN"
    assert scalar(BLOCKS) == 1
    assert scalar("SELECT count(*) FROM follow") == 0
    assert_sound()


def test_two_who_block_each_other_both_do() -> None:
    """A block never loses a race, not even against the other's block."""
    assert raced(block, block, they_follow_each_other) == [["WRITTEN", "WRITTEN"]] * ROUNDS
    assert scalar(BLOCKS) == 2 * ROUNDS
    assert_sound()


@pytest.mark.parametrize("known", [False, True], ids=["strangers", "acquaintances"])
@pytest.mark.parametrize("first", ["follow", "block"])
def test_whoever_waits_for_the_row_sees_what_the_first_has_made_of_it(known: bool, first: str) -> None:
    """Both wait for the same row, so that the second one's decision rests on what the first has just written."""
    me, them = crowd(2)
    if known:
        they_met(me, them)
    else:
        unit_of_work(lambda: Relationship.objects.bulk_create([Relationship(**Pair.of(me.pk, them.pk).key)]))
    moves = {"follow": lambda: follow(me, them, 2 if known else 0), "block": lambda: block(them, me)}
    with transaction.atomic():
        Relationship.objects.select_for_update().get()
        rivals = {first: Rival(moves.pop(first)).until_it_waits()}
        second, move = moves.popitem()
        rivals[second] = Rival(move).until_it_waits()
    results = {name: rival.result() for name, rival in rivals.items()}
    assert results == {"follow": "WRITTEN" if first == "follow" else "NOT_FOUND", "block": "WRITTEN"}
    assert query("SELECT blocker_id, blocked_id FROM block") == [(them.pk, me.pk)]
    assert_sound()


@pytest.mark.parametrize("end", ["commits", "rolls back", "commits without the row"])
def test_strangers_wait_for_the_one_who_inserts_their_row(end: str) -> None:
    """The first contact is a race to insert: losing it, or the winner's rollback, must cost neither follow nor block. Nor does
    who only locks the pair, and deletes the row again: they are waited for all the same.
    """
    me, them = crowd(2)
    with transaction.atomic():
        Relationship.objects.bulk_create([Relationship(**Pair.of(me.pk, them.pk).key)])
        if end == "commits without the row":
            delete_all(Relationship.objects.all()).run()
        rivals = [Rival(lambda: follow(me, them)), Rival(lambda: block(them, me))]
        for rival in rivals:
            rival.until_it_waits()
        transaction.set_rollback(end == "rolls back")
    followed, blocked = (rival.result() for rival in rivals)
    assert blocked == "WRITTEN"
    assert followed in ("WRITTEN", "NOT_FOUND")
    assert scalar("SELECT count(*) FROM social_relationship") == 1
    assert_sound()


def test_a_follow_that_a_vanished_block_stopped_is_not_called_done(asha: ApiClient, bilal: ApiClient) -> None:
    """A success is the truth, also when what stopped the write is gone before anybody can look."""

    def unblock() -> None:
        assert bilal.unblock(asha, str(bilal.relationship(asha)["version"]))["applied"] == "WRITTEN"

    they_met(asha.person, bilal.person)
    acts = [lambda: elsewhere(lambda: bilal.block(asha)), lambda: elsewhere(unblock)]
    with before(r'(FROM|UPDATE) "social_relationship"', *acts):
        answer = asha.follow(bilal, "2")
    assert answer["code"] == "BUSY"
    assert asha.relationship(bilal) == {"version": "2", "following": False, "followedBy": False, "blocking": False}
    assert asha.follow(bilal, "2")["applied"] == "WRITTEN"
    assert_sound()


def test_a_block_that_is_lifted_meanwhile_is_written(asha: ApiClient, bilal: ApiClient) -> None:
    """It finds nothing to do, and before it looks again, another device of the same person unblocks."""
    assert asha.block(bilal)["applied"] == "WRITTEN"
    with before(r'^SELECT .*FROM "social_relationship"', lambda: elsewhere(lambda: asha.unblock(bilal, "1"))):
        answer = asha.block(bilal)
    assert (answer["applied"], answer["relationship"]["blocking"]) == ("WRITTEN", True)
    assert_sound()


def test_a_block_that_finds_itself_done_holds_its_pair_alone(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient
) -> None:
    """Until it has looked: who unblocks meanwhile waits, so "nothing to do" is the truth. Another pair waits for nobody."""
    assert asha.block(bilal)["applied"] == "WRITTEN"
    assert asha.block(chitra)["applied"] == "WRITTEN"
    waiting: list[Rival] = []

    def unblock_both() -> None:
        assert elsewhere(lambda: asha.unblock(chitra, "1"))["applied"] == "WRITTEN"
        waiting.append(Rival(lambda: asha.unblock(bilal, "1")).until_it_waits())

    with before(r'^SELECT .*FROM "social_relationship"', lambda: None, unblock_both):
        answer = asha.block(bilal)
    assert (answer["applied"], answer["relationship"]["blocking"]) == ("NOOP", True)
    assert waiting[0].result()["applied"] == "WRITTEN"
    assert_sound()
