"""Rivals for the same copies: none is sold twice, none is lost, and whoever gets none is told."""

import threading
import uuid
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from backend.engine.checks import run
from backend.engine.idempotency import Outcome
from backend.engine.transactions import snapshot, unit_of_work
from backend.engine.versions import Expected
from backend.market.errors import OutOfStock
from backend.market.invariants import INVARIANTS
from backend.market.models import Edition, Order, OrderLine, OrderStatus
from backend.market.orders import NewLine
from backend.people.models import Person
from backend.stories import actions
from backend.stories.actions import NewStory
from resolvers import market, stories
from tests import depth
from tests.races.authored_story import Answer, told, word, words
from tests.races.rivals import Rival, elsewhere, race, rounds, said
from tests.races.rows import assert_nothing_left, assert_verified, crowd, everything, scalar
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

THREADS, ROUNDS, STEPS = 12, depth.rounds(20, at_least=6), depth.rounds(25, at_least=10)


def published(author: Person) -> uuid.UUID:
    """A published story without a chapter."""
    new = NewStory("A story", "", False, [])
    story = unit_of_work(lambda: actions.create_story(author.pk, new, Expected(None))[0].pk)
    stories.publish_story(author, story=story, expect=Expected(1), key=None)
    return story


def printed(author: Person, stock: int, count: int = 1) -> list[uuid.UUID]:
    """So many editions of one story, each with this stock, in the order of their ids."""
    story = published(author)
    made = [
        market.create_edition(author, story=story, title="An edition", price_cents=100, stock=stock, key=None)
        for _ in range(count)
    ]
    return sorted(outcome.rows["edition"].pk for outcome in made)


def order(buyer: Person, *lines: tuple[uuid.UUID, int], key: uuid.UUID | None = None) -> Outcome:
    return market.place_order(buyer, lines=[NewLine(*line) for line in lines], key=key or uuid.uuid4())


def move(person: Person, order_id: uuid.UUID, to: OrderStatus, seen: int) -> Outcome:
    return market.update_order(person, order=order_id, to=to, expect=Expected(seen), key=None)


def stock(edition: uuid.UUID) -> int:
    return Edition.objects.get(pk=edition).stock


def watching(done: threading.Event) -> Callable[[], int]:
    """Asks in one snapshot after the other whether every invariant of the market holds; how often it did."""

    def watch() -> int:
        looks = 0
        while not done.is_set() or not looks:
            with snapshot():
                broken = [(result.check.name, result.rows) for result in map(run, INVARIANTS) if result.broken]
            assert broken == []
            looks += 1
        return looks

    return watch


def watched(works: list[Callable[[], Any]]) -> list[Any]:
    """What the works return, while somebody looks at every snapshot."""
    done, left = threading.Event(), [len(works)]
    lock = threading.Lock()

    def counted(work: Callable[[], Any]) -> Any:
        try:
            return work()
        finally:
            with lock:
                left[0] -= 1
                if not left[0]:
                    done.set()

    *results, looks = race([*(partial(counted, work) for work in works), watching(done)])
    assert looks >= 1
    return results


def test_five_buyers_for_each_copy(asha: Any) -> None:
    """One of five gets one, the others are told that none is left; in no snapshot do the copies not add up.

    A hundred copies and five hundred buyers in the exhaustive run.
    """
    copies = depth.rounds(100, at_least=20)
    (edition,) = printed(asha.person, copies)
    buyers = crowd(5 * copies)

    def buy(some: list[Person]) -> list[str]:
        return [said(partial(order, buyer, (edition, 1))) for buyer in some]

    results = watched([partial(buy, buyers[n::THREADS]) for n in range(THREADS)])
    assert Counter(one for some in results for one in some) == {"WRITTEN": copies, "OUT_OF_STOCK": 4 * copies}
    assert (stock(edition), Order.objects.count(), OrderLine.objects.count()) == (0, copies, copies)
    assert Edition.objects.get(pk=edition).version == copies + 1
    assert_verified()


