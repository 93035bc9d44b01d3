"""The folder of a server's metrics: fresh for each, kept while a process of it runs, removed by the next one."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.monitoring import folder, process


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The locks of servers that run in this process; the environment is as before afterwards."""
    monkeypatch.setenv(folder.VARIABLE, "")
    locks: list[int] = []
    monkeypatch.setattr(folder, "_held", locks)
    yield locks
    for lock in locks:
        os.close(lock)


def test_each_server_has_its_own(tmp_path: Path, held: list[int]) -> None:
    """Named in the environment, and found by whoever looks."""
    one = folder.open_folder(tmp_path)
    assert folder.folder() == one
    other = folder.open_folder(tmp_path)
    assert folder.folder() == other != one
    assert folder.folders(tmp_path) == sorted([one, other])


def test_what_a_server_left_behind_is_removed(tmp_path: Path, held: list[int]) -> None:
    """By the next one to start; what runs is left alone."""
    ended, running = folder.open_folder(tmp_path), folder.open_folder(tmp_path)
    (ended / "counter_1.db").touch()
    os.close(held.pop(0))
    assert folder.folders(tmp_path) == [running]
    fresh = folder.open_folder(tmp_path)
    assert not ended.exists()
    assert folder.folders(tmp_path) == sorted([running, fresh])


def test_settings_come_before_metrics() -> None:
    """`serve` looks for the data folder in the settings: had they imported the library, each process would count alone."""
    asks = "import sys, backend.settings; sys.exit('prometheus_client' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", asks], cwd=Path(__file__).parents[2]).returncode == 0


def test_there_may_be_none(tmp_path: Path, held: list[int]) -> None:
    """Where nothing has ever served, and one process keeps its metrics to itself."""
    assert folder.folder() is None
    assert folder.folders(tmp_path) == []
    assert process.started_at() > 0


def test_threads_of_the_dead_are_not_busy(tmp_path: Path, held: list[int]) -> None:
    """What they had counted stays."""
    fresh = folder.open_folder(tmp_path)
    gone = os.fork()
    if gone == 0:
        os._exit(0)
    os.waitpid(gone, 0)
    for name in (f"gauge_livesum_{gone}.db", f"gauge_livesum_{os.getpid()}.db", f"counter_{gone}.db"):
        (fresh / name).touch()
    process.forget_the_dead()
    assert {file.name for file in fresh.glob("*.db")} == {f"gauge_livesum_{os.getpid()}.db", f"counter_{gone}.db"}
