"""What is fought over most is remembered, in little space, and added up over processes."""

from pathlib import Path

import pytest
from backend.engine.heat import FILES, HEAT, Heat, hottest

from tests.api import Caller
from tests.serving import until


def test_counts_by_thing_and_fields() -> None:
    """The same thing and fields are one entry, whatever the order of the fields."""
    heat = Heat()
    heat.note(("story", 1), ["title", "summary"])
    heat.note(("story", 1), ["summary", "title"])
    heat.note(("story", 1), [])
    assert [(hot.keys, hot.fields, hot.conflicts) for hot in heat.now()] == [
        (("1",), ("summary", "title"), 2),
        (("1",), (), 1),
    ]


def test_what_is_frequent_stays() -> None:
    """Beyond its space the rarest goes, and no count is too low."""
    heat = Heat(most=10)
    for n in range(1_000):
        heat.note(("story", f"rare {n}"), [])
        heat.note(("story", "hot"), [])
    counts = {hot.keys[0]: hot.conflicts for hot in heat.now()}
    assert len(counts) == 10
    assert max(counts, key=lambda key: counts[key]) == "hot"
    assert counts["hot"] >= 1_000


def test_processes_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each writes a file within a second or so, and the hottest come first."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    one, other = Heat(), Heat()
    for _ in range(3):
        one.note(("chapter", 7), ["body"])
    one.note(("story", 1), ["title"])
    until(lambda: bool(list(tmp_path.glob(FILES))), "the first has written")
    (written,) = tmp_path.glob(FILES)
    written.rename(tmp_path / "heat_1.json")
    other.note(("story", 1), ["title"])
    until(lambda: len(list(tmp_path.glob(FILES))) == 2, "the other has written")
    assert [(hot.type, hot.keys, hot.conflicts) for hot in hottest([tmp_path])] == [
        ("chapter", ("7",), 3),
        ("story", ("1",), 2),
    ]


def test_a_conflict_is_noted(asha: Caller) -> None:
    """With the fields that both set."""
    asha.update_profile({"name": "First"}, "1")
    assert asha.update_profile({"name": "Second"}, "1")["__typename"] == "ConflictError"
    (hot,) = (hot for hot in HEAT.now() if hot.keys == (str(asha.person.pk),))
    assert (hot.type, hot.fields, hot.conflicts) == ("person", ("name",), 1)
