"""pyproject.toml names what is needed with the same ranges as requirements/*.in, and the pins fit: nobody gets anything else."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NAMED = {"run": PROJECT["dependencies"], **PROJECT["optional-dependencies"]}
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)


def required(part: str) -> list[Requirement]:
    """What requirements/<part>.in asks for itself."""
    lines = (ROOT / "requirements" / f"{part}.in").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-"))]


@pytest.mark.parametrize("part", NAMED)
def test_the_project_asks_for_the_same(part: str) -> None:
    """The same names, extras, ranges and markers."""
    assert sorted(map(str, map(Requirement, NAMED[part]))) == sorted(map(str, required(part))), (
        f"pyproject.toml and requirements/{part}.in differ: write the same lines in both, then `make lock`"
    )


@pytest.mark.parametrize("part", ["run", "tracing"])
def test_what_serving_needs_has_a_range(part: str) -> None:
    """A new major version of anything is looked at before it is used."""
    assert [str(one) for one in required(part) if "<" not in str(one.specifier)] == []


def test_what_is_optional_is_tested_with_the_same_pins() -> None:
    """The tests have everything, in the versions that somebody gets who adds it."""
    assert pins("run").items() <= pins("dev").items()
    assert pins("tracing").items() <= pins("dev").items()


@pytest.mark.parametrize("part", NAMED)
def test_the_pins_fit(part: str) -> None:
    """Whatever is asked for and pinned is pinned within its range."""
    pinned = {canonicalize_name(name): version for name, version in pins(part).items()}
    outside = [
        str(one)
        for one in required(part)
        if (version := pinned.get(canonicalize_name(one.name))) and not one.specifier.contains(version)
    ]
    assert not outside, f"run `make lock`: requirements/{part}.txt pins something else"


def pins(part: str) -> dict[str, str]:
    """The versions in requirements/<part>.txt."""
    return dict(PIN.findall((ROOT / "requirements" / f"{part}.txt").read_text()))
