"""Normalises all text that clients send, and refuses text that PostgreSQL cannot store."""

import unicodedata
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from backend.engine.errors import Invalid, InvalidField
from backend.engine.lookalikes import is_unseen

MAX_CHARACTERS = 500_000
"""An upper bound for any text field; each field has its own, lower limit."""
CONTROLS = frozenset({"Cc", "Zl", "Zp"})
DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Explicit directional formatting characters (UAX #9). They would reorder the page around a name, so one-line texts
refuse them.
"""


def normalize(value: Any, path: str = "") -> Any:
    """Normalise each string in `value` to NFC, also within lists, dicts and input objects.

    Raises `Invalid`, with the path, for a NUL or a lone surrogate, which PostgreSQL cannot store, and for text that is
    too long for any field.
    """
    if isinstance(value, str):
        return _normalize_text(value, path)
    if isinstance(value, list):
        return [normalize(item, _join(path, index)) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {name: normalize(item, _join(path, name)) for name, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        own = {f.name: getattr(value, f.name) for f in fields(value)}
        return replace(value, **{name: normalize(item, _join(path, name)) for name, item in own.items()})
    return value


def _normalize_text(text: str, path: str) -> str:
    if len(text) > MAX_CHARACTERS:
        raise Invalid.one(path, f"is too long: {len(text)} characters, at most {MAX_CHARACTERS}.")
    if "\0" in text:
        raise Invalid.one(path, "holds a NUL character, which cannot be stored.")
    if any("\ud800" <= character <= "\udfff" for character in text) if not text.isascii() else False:
        raise Invalid.one(path, "holds half of a surrogate pair, which is not a character.")
    return unicodedata.normalize("NFC", text)


def _join(path: str, name: str | int) -> str:
    return f"{path}.{name}" if path else str(name)


@dataclass
class Checker:
    """Collects all invalid arguments, so that a client gets them in one answer."""

    problems: list[InvalidField] = field(default_factory=list)

    def line(self, path: str, text: str | None, *, most: int, blank: bool = False) -> str:
        """A single-line text such as a title or a name: trimmed, without control characters."""
        text = self.text(path, text.strip() if text else text, most=most, blank=blank)
        if any(unicodedata.category(character) in CONTROLS or character in DIRECTIONS for character in text):
            self.wrong(path, "must be one line, without control characters.")
        return text

    def text(self, path: str, text: str | None, *, most: int, blank: bool = False) -> str:
        """Text of any number of lines, at most `most` characters."""
        if text is None:
            self.wrong(path, "must not be null.")
            return ""
        if not blank and all(map(is_unseen, text)):
            self.wrong(path, "must not be empty or blank.")
        if len(text) > most:
            self.wrong(path, f"is too long: {len(text)} characters, at most {most}.")
        return text

    def wrong(self, path: str, message: str) -> None:
        """Add an invalid argument."""
        self.problems.append(InvalidField(path, message))

    def done(self) -> None:
        """Raise `Invalid` if any argument was invalid."""
        if self.problems:
            raise Invalid(*self.problems)
