"""A request whose time is over is broken off, in the database too; what is committed is never said to have failed."""

import threading
from typing import Any

import pytest
from django.db import connection
from django.test import override_settings
from graphql import get_introspection_query
from psycopg import OperationalError, connect

from backend.engine import committed, deadline
from backend.engine.deadline import Deadline, limited
from backend.engine.errors import Busy, OutcomeUnknown
from backend.engine.transactions import snapshot, unit_of_work
from backend.people import queries
from resolvers import people
from tests.api import ApiClient
from tests.schema.replacing import replaced

RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND pid = %s"
SHORT_SECONDS = 0.3
"""Little time for a request that is broken off; the next one has as much as any."""
READ = "{ viewer { handle followerCount } }"
BIO = 'mutation { updateProfile(patch: {bio: "new"}, expect: {version: "1"}) { __typename ... on BusyError { code } '
BIO += "... on ProfileSuccess { person { followerCount } } } }"


def slow(*_arguments: object, **_options: object) -> Any:
    """A statement that nothing but its being cancelled ends in time."""
    with connection.cursor() as cursor:
        if connection.in_atomic_block:
            cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SELECT pg_sleep(60)")


def running() -> int:
    """How many statements this thread's connection still runs, as somebody else sees it."""
    pid = connection.connection.info.backend_pid
    with connect(connection.connection.info.dsn, password=connection.connection.info.password) as other:
        return int(other.execute(RUNNING, [pid]).fetchone()[0])


SLEEP = "(SELECT 1 FROM pg_sleep(60))"


def test_a_query_that_takes_too_long_is_broken_off(asha: ApiClient) -> None:
    """One error and no data; the statement has ended, and the connection serves the next request."""
    with override_settings(REQUEST_SECONDS=SHORT_SECONDS), replaced(queries.FOLLOWER_COUNT, SLEEP):
        answer = asha.post(READ)
    (error,) = answer["errors"]
    assert answer["data"] is None
    assert error["message"] == deadline.TIMED_OUT
    assert (error["extensions"]["code"], error["extensions"]["retry"]["kind"]) == ("BUSY", "SAME_REQUEST")
    assert running() == 0
    assert asha.ask("{ viewer { handle } }") == {"viewer": {"handle": "asha"}}


def test_a_write_that_takes_too_long_is_broken_off(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typed, and nothing is written."""
    with override_settings(REQUEST_SECONDS=SHORT_SECONDS), monkeypatch.context() as patch:
        patch.setattr(people.actions, "update_profile", slow)
        assert asha.post(BIO)["data"]["updateProfile"] == {"__typename": "BusyError", "code": "BUSY"}
    assert asha.ask("{ viewer { bio version } }") == {"viewer": {"bio": "", "version": "1"}}
    assert running() == 0


def test_what_is_committed_is_not_said_to_have_failed(asha: ApiClient) -> None:
    """Whoever could not be shown the answer in time is told that the outcome is unknown, and it is written."""
    with override_settings(REQUEST_SECONDS=SHORT_SECONDS), replaced(queries.FOLLOWER_COUNT, SLEEP):
        (error,) = asha.post(BIO)["errors"]
    assert error["extensions"]["code"] == "OUTCOME_UNKNOWN"
    assert asha.ask("{ viewer { bio } }") == {"viewer": {"bio": "new"}}


@pytest.mark.django_db(transaction=True)
def test_nothing_is_begun_when_the_time_is_over() -> None:
    """Neither a snapshot nor a unit of work."""
    with limited(Deadline(0)):
        with pytest.raises(Busy), snapshot():
            pytest.fail("begun")
        with pytest.raises(Busy):
            unit_of_work(lambda: pytest.fail("begun"))


@pytest.mark.django_db(transaction=True)
def test_what_was_never_begun_is_not_said_to_be_written() -> None:
    """Whatever the request has committed before: the count of an attempt, another mutation."""
    late = Deadline(0)
    with limited(late):
        committed.note()
        late._at = 0
        with pytest.raises(Busy, match="Nothing was written"):
            unit_of_work(lambda: pytest.fail("begun"))
        assert isinstance(deadline.refused(), OutcomeUnknown)
        committed.begin()
        assert isinstance(deadline.refused(), Busy)


@pytest.mark.django_db(transaction=True)
def test_a_commit_gives_as_long_again_to_read_the_answer() -> None:
    """And then says that it is written."""
    with limited(Deadline(3600)):
        unit_of_work(lambda: None)
        assert deadline.refused() is None
    assert committed.has_committed()
    assert isinstance(Deadline(0).refusal(), OutcomeUnknown)


class Told:
    """A connection that counts how often it was told to cancel."""

    times = 0

    def cancel_safe(self, **_options: float) -> None:
        """Count."""
        self.times += 1


def test_a_commit_is_never_cancelled() -> None:
    """Nor anything of a connection that works for somebody else by now."""
    told: Any = Told()
    over = Deadline(0)
    with limited(over):
        with deadline.cancellable(told):
            over.enforce()
            seen = told.times
            deadline.committing()
            over.enforce()
        over.enforce()
    assert seen >= 1
    assert told.times == seen


class Silent:
    """A connection to a database that does not answer any more."""

    closed = False

    def cancel_safe(self, **_options: float) -> None:
        """Fail, as after a time-out."""
        raise OperationalError

    def close(self) -> None:
        """Remember it."""
        self.closed = True


def test_a_cancel_that_fails_harms_nobody_else() -> None:
    """The others are watched as before; its own connection is not used for a COMMIT, nor again."""
    silent: Any = Silent()
    over = Deadline(0)
    with limited(over), deadline.cancellable(silent):
        over.enforce()
        with pytest.raises(Busy):
            deadline.require_no_cancel()
    assert silent.closed


@pytest.mark.django_db(transaction=True)
def test_work_ends_when_the_client_has_gone() -> None:
    """Long before its time is over."""
    mine = Deadline(3600)
    threading.Timer(SHORT_SECONDS, mine.leave).start()
    with limited(mine), pytest.raises(Busy), snapshot():
        slow()
    assert running() == 0


# --- While the answer is made -----------------------------------------------------------------------------------

CREATE = """
mutation ($input: CreateStoryInput!) {
  createStory(input: $input, expect: {version: "0"}) {
    ... on StorySuccess { story { chapters { story { chapters { position } } } } }
  }
}
"""
NESTED = "{ viewer { shelf { stories { edges { node { chapters { story { chapters { position } } } } } } } } }"
LEAVES_AT = 1_000


def test_introspection_ends_with_the_time_too(settings: Any) -> None:
    settings.REQUEST_SECONDS = 0
    answer = ApiClient().post(get_introspection_query())
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BUSY"]
    assert ApiClient().ask("{ __schema { queryType { name } } }")
