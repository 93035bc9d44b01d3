"""docs/live.md holds: its examples in a shell run as they stand, and its snippets are of clients that the tests run."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "live.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine: install it")
def test_the_examples_run(live_url: str) -> None:
    """The one tells who asks what they look like, the other what they have written since."""
    watched, synced = (
        ran_in_shell(text.replace("http://127.0.0.1:8000", live_url))
        for language, text in FENCE.findall(PAGE.read_text(encoding="utf-8"))
        if language == "sh"
    )
    assert "event: next" in watched
    assert '"version":"1","thing":{"bio":"' in watched
    assert '"thing":{"__typename":"Whisper","text":"Psst."}' in synced


def ran_in_shell(script: str) -> str:
    """What it prints."""
    return subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine: install Node.js 20 or newer")
@pytest.mark.parametrize(
    "snippet", [text for language, text in FENCE.findall(PAGE.read_text("utf-8")) if language == "js"]
)
def test_the_snippets_can_be_read(snippet: str, tmp_path: Path) -> None:
    """As modules."""
    file = tmp_path / "snippet.mjs"
    file.write_text(snippet, encoding="utf-8")
    ran = subprocess.run(["node", "--check", str(file)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
