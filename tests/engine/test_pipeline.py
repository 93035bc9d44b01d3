"""Round trips: what waits is sent together, in its order, and an error never lets anything after it count."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction

from backend.engine import deadline, pipeline
from backend.engine.deadline import Deadline, limited
from backend.engine.declarations import query
from backend.engine.errors import Busy, Invalid, OutcomeUnknown
from backend.engine.models import IdempotencyKey
from backend.engine.statements import Declared, compiled
from backend.engine.transactions import unit_of_work
from tests.races.cuttable_proxy import CuttableProxy
from tests.races.rivals import elsewhere, my_pid, terminate
from tests.races.rows import query as rows_of
from tests.races.rows import scalar

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def notes(transactional_db: None) -> Iterator[None]:
    execute(NOTES)
    yield
    connection.close()
    execute("DROP TABLE note")


NOTES = "CREATE TABLE note (text text PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, number int CHECK (number > 0))"


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@compiled
def _note(*, text: str, number: int) -> Declared[Any]:
    return query("INSERT INTO note VALUES (%(text)s, %(number)s) RETURNING text", text=text, number=number)


@compiled
def _sleep(*, seconds: int) -> Declared[Any]:
    return query("SELECT pg_sleep(%(seconds)s)", seconds=seconds)


def noted() -> list[str]:
    return [text for (text,) in elsewhere(lambda: rows_of("SELECT text FROM note ORDER BY text"))]


@contextmanager
def trips() -> Iterator[list[None]]:
    """One item for each round trip of this thread's pipeline."""
    made: list[None] = []
    send = pipeline._Trip._send

    def counted(trip: Any, *waiting: Any, **commits: bool) -> None:
        made.append(None)
        send(trip, *waiting, **commits)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pipeline._Trip, "_send", counted)
        yield made


def test_what_nobody_looks_at_travels_with_commit() -> None:
    with trips() as made:
        unit_of_work(lambda: [_note(text=f"{n}", number=1) for n in range(9)])
    assert len(made) == 1
    assert len(noted()) == 9


def test_a_look_sends_all_that_waits_and_a_second_look_nothing() -> None:
    def work() -> None:
        first = _note(text="a", number=1)
        second = _note(text="b", number=1)
        assert second.rows == [("b",)]
        assert (first.rows, first.row, first.count, second.count) == ([("a",)], ("a",), 1, 1)
        _note(text="c", number=1)

    with trips() as made:
        unit_of_work(work)
    assert len(made) == 2
    assert noted() == ["a", "b", "c"]


def test_what_django_sends_comes_after_what_waits() -> None:
    def work() -> Any:
        _note(text="a", number=1)
        return scalar("SELECT count(*) FROM note")

    assert unit_of_work(work) == 1


def test_after_an_error_nothing_counts() -> None:
    """Neither what was sent before it, nor what was sent with it: to look at those is a mistake of ours."""
    kept: list[Any] = []

    def work() -> None:
        kept.append(_note(text="a", number=1))
        kept.append(_note(text="b", number=0))
        kept.append(_note(text="c", number=1))
        _ = kept[2].rows

    with pytest.raises(IntegrityError):
        unit_of_work(work)
    assert kept[0].rows == [("a",)]
    for result in kept[1:]:
        with pytest.raises(RuntimeError, match="no result"):
            _ = result.rows
    assert noted() == []
    unit_of_work(lambda: _note(text="d", number=1))
    assert noted() == ["d"]


def test_an_error_that_is_swallowed_is_not_committed() -> None:
    def work() -> None:
        _note(text="a", number=1)
        wrong = _note(text="b", number=0)
        with pytest.raises(IntegrityError):
            _ = wrong.rows

    with pytest.raises(RuntimeError, match="let database errors through"):
        unit_of_work(work)
    assert noted() == []


def test_an_error_of_what_travels_with_commit_is_its_own() -> None:
    """Nothing is unknown then: COMMIT was not done."""
    with pytest.raises(IntegrityError):
        unit_of_work(lambda: _note(text="b", number=0))
    assert noted() == []


