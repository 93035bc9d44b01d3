"""Two or more units of work in every order that locks allow, each end held against the serial orders.

A schedule says who goes on next, statement by statement, COMMIT and ROLLBACK included. Each is done anew from the same rows,
those with the fewest changes from one unit to another first. Of schedules that differ only in the order of steps which cannot
matter to each other, one is done (sleep sets). An end is right if answers and rows are those of a serial order.
"""

import heapq
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from unittest.mock import patch

from backend.engine import tallies
from tests.races.logical_state import Rows, Told, ids_in, put_back, rows_now
from tests.races.stepped import Did, Kind, Stepper, Work

SEED = 13
SIGNING_IN = "SELECT people_accesstoken"
MOST_SERIAL = 200
"""Of three there are many such orders."""
BUSY = {"__typename": "BusyError", "code": "BUSY", "retry": {"kind": "SAME_REQUEST"}}
"""The answer to who has to come again, as it is compared."""


class Switch(Enum):
    """Where one unit may be left for another."""

    ANYWHERE = "before any statement"
    BETWEEN_UNITS = "after a transaction that wrote, so that what an answer reads afterwards may see more"
    AFTER_SIGNING_IN = "there, and after the look for who sends the request, which is before its unit of work"
    AT_THE_END = "when all is done"


@dataclass(frozen=True)
class Run:
    """A schedule that was done: who went on, what each did, and the end."""

    chosen: tuple[int, ...]
    log: tuple[Did, ...]
    answers: tuple[Any, ...]
    rows: dict[str, tuple[str, ...]]
    aborts: tuple[str, ...]
    """Deadlocks and serialization failures."""

    @property
    def end(self) -> str:
        """Answers and rows, to be compared."""
        return json.dumps([self.answers, self.rows], sort_keys=True)

    @property
    def busy(self) -> int:
        """How many were told to come again."""
        return self.answers.count(BUSY)


Serial = dict[str, Run]
"""A run of each serial order, by its end."""


@dataclass(order=True)
class _Plan:
    """A beginning of a schedule: its choices, and who must not go on next because that was done elsewhere."""

    changes: int
    chance: float
    chosen: tuple[int, ...] = field(compare=False)
    asleep: frozenset[int] = field(compare=False, default=frozenset())


