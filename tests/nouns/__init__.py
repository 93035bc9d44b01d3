"""What a noun adds to the tests that walk everything: one module for each noun, found by itself, so that no list is edited.

A module declares by these names what it has; `name` is the name of a mutation in the contract:

`guarded(one, other, story)`   a row of each versioned model, unsaved, of these people and this story; one at least
`set_scene(scene)`             each thing of docs/access.md in `scene.ids`, whose texts name the thing
`live(life)`                   rows that refer to somebody who will leave
`WAYS`                         how to break each check of `manage.py verify`; see tests/backend/test_verify.py
`ARGUMENTS`                    by name, arguments with which it succeeds: a function of a `MutationFixture`
`BY_ID`                        by name, the argument that names what is written to, and its type
`MORE`                         by name, what it is sent beside that id, or a function of an `AccessFixture` that gives it
`AGAIN`                        by name, what an `AccessFixture` prepares before each time that it is sent
`EXPECTED`                     by name, whose version it expects: a function of the caller and of that id, which gives an id
`REQUESTS`                     by name, a function of two new people that prepares it, and gives a function of a key that sends it
`HERS`                         by name, the same of somebody who is leaving: a function of their `DepartureFixture`
`RACES`                        by name, the test of its race: `tests/races/test_….py::test_…`

What is missing is told by tests/test_complete.py.
"""

from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any


def _modules() -> list[ModuleType]:
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem != "__init__")
    return [import_module(f"{__name__}.{name}") for name in names]


def collect(name: str) -> list[Any]:
    """What the modules here declare by this name."""
    return [getattr(module, name) for module in _modules() if hasattr(module, name)]


def merged(name: str) -> dict[str, Any]:
    """The dictionaries that they declare by this name, as one."""
    return {key: value for declared in collect(name) for key, value in declared.items()}
