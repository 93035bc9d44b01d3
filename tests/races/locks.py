"""Shows the order in which tables are locked, and what each mutation locks, is conditioned on and writes.

    python -m tests.races.locks
    python -m tests.races.locks follow block

All of it is derived: the order from the models, the rest from the declarations that the requests of the catalogue have run.
"""

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from tests.races import commands

if TYPE_CHECKING:
    from tests.races.footprints import Footprint

WIDTH = 150
AFTERWARDS = """
A row is locked before the rows below it. Foreign keys, and the check that nobody named has left, lock what a new row refers to
(FOR KEY SHARE) at COMMIT. A group has the name of its table, and the prefix of its side.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns 1 if there is no such mutation."""
    commands.set_up()
    parser = ArgumentParser(
        "python -m tests.races.locks", description=__doc__, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("mutations", nargs="*", help="only these")
    wanted = parser.parse_args(arguments).mutations
    footprints, clear = import_module("tests.races.footprints"), import_module("tests.clearing").clear
    with commands.database("test_locks"):
        clear()
        found = footprints.footprints()
        clear()
    if unknown := set(wanted) - set(found):
        print(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(sorted(found))}.")
        return 1
    show({name: found[name] for name in wanted or sorted(found)}, ordered=not wanted)
    return 0


def show(footprints: "Mapping[str, Footprint]", *, ordered: bool = True) -> None:
    """Print these, after the order of all tables."""
    console = Console(width=WIDTH)
    if ordered:
        console.print(order())
    console.print(shown(footprints))
    console.print(AFTERWARDS)


def order() -> Table:
    """The tables in the order in which they are locked, with their ranks."""
    table = Table("rank", "table", box=None, title="Lock order", title_justify="left")
    for name, rank in _ranks().items():
        table.add_row(str(rank), name)
    return table


def shown(footprints: "Mapping[str, Footprint]") -> Table:
    """A row for each mutation."""
    table = Table("mutation", "locks, in order", "is conditioned on", "writes", box=None, row_styles=["", "dim"])
    ranks = _ranks()
    for name, one in footprints.items():
        locked = sorted(one.locks, key=lambda of: ranks.get(of, 0))
        locks = [f"{ranks.get(of, '–')} {of}: {', '.join(sorted(one.locks[of]))}" for of in locked]
        table.add_row(
            name, "\n".join(locks), "\n".join(sorted(one.reads)), "\n".join(sorted(one.writes)), end_section=True
        )
    return table


def _ranks() -> Mapping[str, int]:
    models, locks = import_module("django.apps").apps.get_models(), import_module("backend.engine.locks")
    ranks = {model._meta.db_table: locks.rank_of(model) for model in models}
    return {table: ranks[table] for table in locks.lock_order()}


if __name__ == "__main__":
    raise SystemExit(main())
