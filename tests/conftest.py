"""What every test may ask for: the database, people who can call the API, and a real server."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.models.query_utils import DeferredAttribute
from django.test import TransactionTestCase
from pytest_django import DjangoDbBlocker

from backend.embedded import running
from tests.api import ApiClient, join
from tests.api.http import Client
from tests.clearing import clear
from tests.databases import database
from tests.depth import choose_examples
from tests.logged import Logged
from tests.serving import serving
from tests.worlds import MadeOnce, refuse_both

PROCESSES_A_CORE = 2

choose_examples()
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # of a shell that started this in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def django_db_setup(
    request: pytest.FixtureRequest,
    django_test_environment: None,
    django_db_blocker: DjangoDbBlocker,
    django_db_modify_db_settings_parallel_suffix: None,
) -> Iterator[None]:
    """The embedded PostgreSQL of the tests runs while they do; each process has a database of its own in it."""
    with (
        running(settings.EMBEDDED, durable=False) if settings.EMBEDDED else nullcontext(),
        django_db_blocker.unblock(),
        database(fresh=request.config.getvalue("create_db")),
    ):
        clear()  # what a run left that was killed, and what migrations put into tables that tests write
        with django_db_blocker.block():
            yield
        connection.close()


def pytest_xdist_auto_num_workers() -> int:
    """Tests wait a good part of their time, for the database, for servers that start and for one another."""
    return PROCESSES_A_CORE * len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@pytest.fixture
def client() -> Client:
    """A browser. In place of pytest-django's, which knows only Django's pages."""
    return Client()


@pytest.fixture(scope="session", autouse=True)
def cleared_instead_of_flushed() -> Iterator[None]:
    """What a test has committed is deleted where it was written; Django would empty every table."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _case: clear())
        patch.setattr(TransactionTestCase, "_should_reload_connections", lambda _case: False)
        yield


@pytest.fixture(scope="session", autouse=True)
def no_row_is_completed_column_by_column() -> Iterator[None]:
    """Django would ask for each column that a statement has left out, by a statement of its own, whenever it is looked at."""

    def read(column: Any, row: Any, _model: Any = None) -> Any:
        if row is None:
            return column
        assert column.field.attname in row.__dict__, f"{column.field} was not read"
        return row.__dict__[column.field.attname]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DeferredAttribute, "__get__", read)
        yield


@pytest.fixture(scope="module")
def made_once(
    request: pytest.FixtureRequest, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[MadeOnce]:
    """Makes the worlds that a module's tests share, see `tests/worlds.py`."""
    with django_db_blocker.unblock():
        made = MadeOnce(request.node.nodeid)
        yield made
        made.end()


@pytest.fixture(autouse=True)
def attempts(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test finds no attempts counted that another has made in a world that both share."""
    made = request.getfixturevalue("made_once") if "made_once" in request.fixturenames else None
    yield
    if made is not None:
        made.forget_attempts()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    refuse_both(items)


@pytest.fixture
def logged() -> Iterator[Logged]:
    """What is logged from now on."""
    found = Logged()
    yield found
    found.end()


@pytest.fixture
def nobody(transactional_db: None) -> ApiClient:
    """A caller who is not signed in. Everything is really committed, and swept away after the test."""
    return ApiClient()


@pytest.fixture
def person(transactional_db: None) -> Callable[[str], ApiClient]:
    """Makes a person with this handle, signed in by token."""
    return join


@pytest.fixture
def asha(person: Callable[[str], ApiClient]) -> ApiClient:
    """Somebody."""
    return person("asha")


@pytest.fixture
def bilal(person: Callable[[str], ApiClient]) -> ApiClient:
    """Somebody else."""
    return person("bilal")


@pytest.fixture
def chitra(person: Callable[[str], ApiClient]) -> ApiClient:
    """A third person."""
    return person("chitra")


@pytest.fixture(scope="session")
def served_database(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> str:
    """The URL of the tests' database, for a server in a process of its own."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        parameters = connection.get_connection_params()
    host = quote(str(parameters.get("host", "")), safe="")
    user, password = parameters.get("user", ""), parameters.get("password", "")
    login = f"{user}:{password}" if password else user
    return f"postgres://{login}@{host}:{parameters.get('port', '')}/{parameters['dbname']}"


@pytest.fixture(scope="session")
def server(served_database: str) -> Iterator[str]:
    """A real server, as `manage.py serve` starts it, over the tests' database; its address."""
    with serving(served_database) as (address, _process):
        yield address


@pytest.fixture
def live_url(transactional_db: None, server: str) -> str:
    """The address of a real server over a little demo data."""
    call_command("demo", people=40, stories=60, verbosity=0)
    return server
