"""Asks the code of two trees the same things over one database, and shows the smallest documents that they answer differently.

    .venv/bin/python tests/schema/reads/compare.py --old TREE --new TREE --count 2000 --seed 1

The database is an embedded PostgreSQL in --data, which runs meanwhile. Its world is made when there is none yet, or with --fresh;
the migrations are those of the new tree. Differences go into --out too, as JSON. Ends with 1 where there are any.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

ROOT = Path(__file__).resolve().parents[3]
sys.path[:] = [str(ROOT), *(one for one in sys.path if one not in (str(Path(__file__).resolve().parent), str(ROOT)))]
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

from backend.embedded import DATABASE, ROLE, running, socket_folder  # noqa: E402

BYTES, PARSED, ORDER, DIFFERENT = "equal", "equal as JSON only", "equal but for the order of errors", "different"


@dataclass
class Worker:
    """A process that answers with the code of a tree."""

    process: "subprocess.Popen[str]"
    log: Path

    def ask(self, asked: Any, token: str | None) -> dict[str, Any]:
        """Its answer."""
        self.send(asked, token)
        return self.answer()

    def send(self, asked: Any, token: str | None) -> None:
        """Let it begin."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"body": asked.body(), "token": token}) + "\n")
        self.process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """What it says to what was sent."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"A worker has ended: {self.log.read_text()[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def worker(tree: Path, database: str, log: Path) -> Iterator[Worker]:
    """Such a process, as long as the block runs."""
    recorder = Path(__file__).resolve().parent / "recorder.py"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [str(python(tree)), str(recorder), "--tree", str(tree), "--database", database],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "KATHA_DATA": str(log.parent)},
        )
    try:
        yield Worker(process, log)
    finally:
        assert process.stdin
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def python(tree: Path) -> Path:
    """The Python of a tree."""
    own = tree / ".venv" / "bin" / "python"
    return own if own.exists() else Path(sys.executable)


@contextmanager
def database(data: Path, migrating: Path) -> Iterator[str]:
    """The URL of the database, whose migrations are those of a tree."""
    folder = data / "postgres"
    with running(folder, durable=False):
        url = f"postgres://{ROLE}@{quote(str(socket_folder(folder)), safe='')}/{DATABASE}"
        environment = {**os.environ, "DATABASE_URL": url, "KATHA_DATA": str(data), "PYTHONPATH": str(migrating)}
        environment["DJANGO_SETTINGS_MODULE"] = "backend.settings"
        command = [str(python(migrating)), "manage.py", "migrate", "--verbosity", "0"]
        subprocess.run(command, cwd=migrating, env=environment, check=True)
        yield url


def world_in(url: str, data: Path, *, fresh: bool) -> Any:
    """The world, made where there is none."""
    os.environ |= {"DATABASE_URL": url, "KATHA_DATA": str(data)}

    import django  # noqa: PLC0415 - the settings read the environment

    django.setup()
    from tests.clearing import clear  # noqa: PLC0415
    from tests.schema.reads.world import World, make_world  # noqa: PLC0415

    kept = data / "world.json"
    if not fresh and kept.exists():
        return World.of_json(kept.read_text())
    clear()
    world = make_world()
    kept.write_text(world.to_json())
    return world


def verdict(old: dict[str, Any], new: dict[str, Any]) -> str:
    """How far two answers are the same."""
    if old == new:
        return BYTES
    try:
        was, is_ = (json.loads(one["body"].encode("latin-1")) for one in (old, new))
    except ValueError:
        return DIFFERENT
    if old["status"] != new["status"] or not isinstance(was, dict) or not isinstance(is_, dict):
        return DIFFERENT
    if strict(was) == strict(is_):
        return PARSED
    for one in (was, is_):
        one["errors"] = sorted(one.get("errors", ()), key=strict)
    return ORDER if strict(was) == strict(is_) else DIFFERENT


def strict(value: Any) -> str:
    """A text that tells 1 from 1.0 and from true."""
    return json.dumps(value, sort_keys=True)


@dataclass
class Findings:
    """What was found."""

    verdicts: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    differing: list[Any] = field(default_factory=list)
    in_bytes: list[Any] = field(default_factory=list)

    def count(self, answer: dict[str, Any]) -> Any:
        """Count what kind of answer it is; its data."""
        try:
            said = json.loads(answer["body"].encode("latin-1"))
        except ValueError:
            self.answers["no JSON"] += 1
            return None
        errors = said.get("errors", ())
        facts = [one.get("extensions", {}) for one in errors]
        self.codes.update(f"{one.get('code')} {one.get('limit', '')}".strip() for one in facts)
        limited = any("limit" in one for one in facts)
        kind = (
            "without errors"
            if not errors
            else "beyond a limit"
            if limited
            else "refused"
            if "data" not in said
            else "with errors"
        )
        self.answers[kind] += 1
        return said.get("data")


def shown(answer: dict[str, Any], most: int = 3_000) -> str:
    """An answer for people to read."""
    body = answer["body"].encode("latin-1").decode(errors="backslashreplace")
    return f"{answer['status']} {body[:most]}{' …' if len(body) > most else ''}"


def first_difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Where the bytes begin to differ."""
    was, is_ = (one["body"] for one in (old, new))
    at = next(
        (n for n, (one, other) in enumerate(zip(was, is_, strict=False)) if one != other), min(len(was), len(is_))
    )
    return f"  at byte {at}\n    old …{was[max(0, at - 60) : at + 100]!r}\n    new …{is_[max(0, at - 60) : at + 100]!r}"


