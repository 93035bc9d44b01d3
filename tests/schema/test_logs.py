"""What the log says: one line of JSON for each failure, with where and what kind, and never anybody's words."""

import json
import logging
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, connection
from procrastinate.jobs import Job

from backend.engine.errors import Busy
from backend.jobs.outcomes import JobOutcome, ended
from backend.jobs.queue import MAX_ATTEMPTS
from backend.limits import spending
from backend.limits.rates import Rate
from backend.limits.spending import Spending
from backend.people import queries
from backend.people.models import Account
from resolvers import people
from tests.api import PASSWORD, ApiClient
from tests.api.http import Client
from tests.logged import Logged
from tests.races.statements import fault_at
from tests.schema.replacing import replaced

SECRET = "a-secret-that-nobody-logs"

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(logged: Logged) -> Lines:
    """What has been logged since the test began."""
    return logged.lines


def send(query: str, token: str | None = None, **headers: str) -> Any:
    """The response to an operation."""
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    body = json.dumps({"query": query})
    return Client(raise_request_exception=False).post(
        "/graphql", body, content_type="application/json", headers=headers
    )


RENAME = 'mutation Rename { mine: updateProfile(patch: {name: "%s"}, expect: {version: "1"}) { __typename } }'


# --- Faults -----------------------------------------------------------------------------------------------------