def test_who_waited_for_the_last_copy_is_told_what_is_left(asha: Any, bilal: Any, chitra: Any) -> None:
    """The rival's order has been waited for: what is said is how it stands after that."""
    (edition,) = printed(asha.person, 3)
    rivals: list[Rival] = []
    late = partial(told, partial(order, chitra.person, (edition, 2)))
    with before('INSERT INTO "market_order"', lambda: rivals.append(Rival(late).until_it_waits())):
        assert word(order(bilal.person, (edition, 2))) == "WRITTEN"
    answer = rivals[0].result()
    assert isinstance(answer, OutOfStock)
    assert (answer.available, answer.edition.pk, answer.edition.stock) == (1, edition, 1)
    assert_verified()


def test_taking_away_what_a_rival_has_just_added(asha: Any) -> None:
    """There was too little when it was looked for, and enough when it was asked why: it is taken."""
    (edition,) = printed(asha.person, 1)
    adjust = partial(market.adjust_stock, asha.person, edition=edition)
    with before("FOR NO KEY UPDATE OF edition", lambda: elsewhere(partial(adjust, delta=5, key=uuid.uuid4()))):
        assert word(adjust(delta=-4, key=uuid.uuid4())) == "WRITTEN"
    assert stock(edition) == 2
    assert_verified()


