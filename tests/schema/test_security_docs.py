"""What `docs/security.md` says of limits is what is set: each with its default, no other, and whether the environment sets it."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from backend import settings as own
from backend.limits.rates import Rate

TEXT = Path("docs/security.md").read_text(encoding="utf-8")
SOURCE = Path("backend/settings.py").read_text(encoding="utf-8")
ROWS = {
    name: (default, env) for name, default, env in re.findall(r"^\| `(\w+)` \| (\S+) \| (\w*) ?\|", TEXT, re.MULTILINE)
}
ELSEWHERE = re.compile("SECURE_")
"""What is no limit, although it is a number."""


def of_postgresql() -> dict[str, str]:
    """The timeouts that each connection asks for."""
    return dict(re.findall(r"-c (\w+_timeout)=(\w+)", own.DATABASES["default"]["OPTIONS"]["options"]))


def of_settings() -> dict[str, Any]:
    """Every number and rate that `backend/settings.py` names."""
    assigned = [node for node in ast.parse(SOURCE).body if isinstance(node, ast.Assign)]
    names = {target.id for node in assigned for target in node.targets if isinstance(target, ast.Name)}
    values = {name: getattr(own, name) for name in names if name.isupper() and not ELSEWHERE.match(name)}
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, int | float | Rate) and not isinstance(value, bool)
    }


def shown(value: Any) -> str:
    """A default as the table says it."""
    return f"{value:g}" if isinstance(value, float) else str(value)


def test_the_table_names_exactly_the_limits_that_there_are() -> None:
    assert ROWS.keys() == of_settings().keys() | of_postgresql().keys()


@pytest.mark.parametrize("name", sorted(of_settings()))
def test_the_default_is_the_one_that_is_said(name: str) -> None:
    default, env = ROWS[name]
    assert default == shown(of_settings()[name])
    assert (env == "env") == (f'os.environ.get("{name}")' in SOURCE)


@pytest.mark.parametrize("name", sorted(of_postgresql()))
def test_the_timeouts_of_the_database_are_those_that_are_said(name: str) -> None:
    assert ROWS[name] == (of_postgresql()[name], "")


def test_what_production_asks_for_is_said() -> None:
    """Each variable of the checklist is one that the settings read, and production's own default is the one that is said."""
    for name in re.findall(r"^export (\w+)=", TEXT, re.MULTILINE):
        assert re.search(rf'(os\.environ(\.get\(|\[)|listed\()"{name}"', SOURCE), name
    assert re.search(r"100_000_000 if PRODUCTION else 0", SOURCE)
    assert "in production it is 100000000" in TEXT
