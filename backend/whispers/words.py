"""Normalises text to a sequence of words, so that whole words are found in any script, case and punctuation."""

import re
import unicodedata

LINK = re.compile(r"https?://(?:www\.)?|(?<![\w.])www\.")


def folded(text: str) -> str:
    """The text without differences of case and width, and without invisible characters."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return text if text.isascii() else "".join(one for one in text if unicodedata.category(one) != "Cf")


def normalised(text: str) -> str:
    r"""The words of a text in order, separated by single spaces.

    Words consist of letters, digits and combining marks; the `\w` of regular expressions does not match marks, such as the
    vowel signs of Indic scripts.
    """
    words = "".join(one if unicodedata.category(one)[0] in "LMN" else " " for one in folded(text)).split()
    return f" {' '.join(words)} "


def links(text: str) -> int:
    """The number of links in a text."""
    return len(LINK.findall(folded(text)))
