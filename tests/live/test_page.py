"""docs/live.md holds: its example in a shell runs as it stands, and its snippets are of clients that the tests run."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "live.md"
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine: install it")
def test_the_example_runs(live_url: str) -> None:
    """It tells who asks what they look like."""
    (example,) = [text for language, text in FENCE.findall(PAGE.read_text(encoding="utf-8")) if language == "sh"]
    script = example.replace("http://127.0.0.1:8000", live_url)
    ran = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=True, timeout=60)
    assert "event: next" in ran.stdout
    assert '"version":"1","thing":{"bio":"' in ran.stdout


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
