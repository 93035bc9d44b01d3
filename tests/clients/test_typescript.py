"""The TypeScript client: its own tests, against a real server, with npm."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.depth import EXHAUSTIVE

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "clients" / "typescript"
READY = PACKAGE / "dist" / ".ready"
LOCKS = [path for path in ROOT.glob("clients/**/package-lock.json") if "node_modules" not in path.parts]
PATIENCE_SECONDS = 600


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not on this machine: install Node.js 20 or newer")
def test_it_keeps_its_promises(live_url: str) -> None:
    """Keys, retries, conflicts, merging, an offline queue and more; the package is built from nothing but its lock.

    `make test` has built it; only what is not built or has changed since is built here, because other tests read it meanwhile.
    """
    environment = {**os.environ, "KATHA_URL": live_url, "KATHA_PYTHON": sys.executable}
    if not EXHAUSTIVE:
        environment.pop("EXHAUSTIVE", None)
    run("make", "-C", "../..", "clients", environment=environment)
    built = READY.stat().st_mtime_ns
    run("npm", "run", "test:built", environment=environment)
    assert READY.stat().st_mtime_ns == built


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.parent.name)
def test_a_lock_names_no_registry(lock: Path) -> None:
    """Who installs decides where from. Nor any other address, such as those at which npm tells of donations."""
    text = lock.read_text(encoding="utf-8")
    assert "resolved" not in text
    assert "://" not in text


def run(*command: str, environment: dict[str, str]) -> None:
    """Run it in the package's folder; what it printed is shown if it fails."""
    ran = subprocess.run(
        command,
        cwd=PACKAGE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert ran.returncode == 0, ran.stdout[-20_000:]
