"""docs/conflicts.md is what the server does: every example on the page runs, and answers as printed."""

import json
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, is_scalar_type, is_specified_scalar_type, parse, validate

from tests.api import ApiClient, join

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "conflicts.md"
MEMORY = ROOT / "schema" / "server" / "explorer" / "static" / "explorer" / "memory.js"
ADDRESS = "http://127.0.0.1:8000"

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
SEND_AGAIN = re.compile(r"[Ss]end `(\w+)`")
PLACEHOLDER = re.compile(r"<(\w+\.\w+)>")
TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00")
NEVER_THE_SAME = {"id", "at", "cursor"}
ANYTHING = "…"


# --- The page ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """A fenced block, and the prose between it and the one before."""

    language: str
    text: str
    prose: str
    line: int


@dataclass(frozen=True)
class Example:
    """A request, and what the page says that the server answers."""

    document: str
    variables: Any
    answer: Any
    line: int


def blocks(page: str) -> list[Block]:
    """Every fenced block of a page, in order."""
    found = list(FENCE.finditer(page))
    starts = [0, *(match.end() for match in found)]
    return [
        Block(match[1], match[2], page[start : match.start()], page.count("\n", 0, match.start()) + 1)
        for start, match in zip(starts, found, strict=False)
    ]


def examples(page: str) -> list[Example]:
    """The requests of a page: a document, its variables if it has any, and the answer.

    The document may be one that was printed before: then the prose says "send `Name`" again.
    """
    documents: dict[str, str] = {}
    found, document, variables = [], None, None
    for block in blocks(page):
        if block.language == "graphql":
            assert document is None, f"line {block.line}: the example before this has no answer"
            (name,) = re.findall(r"^(?:query|mutation) (\w+)", block.text, re.M)
            assert name not in documents, f"line {block.line}: there are two documents called {name}"
            document = documents[name] = block.text
        elif block.language == "json" and not re.match(r'\{\s*"(data|errors)"', block.text):
            assert variables is None, f"line {block.line}: variables follow variables"
            variables = json.loads(block.text)
            if document is None:
                document = documents[SEND_AGAIN.findall(block.prose)[-1]]
        elif block.language == "json":
            assert document, f"line {block.line}: an answer to nothing"
            found.append(Example(document, variables or {}, json.loads(block.text), block.line))
            document, variables = None, None
        else:
            assert block.language in {"sh", "text", "js"}, f"line {block.line}: who executes {block.language}?"
    assert document is None
    return found


# --- Sending ----------------------------------------------------------------------------------------------------


class Memory:
    """What answers have told, by the rules of docs/explorer.md: the page memory.js, in Python."""

    def __init__(self, told: dict[str, Any] | None = None) -> None:
        self.told = told or {}

    def learn(self, value: Any, name: str = "") -> None:
        """Take in an answer, or a part of it that stands under `name`."""
        if isinstance(value, list):
            for item in reversed(value):
                self.learn(item, name)
        elif isinstance(value, dict):
            kind = value.get("__typename") if name == "current" else None
            if kind:
                self.learn({**value, "__typename": None}, kind[0].lower() + kind[1:])
            for key, item in value.items():
                self.learn(item, key if isinstance(item, dict | list) else f"{name}.{key}")
        elif value is not None:
            self.told[name] = value

    def fill(self, value: Any) -> Any:
        """The same with every placeholder replaced; the fresh ones are new each time."""
        return self._filled(value, {**self.told, "fresh.key": str(uuid.uuid4())})

    def _filled(self, value: Any, known: dict[str, Any]) -> Any:
        if isinstance(value, str):
            return PLACEHOLDER.sub(lambda match: str(known[match[1]]), value)
        if isinstance(value, list):
            return [self._filled(item, known) for item in value]
        if isinstance(value, dict):
            return {key: self._filled(item, known) for key, item in value.items()}
        return value


def same(printed: Any, got: Any, where: str = "") -> None:
    """Fails unless the answer is what is printed. Times, waits and what is printed as … may differ; … is for ids alone."""
    key = where.rpartition(".")[2]
    if isinstance(printed, dict) and isinstance(got, dict):
        assert list(printed) == list(got), where
        for name in printed:
            same(printed[name], got[name], f"{where}.{name}")
    elif isinstance(printed, list) and isinstance(got, list):
        assert len(printed) == len(got), where
        for one, other in zip(printed, got, strict=True):
            same(one, other, where)
    elif printed == ANYTHING:
        assert key in NEVER_THE_SAME, f"{where} is printed as {ANYTHING}"
        assert isinstance(got, str), where
    elif key == "afterMs":
        assert (isinstance(got, int), got > 0) == (True, printed > 0), where
    elif isinstance(printed, str) and isinstance(got, str):
        assert TIME.sub("time", printed) == TIME.sub("time", got), where
    else:
        assert (type(printed), printed) == (type(got), got), where