def test_orders_with_opposite_lines_do_not_lock_each_other_out(asha: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Editions are locked by their ids, whatever order they are asked for in: no deadlock, not even one that is run again."""
    first, *_, last = editions = printed(asha.person, 400, count=4)
    buyers = crowd(8)
    monkeypatch.setattr("backend.engine.transactions.MAX_ATTEMPTS", 1)

    def buy(buyer: Person, backwards: bool, _round: int) -> str:
        return said(partial(order, buyer, *((one, 1) for one in (editions[::-1] if backwards else editions))))

    results = rounds([partial(buy, buyer, n % 2 == 1) for n, buyer in enumerate(buyers)], ROUNDS)
    assert Counter(one for some in results for one in some) == {"WRITTEN": 8 * ROUNDS}
    assert (stock(first), stock(last)) == (400 - 8 * ROUNDS,) * 2
    assert_verified()


def test_an_order_is_cancelled_once(asha: Any, bilal: Any) -> None:
    """Eight devices at once, again and again: one does, and the copies come back once."""
    (edition,) = printed(asha.person, 50)
    orders = [order(bilal.person, (edition, 2)).rows["order"].pk for _ in range(ROUNDS)]
    assert stock(edition) == 50 - 2 * ROUNDS

    def cancel(number: int) -> str:
        return said(partial(move, bilal.person, orders[number], OrderStatus.CANCELLED, 1))

    for results in rounds([cancel] * 8, ROUNDS):
        assert Counter(results) == {"WRITTEN": 1, "CONFLICT": 7}
    assert stock(edition) == 50
    assert_verified()


def test_a_cancel_waits_for_the_editions_of_its_order_alone(asha: Any, bilal: Any, chitra: Any) -> None:
    """Another order of the same buyer holds nobody up; nor does whoever must not cancel wait for what others hold."""
    one, other = printed(asha.person, 5, count=2)
    mine, _ = (order(bilal.person, (edition, 1)).rows["order"].pk for edition in (one, other))
    with transaction.atomic():
        Edition.objects.select_for_update().get(pk=other)
        assert elsewhere(lambda: said(lambda: move(bilal.person, mine, OrderStatus.CANCELLED, 1))) == "WRITTEN"
        Edition.objects.select_for_update().get(pk=one)
        refused = [
            elsewhere(lambda who=who: said(lambda: move(who, mine, OrderStatus.CANCELLED, 2)))
            for who in (asha.person, chitra.person)
        ]
    assert refused == ["FORBIDDEN", "NOT_FOUND"]


def test_shipping_and_cancelling_do_not_both_happen(asha: Any, bilal: Any) -> None:
    """Either it is shipped and its copies are gone, or it is cancelled and they are back."""
    (edition,) = printed(asha.person, ROUNDS)
    orders = [order(bilal.person, (edition, 1)).rows["order"].pk for _ in range(ROUNDS)]
    for one in orders:
        move(asha.person, one, OrderStatus.CONFIRMED, 1)

    def ship(number: int) -> str:
        return said(partial(move, asha.person, orders[number], OrderStatus.SHIPPED, 2))

    def cancel(number: int) -> str:
        return said(partial(move, bilal.person, orders[number], OrderStatus.CANCELLED, 2))

    for results in rounds([ship, cancel], ROUNDS):
        assert sorted(results) == ["CONFLICT", "WRITTEN"]
    assert stock(edition) == Order.objects.filter(status=OrderStatus.CANCELLED).count()
    assert_verified()


def test_adding_taking_selling_cancelling_and_setting_add_up(asha: Any) -> None:
    """All at once on two editions: what is sold and what was changed always make up what is left, in every snapshot."""
    editions = printed(asha.person, 30, count=2)
    buyers = crowd(6)
    words_: list[str] = []

    def buy(buyer: Person) -> None:
        for number in range(STEPS):
            lines = [(one, 1 + number % 2) for one in (editions if number % 3 else editions[::-1])]
            answer = told(partial(order, buyer, *lines[: 1 + number % 2]))
            words_.append(word(answer))
            if isinstance(answer, Outcome) and number % 4 == 0:
                words_.append(said(partial(move, buyer, answer.rows["order"].pk, OrderStatus.CANCELLED, 1)))

    def adjust(delta: int) -> None:
        for number in range(STEPS):
            words_.append(
                said(
                    partial(
                        market.adjust_stock, asha.person, edition=editions[number % 2], delta=delta, key=uuid.uuid4()
                    )
                )
            )

    def set_() -> None:
        for number in range(STEPS):
            seen = Edition.objects.get(pk=editions[number % 2])
            put = partial(market.set_stock, asha.person, edition=seen.pk, to=seen.stock + 3, key=None)
            words_.append(said(partial(put, expect=Expected(seen.version))))

    watched([*(partial(buy, buyer) for buyer in buyers), partial(adjust, 5), partial(adjust, -3), set_])
    assert set(words_) <= {"WRITTEN", "OUT_OF_STOCK", "CONFLICT"}
    assert words_.count("WRITTEN") > 2 * STEPS
    assert_verified()


def test_a_stock_that_was_set_has_seen_every_order(asha: Any, bilal: Any) -> None:
    """An order that comes while the stock is being set either was before it, and is a conflict, or is taken from it."""
    (edition,) = printed(asha.person, 100)

    def set_(number: int) -> str:
        version = Edition.objects.get(pk=edition).version
        put = partial(market.set_stock, asha.person, edition=edition, to=50 + number % 2, key=None)
        return said(partial(put, expect=Expected(version)))

    def buy(_round: int) -> str:
        return said(partial(order, bilal.person, (edition, 1)))

    results = rounds([set_, buy, buy], ROUNDS)
    assert {one for _, *bought in results for one in bought} == {"WRITTEN"}
    sold = scalar("SELECT sum(quantity) FROM market_orderline")
    assert sold == 2 * ROUNDS
    row = Edition.objects.get(pk=edition)
    assert row.initial + row.adjusted - sold == row.stock
    assert_verified()


def test_a_stock_is_not_set_by_who_has_not_seen_an_order(asha: Any, bilal: Any) -> None:
    """The order comes while the stock is being set, or is waited for: each time it is a conflict, and nothing is set."""
    (edition,) = printed(asha.person, 10)
    put = partial(market.set_stock, asha.person, edition=edition, to=50, key=None)
    with before('UPDATE "market_edition"', lambda: elsewhere(partial(order, bilal.person, (edition, 1)))):
        assert said(partial(put, expect=Expected(1))) == "CONFLICT"
    ordered, late = come_while(
        'INSERT INTO "market_order"', partial(order, bilal.person, (edition, 1)), partial(put, expect=Expected(2))
    )
    assert words([ordered, late]) == ["CONFLICT", "WRITTEN"]
    assert stock(edition) == 8
    assert_verified()


# --- Deleting the story -----------------------------------------------------------------------------------------


def come_while(statement: str, held: Callable[[], Outcome], late: Callable[[], Outcome]) -> tuple[Answer, Answer]:
    """What two are told of which the second comes before this statement of the first one, and waits for it."""
    rivals: list[Rival] = []
    with before(statement, lambda: rivals.append(Rival(partial(told, late)).until_it_waits())):
        first = told(held)
    return first, rivals[0].result()


def test_a_deletion_that_waited_for_an_order_does_not_happen(asha: Any, bilal: Any) -> None:
    """The story was being ordered; nothing of it goes."""
    (edition,) = printed(asha.person, 3)
    story = Edition.objects.get(pk=edition).story_id
    delete = partial(stories.delete_story, asha.person, story=story, expect=Expected(2), key=None)
    ordered, deleted = come_while('INSERT INTO "market_order"', partial(order, bilal.person, (edition, 1)), delete)
    assert words([ordered, deleted]) == ["INVALID", "WRITTEN"]
    assert_verified()


def test_who_waited_for_a_deletion_finds_no_edition(asha: Any, bilal: Any) -> None:
    """Nothing is ordered, adjusted, set or printed of what is gone, and nothing of it is left."""
    late: dict[str, Callable[[uuid.UUID, uuid.UUID], Outcome]] = {
        "order": lambda _, edition: order(bilal.person, (edition, 1)),
        "adjust": lambda _, edition: market.adjust_stock(asha.person, edition=edition, delta=1, key=uuid.uuid4()),
        "set": lambda _, edition: market.set_stock(asha.person, edition=edition, to=1, expect=Expected(1), key=None),
        "print": lambda story, _: market.create_edition(
            asha.person, story=story, title="More", price_cents=1, stock=1, key=None
        ),
    }
    for act in late.values():
        (edition,) = printed(asha.person, 3)
        story = Edition.objects.get(pk=edition).story_id
        delete = partial(stories.delete_story, asha.person, story=story, expect=Expected(2), key=None)
        deleted, answer = come_while('INSERT INTO .*"?people_persontally', delete, partial(act, story, edition))
        assert words([deleted, answer]) == ["NOT_FOUND", "WRITTEN"]
        assert_nothing_left(story, edition)
    assert_verified()


def test_printing_while_the_story_goes(asha: Any) -> None:
    """A deletion that waited for a new edition takes it along: nobody can have ordered it."""
    story = published(asha.person)
    make = partial(
        market.create_edition, asha.person, story=story, title="New", price_cents=1, stock=1, key=uuid.uuid4()
    )
    delete = partial(stories.delete_story, asha.person, story=story, expect=Expected(2), key=None)
    made, deleted = come_while("UPDATE .*engine_idempotencykey", make, delete)
    assert words([made, deleted]) == ["WRITTEN", "WRITTEN"]
    assert_nothing_left(story)
    assert_verified()


# --- Refusals and locks -----------------------------------------------------------------------------------------


def test_a_refused_order_leaves_no_trace(asha: Any, bilal: Any) -> None:
    """Nothing of its other lines, nor its key."""
    first, second = printed(asha.person, 1, count=2)
    untouched = everything()
    key = uuid.uuid4()
    assert said(partial(order, bilal.person, (first, 1), (second, 2), key=key)) == "OUT_OF_STOCK"
    assert everything() == untouched
    market.adjust_stock(asha.person, edition=second, delta=1, key=uuid.uuid4())
    assert said(partial(order, bilal.person, (first, 1), (second, 2), key=key)) == "WRITTEN"


def test_fifty_lines_cost_no_more_statements_than_one(asha: Any, bilal: Any) -> None:
    """Placing and cancelling."""
    editions = printed(asha.person, 10, count=50)
    counts = set()
    for some in (editions[:1], editions):
        with connection.execute_wrapper(counter := Counted()):
            made = order(bilal.person, *((one, 1) for one in some)).rows["order"].pk
            placed, counter.count = counter.count, 0
            move(bilal.person, made, OrderStatus.CANCELLED, 1)
        counts.add((placed, counter.count))
    assert counts == {(7, 4)}
    assert_verified()


class Counted:
    """Counts statements."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.count += 1
        return execute(sql, params, many, context)
