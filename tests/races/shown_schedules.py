"""Schedules as tables that a reader understands: who did what, who waited, what both were told, and which order that equals."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from tests.races.schedules import Run, Serial, fault
from tests.races.stepped import Did

LONGEST_ROW = 400


def table(names: Sequence[str], run: Run, serial: Serial) -> str:
    """A schedule, a step in each line; below it the answers, and the serial order that it equals or what is wrong with it."""
    lines = [["step", *names], *([str(n), *cells] for n, cells in enumerate(_cells(len(names), run.log), 1))]
    lines.append(["answer", *map(_short, run.answers)])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([shown[0], rule, *shown[1:-1], rule, shown[-1], _verdict(names, run, serial)])


def most_telling(runs: Sequence[Run]) -> Run:
    """The schedule with the most waits, and of those the one with the most changes from one unit to another."""
    return max(runs, key=lambda run: ([did.what for did in run.log].count("waits"), len(list(groupby(run.chosen)))))


def _cells(size: int, log: Sequence[Did]) -> list[list[str]]:
    """Who waits does so where it came to; who may go on again does so beside the step that let it."""
    lines: list[list[str]] = []
    for did in log:
        if did.what == "waits":
            lines[-1][did.unit] += " … waits"
        elif did.what == "goes on" and lines and not lines[-1][did.unit]:
            lines[-1][did.unit] = "goes on"
        else:
            lines.append([did.what if number == did.unit else "" for number in range(size)])
    return lines


def _short(answer: Any) -> str:
    if not isinstance(answer, dict):
        return repr(answer)
    return answer.get("applied") or answer.get("code") or answer.get("raised") or answer.get("__typename") or "?"


def _verdict(names: Sequence[str], run: Run, serial: Serial) -> str:
    wrong = fault(run, serial)
    if wrong is None:
        return f"equals: {_order(names, serial[run.end])}"
    near = min(serial.values(), key=lambda one: len(_differences(run, one)))
    more = [f"  nearest: {_order(names, near)}", *(f"  {line}" for line in _differences(run, near))]
    return "\n".join([f"WRONG: {wrong}", *more])


def _order(names: Sequence[str], run: Run) -> str:
    begun: set[int] = set()
    words = []
    for number, _ in groupby(run.chosen):
        words.append(f"what is left of {names[number]}" if number in begun else names[number])
        begun.add(number)
    return ", then ".join(words) + (", and who was busy not at all" if run.busy else "")


def _differences(run: Run, other: Run) -> list[str]:
    """Answers and rows that differ: `-` is what the other one has."""
    lines = []
    for mine, theirs in zip(run.answers, other.answers, strict=True):
        if mine != theirs:
            lines += [f"- answer {theirs}", f"+ answer {mine}"]
    for name in sorted({*run.rows, *other.rows}):
        mine, theirs = run.rows.get(name, ()), other.rows.get(name, ())
        lines += [f"- {name} {row[:LONGEST_ROW]}" for row in theirs if row not in mine]
        lines += [f"+ {name} {row[:LONGEST_ROW]}" for row in mine if row not in theirs]
    return lines