def main() -> None:
    """The command line."""
    given = arguments()
    given.data.mkdir(parents=True, exist_ok=True)
    old_tree, new_tree = given.old.resolve(), given.new.resolve()
    with ExitStack() as stack:
        url = stack.enter_context(database(given.data.resolve(), new_tree))
        world = world_in(url, given.data.resolve(), fresh=given.fresh)
        old, new = (
            stack.enter_context(worker(tree, url, given.data.resolve() / f"{name}.log"))
            for name, tree in (("old", old_tree), ("new", new_tree))
        )
        found = compared(given, world, old, new)
    sys.exit(1 if found.verdicts[DIFFERENT] else 0)


def compared(given: argparse.Namespace, world: Any, old: Worker, new: Worker) -> Findings:
    """Ask both, count, shrink, and say so."""
    from tests.schema.reads.coverage import Coverage, readable  # noqa: PLC0415
    from tests.schema.reads.documents import Asked, documents  # noqa: PLC0415

    for viewer, token in world.tokens.items():  # the use of a token is written about once an hour, not while we compare
        old.ask(Asked("{ viewer { id } }", {}, viewer), token)
    asking = [Asked(**json.loads(line)) for line in given.documents.open()] if given.documents else None
    found, coverage, answering, begun = Findings(), Coverage(), 0.0, time.monotonic()
    for number, asked in enumerate(asking or documents(world, given.count, given.seed)):
        if given.only is not None and number != given.only:
            continue
        if given.asked:
            line = {"body": asked.body(), "token": world.tokens[asked.viewer], "viewer": asked.viewer}
            given.asked.write(json.dumps(line) + "\n")
        start = time.monotonic()
        answers = both(asked, world, old, new)
        answering += time.monotonic() - start
        data = found.count(answers[0])
        coverage.add(asked.query, asked.operation, data)
        said = verdict(*answers)
        found.verdicts[said] += 1
        if said in (PARSED, ORDER):
            found.in_bytes.append((number, asked, answers))
        if said == DIFFERENT:
            found.differing.append((number, asked, answers))
            print(f"different: {number}", file=sys.stderr, flush=True)
            if given.stop and len(found.differing) >= given.stop:
                break
    report(found, coverage, readable(), answering, time.monotonic() - begun)
    tell_differences(given, world, found, old, new)
    return found


def both(asked: Any, world: Any, old: Worker, new: Worker) -> list[dict[str, Any]]:
    """The answers of both, who work at the same time."""
    for one in (old, new):
        one.send(asked, world.tokens[asked.viewer])
    return [old.answer(), new.answer()]


def report(found: Findings, coverage: Any, readable: set[str], answering: float, seconds: float) -> None:
    """The figures."""
    total = sum(found.verdicts.values())
    print(f"{total} documents in {seconds:.1f} s; of which both took {answering:.1f} s")
    print("compared:", dict(found.verdicts))
    print("old answers:", dict(found.answers))
    print("codes of errors:", dict(found.codes.most_common()))
    never = sorted(readable - coverage.seen.keys())
    print(
        f"fields answered with something: {len(readable) - len(never)} of {len(readable)}; never: {', '.join(never) or 'none'}"
    )
    rare = sorted((count, name) for name, count in coverage.seen.items() if count < 10)
    print("rarely:", ", ".join(f"{name} {count}" for count, name in rare) or "none")


def tell_differences(given: argparse.Namespace, world: Any, found: Findings, old: Worker, new: Worker) -> None:
    """The smallest documents, and both answers to them; each kind of difference once."""
    from tests.schema.reads.shrinking import shrunk  # noqa: PLC0415

    for number, asked, answers in found.in_bytes[: given.shrink]:
        print(
            f"\nOnly the bytes or the order of errors differ: {number}, as {asked.viewer}\n{first_difference(*answers)}"
        )
    kept, seen = [], set()
    for number, asked, _ in found.differing[: given.shrink]:

        def differs(one: Any) -> bool:
            return verdict(*both(one, world, old, new)) == DIFFERENT

        small = shrunk(asked, differs) if differs(asked) else asked
        answers = both(small, world, old, new)
        what = {"number": number, "viewer": small.viewer, "query": small.query, "variables": small.variables}
        kept.append({**what, "old": answers[0], "new": answers[1]})
        if (key := (small.query, strict(small.variables))) in seen:
            print(f"\n{number}: the same as before")
            continue
        seen.add(key)
        said = verdict(*answers)
        print(f"\n--- {number}, as {small.viewer}{'' if said == DIFFERENT else f' (now {said})'}\n{small.query}")
        print(f"variables {json.dumps(small.variables)}{f' operation {small.operation}' if small.operation else ''}")
        print(f"old {shown(answers[0])}\nnew {shown(answers[1])}")
    if given.out:
        given.out.write_text("".join(json.dumps(one) + "\n" for one in kept))


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--old", type=Path, required=True, help="the tree whose answers are right")
    parser.add_argument("--new", type=Path, required=True, help="the tree that is looked at")
    parser.add_argument("--data", type=Path, default=ROOT / ".katha" / "reads", help="where the database is")
    parser.add_argument("--count", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="only the document of this number")
    parser.add_argument(
        "--documents", type=Path, help="ask these instead: lines of query, variables, viewer, operation"
    )
    parser.add_argument("--asked", type=argparse.FileType("w"), help="where all that is asked goes, for recorder.py")
    parser.add_argument("--shrink", type=int, default=10, help="how many differences are shown")
    parser.add_argument("--stop", type=int, default=0, help="stop after so many differences")
    parser.add_argument("--fresh", action="store_true", help="make the world anew")
    parser.add_argument("--out", type=Path, help="where the differences go, as lines of JSON")
    return parser.parse_args()


if __name__ == "__main__":
    main()
