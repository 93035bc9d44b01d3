"""Prints merges as the server does them, as JSON: `clients/typescript` has the same law and compares.

`python -m tests.clients.merge_examples 500` makes so many, always the same ones. They are made up of few paragraphs, so that
versions have much in common, the same one stands in many places, and moves of both sides meet.
"""

import json
import random
import sys

from backend.stories.merge import suggestion, three_way

FEW = ["a", "b", "c", "* * *", "two\nlines", "  indented", "a break  ", "क्षण", "🪔"]
GAPS = ["\n\n", "\n\n", "\n\n", "\n \n", "\n\n\n", "\r\n\r\n", "\r\n\t\r\n\r\n", "\r\r"]
ENDS = ["", "", "", "", "\n", "\n\n", " \n\n", "  ", "\t"]


def written(chance: random.Random, paragraphs: list[str], gaps: list[str]) -> str:
    """The paragraphs as text, each with the blank lines that go with it."""
    text = "".join(paragraph + gap for paragraph, gap in zip(paragraphs, gaps, strict=False))
    return chance.choice(ENDS) + (text if chance.random() < 0.2 else text.rstrip("\r\n")) + chance.choice(ENDS)


def edited(chance: random.Random, paragraphs: list[str]) -> list[str]:
    """What a person makes of it: writes, deletes, moves."""
    found = list(paragraphs)
    for _ in range(chance.choice([0, 1, 1, 2, 3])):
        at = chance.randrange(len(found) + 1)
        match chance.choice(["insert", "edit", "delete", "move"]):
            case "insert":
                found.insert(at, chance.choice([*FEW, f"new {chance.randrange(9)}"]))
            case "edit" if found:
                found[at % len(found)] += chance.choice(["!", "?"])
            case "delete" if found:
                del found[at % len(found)]
            case "move" if found:
                found.insert(at, found.pop(chance.randrange(len(found))))
    return found


def example(chance: random.Random) -> dict[str, object]:
    """A base, two versions, and the parts of their merge."""
    few = FEW if chance.random() < 0.5 else [f"paragraph {number}" for number in range(20)]
    base = [chance.choice(few) for _ in range(chance.randrange(9))]
    gaps = [chance.choice(GAPS[: chance.choice([1, 1, len(GAPS)])]) for _ in range(20)]
    other = gaps if chance.random() < 0.8 else [chance.choice(GAPS) for _ in range(20)]
    texts = [written(chance, base, gaps), written(chance, edited(chance, base), gaps), ""]
    texts[2] = written(chance, edited(chance, base), other)
    return {"texts": texts, "parts": suggestion(three_way(*texts))}


if __name__ == "__main__":
    chance = random.Random(16)
    json.dump([example(chance) for _ in range(int(sys.argv[1]))], sys.stdout)