@dataclass(frozen=True)
class Sent:
    """An example that was sent: the variables as they went, and the answer."""

    example: Example
    variables: Any
    answer: Any
    told: dict[str, Any]
    """What answers have told by then."""


def send(page: str, caller: ApiClient) -> list[Sent]:
    """Send every example of a page in order, as a reader does who goes through it."""
    memory, sent = Memory(), []
    for example in examples(page):
        variables = memory.fill(example.variables)
        answer = caller.post(example.document, **variables)
        memory.learn(answer.get("data"))
        sent.append(Sent(example, variables, answer, dict(memory.told)))
    return sent


def check(page: str, sent: list[Sent]) -> None:
    """Hold each answer that came against the one that the page prints."""
    for example, one in zip(examples(page), sent, strict=True):
        same(Memory(one.told).fill(example.answer), one.answer, f"line {example.line}: ")


# --- The tests --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page() -> str:
    """The text of docs/conflicts.md."""
    return PAGE.read_text(encoding="utf-8")


def test_every_example_answers_as_printed(page: str, asha: ApiClient) -> None:
    """From the first to the last, for somebody who has written nothing yet."""
    sent = send(page, asha)
    check(page, sent)
    assert len(sent) > 20


def test_the_documents_fit_the_contract(page: str) -> None:
    """Against the printed schema, as a client's compiler reads them."""
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))
    for block in blocks(page):
        if block.language == "graphql":
            assert validate(schema, parse(block.text)) == [], block.line


def test_the_links_lead_somewhere() -> None:
    """Between the pages, and to their headings."""
    for path in [ROOT / "README.md", *PAGE.parent.glob("*.md")]:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
            name, _, heading = target.partition("#")
            found = path.parent / name if name else path
            assert found.exists() or target.startswith("http"), (path.name, target)
            if heading:
                headings = re.findall(r"^#+ (.*)", found.read_text(encoding="utf-8"), re.M)
                assert heading in {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}, target


def test_the_code_generator_is_told_of_every_scalar() -> None:
    """With `strictScalars` one that is missing fails the build of whoever copies the configuration."""
    text = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    (scalars,) = re.findall(r"scalars: \{ (.*?) \}", text)
    schema = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))
    own = {
        name for name, type_ in schema.type_map.items() if is_scalar_type(type_) and not is_specified_scalar_type(type_)
    }
    assert set(re.findall(r"(\w+):", scalars)) == own


BREAKS: list[Callable[[str], str]] = [
    lambda page: page.replace('"applied": "MERGED"', '"applied": "WRITTEN"', 1),
    lambda page: page.replace('"kind": "COLLISION"', '"kind": "CLEAN"', 1),
    lambda page: page.replace('"version": "2"', '"version": "…"', 1),
    lambda page: page.replace('"expected": "', '"unexpected": "', 1),
    lambda page: re.sub(r'("kind": "REBASE", "afterMs": )\d+', r"\g<1>0", page, count=1),
]


def test_a_printed_answer_that_is_wrong_is_seen(page: str, asha: ApiClient) -> None:
    """A page that says anything else than the server does not pass."""
    sent = send(page, asha)
    for broken in BREAKS:
        wrong = broken(page)
        assert wrong != page
        with pytest.raises(AssertionError, match=r"line \d+: "):
            check(wrong, sent)


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine")
def test_the_explorer_fills_in_the_same(page: str, asha: ApiClient) -> None:
    """Whoever pastes the examples into GraphiQL sends what this test sends."""
    sent = send(page, asha)
    script = (
        "import { readFileSync } from 'node:fs';"
        f"const {{ Memory }} = await import({json.dumps(MEMORY.as_uri())});"
        "const memory = new Memory(), filled = [];"
        "for (const [variables, data] of JSON.parse(readFileSync(0))) {"
        "  filled.push(memory.fill(variables).variables); memory.learn(data); }"
        "console.log(JSON.stringify(filled));"
    )
    given = json.dumps([[one.example.variables, one.answer.get("data")] for one in sent])
    filled = json.loads(run(["node", "--input-type=module", "-e", script], given))
    hidden = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
    for one, other in zip(sent, filled, strict=True):
        assert hidden.sub("key", json.dumps(one.variables)) == hidden.sub("key", json.dumps(other)), one.example.line


