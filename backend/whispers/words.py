"""Text as a sequence of words, so that a word is found whole, whatever its script, case and punctuation."""

import re
import unicodedata

LINK = re.compile(r"https?://(?:www\.)?|(?<![\w.])www\.")


def folded(text: str) -> str:
    """The text without what makes equal words look different: case, width, and signs that nobody sees."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return text if text.isascii() else "".join(one for one in text if unicodedata.category(one) != "Cf")


def normalised(text: str) -> str:
    r"""The words of a text in order, each between single spaces.

    Letters, digits and the marks on them make words; the vowel signs of Indic scripts are marks, which the `\w` of regular
    expressions leaves out.
    """
    words = "".join(one if unicodedata.category(one)[0] in "LMN" else " " for one in folded(text)).split()
    return f" {' '.join(words)} "


def links(text: str) -> int:
    """How many links there are in a text."""
    return len(LINK.findall(folded(text)))
