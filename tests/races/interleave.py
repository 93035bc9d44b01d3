"""Shows how two mutations of the catalogue meet, in every order that locks allow.

    python -m tests.races.interleave follow block

prints for each scene that has both one schedule as a table, and every schedule that ends as no serial order does.
"""

from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from tests.races import commands

MOST = 300


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns how many scenes have a wrong schedule."""
    commands.set_up()
    catalogue = import_module("tests.races.interleave_catalogue")
    asked = _parsed(catalogue, arguments)
    scenes = [one for one in catalogue.SCENES.values() if set(asked.acts) <= set(one.names)]
    scenes = [one for one in scenes if asked.scene in ("", one.name)]
    if not scenes:
        print("No scene has all of these.")
        return 1
    with commands.database("test_interleave"):
        return sum(_shown(scene, asked) for scene in scenes)


def _parsed(catalogue: Any, arguments: Sequence[str] | None) -> Namespace:
    lists = "\n".join(f"{scene.name}: {', '.join(scene.names)}" for scene in catalogue.SCENES.values())
    name, form = "python -m tests.races.interleave", RawDescriptionHelpFormatter
    parser = ArgumentParser(prog=name, epilog=f"the acts of each scene:\n{lists}", formatter_class=form)
    parser.add_argument("acts", nargs="+", help="two or three acts of a scene")
    parser.add_argument("--scene", default="", help="only this one")
    parser.add_argument("--most", type=int, default=MOST, help=f"how many schedules ({MOST})")
    parser.add_argument("--all", action="store_true", help="print every schedule")
    return parser.parse_args(arguments)


def _shown(scene: Any, asked: Namespace) -> bool:
    """Whether a schedule of this scene is wrong; prints."""
    schedules, shown = import_module("tests.races.schedules"), import_module("tests.races.shown_schedules")
    clear = import_module("tests.clearing").clear
    clear()
    acts = scene.acts()
    with schedules.meeting([acts[name] for name in asked.acts]) as met:
        runs, serial = met.explored(asked.most)
    clear()
    wrong = [run for run in runs if schedules.fault(run, serial)]
    busy, aborts = sum(run.busy for run in runs), sum(len(run.aborts) for run in runs)
    print(f"\n{scene.name}: {len(runs)} schedules, {len(wrong)} of them wrong")
    print(f"answers of BUSY: {busy}, transactions that PostgreSQL broke off: {aborts}\n")
    for run in runs if asked.all else wrong or [shown.most_telling(runs)]:
        print(f"{shown.table(asked.acts, run, serial)}\n")
    return bool(wrong)


if __name__ == "__main__":
    raise SystemExit(main())
