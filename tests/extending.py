"""Does what docs/extending.md says, in a copy of the tree: the blocks of the guide in their order.

    .venv/bin/python -m tests.extending FOLDER

A line that ends in a path in backticks and a colon says what the block below it is: a new file; with `, at its end`, lines to
append; where the block is a diff, edits. A block of `sh` is what to type.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "docs" / "extending.md"
BLOCK = re.compile(
    r"^(?:`(?P<path>[^`\n]+)`(?P<end>, at its end)?:\n\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
LEFT_BEHIND = (".git", ".venv", ".katha", ".hypothesis", ".*_cache", "__pycache__", "node_modules", "vendor")
WAY_OUT = "Do what the guide says by hand, see what has changed there, and write it into docs/extending.md."


@dataclass(frozen=True)
class Block:
    """A block of the guide: what to type, or what becomes of a file."""

    kind: str
    path: str | None
    at_end: bool
    text: str


def blocks() -> list[Block]:
    """All that are to be done, in their order; a block without a path that is nothing to type only shows something."""
    found = (
        Block(one["kind"], one["path"], one["end"] is not None, one["text"])
        for one in BLOCK.finditer(GUIDE.read_text(encoding="utf-8"))
    )
    return [block for block in found if block.path or block.kind == "sh"]


def copy_tree(to: Path) -> None:
    """The tree as it is now, without what runs leave in it, and this Python as the copy's own."""
    shutil.copytree(ROOT, to, ignore=shutil.ignore_patterns(*LEFT_BEHIND), dirs_exist_ok=True)
    (to / ".venv").symlink_to(sys.prefix)


def follow(tree: Path, type_in: Callable[[str], None]) -> None:
    """Do what each block says in the tree; `type_in` gets the lines to type, one by one."""
    for block in blocks():
        if block.path is None:
            for line in block.text.splitlines():
                type_in(line)
            continue
        path = tree / block.path
        if block.kind == "diff":
            path.write_text(edited(path.read_text(encoding="utf-8"), block), encoding="utf-8")
        elif block.at_end:
            path.write_text(path.read_text(encoding="utf-8") + "\n\n" + block.text, encoding="utf-8")
        else:
            assert not path.exists(), f"docs/extending.md makes {block.path}, which is there already. {WAY_OUT}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")


def edited(text: str, block: Block) -> str:
    """The text after the edits of a diff. Each is found by its lines and not by their numbers, which change all the time."""
    for before, after in edits(block.text):
        found = text.count(before)
        assert found == 1, f"docs/extending.md edits {block.path}, where this is {found} times:\n{before}\n{WAY_OUT}"
        text = text.replace(before, after)
    return text


def edits(diff: str) -> Iterator[tuple[str, str]]:
    """What each part of a diff finds, and what it puts there."""
    for part in re.split(r"^@@.*\n", diff, flags=re.MULTILINE):
        lines = [(line[:1], line[1:]) for line in part.splitlines(keepends=True)]
        if lines:
            yield (
                "".join(line for sign, line in lines if sign != "+"),
                "".join(line for sign, line in lines if sign != "-"),
            )


def main(folder: str) -> None:
    """Make the copy, and do everything in it."""
    tree = Path(folder).resolve()
    copy_tree(tree)
    follow(tree, lambda line: subprocess.run(line, shell=True, cwd=tree, check=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