def test_a_fault_is_one_line_with_all_that_finds_it(
    asha: ApiClient, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Operation, mutation, viewer, path, method, request id, exception, stack; the client is told the id."""

    def fail(*_args: object, **_options: object) -> Any:
        raise LookupError(SECRET) from ValueError(SECRET)

    monkeypatch.setattr(people.actions, "update_profile", fail)
    response = send(RENAME % SECRET, asha.token, **{"X-Request-Id": "from-the-app-7"})
    (error,) = response.json()["errors"]
    assert (response["X-Request-Id"], error["extensions"]["requestId"]) == ("from-the-app-7", "from-the-app-7")
    assert "from-the-app-7" in error["message"]
    (line,) = lines()
    stack = line.pop("stack")
    assert line.pop("time")
    assert line == {
        "event": "fault",
        "level": "error",
        "logger": "katha",
        "operation": "Rename",
        "mutation": "updateProfile",
        "path": "mine",
        "viewer": str(asha.person.pk),
        "method": "POST",
        "url": "/graphql",
        "request_id": "from-the-app-7",
        "exception": "builtins.LookupError",
    }
    assert stack[0] == "builtins.ValueError"
    assert stack[-1] == "builtins.LookupError"
    assert any("in fail: raise LookupError" in frame for frame in stack)
    assert any("in unit_of_work" in frame for frame in stack)


def test_a_fault_of_the_database_names_the_rule_and_no_value(asha: ApiClient, bilal: ApiClient, lines: Lines) -> None:
    """PostgreSQL's DETAIL quotes the row that broke a rule: of that only the rule's name is logged."""

    def break_a_rule() -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE people_account SET login = 'asha' WHERE login = 'bilal'")

    with pytest.raises(IntegrityError, match=r"Key \(login\)=\(asha\)"):
        break_a_rule()
    with fault_at(2, break_a_rule):
        response = send(RENAME % SECRET, asha.token)
    assert response.json()["errors"][0]["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    (line,) = lines()
    assert (line["event"], line["exception"], line["sqlstate"]) == ("fault", "django.db.utils.IntegrityError", "23505")
    assert line["constraint_name"].startswith("people_account_login")
    assert "Key (" not in json.dumps(line)
    assert SECRET not in json.dumps(line)
    assert asha.token not in json.dumps(line)
    assert Account.objects.filter(login="bilal").exists()


def test_a_fault_deep_in_the_answer_to_a_mutation_names_it(asha: ApiClient, lines: Lines) -> None:
    """Also where the document has several, which have all run by then."""
    first = (
        'one: updateProfile(patch: {name: "A"}, expect: {version: "1"}) '
        "{ ... on ProfileSuccess { person { followerCount } } }"
    )
    with replaced(queries.FOLLOWER_COUNT, "(SELECT 1 / 0)"):
        send(f"mutation {{ {first} signOut }}", asha.token)
    (line,) = lines()
    assert (line["mutation"], line["path"], line["operation"]) == ("updateProfile", "one.person", None)


def test_a_fault_outside_of_graphql_is_a_line_too(
    asha: ApiClient, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever Django itself catches is logged in the same form, under the request's id."""

    def fail(*_args: object) -> Any:
        raise LookupError(SECRET)

    monkeypatch.setattr("schema.server.health.exposition.text", fail)
    response = Client(raise_request_exception=False).get("/metrics")
    assert response.status_code == 500
    (line,) = lines()
    assert (line["level"], line["exception"], line["url"]) == ("error", "builtins.LookupError", "/metrics")
    assert line["request_id"] == response["X-Request-Id"]
    assert SECRET not in json.dumps(line)


def test_a_failed_job_is_a_line(transactional_db: None, lines: Lines) -> None:
    """With its task and number, and not what it was called with; the library's own line, which says that, is left out."""
    job = Job(id=7, queue="default", lock=None, queueing_lock=None, task_name="announce", attempts=MAX_ATTEMPTS)
    ended(job, JobOutcome.FAILED, 1.5, LookupError(SECRET))
    logging.getLogger("procrastinate.worker").error("Job announce[7](x=%s)", SECRET, extra={"action": "job_error"})
    (line,) = lines()
    assert (line["level"], line["task"], line["job"]) == ("error", "announce", 7)
    assert (line["exception"], line["stack"]) == ("builtins.LookupError", ["builtins.LookupError"])
    assert SECRET not in json.dumps(line)


# --- Refusals ---------------------------------------------------------------------------------------------------


def test_a_conflict_is_a_line_of_information(asha: ApiClient, lines: Lines) -> None:
    """What was fought over, by whom, which fields; not what was written."""
    assert "ProfileSuccess" in send(RENAME % "First", asha.token).content.decode()
    assert "ConflictError" in send(RENAME % SECRET, asha.token).content.decode()
    (line,) = lines()
    assert {name: line[name] for name in ("event", "level", "operation", "mutation", "path")} == {
        "event": "conflict",
        "level": "info",
        "operation": "Rename",
        "mutation": "updateProfile",
        "path": "mine",
    }
    assert (line["type"], line["fields"], line["viewer"]) == ("Person", ["name"], str(asha.person.pk))
    assert SECRET not in json.dumps(line)


def test_a_database_that_cannot_serve_is_a_warning(asha: ApiClient, lines: Lines) -> None:
    """With the cause in words, and no stack: nothing is wrong with the code. The client is told BUSY and no more."""

    def cancel() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = '1ms'")
            cursor.execute("SELECT pg_sleep(1)")

    with fault_at(2, cancel):
        assert "BusyError" in send(RENAME % SECRET, asha.token).content.decode()
    (line,) = lines()
    assert (line["event"], line["level"], line["code"], line["sqlstate"]) == ("busy", "warning", "BUSY", "57014")
    assert line["cause"].startswith("the statement was cancelled")
    assert (line["method"], line["url"], "stack" in line) == ("POST", "/graphql", False)
    assert (line["mutation"], line["path"], line["viewer"]) == ("updateProfile", "mine", str(asha.person.pk))


@pytest.mark.parametrize(
    "query",
    [
        f'mutation {{ signUp(handle: "asha", name: "Asha", password: "{SECRET}") {{ __typename }} }}',
        f'mutation {{ signUp(handle: "{SECRET * 100}", name: "Asha", password: "{PASSWORD}") {{ __typename }} }}',
        f'{{ person(handle: "{SECRET}") {{ id }} }}',
    ],
)
def test_what_happens_every_day_is_no_news(asha: ApiClient, lines: Lines, query: str) -> None:
    """Nothing is logged of what clients are told, nor of what they said."""
    send(query, SECRET)
    send(query, asha.token)
    assert lines() == []


def test_of_what_cannot_be_read_only_that_is_logged(lines: Lines) -> None:
    """By its code, and not by what it says."""
    send(f'{{ {SECRET.replace("-", "_")} "', SECRET)
    (line,) = lines()
    assert (line["event"], line["level"], line["code"]) == ("turned away", "info", "GRAPHQL_PARSE_FAILED")


FOLLOW = 'mutation {{ mine: follow(person: "{}", expect: {{version: "0"}}, key: "{}") {{ __typename }} }}'
SIGN_IN = f'mutation {{ mine: signIn(handle: "%s", password: "{SECRET}") {{ __typename }} }}'
CHANGE = f'mutation {{ mine: changePassword(current: "{SECRET}", new: "{SECRET}-new") {{ __typename }} }}'
RETITLE = (
    f'mutation {{{{ mine: updateStory(id: "{{}}", patch: {{{{title: "{SECRET}"}}}}, expect: {{{{version: "1"}}}}) '
    "{{ __typename }} }}"
)
KEY = "0190a000-0000-7000-8000-000000000001"


def unusual(name: str, asha: ApiClient, bilal: ApiClient) -> Any:
    """Do something that an operator wants to hear of, as Asha or as nobody; the last response."""
    theirs = bilal.published_story()["id"]
    draft = bilal.create_story("1", title=SECRET)["story"]["id"]
    asha.follow(bilal, key=KEY)
    requests: dict[str, tuple[str, str | None]] = {
        "oneself": (FOLLOW.format(asha.id, uuid.uuid4()), asha.token),
        "reused": (RENAME.replace('"1"}', f'"1"}}, key: "{KEY}"') % SECRET, asha.token),
        "theirs": (RETITLE.format(theirs), asha.token),
        "draft": (RETITLE.format(draft), asha.token),
        "nobody": (RETITLE.format(theirs), SECRET),
        "wrong": (SIGN_IN % "asha", None),
        "unknown": (SIGN_IN % SECRET, None),
        "present": (CHANGE, asha.token),
        "moderators": ("{ mine: health { version } }", asha.token),
    }
    return send(*requests[name])


UNUSUAL = [
    ("oneself", "oneself in place of another", "info", "INVALID", "follow"),
    ("reused", "key reused", "warning", "KEY_REUSED", "updateProfile"),
    ("theirs", "forbidden", "info", "FORBIDDEN", "updateStory"),
    ("draft", "not found", "info", "NOT_FOUND", "updateStory"),
    ("nobody", "not signed in", "info", "UNAUTHENTICATED", "updateStory"),
    ("wrong", "sign-in failed", "info", "UNAUTHENTICATED", "signIn"),
    ("unknown", "sign-in failed", "info", "UNAUTHENTICATED", "signIn"),
    ("present", "wrong password", "info", "FORBIDDEN", "changePassword"),
    ("moderators", "forbidden", "info", "FORBIDDEN", None),
]


@pytest.mark.parametrize(("name", "event", "level", "code", "mutation"), UNUSUAL, ids=lambda value: str(value))
def test_what_is_unusual_is_one_line(
    asha: ApiClient, bilal: ApiClient, lines: Lines, name: str, event: str, level: str, code: str, mutation: str | None
) -> None:
    """What, by whom, in which mutation; nothing that was typed, not even a handle that may be a password."""
    unusual(name, asha, bilal)
    (line,) = lines()
    assert (line["event"], line["level"], line["code"]) == (event, level, code)
    assert (line["mutation"], line["path"], line["url"]) == (mutation, "mine", "/graphql")
    assert line.get("viewer") == (str(asha.person.pk) if name not in {"nobody", "wrong", "unknown"} else None)
    assert SECRET not in json.dumps(line)


def test_the_limit_that_stops_somebody_is_a_line(
    asha: ApiClient, logged: Logged, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which limit: of sign-ins, in GraphQL and in the admin, and of what a request costs."""
    monkeypatch.setattr(spending, "SPENDING", Spending())  # what is spent here is missing nowhere else
    settings.SIGN_INS = Rate(1, 1000)
    for _ in range(3):
        send(SIGN_IN % "asha")
    settings.SIGN_INS = Rate(2, 1000)
    for _ in range(2):
        Client().post("/admin/login/", {"username": "nobody", "password": SECRET})
    settings.SIGN_INS = Rate(1, 1000)
    Client().post("/admin/login/", {"username": "nobody", "password": SECRET})
    settings.COST_A_MINUTE = 1
    for _ in range(2):
        send("{ __typename }")
    heard = logged.counts("event", "limit", "url")
    assert heard.pop(("rate limited", "cost", "/graphql")) > 0
    assert heard == {
        ("sign-in failed", None, "/graphql"): 1,
        ("rate limited", "sign_in", "/graphql"): 2,
        ("sign-in failed", None, "/admin/login/"): 2,
        ("rate limited", "sign_in", "/admin/login/"): 1,
    }
    assert SECRET not in json.dumps(logged.lines())


def test_a_job_that_is_refused_has_a_cause_and_no_stack(transactional_db: None, lines: Lines) -> None:
    """A database that is away is no fault of the job's."""
    job = Job(id=8, queue="default", lock=None, queueing_lock=None, task_name="announce", attempts=1)
    refusal = Busy(after_ms=1)
    refusal.__cause__ = OperationalError(SECRET)
    refusal.__cause__.__cause__ = psycopg.OperationalError(f"connection failed: Connection refused {SECRET}")
    ended(job, JobOutcome.RETRIED, 1.5, refusal)
    (line,) = lines()
    assert (line["level"], line["task"], line["code"]) == ("warning", "announce", "BUSY")
    assert line["cause"] == "the connection was refused: no PostgreSQL listens there"
    assert "stack" not in line
    assert SECRET not in json.dumps(line)


def test_people_sign_in_unheard(asha: ApiClient, lines: Lines) -> None:
    """Neither the password nor the token that it gives."""
    query = f'mutation {{ signIn(handle: "asha", password: "{PASSWORD}") {{ ... on SignSuccess {{ token }} }} }}'
    assert send(query).json()["data"]["signIn"]["token"]
    assert lines() == []


# --- Request ids ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sent", ["a" * 101, "two words", "line\\nbreak", "", "ünïcode"])
def test_a_strange_request_id_is_replaced(db: None, sent: str) -> None:
    """So that nobody writes into the log what they like."""
    response = send("{ __typename }", **{"X-Request-Id": sent})
    assert response["X-Request-Id"] != sent
    assert len(response["X-Request-Id"]) == 32


def test_every_response_has_a_request_id(db: None) -> None:
    """Each its own."""
    given = {Client().get(path)["X-Request-Id"] for path in ("/", "/healthz", "/schema.graphql", "/nothing")}
    assert len(given) == 4


def test_what_a_library_says_of_an_exception_is_left_out(lines: Lines) -> None:
    """Where it is an argument of a message, only its type is written."""
    logging.getLogger("a.library").warning("error ignored in %s: %s", "rollback", LookupError(SECRET))
    (line,) = lines()
    assert line["event"] == "error ignored in rollback: builtins.LookupError"
