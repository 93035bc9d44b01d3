"""Units of work that go on statement by statement, each when it is let, in a thread and on a connection of its own."""

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from queue import SimpleQueue
from typing import Any

from django.db import DatabaseError, connection
from psycopg.pq import TransactionStatus

from backend.engine.transactions import RUN_AGAIN, sqlstate
from tests.races.rivals import PATIENCE_SECONDS
from tests.races.rows import query

GLANCE_SECONDS = 0.004
WRITES = re.compile(
    r"\b(insert\s+into|update|delete\s+from|lock\s+table|for\s+share|for\s+key\s+share|set\s+constraints|set_config"
    r"|pg_advisory\w*|procrastinate_\w+\()",
    re.IGNORECASE,
)
"""What a statement that writes or locks says; FOR UPDATE is among them."""
NAMED = re.compile(r'\b(INSERT\s+INTO|(?<!FOR )(?<!KEY )UPDATE|DELETE\s+FROM)\s+"?(\w+)"?', re.IGNORECASE)
READ = re.compile(r'\bFROM\s+"?([a-z]\w+)"?', re.IGNORECASE)
LOCKS = re.compile(r"\bFOR\s+((?:NO\s+KEY\s+)?UPDATE|(?:KEY\s+)?SHARE)\b", re.IGNORECASE)

Work = Callable[[], Any]


class Kind(Enum):
    """What a step may change for others. What is written is seen at the end; locks are met at once."""

    READ = "read"
    WRITE = "write"
    END = "end"


@dataclass(frozen=True)
class Step:
    """A statement, or the end of a transaction, that comes next."""

    kind: Kind
    name: str

    @classmethod
    def of(cls, sql: str, *, in_transaction: bool) -> "Step":
        """What a statement is. One that writes outside of a transaction also ends its own."""
        if not WRITES.search(sql):
            found = READ.search(sql)
            return cls(Kind.READ, f"SELECT {found[1]}" if found else " ".join(sql.split())[:30])
        return cls(Kind.WRITE if in_transaction else Kind.END, _name(sql))

    def is_independent_of(self, other: "Step") -> bool:
        """Whether their order cannot matter: a read sees nothing of a write, and holds nothing up, until that is committed."""
        return {self.kind, other.kind} in ({Kind.READ}, {Kind.READ, Kind.WRITE})


def _name(sql: str) -> str:
    if found := NAMED.search(sql):
        verb = found[1].split()[0].upper()
        return f"{verb} {found[2]}"
    table, lock = READ.search(sql), LOCKS.search(sql)
    words = [f"SELECT {table[1]}" if table else " ".join(sql.split())[:30]]
    return " ".join(words + ([f"FOR {' '.join(lock[1].upper().split())}"] if lock else []))


@dataclass(frozen=True)
class Did:
    """A line of a schedule: a step of one unit, or that it waits for a lock, or that it has it."""

    unit: int
    what: str


class Unit:
    """One of several threads; it does one work after the other, each step when it is let."""

    def __init__(self, number: int, log: list[Did]) -> None:
        self.number, self.pid = number, 0
        self.step: Step | None = None
        self.did: Step | None = None
        self.answer: Any = None
        self.aborts: list[str] = []
        self.waits = False
        self._log, self._works, self._turn = log, SimpleQueue[Work | None](), threading.Semaphore(0)
        self._arrived, self._free, self._wrote = threading.Event(), False, False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self.has_arrived(PATIENCE_SECONDS), "a unit found no connection"

    # What the scheduler does with it.

    def begin(self, work: Work) -> None:
        """Let it come to the first step of `work`."""
        self.answer, self.aborts, self.waits, self.did = None, [], False, None
        self._free = False
        self._arrived.clear()
        self._works.put(work)

    def go(self) -> None:
        """Let it do its next step."""
        assert self.step is not None
        self.did = self.step
        self._log.append(Did(self.number, self.step.name))
        self._arrived.clear()
        self._turn.release()

    def run_free(self) -> None:
        """Let it do all that is left."""
        self._free = True
        self._turn.release()

    def has_arrived(self, seconds: float = 0) -> bool:
        """Whether it stands before a step, or has none left."""
        return self._arrived.wait(seconds)

    def end(self) -> None:
        """Close its connection."""
        self._works.put(None)
        self._thread.join(PATIENCE_SECONDS)

    # What happens in its thread.

    def _run(self) -> None:
        connection.ensure_connection()
        mine: Any = connection  # this thread's
        commit, rollback = mine._commit, mine._rollback
        mine._commit = lambda: self._ending("COMMIT", commit)
        mine._rollback = lambda: self._ending("ROLLBACK", rollback)
        self._arrive(None)
        with connection.execute_wrapper(self._executing):
            while (work := self._works.get()) is not None:
                self._turn = threading.Semaphore(0)
                try:
                    self.answer = work()
                except Exception as problem:
                    self.answer = {"raised": type(problem.__cause__ or problem).__name__}
                self._arrive(None)
        connection.close()

    def _arrive(self, step: Step | None) -> None:
        if connection.connection is not None and not connection.connection.closed:
            self.pid = connection.connection.info.backend_pid
        self.step = step
        self._arrived.set()

    def _stand_before(self, step: Step) -> None:
        if self._free:
            return
        self._arrive(step)
        self._turn.acquire()

    def _executing(self, execute: Callable[..., Any], sql: str, parameters: Any, many: bool, context: Any) -> Any:
        step = Step.of(sql, in_transaction=connection.in_atomic_block)
        if self._in_a_snapshot():
            self._log.append(Did(self.number, step.name))  # it sees what the first one saw
        else:
            self._stand_before(step)
        self._wrote |= step.kind is Kind.WRITE
        return self._noting_aborts(lambda: execute(sql, parameters, many, context))

    def _ending(self, name: str, end: Callable[[], Any]) -> Any:
        raw = connection.connection
        if raw.info.transaction_status is TransactionStatus.IDLE:
            return self._noting_aborts(end)
        if self._wrote:
            self._stand_before(Step(Kind.END, name))
        else:
            self._log.append(Did(self.number, name))
        self._wrote = False
        return self._noting_aborts(end)

    def _in_a_snapshot(self) -> bool:
        raw = connection.connection
        return bool(raw is not None and raw.read_only and raw.info.transaction_status is not TransactionStatus.IDLE)

    def _noting_aborts(self, act: Callable[[], Any]) -> Any:
        try:
            return act()
        except DatabaseError as error:
            if sqlstate(error) in RUN_AGAIN:
                self.aborts.append(type(error.__cause__).__name__)
            raise


