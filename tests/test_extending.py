"""docs/extending.md holds: whoever does what it says, from top to bottom, gets what passes every check and its own tests."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from backend.embedded import running
from tests.depth import EXHAUSTIVE
from tests.extending import Block, blocks, copy_tree, edited, edits, follow

QUIETLY = ("-p no:randomly", "-p no:cacheprovider")
PYTEST = " ".join([".venv/bin/python -m pytest -q", *QUIETLY])
EXPORT = ".venv/bin/python manage.py export_schema"
SLOW = ("-m mypy", 'import lint_imports_command as lint; lint()"')
"""Checks that the exhaustive run alone does: types, and the direction of imports."""
NOT_PASSED_ON = (
    "PYTEST_",
    "COV_",
    "MAKE",
    "MFLAGS",
    "DATABASE_URL",
    "DJANGO_SETTINGS_MODULE",
    "EXHAUSTIVE",
    "PROMETHEUS_",
)


class Shell:
    """Types what the guide says to type in a copy of the tree, with a database of its own."""

    def __init__(self, tree: Path) -> None:
        self.tree, self.tests = tree, list[str]()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(NOT_PASSED_ON)}
        self.data = tree / ".katha" / "test"
        self.environment = {**kept, "KATHA_DATA": str(self.data)}

    def run(self, line: str) -> str:
        """What it said; fails with that if it failed."""
        done = subprocess.run(
            ["sh", "-ec", line], cwd=self.tree, env=self.environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"docs/extending.md: {line}\n{done.stdout[-6_000:]}\n{done.stderr[-3_000:]}"
        return done.stdout

    def type_in(self, line: str) -> None:
        """A line of the guide. What make would install is there. All but migrations waits for the end, if not EXHAUSTIVE."""
        tests = re.fullmatch(r'make test ARGS="(.*)"', line)
        if line == "make check":
            if EXHAUSTIVE or self.at_the_end():
                self.check()
        elif tests and not EXHAUSTIVE:
            self.tests += [] if tests[1].startswith("-k") else [tests[1]]
        elif "export_schema" not in line or EXHAUSTIVE:
            self.run(f"{PYTEST} {tests[1]}" if tests else line)

    def check(self) -> None:
        """The commands of `make check`, with the tests that wait; the types, which take a while, only in the exhaustive run."""
        self.run(EXPORT)
        commands = self.run("make --dry-run --assume-old=.venv/ready-dev check").splitlines()
        for command in commands:
            if EXHAUSTIVE or not command.endswith(SLOW):
                is_last = command == commands[-1]
                self.run(" ".join([self._of_this_depth(command), *QUIETLY, *self.tests]) if is_last else command)

    def _of_this_depth(self, command: str) -> str:
        """The rules of the house take a while, and are those of the tree itself."""
        return command if EXHAUSTIVE else command.replace(" tests/test_house.py", "")

    def at_the_end(self) -> bool:
        """Whether everything that the guide makes is there."""
        return all((self.tree / block.path).exists() for block in blocks() if block.path)


def test_the_guide_can_be_followed(tmp_path: Path) -> None:
    """A field, a versioned thing and a mutation, as the guide makes them; the migrations pass as they are generated."""
    copy_tree(tmp_path)
    shell = Shell(tmp_path)
    shell.data.mkdir(parents=True)
    with running(shell.data / "postgres", durable=True):  # one for all commands
        follow(tmp_path, shell.type_in)
    assert list((tmp_path / "backend/people/migrations").glob("*_pronouns.py"))
    assert (tmp_path / "backend/bookmarks/migrations/0001_initial.py").exists()
    assert "bookmarkStory(" in (tmp_path / "schema/schema.graphql").read_text()


def test_the_guide_has_what_it_promises() -> None:
    """Each part ends with the checks; what a block does is one of three things."""
    kinds = [block.kind for block in blocks()]
    assert {"sh", "diff", "python"} == set(kinds)
    assert sum("make check" in block.text for block in blocks() if block.kind == "sh") == 3


def test_an_edit_that_does_not_fit_says_so() -> None:
    """The tree has moved on; the guide has to follow."""
    assert list(edits("@@\n a\n-b\n+c\n@@\n+e\n d\n")) == [("a\nb\n", "a\nc\n"), ("d\n", "e\nd\n")]
    block = Block("diff", "README.md", False, "@@\n a\n+b\n")
    assert edited("x\na\n", block) == "x\na\nb\n"
    for text in ("x\n", "a\na\n"):
        with pytest.raises(AssertionError, match=r"docs/extending.md edits README.md, where this is [02] times"):
            edited(text, block)
