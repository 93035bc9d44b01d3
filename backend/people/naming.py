"""What people may call themselves: a handle that nobody takes for Katha's own, a name of letters that can be seen."""

import re
import unicodedata
from collections.abc import Iterable

from backend.engine.errors import Wrong
from backend.engine.lookalikes import FILLERS, IGNORED, JOINERS, is_latin, is_mixed, skeleton
from backend.engine.text import Checker
from backend.people.models import HANDLE_CHARACTERS, NAME_CHARACTERS

HANDLE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{HANDLE_CHARACTERS - 1}}}")

OFFICIAL = (
    "katha",
    "admin",
    "administrator",
    "moderator",
    "moderators",
    "moderation",
    "mod",
    "staff",
    "support",
    "official",
)
"""What speaks for the platform."""

RESERVED = (
    *OFFICIAL,
    *(
        "root",
        "system",
        "sysadmin",
        "superuser",
        "owner",
        "team",
        "help",
        "helpdesk",
        "security",
        "abuse",
        "privacy",
        "legal",
    ),
    *(
        "api",
        "graphql",
        "metrics",
        "health",
        "docs",
        "static",
        "media",
        "www",
        "mail",
        "email",
        "info",
        "contact",
        "noreply",
    ),
    *(
        "postmaster",
        "hostmaster",
        "webmaster",
        "mailerdaemon",
        "login",
        "logout",
        "signin",
        "signout",
        "signup",
        "register",
    ),
    *("settings", "account", "accounts", "password", "null", "undefined", "anonymous", "everyone", "here"),
)
"""Handles that nobody gets, alone or put together."""


def _looks(word: str) -> str:
    """What a word looks like to who reads in a hurry: `l`, `1` and `i` are one."""
    return skeleton(word).replace("i", "l")


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """Matches these words as they look, alone or put together."""
    return re.compile(f"(?:{'|'.join(sorted(map(_looks, words), key=len, reverse=True))})+")


_RESERVED, _OFFICIAL = _any_of(RESERVED), _any_of((*OFFICIAL, "team"))
NUMBER = re.compile(r"\d+$")
"""What makes another handle of a reserved one. Letters that look like digits make a name of their own, such as Modi."""


def _speaks_as(words: re.Pattern[str], text: str) -> bool:
    """Whether a text without blanks and signs looks like these words, with or without a number behind them."""
    return any(words.fullmatch(_looks(one)) for one in (text, NUMBER.sub("", text)))


FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
"""The emoji of a region's flag, such as Scotland's: its letters cannot be seen by themselves."""

KEYCAP = "\u20e3"
"""Makes an emoji of a digit and a variation selector before it."""


def as_typed(handle: str) -> str:
    """A handle that somebody has typed, without blanks around it."""
    return handle.strip()


def check_handle(check: Checker, path: str, handle: str) -> None:
    """A new handle: plain, and not one that could be taken for Katha's own."""
    if not HANDLE.fullmatch(handle):
        is_long = len(handle) > HANDLE_CHARACTERS
        check.wrong(
            path,
            f"must be 1 to {HANDLE_CHARACTERS} letters A–Z, digits, dots, hyphens or underscores, and begin with a "
            "letter or a digit.",
            Wrong.TOO_LONG if is_long else Wrong.BAD_CHARACTERS if handle else Wrong.BLANK,
            HANDLE_CHARACTERS if is_long else None,
        )
    elif _speaks_as(_RESERVED, re.sub("[_.-]", "", handle)):
        check.wrong(path, "is reserved.", Wrong.RESERVED)


def checked_name(check: Checker, path: str, name: str | None) -> str:
    """A name to show: one line whose words can be seen and told from others, and that does not speak for the platform."""
    before, name = len(check.problems), check.line(path, name, most=NAME_CHARACTERS)
    if len(check.problems) > before:
        return name
    seen = FLAG.sub("", name)
    if any(map(_is_hidden, seen, f" {seen}", f"{seen[1:]} ")):
        check.wrong(path, "must not hold characters that cannot be seen.", Wrong.BAD_CHARACTERS)
    elif any(map(is_mixed, re.split(r"[\W_]+", name))):
        check.wrong(path, "must not mix letters of several scripts in one word.", Wrong.BAD_CHARACTERS)
    elif _speaks_as(_OFFICIAL, re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", name))):
        check.wrong(path, "is reserved.", Wrong.RESERVED)
    return name


def _is_hidden(character: str, before: str, after: str) -> bool:
    """Whether it makes no difference that can be seen. Joiners and variation selectors do, but beside Latin letters."""
    if character in JOINERS:
        return is_latin(before) or is_latin(after)
    if character in IGNORED:
        return is_latin(before) and after != KEYCAP
    return character in FILLERS or unicodedata.category(character) == "Cf"
