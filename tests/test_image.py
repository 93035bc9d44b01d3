"""The image and compose.yaml do what `make run` does, by the Makefile's own steps: nothing is pinned or spelled out twice."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from backend.embedded.cluster import INITDB, binaries
from tests.serving import ROOT

Instruction = tuple[str, str]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
KATHA, POSTGRES = COMPOSE["services"]["katha"], COMPOSE["services"]["postgres"]
IMAGE = re.compile(r"[a-z]+:[\w.-]+")
"""A name and a tag, of no registry in particular."""
CHOSEN = {"HOST", "PORT", "WORKERS", "PYTHON"}
"""Variables by which whoever runs make chooses."""


def stages() -> dict[str, list[Instruction]]:
    """The instructions of each stage by its name; the last one is the image."""
    lines = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", DOCKERFILE)).splitlines()
    found: dict[str, list[Instruction]] = {}
    for line in filter(None, lines):
        word, _, rest = line.partition(" ")
        if word == "FROM":
            image, _, name = rest.partition(" AS ")
            found[name or "image"] = [("FROM", image)]
        else:
            list(found.values())[-1].append((word, rest))
    return found


STAGES = stages()


def of(stage: str, word: str) -> list[str]:
    """What a stage says by this word."""
    return [rest for one, rest in STAGES[stage] if one == word]


def planned(*arguments: str) -> str:
    """What make would do, whatever this process was started with."""
    environment = {name: value for name, value in os.environ.items() if name not in CHOSEN and "MAKE" not in name}
    ran = subprocess.run(
        ["make", "-n", *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return ran.stdout


def command_of_make_run() -> list[str]:
    """What `make run` executes in the end, by make's own account."""
    (line,) = [line for line in planned("run").splitlines() if "manage.py serve" in line]
    return [word.strip('"') for word in line.split()[1:]]


def test_it_is_made_by_the_makefile() -> None:
    """So what is installed is what stands in requirements/run.txt, with its hashes, and no other step can drift from it."""
    assert {name: of(name, "RUN") for name in STAGES} == {
        "built": ["make explorer clients"],
        "installed": ["make .venv/ready-run", ".venv/bin/python -m compileall -q ."],
        "image": ["useradd --uid 10001 --home-dir /data --create-home katha"],
    }
    assert not re.search(r"pip |npm |apt|curl|https?://(?!127\.0\.0\.1)", DOCKERFILE)
    made = planned("-B", ".venv/ready-run")
    assert "--require-hashes -r requirements/run.txt" in made
    assert "--require-hashes -r requirements/uv.txt" in made


@pytest.mark.parametrize("of_compose", [False, True])
def test_it_runs_what_make_run_does(of_compose: bool) -> None:
    """But that it listens where a published port can reach it. In compose the port is published to this machine alone."""
    entry = json.loads(of("image", "ENTRYPOINT")[0])
    command = KATHA["command"] if of_compose else json.loads(of("image", "CMD")[0])
    written = [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", word) for word in entry + command]
    expected = command_of_make_run()
    expected[expected.index("--host") + 1] = "0.0.0.0"
    assert written == expected
    assert KATHA["ports"] == ["127.0.0.1:${PORT:-8000}:8000"]
    assert of("image", "EXPOSE") == ["8000"]


def test_it_serves_as_somebody_who_is_not_root() -> None:
    """Who owns its data and nothing of what it runs."""
    words = [word for word, _ in STAGES["image"]]
    assert of("image", "USER") == ["katha"]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert "katha" in of("image", "RUN")[0]
    assert not any("chown" in rest for _, rest in STAGES["image"])
    assert "KATHA_DATA=/data" in of("image", "ENV")[0].split()
    assert of("image", "VOLUME") == ["/data"]
    assert KATHA["volumes"] == ["katha:/data"]


def test_images_are_named_by_no_address() -> None:
    """And with the version that they are meant to have."""
    images = [of(name, "FROM")[0] for name in STAGES] + [POSTGRES["image"]]
    assert all(IMAGE.fullmatch(image) for image in images), images
    python = {image.partition("-slim")[0].partition("-")[0] for image in images if image.startswith("python:")}
    assert python == {"python:3.11"}, "the version for which `make lock` pins"
    assert f"--python-version {python.pop().partition(':')[2]}" in (ROOT / "Makefile").read_text()


def test_its_health_is_that_it_can_serve(server: str) -> None:
    """The check ends with 0 for a server that is ready, and with another status where there is none."""
    (check,) = of("image", "HEALTHCHECK")
    program, option, code = json.loads(check.partition("CMD ")[2])
    assert (program, option) == (".venv/bin/python", "-c")
    address = "http://127.0.0.1:8000"
    assert address in code
    for url, healthy in ((server, True), ("http://127.0.0.1:9", False)):
        ran = subprocess.run([sys.executable, option, code.replace(address, url)], capture_output=True, check=False)
        assert (ran.returncode == 0) is healthy


def test_compose_waits_for_a_database_of_the_version_that_make_run_brings() -> None:
    """Which sorts text as that one does, and lets in whom Katha says it is."""
    own = subprocess.run([binaries() / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    major = re.search(r"\) (\d+)", own)
    assert major
    assert POSTGRES["image"] == f"postgres:{major[1]}"
    assert KATHA["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    said = POSTGRES["environment"]
    assert KATHA["environment"]["DATABASE_URL"] == (
        f"postgres://{said['POSTGRES_USER']}:{said['POSTGRES_PASSWORD']}@postgres:5432/{said['POSTGRES_DB']}"
    )
    assert said["POSTGRES_INITDB_ARGS"].split() == [
        word for word in INITDB if not word.startswith(("--user", "--auth"))
    ]
    assert "ports" not in POSTGRES
    assert {volume.partition(":")[0] for volume in KATHA["volumes"] + POSTGRES["volumes"]} == COMPOSE["volumes"].keys()


def test_what_git_leaves_out_is_no_part_of_it_either() -> None:
    """An image never holds this machine's environment or data."""

    def plain(name: str) -> list[str]:
        lines = (ROOT / name).read_text().splitlines()
        return [line.removeprefix("**/").strip("/") for line in lines if line and not line.startswith("#")]

    assert {*plain(".gitignore"), ".git"} == {*plain(".dockerignore")}


def test_what_is_copied_is_enough_to_serve(tmp_path: Path) -> None:
    """With nothing else of the repository: all of Katha is imported, the explorer has its documents, files are collected."""
    copied = [rest.split() for rest in of("installed", "COPY") if "--from" not in rest]
    for *sources, target in copied:
        for source in (path for one in sources for path in ROOT.glob(one)):
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "vendor", "node_modules")
                shutil.copytree(source, tmp_path / target, ignore=ignored)
            else:
                shutil.copy(source, tmp_path / target)
    code = (
        "import django; django.setup()\n"
        "from django.core.management import call_command\n"
        "from schema.server import asgi\n"
        "from schema.server.explorer.examples import examples\n"
        "assert len(examples()) > 5\n"
        "asgi.Application()\n"
        "call_command('check')\n"
        "call_command('collectstatic', interactive=False, verbosity=0)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "KATHA_DATA")}
    environment |= {"KATHA_DATA": str(tmp_path / "data"), "DJANGO_SETTINGS_MODULE": "backend.settings"}
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "data" / "static" / "staticfiles.json").is_file()
