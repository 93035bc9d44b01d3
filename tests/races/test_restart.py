"""A client that does as docs/conflicts.md says outlives a restart of the database: what it writes is there, once."""

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from backend.embedded import DATABASE, ROLE, socket_folder
from tests import depth
from tests.api import join
from tests.races.cuttable_proxy import PORT, CuttableProxy
from tests.races.rows import scalar
from tests.schema.test_docs import PAGE, blocks, examples
from tests.serving import ROOT, serving, until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine"),
]

AWAY_SECONDS = depth.rounds(30, at_least=5)
FEW = 3
PATIENCE_SECONDS = 120
PROGRAM = """
import { appendFileSync, readFileSync } from "node:fs";
const { url, token, query, base, patch, heard } = JSON.parse(readFileSync(0));
const said = [], asked = asker(url, token);
const hear = (word) => {
  said.push(word);
  appendFileSync(heard, word + "\\n");
};
const ask = async (...request) => {
  try {
    const data = await asked(...request);
    hear(data.updateChapter.applied ?? data.updateChapter.code);
    return data;
  } catch (error) {
    hear(error.constructor.name);
    throw error;
  }
};
const saved = await saveChapter(ask, query, base, patch, () => null);
console.log(JSON.stringify({ said, saved }));
"""


class Saving:
    """A program with the page's functions that saves a chapter, and is not done yet."""

    def __init__(self, folder: Path, address: str, token: str, chapter: str, body: str) -> None:
        page = PAGE.read_text(encoding="utf-8")
        (functions,) = [block.text for block in blocks(page) if block.language == "js"]
        (save,) = {one.document for one in examples(page) if "mutation Save(" in one.document}
        program, self._heard = folder / "save.mjs", folder / "heard"
        program.write_text(functions + PROGRAM, encoding="utf-8")
        self._heard.touch()
        self._process = subprocess.Popen(
            ["node", str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._given = json.dumps(
            {
                "url": f"{address}/graphql",
                "token": token,
                "query": save,
                "base": {"id": chapter, "version": "1"},
                "patch": {"body": body},
                "heard": str(self._heard),
            }
        )
        assert self._process.stdin
        self._process.stdin.write(self._given)
        self._process.stdin.close()
        self._process.stdin = None

    def times(self) -> int:
        """How often it has been told something so far."""
        return len(self._heard.read_text(encoding="utf-8").splitlines())

    def done(self) -> Any:
        """What it was told, one request after the other, and what it has saved."""
        out, problems = self._process.communicate(timeout=PATIENCE_SECONDS)
        assert self._process.returncode == 0, problems
        return json.loads(out)


@pytest.fixture
def proxy(transactional_db: None) -> Iterator[CuttableProxy]:
    """The tests' database, as one that can go away."""
    made = CuttableProxy()
    yield made
    made.close()


@pytest.mark.parametrize("acknowledged", [True, False], ids=["before the write", "at its commit"])
def test_the_function_outlives_a_database_that_is_away(
    proxy: CuttableProxy, served_database: str, tmp_path: Path, acknowledged: bool
) -> None:
    """Also where the reply to the COMMIT was lost with it: then the key brings it."""
    zoe = join("zoe")
    chapter = zoe.create_story("0")["story"]["chapters"][0]["id"]
    name = served_database.rpartition("/")[2]
    with serving(f"postgres://{ROLE}@{quote(str(proxy.folder), safe='')}:{PORT}/{name}", workers=1) as (address, _):
        began = time.monotonic()
        if acknowledged:
            proxy.go_away()
            saving = Saving(tmp_path, address, zoe.token, chapter, "Written once.")
        else:
            proxy.cut("last")
            saving = Saving(tmp_path, address, zoe.token, chapter, "Written once.")
            until(lambda: proxy.is_away, "the write was committed")
        time.sleep(AWAY_SECONDS)
        until(lambda: saving.times() > FEW, "it has asked again and again")
        proxy.come_back()
        away = time.monotonic() - began
        done = saving.done()
    told, last = done["said"][:-1], done["said"][-1]
    assert last == ("WRITTEN" if acknowledged else "REPLAYED")
    assert set(told) == ({"BUSY"} if acknowledged else {"OUTCOME_UNKNOWN", "BUSY"})
    assert FEW < len(told) < 10 + away  # each time it waits longer, up to some seconds
    assert (done["saved"]["version"], done["saved"]["body"]) == ("2", "Written once.")
    assert scalar("SELECT version FROM stories_chapter WHERE body = 'Written once.'") == 2


@pytest.mark.skipif(
    not depth.EXHAUSTIVE, reason="makes a database of its own; the test above has the same with a proxy"
)
def test_the_function_outlives_a_restart_of_postgresql(tmp_path: Path) -> None:
    """A real one, stopped and started again by who uses it."""
    data = tmp_path / "katha" / "postgres"
    url = f"postgres://{ROLE}@{quote(str(socket_folder(data)), safe='')}/{DATABASE}"
    prepare = [sys.executable, "-c", PREPARE, url]
    first = user_of(data)
    prepared = subprocess.run(prepare, cwd=ROOT, capture_output=True, text=True, check=True)
    token, chapter = prepared.stdout.split()
    with serving(url, workers=2) as (address, _):
        first.kill()
        first.wait()
        until(lambda: not any(socket_folder(data).glob(".s.PGSQL.*")), "PostgreSQL has stopped")
        saving = Saving(tmp_path, address, token, chapter, "Written once.")
        time.sleep(AWAY_SECONDS)
        second = user_of(data)
        done = saving.done()
    second.kill()
    second.wait()
    assert done["said"][-1] == "WRITTEN"
    assert set(done["said"][:-1]) == {"BUSY"}
    assert (done["saved"]["version"], done["saved"]["body"]) == ("2", "Written once.")


PREPARE = """
import os, sys
os.environ.update(DATABASE_URL=sys.argv[1], DJANGO_SETTINGS_MODULE="tests.settings")
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from tests.api import join
zoe = join("zoe")
print(zoe.token, zoe.create_story("0")["story"]["chapters"][0]["id"])
"""
USER = """
import sys, time
from pathlib import Path
from backend.embedded import running
with running(Path(sys.argv[1]), durable=False):
    print("ready", flush=True)
    time.sleep(1000)
"""


def user_of(data: Path) -> subprocess.Popen[str]:
    """A process for which PostgreSQL runs, once it does."""
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(data)], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


# --- Servers and proxies in between -----------------------------------------------------------------------------

Answer = tuple[int, dict[str, str], str]
HTML = {"Content-Type": "text/html"}
WRITTEN: Answer = (
    200,
    {},
    '{"data": {"updateChapter": {"applied": "WRITTEN", "chapter": {"id": "c", "version": "2"}}}}',
)
UNSERVED: dict[str, Answer] = {
    "a proxy's page": (502, HTML, "<html>Bad Gateway</html>"),
    "a proxy that says when": (503, HTML | {"Retry-After": "1"}, "<html>Service Unavailable</html>"),
    "a proxy's own JSON": (504, {}, '{"message": "upstream timed out"}'),
    "a reply that is cut": (200, {"Content-Length": "1000"}, '{"data": {'),
    "no place": (
        503,
        {},
        '{"errors": [{"message": "busy", "extensions": {"code": "BUSY", "retry": '
        '{"kind": "SAME_REQUEST", "afterMs": 20}}}]}',
    ),
    "too much": (429, {}, '{"errors": [{"message": "wait", "extensions": {"code": "RATE_LIMITED", "afterMs": 20}}]}'),
    "busy": (
        200,
        {},
        '{"data": {"updateChapter": {"code": "BUSY", "message": "busy", "retry": '
        '{"kind": "SAME_REQUEST", "afterMs": 20}}}}',
    ),
}
REFUSED: dict[str, Answer] = {
    "a document that does not fit": (
        200,
        {},
        '{"errors": [{"message": "no such field", "extensions": {"code": "X"}}]}',
    ),
    "a refusal that stays": (
        200,
        {},
        '{"errors": [{"message": "forbidden", "extensions": {"code": "FORBIDDEN", "retry": '
        '{"kind": "NEVER", "afterMs": 0}}}]}',
    ),
    "a refusal of the write": (
        200,
        {},
        '{"data": {"updateChapter": {"code": "INVALID", "message": "blank", "retry": '
        '{"kind": "NEVER", "afterMs": 0}}}}',
    ),
}


@pytest.fixture
def scripted() -> Iterator[Callable[[list[Answer]], tuple[str, list[bytes]]]]:
    """Makes a server that gives these answers, one after the other: its address, and the bodies that it is sent."""
    servers = []

    def serve(answers: list[Answer]) -> tuple[str, list[bytes]]:
        bodies: list[bytes] = []

        class Scripted(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
                status, headers, body = answers[min(len(bodies), len(answers)) - 1]
                self.send_response(status)
                for name, value in (
                    {"Content-Type": "application/json", "Content-Length": str(len(body))} | headers
                ).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body.encode())
                self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Scripted)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}", bodies

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_function_sends_the_same_again_whoever_turns_it_away(
    scripted: Callable[[list[Answer]], tuple[str, list[bytes]]], tmp_path: Path
) -> None:
    """With its key, until it is served."""
    address, bodies = scripted([*UNSERVED.values(), WRITTEN])
    done = Saving(tmp_path, address, "token", "c", "Once.").done()
    assert done["saved"] == {"id": "c", "version": "2"}
    assert len(bodies) == len(UNSERVED) + 1
    assert set(bodies) == {bodies[0]}
    assert json.loads(bodies[0])["variables"]["key"]


@pytest.mark.parametrize("answer", REFUSED.values(), ids=REFUSED)
def test_the_function_does_not_insist_on_what_is_refused(
    scripted: Callable[[list[Answer]], tuple[str, list[bytes]]], tmp_path: Path, answer: Answer
) -> None:
    """It is told to whoever called it, at once."""
    address, bodies = scripted([answer])
    with pytest.raises(AssertionError, match=r"no such field|forbidden|blank"):
        Saving(tmp_path, address, "token", "c", "Once.").done()
    assert len(bodies) == 1