def test_what_commit_itself_refuses_has_rolled_back() -> None:
    """A deferred constraint."""
    unit_of_work(lambda: _note(text="a", number=1))
    with pytest.raises((IntegrityError, Busy)):
        unit_of_work(lambda: [_note(text="a", number=1), _note(text="b", number=1)])
    assert noted() == ["a"]


@pytest.mark.parametrize(("moment", "there"), [("before", []), ("after", ["a", "b"]), ("garbled", ["a", "b"])])
def test_a_connection_that_breaks_at_commit_leaves_the_outcome_unknown(moment: str, there: list[str]) -> None:
    with through(CuttableProxy()) as proxy:
        proxy.cut(moment)
        with pytest.raises(OutcomeUnknown):
            unit_of_work(lambda: [_note(text="a", number=1), _note(text="b", number=1)])
    assert noted() == there


@contextmanager
def through(proxy: CuttableProxy) -> Iterator[CuttableProxy]:
    """Lead this thread's connection through the proxy."""
    connection.close()
    before = dict(connection.settings_dict)
    connection.settings_dict.update(HOST=str(proxy.folder), PORT="5432")
    try:
        yield proxy
    finally:
        connection.close()
        connection.settings_dict.update(before)
        proxy.close()


def test_a_connection_that_ends_before_commit_is_busy() -> None:
    def work() -> None:
        _ = _note(text="a", number=1).rows
        terminate(my_pid())
        _ = _note(text="b", number=1).rows

    with pytest.raises(Busy):
        unit_of_work(work)
    assert noted() == []


def test_the_time_limit_cancels_in_the_middle_of_what_travels_with_commit() -> None:
    """Nothing of it is committed, and that is known; the next transaction on the thread works."""
    mine = Deadline(0.2)
    with limited(mine), pytest.raises(Busy):
        unit_of_work(lambda: [_note(text="a", number=1), _sleep(seconds=60), _note(text="b", number=1)])
    assert noted() == []
    unit_of_work(lambda: _note(text="c", number=1))
    assert noted() == ["c"]


def test_a_client_that_leaves_ends_what_is_under_way() -> None:
    mine = Deadline(3600)
    threading.Timer(0.1, mine.leave).start()
    with limited(mine), pytest.raises(Busy):
        unit_of_work(lambda: _sleep(seconds=60).rows)
    deadline.check()


# --- Checks ---------------------------------------------------------------------------------------------------------


def refuse(_count: int) -> None:
    raise Invalid.one("it", "is not so.")


def test_a_check_comes_before_everything_that_was_sent_after_it() -> None:
    """Also before its errors, and before a refusal that was found without looking."""

    def work() -> None:
        _note(text="a", number=1).check(refuse)
        _ = _note(text="b", number=0).rows

    with pytest.raises(Invalid):
        unit_of_work(work)

    def other() -> None:
        _note(text="a", number=1).check(refuse)
        raise Busy(after_ms=1)

    with pytest.raises(Invalid):
        unit_of_work(other)
    assert noted() == []


def test_what_is_to_be_checked_never_travels_with_commit() -> None:
    with pytest.raises(Invalid):
        unit_of_work(lambda: _note(text="a", number=1).check(refuse))
    assert noted() == []


def test_what_was_prepared_beside_a_refused_statement_is_known_to_be() -> None:
    """Otherwise it would be prepared again under its name, which is an error."""
    connection.close()

    def work() -> None:
        _note(text="a", number=1).check(refuse)
        _ = _sleep(seconds=0).rows

    for _ in range(2):
        with pytest.raises(Invalid):
            unit_of_work(work)
    assert unit_of_work(lambda: _sleep(seconds=0).count) == 1


def test_what_waits_when_a_transaction_is_rolled_back_is_never_sent() -> None:
    def work() -> None:
        _note(text="a", number=1)
        raise Busy(after_ms=1)

    with pytest.raises(Busy), transaction.atomic():
        work()
    unit_of_work(lambda: _note(text="b", number=1))
    assert noted() == ["b"]


