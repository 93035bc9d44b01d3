"""The house rules that no tool knows, each also shown to fail on a sample that breaks it."""

import ast
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.core.management import get_commands

from backend.engine.guard import is_versioned
from manage import STAY, WITHOUT_DATABASE

ROOT = Path(__file__).parents[1]
HOUSE = ("backend", "resolvers", "schema", "bench")
PACKAGES = ("clients/python",)
"""What others install. It writes no rows; `save` there is a client's."""
OUTSIDE_THE_HOUSE = ("tests", "docs", "clients", "examples", "requirements", ".ci")
NOT_OURS = {"node_modules", "vendor", "dist", ".test", "generated", "__pycache__", "migrations"}
SCRIPTS = {".ts", ".tsx", ".js", ".mjs"}
WRITTEN_BY_THE_BUILD = ROOT / "clients" / "typescript" / "src" / "schema.ts"
OF_GIT = {".git"}
"""In a work tree a file that says where the repository is."""
LONGEST_FILE, LONGEST_FUNCTION = 400, 50

Complaints = Iterator[str]
Function = ast.FunctionDef | ast.AsyncFunctionDef
MODELS = {model.__name__: model for model in apps.get_models()}
VERSIONED = {name for name, model in MODELS.items() if is_versioned(model)}
# An instance does not show whose it is, so these need the name of a model that is not versioned.
WRITES_OF_UNVERSIONED = {
    *("save", "delete", "bulk_update", "update_or_create", "get_or_create"),
    *("asave", "adelete", "abulk_update", "aupdate_or_create", "aget_or_create"),
}
# These are words of dictionaries and hashes as well, so they are looked at only behind a model's manager.
WRITES_BEHIND_A_MANAGER = {"update", "aupdate"}
STAMPS = {"stamped", "stamped_when", "stamped_if_new"}
THREADS = ROOT / "backend" / "engine" / "threads.py"
RIGHTS = ROOT / "backend" / "stories" / "rights.py"
LOCKS = {"NO_FORKS"}
"""Locks that other modules import; those of a module itself are seen where they are made."""
WAITS = {
    *(
        "open",
        "fdopen",
        "read",
        "read_text",
        "read_bytes",
        "write",
        "write_text",
        "write_bytes",
        "unlink",
        "rename",
        "mkdir",
    ),
    *("connect", "cursor", "execute", "executemany", "fetchone", "fetchall", "unit_of_work", "snapshot", "atomic"),
    *(
        "recv",
        "sendall",
        "urlopen",
        "cancel",
        "cancel_safe",
        "Popen",
        "run",
        "check_output",
        "communicate",
        "wait",
        "sleep",
    ),
}
"""What may take as long as something outside of the process wants."""


# --- The rules: each says what is wrong, by line ------------------------------------------------------------


def unconditioned_writes(text: str) -> Complaints:
    """Versioned rows are written by the engine alone; anything else can lose a write."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            verb, (owner, *path) = node.func.attr, chain(node.func.value)
            if (verb in WRITES_OF_UNVERSIONED and owner not in MODELS.keys() - VERSIONED) or (
                verb in WRITES_BEHIND_A_MANAGER and owner in VERSIONED and "objects" in path
            ):
                yield f"line {node.lineno}: {owner or '…'} is written by .{verb}(), past the engine"


def unnamed_writers(text: str) -> Complaints:
    """Who writes a story is stamped by `stamped_by` of stories/rights.py alone, because it says who changed that."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and chain(node.func)[-1] in STAMPS:
            named = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
            if "coauthors" in named:
                yield f"line {node.lineno}: a write to who writes a story does not say who makes it"


def hidden_imports(text: str) -> Complaints:
    """What a module needs stands at its top; an import inside a function hides a cycle."""
    for function in functions(text):
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield f"line {node.lineno}: an import inside {function.name}()"


def missing_docstring(text: str) -> Complaints:
    """Every file opens with the one sentence that says its job; an empty one has none."""
    if text.strip() and ast.get_docstring(ast.parse(text)) is None:
        yield "line 1: no docstring"


def no_first_comment(text: str) -> Complaints:
    """So does every file of TypeScript and JavaScript."""
    if not text.startswith(("/** ", "/**\n", "// ")):
        yield "line 1: no comment that says its job"


def long_files(text: str) -> Complaints:
    """Long files do more than one thing."""
    if (lines := len(text.splitlines())) > LONGEST_FILE:
        yield f"line {lines}: the file is longer than {LONGEST_FILE} lines"


def long_functions(text: str) -> Complaints:
    """So do long functions."""
    for function in functions(text):
        if (function.end_lineno or 0) - function.lineno >= LONGEST_FUNCTION:
            yield f"line {function.lineno}: {function.name}() is longer than {LONGEST_FUNCTION} lines"


