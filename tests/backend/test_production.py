"""Production: Django finds nothing to complain of, and Katha does not start with what is only fit for a demo."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPMessage
from typing import Any

import pytest
from django.core.management import call_command

from backend.engine.transactions import unit_of_work
from backend.people import demo
from backend.people.actions import remember_token
from backend.people.models import Account
from backend.production import NotForProduction, require_data, require_settings
from tests.api import join
from tests.serving import PATIENCE_SECONDS, ROOT, free_port, serving, start

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
GOOD = {
    "PRODUCTION": "1",
    "SECRET_KEY": SECRET,
    "ALLOWED_HOSTS": "katha.example.org",
    "TRUSTED_PROXIES": "127.0.0.1",
    "DEBUG": "",
    "CORS_ALLOWED_ORIGINS": "",
}


def test_django_finds_nothing_to_complain_of(served_database: str) -> None:
    """Not one check is silenced."""
    settings = {**GOOD, "DJANGO_SETTINGS_MODULE": "backend.settings", "DATABASE_URL": served_database}
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "DEBUG"]
    ran = subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "no issues (0 silenced)" in ran.stdout


@pytest.fixture
def production(settings: Any) -> Any:
    """Settings that are fit."""
    settings.PRODUCTION, settings.SECRET_KEY = True, SECRET
    settings.ALLOWED_HOSTS, settings.TRUSTED_PROXIES = ["katha.example.org"], ["127.0.0.1"]
    return settings


UNFIT = [
    ("SECRET_KEY", "demo-secret-that-everybody-knows-set-SECRET_KEY-instead", "everybody knows"),
    ("SECRET_KEY", "short", "too short"),
    ("DEBUG", True, "Unset DEBUG"),
    ("ALLOWED_HOSTS", ["*"], "ALLOWED_HOSTS is open"),
    ("ALLOWED_HOSTS", ["katha.example.org", ".*"], "ALLOWED_HOSTS is open"),
    ("TRUSTED_PROXIES", [], "TRUSTED_PROXIES is empty"),
    ("CORS_ALLOWED_ORIGINS", ["*"], "Name the origins"),
]


@pytest.mark.parametrize(("name", "value", "said"), UNFIT)
def test_each_unfit_setting_is_named_with_what_to_do(production: Any, name: str, value: Any, said: str) -> None:
    require_settings()
    setattr(production, name, value)
    with pytest.raises(NotForProduction, match=f"- .*{name}") as refusal:
        require_settings()
    assert said in str(refusal.value)
    assert str(refusal.value).count("\n  - ") == 1
    production.PRODUCTION = False
    require_settings()


def test_demo_people_whom_everybody_can_play_are_named(production: Any, transactional_db: None) -> None:
    """By the password, or by the tokens that follow from the secret that everybody knows."""
    require_data()
    one, other, third = (Account.objects.get(person=join(handle).person) for handle in ("bilal", "chitra", "somebody"))
    third.set_password(demo.PASSWORD)
    third.save()
    require_data()
    one.set_password(demo.PASSWORD)
    one.save()
    unit_of_work(lambda: remember_token(other, demo.token("chitra", production.DEMO_SECRET)))
    with pytest.raises(NotForProduction, match=r"demo people bilal, chitra\..*DATABASE_URL"):
        require_data()
    production.PRODUCTION = False
    require_data()


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Servers that are started inside see these variables."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def said_by_serve(database: str, *more: str, **values: str) -> str:
    """Why it did not start."""
    with environment(**{**GOOD, **values}):
        process = start(database, free_port(), *more, "--no-worker", stderr=subprocess.PIPE)
        _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 1
    return said.decode()


def test_serve_says_why_it_does_not_start(served_database: str, transactional_db: None) -> None:
    assert "SECRET_KEY" in said_by_serve(served_database, SECRET_KEY="")
    assert "Demo data are not for production" in said_by_serve(served_database, "--demo")
    call_command("demo", people=10, stories=5, verbosity=0)
    assert "demo people asha, bilal" in said_by_serve(served_database)


def asked(address: str, path: str, body: Any = None, **headers: str) -> tuple[int, HTTPMessage]:
    """Status and headers; redirects are not followed."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    data = None if body is None else json.dumps(body).encode()
    sent = {"Host": "katha.example.org", "Content-Type": "application/json"}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"{address}{path}", data, sent)
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=PATIENCE_SECONDS) as response:
            return response.status, response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers


def test_production_serves_by_https_alone(served_database: str, transactional_db: None) -> None:
    """Behind a proxy that says so; cookies are for HTTPS, scripts cannot read the session, browsers stay with HTTPS."""
    with environment(**GOOD), serving(served_database, workers=1) as (address, _process):
        query = {"query": "{ __typename }"}
        assert asked(address, "/healthz")[0] == 200
        status, headers = asked(address, "/graphql", query)
        assert (status, headers["Location"]) == (301, "https://katha.example.org/graphql")
        status, headers = asked(address, "/graphql", query, X_Forwarded_Proto="https")
        assert status == 200
        assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains; preload"
        assert asked(address, "/graphql", query, X_Forwarded_Proto="https", Host="evil.example")[0] == 421
        assert asked(address, "/metrics")[0] == 404
        status, headers = asked(address, "/graphql", Accept="text/html", X_Forwarded_Proto="https")
        assert (status, "; Secure" in headers["Set-Cookie"]) == (200, True)
        assert "SameSite=Lax" in headers["Set-Cookie"]