class Stepper:
    """So many units, and the one who lets them go; it looks at their locks over the connection of the present thread."""

    def __init__(self, size: int) -> None:
        self.log: list[Did] = []
        self.units = [Unit(number, self.log) for number in range(size)]

    def begin(self, works: Sequence[Work]) -> None:
        """Let each unit come to its first step, one after the other."""
        self.log.clear()
        for unit, work in zip(self.units, works, strict=True):
            unit.begin(work)
            self._settle([unit])

    def able(self) -> list[int]:
        """Those that stand before a step."""
        return [unit.number for unit in self.units if unit.has_arrived() and unit.step is not None]

    def step(self, number: int) -> Step:
        """What one of these does next."""
        step = self.units[number].step
        assert step is not None
        return step

    def go(self, number: int) -> None:
        """Let one do its next step, and return when everybody stands before a step, waits for a lock, or is done."""
        self.units[number].go()
        self._settle([self.units[number], *(one for one in self.units if one.waits)])

    def break_deadlock(self) -> None:
        """All wait for each other: until PostgreSQL has ended one of them."""
        self._settle([unit for unit in self.units if unit.waits], until_one_goes_on=True)

    def abandon(self) -> None:
        """Let everybody do all that is left."""
        for unit in self.units:
            unit.run_free()
        for unit in self.units:
            until = time.monotonic() + PATIENCE_SECONDS
            while not (unit.has_arrived(0.1) and unit.step is None):
                assert time.monotonic() < until, "a unit never came back"
            unit.waits = False

    def end(self) -> None:
        """Close the connections."""
        for unit in self.units:
            unit.end()

    def _settle(self, going: list[Unit], *, until_one_goes_on: bool = False) -> None:
        """Return once each of these stands before a step or waits for one who does."""
        until = time.monotonic() + PATIENCE_SECONDS
        seen = 0
        while True:
            for unit in [one for one in going if one.has_arrived(0 if one.waits else GLANCE_SECONDS)]:
                going.remove(unit)
                if unit.waits:
                    unit.waits = False
                    self.log.append(Did(unit.number, "goes on"))
                    until_one_goes_on = False
            seen = seen + 1 if going and self._all_wait(going) else 0
            if not going or (seen == 2 and not until_one_goes_on):
                break
            assert time.monotonic() < until, f"a unit never came back: {self.log}"
        for unit in going:
            if not unit.waits:
                unit.waits = True
                self.log.append(Did(unit.number, "waits"))

    def _all_wait(self, going: Sequence[Unit]) -> bool:
        """Whether PostgreSQL says that each waits, in the end for somebody who stands before a step, or in a circle."""
        numbers = {unit.pid: unit for unit in self.units}
        asked = query("SELECT pid, pg_blocking_pids(pid) FROM unnest(%s) AS pid", [unit.pid for unit in going])
        blockers = {pid: {numbers[one] for one in found if one in numbers} for pid, found in asked}
        return all(blockers[unit.pid] for unit in going)
