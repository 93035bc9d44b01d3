"""Normalises text to a sequence of words, so that whole words are found in any script, case and punctuation."""

import re
import unicodedata

from backend.engine.lookalikes import is_unseen, plain

LINK = re.compile(r"https?://(?:www\.)?|(?<![\w.])www\.")


def _visible(text: str) -> str:
    """The text without differences of width, and without what cannot be seen within words."""
    text = unicodedata.normalize("NFKC", text)
    return text if text.isascii() else "".join(one for one in text if one.isspace() or not is_unseen(one) or one < " ")


def folded(text: str) -> str:
    """The visible text without differences of case."""
    return unicodedata.normalize("NFKC", _visible(text).casefold())


def normalised(text: str) -> str:
    r"""The words of a text in order, separated by single spaces.

    Words consist of letters, digits and combining marks; the `\w` of regular expressions does not match marks, such as the
    vowel signs of Indic scripts. Letters that only look like others stand for those; see `engine.lookalikes`.
    """
    words = "".join(one if unicodedata.category(one)[0] in "LMN" else " " for one in _visible(text)).split()
    return f" {folded(' '.join(map(plain, words)))} "


def links(text: str) -> int:
    """The number of links in a text."""
    return len(LINK.findall(folded(text)))