class Meeting:
    """Units of work that meet, again and again from the same rows: those that are there when this is made."""

    def __init__(self, works: Sequence[Work]) -> None:
        self.works: Sequence[Work] = works
        self._start = rows_now()
        self._known = ids_in(self._start)
        self._present: Rows = self._start
        self._stepper = Stepper(len(works))

    def end(self) -> None:
        """Close the connections, and put the rows back."""
        self._stepper.abandon()
        self._stepper.end()
        put_back(self._start, rows_now())

    def schedules(self, switch: Switch = Switch.ANYWHERE, most: int | None = None) -> Iterator[Run]:
        """Every schedule, or `most` of them."""
        chance, plans = random.Random(SEED), [_Plan(0, 0, ())]
        count = 0
        while plans and (most is None or count < most):
            run, more = self._run(heapq.heappop(plans), switch, chance)
            for plan in more:
                heapq.heappush(plans, plan)
            if run is not None:
                count += 1
                yield run

    def serial(self, *, is_whole: bool = False) -> Serial:
        """Each serial order, by its end, the plainest first; `is_whole`: of works as a whole, whatever they commit in between.

        Who is told to come again has done nothing, so the orders of the others alone count too.
        """
        found: Serial = {}
        for run in self.schedules(Switch.AT_THE_END if is_whole else Switch.BETWEEN_UNITS):
            found.setdefault(run.end, run)
        works = self.works
        for number in range(len(works)):
            self.works = [*works[:number], lambda: BUSY, *works[number + 1 :]]
            for run in self.schedules(Switch.AT_THE_END):
                found.setdefault(run.end, run)
        self.works = works
        return found

    def explored(self, most: int | None = None) -> tuple[list[Run], Serial]:
        """The schedules, or `most` of them, and the serial orders: also those that only somebody who leaves can tell apart."""
        serial = self.serial()
        runs = list(self.schedules(most=most))
        if any(run.end not in serial for run in runs):
            for run in self.schedules(Switch.AFTER_SIGNING_IN, MOST_SERIAL):
                serial.setdefault(run.end, run)
        return runs, serial

    def _run(self, plan: _Plan, switch: Switch, chance: random.Random) -> tuple[Run | None, list[_Plan]]:
        """Do a schedule with this beginning; None if all that could follow was done elsewhere. What branches off from it too."""
        put_back(self._start, self._present)
        random.seed(SEED)
        stepper, more = self._stepper, list[_Plan]()
        chosen, asleep, changes = list[int](), plan.asleep, plan.changes
        stepper.begin(self.works)
        while able := self._able(switch, chosen):
            if len(chosen) < len(plan.chosen):
                number = plan.chosen[len(chosen)]
                assert number in able, f"a schedule went another way the second time: {stepper.log}"
            else:
                here = [one for one in able if one not in asleep]
                if not here:
                    stepper.abandon()
                    self._present = rows_now()
                    return None, more
                last = chosen[-1] if chosen else here[0]
                here = sorted(here, key=lambda one: one != last)
                number, leaves = here[0], bool(chosen and chosen[-1] in able)
                for place, other in enumerate(here[1:], 1):
                    after = self._still_asleep(asleep | set(here[:place]), other, switch)
                    more.append(_Plan(changes + leaves, chance.random(), (*chosen, other), after))
                asleep = self._still_asleep(asleep, number, switch)
            chosen.append(number)
            stepper.go(number)
        return self._done(chosen), more

    def _able(self, switch: Switch, chosen: list[int]) -> list[int]:
        """Who may go on. Breaks a deadlock, if all wait for each other."""
        stepper = self._stepper
        while not (able := stepper.able()) and any(unit.waits for unit in stepper.units):
            stepper.break_deadlock()
        if switch is Switch.ANYWHERE or not chosen or chosen[-1] not in able:
            return able
        last = stepper.units[chosen[-1]]
        assert last.did is not None
        between = last.did.kind is Kind.END or (switch is Switch.AFTER_SIGNING_IN and last.did.name == SIGNING_IN)
        return able if switch is not Switch.AT_THE_END and between else [last.number]

    def _still_asleep(self, asleep: frozenset[int], goes: int, switch: Switch) -> frozenset[int]:
        """Those who need not go on next either when this one has."""
        if switch is not Switch.ANYWHERE:
            return frozenset()
        step = self._stepper.step(goes)
        return frozenset(one for one in asleep if one != goes and self._stepper.step(one).is_independent_of(step))

    def _done(self, chosen: list[int]) -> Run:
        self._present = rows_now()
        units, told = self._stepper.units, Told(self._present, self._known)
        return Run(
            tuple(chosen),
            tuple(self._stepper.log),
            tuple(told.answer(unit.answer) for unit in units),
            told.rows,
            tuple(itertools.chain.from_iterable(unit.aborts for unit in units)),
        )


def fault(run: Run, serial: Serial) -> str | None:
    """What is wrong with a schedule."""
    if run.aborts:
        return f"broken off by PostgreSQL: {', '.join(run.aborts)}"
    if any(isinstance(answer, dict) and answer.get("code") == "INTERNAL_SERVER_ERROR" for answer in run.answers):
        return "answers with a fault"
    return None if run.end in serial else "ends as no serial order does"


@contextmanager
def meeting(works: Sequence[Work]) -> Iterator[Meeting]:
    """Units of work on connections of their own; every total has one slot, so that all who raise it meet."""
    with patch.object(tallies, "SLOTS", 1):
        met = Meeting(works)
        try:
            yield met
        finally:
            met.end()