def class_wide_locks(text: str) -> Complaints:
    """functools.cached_property holds one lock for all instances while it computes (Python 3.11); Django's holds none."""
    for node in ast.walk(ast.parse(text)):
        imported = isinstance(node, ast.ImportFrom) and node.module == "functools"
        if imported and any(name.name == "cached_property" for name in node.names):
            yield f"line {node.lineno}: functools.cached_property; django.utils.functional has one"
        if isinstance(node, ast.Attribute) and chain(node) == ["functools", "cached_property"]:
            yield f"line {node.lineno}: functools.cached_property; django.utils.functional has one"


def locks_over_io(text: str) -> Complaints:
    """Whoever waits for a lock waits for all that is done under it: no database, file, socket, process or sleep.

    Where it has to be, a comment on the lines before says why: that it is "held over I/O".
    """
    lines = text.splitlines()
    locks = LOCKS | {
        chain(target)[-1]
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Call)
        and chain(node.value)[-1] in ("Lock", "RLock")
        for target in node.targets
    }
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.With) or not any(chain(item.context_expr)[-1] in locks for item in node.items):
            continue
        called = [chain(one.func) for inner in node.body for one in ast.walk(inner) if isinstance(one, ast.Call)]
        over = next((names[-1] for names in called if names[-1] in WAITS or "objects" in names), None)
        if over and not any("held over I/O" in line for line in lines[max(0, node.lineno - 3) : node.lineno]):
            yield f"line {node.lineno}: a lock is held over {over}()"