def test_plain_transactions_commit_what_waits() -> None:
    with transaction.atomic():
        _note(text="a", number=1)
    assert noted() == ["a"]


def test_statements_are_prepared_again_after_an_error_has_forgotten_them() -> None:
    for n in range(3):
        unit_of_work(lambda n=n: _note(text=f"{n}", number=1))
        with pytest.raises((OperationalError, DatabaseError)), transaction.atomic():
            rows_of("SELECT 1 / 0")
    assert noted() == ["0", "1", "2"]


def test_a_statement_is_prepared_again_after_psycopg_has_dropped_all() -> None:
    """Which it does once a table was dropped, if it has prepared a statement of its own."""
    with transaction.atomic():
        assert _note(text="before", number=1).row == ("before",)
    for _ in range(9):
        execute("SELECT 1")
    execute("CREATE TABLE doomed ()")
    execute("DROP TABLE doomed")
    with transaction.atomic():
        assert _note(text="after", number=1).row == ("after",)
    assert noted() == ["after", "before"]


# --- Statements that are of no use any more -------------------------------------------------------------------------


@compiled
def _notes() -> Declared[Any]:
    return query("SELECT * FROM note")


def change_the_table() -> None:
    """What was prepared to read all of its columns is of no use any more."""
    elsewhere(lambda: execute("ALTER TABLE note ADD COLUMN more int"))


def test_what_waited_before_a_transaction_is_asked_again_when_that_is_run_again() -> None:
    """Its check would else be left out, and all that it guards be written."""
    _ = _notes().rows
    change_the_table()
    _notes().check(refuse)
    with pytest.raises(Invalid):
        unit_of_work(lambda: _note(text="a", number=1))
    assert noted() == []


def test_psycopg_knows_that_its_statements_were_forgotten_with_ours() -> None:
    for _ in range(9):
        execute("SELECT 1")
    assert _notes().rows == []
    change_the_table()
    assert _notes().rows == []
    execute("SELECT 1")


@pytest.mark.parametrize("run", [lambda work: work(), unit_of_work], ids=["alone", "unit of work"])
def test_a_name_that_is_taken_is_freed(run: Any) -> None:
    """Also if it is the first that this connection prepares."""
    _ = _notes().rows
    connection.close()
    connection.ensure_connection()
    connection.connection.pgconn.prepare(_notes.plans[()].statement.name, b"SELECT 1")
    assert run(lambda: _notes().rows) == []


def test_that_there_is_no_connection_is_no_unknown_outcome_because_that_of_one_before_was() -> None:
    with through(CuttableProxy()) as proxy:
        proxy.cut("before")
        with pytest.raises(OutcomeUnknown):
            unit_of_work(lambda: _note(text="a", number=1))
        connection.close()
        connection.settings_dict.update(HOST="/nowhere")
        with pytest.raises(Busy):
            unit_of_work(lambda: _note(text="b", number=1))


@compiled
def _key_and_more() -> Declared[IdempotencyKey]:
    return query("SELECT copy.*, 'more' AS moral FROM key_copy AS copy", IdempotencyKey)


def test_a_column_that_a_migration_adds_is_not_taken_for_another() -> None:
    table = IdempotencyKey._meta.db_table
    execute(f'CREATE TABLE key_copy AS SELECT (jsonb_populate_record(NULL::{table}, \'{{"reply": "first"}}\')).*')
    try:
        read: Any = _key_and_more().row
        assert (read.reply, read.moral) == ("first", "more")
        execute("ALTER TABLE key_copy ADD COLUMN more int")
        read = _key_and_more().row
        assert (read.reply, read.moral) == ("first", "more")
    finally:
        execute("DROP TABLE key_copy")


def test_sql_of_a_models_rows_names_its_columns() -> None:
    with pytest.raises(ValueError, match="name its columns"):
        query("SELECT 1 AS more, key.* FROM engine_idempotencykey AS key", IdempotencyKey)
