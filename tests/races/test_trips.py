"""An error in the middle of what travels together: nothing after it is taken for a success, and nothing of it is left behind.

`test_faults` strikes at each statement, of which each is sent by itself then; here they travel as they do for clients.
"""

from collections.abc import Iterator

import pytest

from backend.engine import transactions
from tests import depth
from tests.races.rows import assert_sound, everything
from tests.races.test_faults import CASES, MUTATIONS, UNITS, Send, counted, new_key, prepared, sent, wrote
from tests.races.trips import DEADLOCK, LOSS, VIOLATION, Trip, struck_at, watched

pytestmark = pytest.mark.django_db(transaction=True)

ANSWERED = {VIOLATION: "INTERNAL_SERVER_ERROR", LOSS: "BUSY"}


def rehearsed(mutation: str, *, keyed: bool) -> list[Trip]:
    """The trips of a mutation up to its last COMMIT; those of what comes before and of people of its own."""
    send = prepared(mutation, "calm")
    answer, trips = sent(send, new_key(keyed), watched())
    assert wrote(answer)
    last = [number for number, trip in enumerate(trips.made) if trip.commits][UNITS.get(mutation, 1) - 1]
    return trips.made[: last + 1]


def places(trips: list[Trip]) -> Iterator[tuple[int, int]]:
    """Where to strike: at every place of every trip; in the quick run in the middle of each, and just before COMMIT.

    A COMMIT that travels alone has nothing with it that could fail.
    """
    sizes = {number: trip.size for number, trip in enumerate(trips) if trip.size}
    for number, size in sizes.items():
        yield from ((number, place) for place in (range(size + 1) if depth.EXHAUSTIVE else {(size + 1) // 2}))
    if not depth.EXHAUSTIVE:
        yield from list(sizes.items())[-1:]


@MUTATIONS
def test_an_error_in_the_middle_of_a_trip_is_no_success(mutation: str, *, keyed: bool) -> None:
    """What was sent after it has no result, the answer is an error, no row has changed, and the next request works."""
    trips = rehearsed(mutation, keyed=keyed)
    send, key = prepared(mutation, ""), new_key(keyed)
    untouched = everything()
    for number, place in places(trips):
        for fault in (VIOLATION, LOSS):
            answer, found = sent(send, key, struck_at(number, place, fault))
            where = f"{fault!r} at place {place} of trip {number} of {trips}"
            assert found.struck, where
            assert [one for one in found.after if one.result is not None] == [], where
            assert answer.get("code") == ANSWERED[fault], where
            assert everything() == untouched, where
    answer, _ = sent(send, key, watched())
    assert wrote(answer)
    assert_sound()


@pytest.mark.parametrize(("mutation", "keyed"), depth.some(CASES, 8))
def test_a_deadlock_in_the_middle_of_a_trip_has_one_effect(
    mutation: str, *, keyed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that travelled with it is sent again, what waited before the unit of work too."""
    monkeypatch.setattr(transactions, "_pause", lambda attempt: None)
    trips = rehearsed(mutation, keyed=keyed)
    calm = effect_of(prepared(mutation, "c"), keyed=keyed)
    of_units = [(number, place) for number, place in places(trips) if trips[number].in_unit]
    for number, place in of_units if depth.EXHAUSTIVE else (of_units[0], of_units[-1]):
        assert effect_of(prepared(mutation, f"{number}.{place}"), number, place, keyed=keyed) == calm
    assert_sound()


def effect_of(send: Send, number: int | None = None, place: int = 0, *, keyed: bool) -> dict[str, int]:
    """What a request adds to the tables, with a deadlock there."""
    start = counted()
    answer, found = sent(send, new_key(keyed), struck_at(number, place, DEADLOCK))  # type: ignore[arg-type]
    assert wrote(answer)
    assert found.struck == (number is not None)
    end = counted()
    end.subtract(start)
    return {what: change for what, change in end.items() if change}
