"""What every test may ask for: the database, people who can call the API, and a real server."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from backend.embedded import running
from tests.api import Caller, join
from tests.serving import serving


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> Iterator[None]:
    """The embedded PostgreSQL of the tests runs while they do."""
    with running(settings.EMBEDDED, durable=False) if settings.EMBEDDED else nullcontext():
        yield


@pytest.fixture
def nobody(transactional_db: None) -> Caller:
    """A caller who is not signed in. Everything is really committed, and swept away after the test."""
    return Caller()


@pytest.fixture
def person(transactional_db: None) -> Callable[[str], Caller]:
    """Makes a person with this handle, signed in by token."""
    return join


@pytest.fixture
def asha(person: Callable[[str], Caller]) -> Caller:
    """Somebody."""
    return person("asha")


@pytest.fixture
def bilal(person: Callable[[str], Caller]) -> Caller:
    """Somebody else."""
    return person("bilal")


@pytest.fixture
def chitra(person: Callable[[str], Caller]) -> Caller:
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
