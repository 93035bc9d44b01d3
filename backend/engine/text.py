"""Normalises all text that clients send, and refuses text that PostgreSQL cannot store."""

import unicodedata
from collections.abc import Iterator, Sized
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from typing import Any

from backend.engine import fibers
from backend.engine.errors import Invalid, InvalidField, Wrong
from backend.engine.lookalikes import is_unseen

MAX_CHARACTERS = 500_000
"""An upper bound for any text field; each field has its own, lower limit."""
QUICK_CHARACTERS = 10_000
"""Longer texts are normalised in a thread where a mutation is done in the event loop: 500 000 characters take up to 0.1 s."""
MAX_MARKS = 30
"""How many combining marks may follow each other: more than any language needs (UAX #15, section 13). Normalising sorts them,
which takes the square of their number: minutes for a long text of nothing else, in which the process does nothing but that.
"""
MARKS_WITHIN = frozenset("\u0f73\u0f75\u0f81")
"""Those that are none to Unicode before they are decomposed."""
CONTROLS = frozenset({"Cc", "Zl", "Zp"})
DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Explicit directional formatting characters (UAX #9). They would reorder the page around a name, so one-line texts
refuse them.
"""


def normalize(value: Any) -> Any:
    """Normalise each string in `value` to NFC, also within lists, dicts and input objects.

    Raises `Invalid`, with the path of each, for a NUL or a lone surrogate, which PostgreSQL cannot store, for text that is too
    long for any field, and for more marks on one character than `MAX_MARKS`.
    """
    if _is_plain(value):
        return value
    if sum(map(len, _texts_in(value))) <= QUICK_CHARACTERS:
        return _normalized(value)
    return fibers.blocking(partial(_normalized, value))


def _is_plain(value: Any) -> bool:
    """Whether all strings in it are ASCII, which is in NFC, and can be stored: most are."""
    if isinstance(value, str):
        return value.isascii() and "\0" not in value and len(value) <= MAX_CHARACTERS
    if isinstance(value, dict):
        return all(map(_is_plain, value.values()))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return not hasattr(value, "__dataclass_fields__") or all(map(_is_plain, vars(value).values()))


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(one)
    elif hasattr(value, "__dataclass_fields__"):
        yield from _texts_in(vars(value))


def _normalized(value: Any) -> Any:
    check = Checker()
    normal = _normal(value, (), check)
    check.done()
    return normal


def _normal(value: Any, path: tuple[str | int, ...], check: "Checker") -> Any:
    if isinstance(value, str):
        return _normal_text(value, path, check)
    if isinstance(value, list):
        return [_normal(item, (*path, index), check) for index, item in enumerate(value)]
    if isinstance(value, dict):
        return {name: _normal(item, (*path, name), check) for name, item in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return type(value)(**_normal(vars(value), path, check))
    return value


def _normal_text(text: str, steps: tuple[str | int, ...], check: "Checker") -> str:
    path = ".".join(map(str, steps))
    if len(text) > MAX_CHARACTERS:
        check.wrong(
            path, f"is too long: {len(text)} characters, at most {MAX_CHARACTERS}.", Wrong.TOO_LONG, MAX_CHARACTERS
        )
    elif "\0" in text:
        check.wrong(path, "holds a NUL character, which cannot be stored.", Wrong.BAD_CHARACTERS)
    elif _has_surrogate(text):
        check.wrong(path, "holds half of a surrogate pair, which is not a character.", Wrong.BAD_CHARACTERS)
    elif _is_crowded(text):
        check.wrong(path, f"holds more than {MAX_MARKS} marks on one character.", Wrong.BAD_CHARACTERS)
    else:
        return unicodedata.normalize("NFC", text)
    return text


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _is_crowded(text: str) -> bool:
    """Whether there are too many marks in a row: they stand at one of these places too."""
    places = range(0, len(text), MAX_MARKS + 1)
    return any(_is_mark(text[at]) and _marks_around(text, at) > MAX_MARKS for at in places)


def _marks_around(text: str, at: int) -> int:
    """How many marks stand in a row at this place, as far as that matters."""
    before = takewhile(_is_mark, reversed(text[max(0, at - MAX_MARKS) : at]))
    after = takewhile(_is_mark, text[at : at + MAX_MARKS + 1])
    return sum(1 for _ in before) + sum(1 for _ in after)


def _is_mark(character: str) -> bool:
    return unicodedata.combining(character) > 0 or character in MARKS_WITHIN


@dataclass
class Checker:
    """Collects all invalid arguments, so that a client gets them in one answer."""

    problems: list[InvalidField] = field(default_factory=list)

    def line(self, path: str, text: str | None, *, most: int, blank: bool = False) -> str:
        """A single-line text such as a title or a name: trimmed, without control characters."""
        text = self.text(path, text.strip() if text else text, most=most, blank=blank)
        if any(unicodedata.category(character) in CONTROLS or character in DIRECTIONS for character in text):
            self.wrong(path, "must be one line, without control characters.", Wrong.BAD_CHARACTERS)
        return text

    def text(self, path: str, text: str | None, *, most: int, blank: bool = False) -> str:
        """Text of any number of lines, at most `most` characters."""
        if text is None:
            self.not_null(path, text)
            return ""
        if not blank and all(map(is_unseen, text)):
            self.wrong(path, "must not be empty or blank.", Wrong.BLANK)
        if len(text) > most:
            self.wrong(path, f"is too long: {len(text)} characters, at most {most}.", Wrong.TOO_LONG, most)
        return text

    def wrong(self, path: str, message: str, code: Wrong = Wrong.NOT_APPLICABLE, limit: int | None = None) -> None:
        """Add an invalid argument."""
        self.problems.append(InvalidField(path, message, code, limit))

    def number(self, path: str, number: int, minimum: int, maximum: int) -> None:
        """A whole number in a range."""
        if not minimum <= number <= maximum:
            code, limit = (Wrong.TOO_SMALL, minimum) if number < minimum else (Wrong.TOO_GREAT, maximum)
            self.wrong(path, f"must be from {minimum} to {maximum}.", code, limit)

    def not_null(self, path: str, value: object) -> None:
        """A value that a patch may leave out, but not set to null."""
        if value is None:
            self.wrong(path, "must not be null.", Wrong.REQUIRED)

    def some(self, path: str, patch: Sized) -> None:
        """A patch, which has to set something."""
        if not patch:
            self.wrong(path, "must name at least one field.", Wrong.REQUIRED)

    def done(self) -> None:
        """Raise `Invalid` if any argument was invalid."""
        if self.problems:
            raise Invalid(*self.problems)
