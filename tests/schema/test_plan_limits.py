"""Plans are kept for the documents in use, and no more of them than memory is meant for."""

import re
from typing import Any

import pytest

from backend.limits.admission import EXPENSIVE
from backend.pages import MAX_PAGE_SIZE
from backend.postgresql.session import MAX_STATEMENT_BYTES
from schema.execution import documents, plans
from schema.execution.documents import Sent, prepare
from schema.execution.plans import MAX_BYTES, Plan, Query
from schema.execution.run import Execution
from schema.execution.sites import sites_of
from schema.execution.steps import Read, Slot
from tests import depth

DIFFERENT = 100_000 if depth.EXHAUSTIVE else 600
HOT = "{ viewer { handle } }"


class Asker:
    """A context that notes what is charged."""

    a_minute = 0

    def __init__(self) -> None:
        self.charged = 0

    def charge(self, cost: int) -> None:
        """Note it."""
        self.charged += cost


def plan_of(document: str, variables: dict[str, Any] | None = None) -> tuple[Plan, int]:
    """The plan of a document for somebody who is signed in, and what is charged for it."""
    operation, asker = prepare(Sent(document)).operation(None), Asker()
    execution = Execution(operation, variables, asker)  # type: ignore[arg-type]
    query = Query(execution._selection, operation.roots(execution._selection).planned, is_measured=False)
    steps = execution._selected(query, ("token", {"viewer": b"", "token": b""}))
    while not isinstance(next(steps), Read):
        pass
    with pytest.raises(StopIteration) as done:
        steps.send(None)
    plan: Plan = done.value.value[0]
    return plan, asker.charged


@pytest.fixture(autouse=True)
def kept(monkeypatch: pytest.MonkeyPatch) -> plans._Plans:
    """A process that has no plans yet."""
    kept = plans._Plans()
    monkeypatch.setattr(plans, "PLANS", kept)
    return kept


def test_however_many_documents_are_sent_those_in_use_are_kept(
    kept: plans._Plans, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number and the size of all is bounded. One that is sent again and again is compiled once."""
    if not depth.EXHAUSTIVE:
        monkeypatch.setattr(plans, "MAXPLANS", 300)
    hot, charged = plan_of(HOT)
    assert charged == hot.price > 0
    for number in range(DIFFERENT):
        plan, charged = plan_of(f"{{ viewer {{ a{number}: handle }} }}")
        assert charged == plan.price
        assert f'"a{number}":' in plan.statement.sql.decode()
        if number % 100 == 0:
            assert plan_of(HOT)[1] in (0, hot.price)  # its document may have been dropped meanwhile
            assert len(kept) <= plans.MAXPLANS
            assert kept.bytes <= MAX_BYTES
    assert plan_of(HOT)[0].statement == hot.statement
    assert plan_of(HOT)[1] == 0


def test_shapes_of_one_document_are_bounded_too(kept: plans._Plans, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each page size, and each choice of what is left out, is a statement of its own."""
    monkeypatch.setattr(plans, "MAXPLANS", 20)
    document = (
        "query ($n: Int, $t: Boolean!) { stories(first: $n) { edges { cursor node @include(if: $t) { title } } } }"
    )
    for size in range(MAX_PAGE_SIZE):
        for is_told in (True, False):
            plan, charged = plan_of(document, {"n": size, "t": is_told})
            assert charged == plan.price
            assert ("title" in plan.statement.sql.decode()) is is_told
    assert len(kept) == 20
    assert plan_of(document, {"n": MAX_PAGE_SIZE - 1, "t": False})[1] == 0


def test_sizes_are_counted_as_they_are(kept: plans._Plans, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where two threads have compiled the same."""
    plan, _ = plan_of(HOT)
    sites = prepare(Sent(HOT)).operation(None).sites
    before = kept.bytes
    for key in ("one", "one", "two"):
        kept.keep(key, plan, sites)
    size = len(plan.statement.sql.decode()) + plans.BYTES_A_CHARACTER * len(HOT)
    assert (len(kept), kept.bytes) == (3, before + 2 * size)
    monkeypatch.setattr(plans, "MAX_BYTES", size)
    kept.keep("three", plan, sites)
    assert (len(kept), kept.bytes) == (1, size)
    monkeypatch.setattr(plans, "LARGEST", size - 1)
    kept.keep("four", plan, sites)
    assert kept.get("four") is None


def test_a_document_at_the_same_place_in_memory_has_no_plan_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan keeps the document whose nodes its key names, so no other can take their place."""
    monkeypatch.setattr(documents, "_REMEMBERED", documents._Remembered(1))  # forgets each for the next
    for number in range(500):
        plan, _ = plan_of(f"{{ viewer {{ handle same{number}: name }} }}")
        assert f'"same{number}":' in plan.statement.sql.decode()


def test_sites_are_of_one_document_alone() -> None:
    document = prepare(Sent(HOT)).document
    assert sites_of(document) != sites_of(document)


def test_what_an_object_prints_is_copied_few_times() -> None:
    """Each concatenation copies its operands, so that they are in pairs of pairs: never many in a row."""
    fields = " ".join(f"a{number}: name" for number in range(90))
    sql = plan_of(f"{{ viewer {{ {fields} }} }}")[0].statement.sql.decode()
    in_a_row = [0]
    most = 0
    for sign in re.findall(r"[()]|\|\|", sql):
        if sign == "(":
            in_a_row.append(0)
        elif sign == ")":
            in_a_row.pop()
        else:
            in_a_row[-1] += 1
            most = max(most, in_a_row[-1])
    assert sql.count("||") > 90
    assert most < 5


def test_a_large_plan_is_charged_each_time_and_is_expensive() -> None:
    """It is too large to be prepared, so PostgreSQL reads and plans it each time."""
    fields = " ".join(f"v{number}: viewer {{ ...F }}" for number in range(6))
    lists = "followers { totalCount edges { node { ...G } } } following { totalCount edges { node { ...G } } }"
    document = (
        f"{{ {fields} }} fragment F on Person {{ {lists} }} "
        "fragment G on Person { followerCount followingCount storyCount relationship { following } }"
    )
    for _ in range(2):
        plan, charged = plan_of(document.replace("followers {", "followers(first: 0) {"))
        assert len(plan.statement.sql) > MAX_STATEMENT_BYTES
        assert plan.is_large
        assert charged == plan.price
    operation = prepare(Sent(document)).operation(None)
    execution = Execution(operation, None, Asker())  # type: ignore[arg-type]
    query = Query(execution._selection, operation.roots(execution._selection).planned, is_measured=False)
    execution._cost = 1
    query.plan("token")
    assert next(execution._selected(query, ("token", {"viewer": b"", "token": b""}))) == Slot(EXPENSIVE)
