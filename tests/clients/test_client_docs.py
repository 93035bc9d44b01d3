"""docs/clients.md says what the packages and the example app do: its programs run and print what is printed."""

import os
import re
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from tests.clients.conftest import PACKAGE
from tests.schema.test_docs import Block, blocks
from tests.serving import ROOT

PAGE = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
SCHEMA = (ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8")
TYPESCRIPT = ROOT / "clients" / "typescript"
APP = ROOT / "examples" / "app" / "src"
ADDRESS = "http://127.0.0.1:8000"

TAKEN_FOR_GRANTED = """
declare const FOLLOW: string;
declare const [id, person, version]: string[];
declare function askThePerson(fields: object[]): Promise<Record<string, string>>;
declare function show(relationship: object): void;
"""


def under(heading: str) -> list[Block]:
    """The blocks of one section."""
    (text,) = re.findall(rf"^{heading}\n(.*?)(?=^##)", PAGE, re.M | re.S)
    return blocks(text)


def program(of: list[Block], language: str, server: str) -> str:
    return "\n".join(block.text for block in of if block.language == language).replace(ADDRESS, server)


def printed(of: list[Block]) -> str:
    """What the page says that the program prints, a block after another."""
    return "".join(after.text for _, after in pairwise(of) if after.language == "text")


@pytest.mark.django_db(transaction=True)
def test_the_python_on_the_page_prints_what_is_printed(live_url: str) -> None:
    of = under("### In Python")
    environment = {**os.environ, "PYTHONPATH": str(PACKAGE / "src")}
    command = [sys.executable, "-c", program(of, "python", live_url)]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ran.stderr, ran.stdout) == ("", printed(of))


def needed() -> str | None:
    """What is not here that TypeScript needs."""
    if shutil.which("npm") is None:
        return "npm is not on this machine: install Node.js 20 or newer"
    return None if (TYPESCRIPT / "dist" / ".ready").exists() else "the TypeScript client is not built: make clients"


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(needed() is not None, reason=str(needed()))
def test_the_typescript_on_the_page_fits_its_types_and_prints_what_is_printed(live_url: str, tmp_path: Path) -> None:
    of = under("### In TypeScript")
    (tmp_path / "page.ts").write_text(program(of, "ts", live_url) + "\nprocess.exit(0);\n", encoding="utf-8")
    tools = typed(tmp_path)
    bundle = "--bundle --format=esm --platform=node --target=es2022 --outfile=page.mjs"
    run(tools / "esbuild", *bundle.split(), "page.ts", folder=tmp_path)
    assert run(Path(shutil.which("node") or "node"), "page.mjs", folder=tmp_path) == printed(of)


@pytest.mark.skipif(needed() is not None, reason=str(needed()))
def test_the_example_of_its_readme_fits_its_types(tmp_path: Path) -> None:
    """Copied as it is, into an app that has what it takes for granted."""
    text = (TYPESCRIPT / "README.md").read_text(encoding="utf-8")
    example = next(block.text for block in blocks(text) if block.language == "ts")
    (tmp_path / "page.ts").write_text(example + TAKEN_FOR_GRANTED, encoding="utf-8")
    typed(tmp_path)


def typed(folder: Path) -> Path:
    """Check the types of its page.ts against the built package, as bundlers and as Node find it; returns where the tools are."""
    modules = folder / "node_modules"
    (modules / "@katha").mkdir(parents=True)
    (modules / "@katha" / "client").symlink_to(TYPESCRIPT)
    (modules / "@types").symlink_to(TYPESCRIPT / "node_modules" / "@types")
    tools = TYPESCRIPT / "node_modules" / ".bin"
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    for module, resolution in [("esnext", "bundler"), ("nodenext", "nodenext")]:
        options = f"--noEmit --strict --module {module} --moduleResolution {resolution} --target es2022 --types node"
        run(tools / "tsc", *options.split(), "page.ts", folder=folder)
    return tools


def run(*command: str | Path, folder: Path) -> str:
    """What it prints; fails with that if it fails."""
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_what_is_shown_of_the_app_stands_in_it() -> None:
    """Each piece, as it is, in one of its files."""
    files = [path.read_text(encoding="utf-8") for path in APP.iterdir()]
    pieces = [block for block in under("## An app, from end to end") if block.language == "tsx"]
    pieces += [
        block for block in blocks(PAGE) if block.language == "tsx" and block.text not in {one.text for one in pieces}
    ]
    assert len(pieces) >= 7
    assert [piece.text for piece in pieces if not any(piece.text in text for text in files)] == []


@pytest.mark.parametrize("document", [block.text for block in blocks(PAGE) if block.language == "graphql"])
def test_a_document_on_the_page_fits_the_contract(document: str) -> None:
    assert validate(build_schema(SCHEMA), parse(document)) == []