def run(command: list[str], given: str = "", **environment: str) -> str:
    """What a program prints; fails if it does."""
    done = subprocess.run(
        command, input=given, capture_output=True, text=True, check=False, timeout=120, env=os.environ | environment
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("curl")), reason="bash or curl is not on this machine")
def test_the_shell_examples_run_as_they_stand(page: str, live_url: str) -> None:
    """Pasted one after the other into one shell, against a server with demo data."""
    shell = [block for block in blocks(page) if block.language in {"sh", "text"}]
    assert shell[0].language == "sh"
    script = "set -eu\n"
    for block, after in pairwise([*shell, None]):
        if block and block.language == "sh":
            script += f"{block.text.replace(ADDRESS, live_url)}\n"
            assert (after is not None and after.language == "text") or "TOKEN=" in block.text, block.line
    printed = [line for block in shell if block.language == "text" for line in block.text.splitlines()]
    assert run(["bash"], script).splitlines() == printed


# --- The table of what collides ---------------------------------------------------------------------------------

STORY, CHAPTER = "id: ID!, patch: StoryPatch!, expect: Expect!", "id: ID!, patch: ChapterPatch!, expect: Expect!"
THING = "id: ID!, expect: Expect!"
ARGUMENTS = {
    "updateStory": STORY,
    "updateChapter": CHAPTER,
    "appendChapter": "story: ID!, chapter: ChapterInput!, key: UUID!",
    "deleteChapter": THING,
    "reorderChapters": "story: ID!, order: [ID!]!, expect: Expect!",
    "publishStory": THING,
    "unpublishStory": THING,
    "deleteStory": THING,
    "restoreRevision": THING,
}
FIELDS = """
version
chapters { id version revisions(first: 1) { edges { node { id } } } }
revisions(first: 9) { edges { node { id changed } } }
"""


