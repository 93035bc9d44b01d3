"""Values for the arguments of reads: fitting ones of a world, and odd ones."""

import base64
import random
from typing import Any

from tests.schema.reads.texts import TEXTS
from tests.schema.reads.world import World

WARNINGS = (
    "ABUSE",
    "DEATH",
    "GORE",
    "HATE",
    "SELF_HARM",
    "SEXUAL_CONTENT",
    "STRONG_LANGUAGE",
    "SUBSTANCE_USE",
    "VIOLENCE",
)
WORDS = (
    "cat",
    "dragon",
    "Story",
    "STORY 1",
    "odd",
    "moderator's",
    '"moderator s cat"',
    "cat OR dragon",
    "-cat",
    "cat -odd",
    "withdrawn",
    "Story -1",
    "the",
    '"',
    "'",
    "\\",
    "cat:*",
    "!",
    "& | !",
    "%_",
    "é",
    "e\u0301",
    "😀",
    "\u202e",
    "a" * 201,
    "a" * 200,
    "",
    " ",
    "\u200b",
    "\0",
    "cat\0",
    "\ud800",
    "x\udfff",
    "-",
    "OR",
    '"cat" OR "dragon" -night',
    *TEXTS[:3],
)
MALFORMED = (
    "",
    "x",
    "U3Rvcnk6",
    "===",
    "é",
    "\0",
    "\ud800",
    "1",
    base64.b64encode(b"Story:1").decode(),
    base64.b64encode(b"Nothing:01890000-0000-7000-8000-00000000abcd").decode(),
    base64.b64encode(b"Story:01890000-0000-7000-8000-00000000abcd").decode(),
    base64.b64encode(b"Person:01890000-0000-7000-8000-00000000abcd").decode(),
    base64.b64encode(b"Story:01890000-0000-7000-8000-00000000ABCD").decode(),
    base64.b64encode(b"Node:01890000-0000-7000-8000-00000000abcd").decode(),
    base64.b64encode(
        b"Relationship:01890000-0000-7000-8000-00000000abcd:01890000-0000-7000-8000-00000000abce"
    ).decode(),
    base64.b64encode(b"Story:01890000-0000-7000-8000-00000000abcd:01890000-0000-7000-8000-00000000abce").decode(),
)
BAD_CURSORS = (
    "",
    "x",
    "é",
    "\0",
    "\ud800",
    "dAAAAAAAAAAA",
    base64.urlsafe_b64encode(b"t" + b"\x7f" * 8 + b"\0" * 16).decode(),
    base64.urlsafe_b64encode(b"t" + b"\0" * 24).decode(),
    base64.urlsafe_b64encode(b"t" + b"\x80" + b"\0" * 23).decode(),
    base64.urlsafe_b64encode(b"n" + b"\x7f" + b"\xff" * 23).decode(),
    base64.urlsafe_b64encode(b"n" + b"\x80" + b"\0" * 23).decode(),
    base64.urlsafe_b64encode(b"n" + b"\0" * 24).decode(),
    base64.urlsafe_b64encode(b"x" + b"\0" * 24).decode(),
    base64.urlsafe_b64encode(b"t" + b"\0" * 24).decode().rstrip("=") + "B==",
)
DEFAULT_SIZE = 20
SIZES = (0, 1, 1, 2, 2, 3, 3, 4, 5, 5)
BAD_SIZES = (-1, 101, -(2**31), 2**31 - 1, 100)


class Values:
    """Chooses values."""

    def __init__(self, world: World, chance: random.Random, viewer: str) -> None:
        self.world, self.chance = world, chance
        self.own = world.own.get(viewer, {})

    def often(self, probability: float) -> bool:
        """Whether something shall be so."""
        return self.chance.random() < probability

    def one(self, choices: Any) -> Any:
        """One of these."""
        return self.chance.choice(choices)

    def id(self, *kinds: str) -> str:
        """An id of one of these types, or of another, or none."""
        if self.often(0.85):
            kind = self.one(kinds or (*sorted(self.world.ids), "Chapter", "Chapter", "Order", "Report"))
            found: str = self.one(self.own[kind] if kind in self.own and self.often(0.6) else self.world.ids[kind])
            return found
        return str(self.one(self.one((MALFORMED, self.world.gone, self.world.ids[self.one(sorted(self.world.ids))]))))

    def ids(self, *kinds: str) -> list[str]:
        """Several of them, some more than once."""
        found = [self.id(*kinds) for _ in range(self.one((0, 1, 2, 3, 5, 8)))]
        if found and self.often(0.3):
            found.insert(self.chance.randrange(len(found)), self.one(found))
        return found

    def handle(self) -> str:
        """Of somebody."""
        handle: str = self.one([one for one in self.world.handles if "-" not in one or self.often(0.1)])
        odd = ("nobody", "", "\0", "\ud800", handle.upper(), handle.title(), f" {handle} ", "lena", "a'b", "İSTANBUL")
        return str(self.one(odd)) if self.often(0.15) else handle

    def cursor(self, of: str) -> str:
        """Where a list can go on; sometimes of another list, or of none."""
        if self.often(0.9) and of in self.world.cursors:
            return str(self.one(self.world.cursors[of]))
        return str(
            self.one(BAD_CURSORS)
            if self.often(0.5)
            else self.one(self.world.cursors[self.one(sorted(self.world.cursors))])
        )

    def window(self, of: str, room: int) -> dict[str, Any]:
        """Arguments of a page, of so many items at most."""
        if self.often(0.04):
            return self.bad_window(of)
        found: dict[str, Any] = {}
        size = self.one((100, 20, 50)) if self.often(0.03) else self.one(SIZES)
        if room < DEFAULT_SIZE or self.often(0.8):
            found["last" if self.often(0.35) else "first"] = min(size, room)
        for name in ("after", "before"):
            if self.often(0.25):
                found[name] = self.cursor(of)
        if self.often(0.05):
            found.setdefault(self.one(("first", "last", "after", "before")), None)
        return found

    def bad_window(self, of: str) -> dict[str, Any]:
        """Arguments that make no sense together."""
        return dict(
            self.one(
                (
                    {"first": self.one(BAD_SIZES)},
                    {"last": self.one(BAD_SIZES)},
                    {"first": 1, "last": 2},
                    {"first": 1, "last": 2, "after": self.one(BAD_CURSORS)},
                    {"after": self.one(BAD_CURSORS), "first": 2},
                    {"before": self.one(BAD_CURSORS), "last": -1},
                    {"after": self.cursor(of), "before": self.cursor(of), "last": 1},
                )
            )
        )

    def filter(self) -> dict[str, Any] | None:
        """Which stories."""
        found: dict[str, Any] = {}
        if self.often(0.3):
            found["author"] = self.id("Person")
        for name in ("withWarnings", "withoutWarnings"):
            if self.often(0.15):
                found[name] = [self.one(WARNINGS) for _ in range(self.one((0, 1, 1, 2)))]
        if self.often(0.3):
            found["status"] = self.one(("DRAFT", "PUBLISHED", "DRAFT", None))
        if self.often(0.4):
            found["text"] = self.one(WORDS)
        if self.often(0.05):
            found[self.one(("author", "withWarnings", "withoutWarnings", "status", "text"))] = None
        return None if self.often(0.05) else found
