"""What the log looks like: text to read on a terminal, JSON wherever a program reads it, with the same facts in both."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOGS = """
import logging, logging.config
from backend import logs

logging.config.dictConfig(logs.LOGGING)
log = logging.getLogger("katha")
logs.begin(request_id="r-1", method="POST", url="/x\\x1b[2J\\u202eb", viewer="v-1")
log.warning("rate limited", extra={"limit": "sign_in", "code": "RATE_LIMITED", "path": ["a", 0]})
for _ in range(3):
    try:
        raise ValueError("a secret")
    except ValueError as error:
        log.error("fault", exc_info=error)
log.warning("said\\n\\x1b]0;by a library")
"""
COLOURS = re.compile(r"\x1b\[\d+m")


def on_terminal(**environment: str) -> str:
    """What the process writes on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-c", LOGS], cwd=ROOT, stderr=theirs, env={**os.environ, "NO_COLOR": "", **environment}
    ):
        os.close(theirs)
        written = b""
        while chunk := _read(ours):
            written += chunk
    os.close(ours)
    return written.decode().replace("\r\n", "\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # the other end is closed
        return b""


def elsewhere() -> list[dict[str, object]]:
    """What it writes into a pipe."""
    ran = subprocess.run([sys.executable, "-c", LOGS], cwd=ROOT, capture_output=True, check=True)
    return [json.loads(line) for line in ran.stderr.splitlines()]


def test_a_terminal_gets_text_with_the_same_facts() -> None:
    """Each line that a program would get, in its order, with its keys; and the stack below."""
    text, lines = on_terminal(NO_COLOR="1"), elsewhere()
    assert "\x1b" not in text
    first = text.splitlines()[0]
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z \[warning  \] rate limited +\[katha\] ", first)
    for key in lines[0].keys() - {"time", "level", "event", "logger"}:
        assert f"{key}=" in first
    assert "limit=sign_in" in first
    assert "path=['a', 0]" in first
    events = [str(line["event"]).partition("\n")[0] for line in lines]
    assert events == re.findall(r"\] (rate limited|fault|said)", text) == ["rate limited", "fault", "said", "fault"]
    assert re.search(r'\n    File "<string>", line \d+, in <module>\n    builtins.ValueError\n', text)
    assert "times=2" in text
    assert "a secret" not in text
    assert "{" not in first


def test_a_terminal_has_colours_unless_they_are_not_wanted() -> None:
    """NO_COLOR is what all programs are told it by."""
    coloured = on_terminal()
    assert COLOURS.search(coloured)
    assert re.sub(r"\d{4}-\S+Z", "", COLOURS.sub("", coloured)) == re.sub(r"\d{4}-\S+Z", "", on_terminal(NO_COLOR="1"))


@pytest.mark.parametrize("part", ["\x1b[2J", "\x1b]0;", "\u202e"])
def test_nothing_in_a_line_does_anything_to_the_terminal(part: str) -> None:
    """Clients choose paths; what they choose is shown, and not done."""
    text = on_terminal()
    assert part not in text
    assert r"\x1b" in text
    assert r"\u202e" in text


def test_wherever_else_it_goes_each_line_is_json() -> None:
    lines = elsewhere()
    assert [line["event"] for line in lines][:2] == ["rate limited", "fault"]
    assert lines[0]["url"] == "/x\x1b[2J\u202eb"
    assert lines[1]["stack"]