def cells(page: str) -> list[tuple[str, str, str]]:
    """What is written, what others wrote before, and what the page says of it, for each cell of the table."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith(("| | `updateStory`", "| `"))
    ]
    head, *body = [
        row for row in rows if len(row) == 5 and row[4] in {"`publishStory`, `unpublishStory`", "fine", "conflict"}
    ]
    return [
        (row[0], others, cell)
        for row in body
        for names, cell in zip(head[1:], row[1:], strict=True)
        for others in re.findall(r"\w+", names)
    ]


class CollisionFixture:
    """A story of three chapters as somebody sees it who wants to write it, with what was written to it before."""

    def __init__(self, author: ApiClient, *before: str) -> None:
        self.author = author
        shelf = author.ask("{ viewer { shelf { version } } }")["viewer"]["shelf"]["version"]
        story = author.create_story(shelf, chapters=3)["story"]
        self.story, self.chapters = story["id"], [chapter["id"] for chapter in story["chapters"]]
        self.look()
        for row in before:
            assert self.write(row) == "fine"
            self.look()

    def look(self) -> None:
        """See the story as it is now."""
        asked = f"query($id: ID!) {{ story(id: $id) {{ {FIELDS} }} }}"
        self.seen = self.author.ask(asked, id=self.story)["story"]
        self.order = [chapter["id"] for chapter in self.seen["chapters"]]

    def write(self, row: str) -> str:
        """Write what a row or a column of the table names, with the versions that were seen: fine, or conflict."""
        row = row.replace("`", "")
        field = row.partition(" of ")[0]
        one, other = self.chapters[0], self.chapters[2]
        version = self.seen["version"]
        versions = {chapter["id"]: chapter["version"] for chapter in self.seen["chapters"]}
        new = str(uuid.uuid4())
        given = {
            "updateStory": {"id": self.story, "patch": {"title": new}, "expect": version},
            "updateChapter": {"id": one, "patch": {"body": new}, "expect": versions[one]},
            "appendChapter": {"story": self.story, "chapter": {"title": "New", "body": "New."}, "key": new},
            "deleteChapter": {"id": one, "expect": versions[one]},
            "deleteChapter of another": {"id": other, "expect": versions[other]},
            "reorderChapters": {"story": self.story, "order": self.order[::-1], "expect": version},
            "publishStory": {"id": self.story, "expect": version},
            "unpublishStory": {"id": self.story, "expect": version},
            "deleteStory": {"id": self.story, "expect": version},
            "restoreRevision of a story's title": {"id": self.revision("title"), "expect": version},
            "restoreRevision of a chapter's text": {"id": self.revision(one), "expect": versions[one]},
            "restoreRevision of the list of chapters": {"id": self.revision("chapters"), "expect": version},
        }[row]
        if "expect" in given:
            given["expect"] = {"version": given["expect"]}
        names = [name.partition(":")[0] for name in ARGUMENTS[field].split(", ")]
        query = (
            f"mutation({', '.join(f'${one}' for one in ARGUMENTS[field].split(', '))}) "
            f"{{ answer: {field}({', '.join(f'{name}: ${name}' for name in names)}) {{ __typename }} }}"
        )
        kind = self.author.ask(query, **given)["answer"]["__typename"]
        assert kind == "ConflictError" or not kind.endswith("Error"), (row, kind)
        return "conflict" if kind == "ConflictError" else "fine"

    def revision(self, what: str) -> str | None:
        """The newest revision of a field of the story, or of a chapter."""
        if what in self.chapters:
            (chapter,) = [one for one in self.seen["chapters"] if one["id"] == what]
            edges = chapter["revisions"]["edges"]
        else:
            edges = [edge for edge in self.seen["revisions"]["edges"] if what in edge["node"]["changed"]]
        return edges[0]["node"]["id"] if edges else None


def test_the_table_says_what_collides(page: str, asha: ApiClient) -> None:
    """Each cell is tried: others write, then somebody who has not seen it."""
    said = cells(page)
    assert len(said) == 11 * 7
    for mine, others, cell in said:
        before = ["updateStory", "updateChapter", "reorderChapters"] if "restoreRevision" in mine else []
        if others == "unpublishStory" or (mine == "`unpublishStory`" and others != "publishStory"):
            before.append("publishStory")
        desk = CollisionFixture(asha, *before)
        assert desk.write("deleteChapter of another" if others == "deleteChapter" else others) == "fine"
        assert desk.write(mine) == cell, (mine, others)


# --- The function for programs ----------------------------------------------------------------------------------

PROGRAM = """
import { readFileSync } from "node:fs";
const { url, token, query, base, patch } = JSON.parse(readFileSync(0));
let lost = 1;
const said = [];
const asked = asker(url, token);
const ask = async (query, variables, signal) => {
  const data = await asked(query, variables, signal);
  said.push(data.updateChapter.applied ?? data.updateChapter.retry.kind);
  if (data.updateChapter.applied && lost-- > 0) throw new Unserved("the reply got lost");
  return data;
};
const mine = (conflict) => ({ body: conflict.suggestion.body.map((part) => part.text ?? part.mine).join("") });
const saved = await saveChapter(ask, query, base, patch, mine);
console.log(JSON.stringify({ said, saved }));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine")
def test_the_function_saves_once_whatever_happens(page: str, live_url: str, tmp_path: Path) -> None:
    """It meets a conflict, asks, writes, loses the reply, and gets it again."""
    (function,) = [block.text for block in blocks(page) if block.language == "js"]
    (query,) = {example.document for example in examples(page) if "mutation Save(" in example.document}
    zoe = join("zoe")
    base = zoe.create_story("0")["story"]["chapters"][0]

    def save(body: str, version: str) -> Any:
        return zoe.ask(query, id=base["id"], patch={"body": body}, expect={"version": version})["updateChapter"]

    assert save("One.\n\nTwo.\n\nThree.", "1")["applied"] == "WRITTEN"
    assert save("One!\n\nTwo.\n\nThree!", "2")["applied"] == "WRITTEN"
    program = tmp_path / "save.mjs"
    program.write_text(function + PROGRAM, encoding="utf-8")
    given = {
        "url": f"{live_url}/graphql",
        "token": zoe.token,
        "query": query,
        "base": {"id": base["id"], "version": "2"},
        "patch": {"body": "One?\n\nTwo?\n\nThree."},
    }
    done = json.loads(run(["node", str(program)], json.dumps(given)))
    assert done["said"] == ["REBASE", "WRITTEN", "REPLAYED"]
    assert (done["saved"]["version"], done["saved"]["body"]) == ("4", "One?\n\nTwo?\n\nThree!")
