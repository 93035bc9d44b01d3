"""What every test may ask for: the database, people who can call the API, and a real server."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from backend.embedded import running
from tests.api import Caller, join

ROOT = Path(__file__).resolve().parent.parent


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
def server(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[str]:
    """A real server, as `manage.py serve` starts it, over the tests' database; its address."""
    with django_db_blocker.unblock():  # type: ignore[attr-defined]
        parameters = connection.get_connection_params()
    host = quote(str(parameters.get("host", "")), safe="")
    user, password = parameters.get("user", ""), parameters.get("password", "")
    database = f"postgres://{user}{':' + password if password else ''}@{host}:{parameters.get('port', '')}/{parameters['dbname']}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "DATABASE_URL": database, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "manage.py", "serve", "--port", str(port), "--workers", "2"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(process, f"{address}/readyz")
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError("the server did not become ready")


@pytest.fixture
def live_url(transactional_db: None, server: str) -> str:
    """The address of a real server over a little demo data."""
    call_command("demo", people=40, stories=60, verbosity=0)
    return server