def threads_that_fail_in_vain(text: str) -> Complaints:
    """What is done in a thread is begun by `in_thread`: a future does not carry every error to whoever waits."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Attribute) and node.attr in ("run_in_executor", "to_thread"):
            yield f"line {node.lineno}: .{node.attr}, past backend/engine/threads.py"


def machine_paths(text: str) -> Complaints:
    """Nothing is tied to the machine where it was written."""
    yield from matches(r"(?<![\w.$}/])/(?:home|root|Users|work|mnt)/\w+", text)


def registries(text: str) -> Complaints:
    """Packages are pinned by hash and come from wherever their user fetches packages."""
    hosts = r"pypi\.org|pythonhosted\.org|registry\.npmjs|registry\.yarnpkg"
    yield from matches(hosts + r"|\"resolved\"\s*:(?!\s*\"file:)|--(?:extra-)?index-url\b|--find-link[s]\b", text)


# --- What they look at --------------------------------------------------------------------------------------


def chain(node: ast.expr) -> list[str]:
    """The names along `Model.objects.filter(…)`, the owner first; an unknown owner is empty."""
    match node:
        case ast.Attribute(value=value, attr=attr):
            return [*chain(value), attr]
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return chain(inner)
        case ast.Name(id=name):
            return [name]
    return [""]


def functions(text: str) -> Iterator[Function]:
    yield from (node for node in ast.walk(ast.parse(text)) if isinstance(node, Function))


def matches(pattern: str, text: str) -> Complaints:
    for number, line in enumerate(text.splitlines(), 1):
        if found := re.search(pattern, line):
            yield f"line {number}: {found[0]}"


def modules(*folders: str) -> Iterator[Path]:
    return (path for folder in folders for path in files(ROOT / folder) if path.suffix == ".py")


def scripts() -> Iterator[Path]:
    """What runs in browsers and Node, but for the types that a build writes."""
    return (path for path in everything() if path.suffix in SCRIPTS and path != WRITTEN_BY_THE_BUILD)


def outside_the_engine() -> Iterator[Path]:
    return (path for path in modules(*HOUSE) if ROOT / "backend" / "engine" not in path.parents)


def everything() -> Iterator[Path]:
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.name not in OF_GIT)
    for folder in (*HOUSE, *OUTSIDE_THE_HOUSE):
        yield from files(ROOT / folder)


def files(folder: Path) -> Iterator[Path]:
    """All files below a folder; what is not ours is not even walked through, for npm brings thousands."""
    for at, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in NOT_OURS]
        yield from (Path(at, name) for name in names)


# --- The tests ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        (unconditioned_writes, outside_the_engine),
        (unnamed_writers, lambda: (path for path in modules("backend") if path != RIGHTS)),
        (hidden_imports, lambda: modules(*HOUSE, *PACKAGES)),
        (missing_docstring, lambda: [ROOT / "manage.py", *modules(*HOUSE, *PACKAGES, "tests")]),
        (no_first_comment, scripts),
        (long_files, lambda: [*modules(*HOUSE, *PACKAGES), *scripts()]),
        (long_functions, lambda: modules(*HOUSE, *PACKAGES)),
        (class_wide_locks, lambda: modules(*HOUSE, *PACKAGES)),
        (locks_over_io, lambda: modules(*HOUSE, *PACKAGES)),
        (threads_that_fail_in_vain, lambda: (path for path in modules(*HOUSE) if path != THREADS)),
        (machine_paths, everything),
        (registries, everything),
    ],
    ids=lambda value: value.__name__ if value.__name__ != "<lambda>" else "",
)
def test_the_house_keeps_its_rules(rule: Callable[[str], Complaints], where: Callable[[], Iterator[Path]]) -> None:
    looked_at = list(where())
    broken = [
        f"{path.relative_to(ROOT)}, {complaint}"
        for path in looked_at
        for complaint in rule(path.read_text(errors="ignore"))
    ]
    assert looked_at
    assert not broken, rule.__doc__


HOME = "/".join(["", "home", "asha", "katha"])
HOST = ".".join(["registry", "npmjs", "org"])


@pytest.mark.parametrize(
    ("rule", "sample"),
    [
        (unconditioned_writes, "story.save()"),
        (unconditioned_writes, "Story.objects.get(pk=1).delete()"),
        (unconditioned_writes, "find(story)[0].delete()"),
        (unconditioned_writes, "Story.objects.filter(pk=1).update(title='x')"),
        (unconditioned_writes, "Story.objects.bulk_update(stories, ['title'])"),
        (unconditioned_writes, "Person.objects.update_or_create(handle='asha')"),
        (unconditioned_writes, "async def f():\n    await story.asave()"),
        (unnamed_writers, "update(stories, writers=[], **stamped(Story, ['author', 'coauthors']))"),
        (unnamed_writers, "update(stories, **versions.stamped_when(Story, {'coauthors': Q()}))"),
        (hidden_imports, "def f():\n    import json"),
        (
            hidden_imports,
            "class A:\n    async def f(self):\n        if self:\n            from json import loads",
        ),
        (missing_docstring, "import json"),
        (missing_docstring, "import json\n'''too late'''"),
        (no_first_comment, 'import { build } from "esbuild";\n// too late'),
        (long_files, "\n" * (LONGEST_FILE + 1)),
        (long_functions, "def f():\n" + "    f()\n" * LONGEST_FUNCTION),
        (class_wide_locks, "from functools import cache, cached_property"),
        (class_wide_locks, "class A:\n    @functools.cached_property\n    def f(self): ..."),
        (
            locks_over_io,
            "class A:\n    def f(self):\n        self._a = threading.Lock()\n        with self._a:\n            sleep(1)",
        ),
        (locks_over_io, "busy = Lock()\nwith busy:\n    rows = list(Story.objects.all())"),
        (locks_over_io, "busy = Lock()\nwith busy, place:\n    if fresh:\n        fresh.write_bytes(b'')"),
        (locks_over_io, "with NO_FORKS:\n    subprocess.Popen([])"),
        (threads_that_fail_in_vain, "async def f():\n    await asyncio.to_thread(g)"),
        (threads_that_fail_in_vain, "done = loop.run_in_executor(None, g)"),
        (machine_paths, f"DATA = '{HOME}'"),
        (registries, f"see {HOST}/graphiql"),
        (registries, '"' + 'resolved": "somewhere"'),
        (registries, "--" + "index-url somewhere"),
    ],
)
def test_a_rule_sees_what_breaks_it(rule: Callable[[str], Complaints], sample: str) -> None:
    assert len(list(rule(sample))) == 1


def test_commands_that_manage_py_knows_are_commands() -> None:
    """One that is renamed would start PostgreSQL without need, or lose it for good when it dies."""
    assert (WITHOUT_DATABASE | STAY) - {"help", "version"} <= get_commands().keys()


@pytest.mark.parametrize(
    ("rule", "sample"),
    [
        (unconditioned_writes, "AccessToken.objects.filter(pk=1).delete()"),
        (unconditioned_writes, "settings.update(title='x'); Story.by_id.update({})"),
        (unnamed_writers, "update(stories, **stamped_by(None, 'author')); stamped(Story, ['author'])"),
        (hidden_imports, "import json\ndef f():\n    return json"),
        (missing_docstring, ""),
        (missing_docstring, "'''Says its job.'''"),
        (no_first_comment, "/** Says its job. */"),
        (no_first_comment, "// Says its job."),
        (long_files, "\n" * LONGEST_FILE),
        (long_functions, "def f():\n" + "    f()\n" * (LONGEST_FUNCTION - 1)),
        (class_wide_locks, "from django.utils.functional import cached_property\nfrom functools import cache"),
        (locks_over_io, "busy = Lock()\nwith busy:\n    count += 1\nsleep(1)"),
        (
            locks_over_io,
            "busy = Lock()\n# Held over I/O, hence:\n# it is held over I/O for nobody waits.\nwith busy:\n    sleep(1)",
        ),
        (locks_over_io, "with open('x') as file:\n    file.read()"),
        (threads_that_fail_in_vain, "done = in_thread(None, g)"),
        (machine_paths, "url = 'https://example.org/home/asha'; up = '../root/x'"),
        (registries, "make lock --no-emit-index-url"),
        (registries, '"resolved": "file:../beside"'),
    ],
)
def test_a_rule_leaves_good_code_alone(rule: Callable[[str], Complaints], sample: str) -> None:
    assert not list(rule(sample))
