"""Letters that look like others, and characters that cannot be seen: by what somebody could pass for somebody else.

A small form of Unicode's TR39: letters of Cyrillic, Greek, Armenian, Cherokee and of phonetic alphabets, and digits, that look
like plain Latin letters. Width and styles of letters are folded by NFKC.
"""

import re
import unicodedata
from functools import cache

UNSEEN = frozenset({"Cc", "Cf", "Zs", "Zl", "Zp"})
"""Unicode categories of invisible characters, such as spaces and joiners."""

FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800\U0001d159\U00016fe4")
"""Characters that look like a space, and are letters and symbols to Unicode."""

IGNORED = frozenset(
    map(chr, (0x34F, 0x17B4, 0x17B5, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)))
)
"""Marks that change nothing by themselves: grapheme joiner, variation selectors."""

JOINERS = frozenset("\u200c\u200d")
"""What some scripts and emoji need within words."""

SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE")
"""Those whose letters pass for each other."""

LOOK_LIKE = {
    **{
        "A": "АΑᎪ",
        "B": "ВΒᏴ",
        "C": "СϹᏟ",
        "D": "Ꭰ",
        "E": "ЕЁΕᎬ",
        "G": "ԌᏀ",
        "H": "НΗᎻ",
        "I": "ІΙӀᏆ",
        "J": "ЈᎫ",
        "K": "КΚᏦ",
    },
    **{
        "L": "Ꮮ",
        "M": "МΜᎷ",
        "N": "Ν",
        "O": "ОΟՕ",
        "P": "РΡᏢ",
        "Q": "Ԛ",
        "R": "Ꭱ",
        "S": "ЅᏚ",
        "T": "ТΤᎢ",
        "U": "Ս",
        "V": "ѴᏙ",
    },
    **{"W": "ԜᏔ", "X": "ХΧ", "Y": "УΥҮ", "Z": "ΖᏃ", "a": "аα", "b": "ьв", "c": "сϲ", "d": "ԁ", "e": "еёҽєε", "f": "ϝ"},
    **{
        "g": "ց",
        "h": "һհн",
        "i": "іι",
        "j": "јϳյ",
        "k": "кκ",
        "l": "ӏ",
        "m": "м",
        "n": "ոηп",
        "o": "оοօσ",
        "p": "рρ",
        "q": "ԛգ",
    },
    **{"r": "г", "s": "ѕ", "t": "тτ", "u": "υս", "v": "ѵν", "w": "ԝѡωա", "x": "хχ", "y": "уүγ"},
}
"""Letters of other scripts, by the Latin one that they look like."""

PHONETIC = dict(zip("ɑᴀʙᴄᴅᴇꜰɡɢʜɩıɪᴊᴋʟǀᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "aabcdefgghiiijkllmnoprstuvwyz", strict=True))
"""Latin letters that nobody writes but to be read as others, or in another alphabet of sounds."""

OTHERS = str.maketrans({one: latin for latin, of in LOOK_LIKE.items() for one in of})
LATIN = str.maketrans(PHONETIC)
DIGITS = str.maketrans("01", "ol")
DISGUISED = re.compile(r"[01]*[A-Za-z][A-Za-z01]*")


def is_unseen(character: str) -> bool:
    """Whether nothing is to be seen of a character."""
    return character in FILLERS or character in IGNORED or unicodedata.category(character) in UNSEEN


@cache
def _script(character: str) -> str:
    """The script of a letter, if it is one whose letters pass for another's; "" for all else."""
    name = unicodedata.name(character, "").partition(" ")[0]
    return name if name in SCRIPTS else ""


def is_latin(character: str) -> bool:
    """Whether it is a Latin letter, or a digit, blank or sign that stands beside them."""
    return character.isascii() or _script(character) == "LATIN"


def is_mixed(word: str) -> bool:
    """Whether a word has letters of several scripts that look alike."""
    return not word.isascii() and len({_script(one) for one in word} - {""}) > 1


def skeleton(word: str) -> str:
    """The plain Latin letters that a word looks like, in lower case, for words that are Latin or pass for it."""
    text = unicodedata.normalize("NFKD", word).translate(OTHERS).translate(LATIN)
    return "".join(one for one in text if not (_is_loose(one) or is_unseen(one))).translate(DIGITS).casefold()


def plain(word: str) -> str:
    """A word without disguise: the letters that are meant, where it mixes other scripts, digits or marks into Latin ones.

    A word of one script stays as it is, although it may look like another: so do many that mean no harm.
    """
    if not word.isascii():
        if _script(word[0]):  # a mark that makes no letter with the one before it
            word = "".join(one for one in word if not _is_loose(one))
        word = (word.translate(OTHERS) if is_mixed(word) else word).translate(LATIN)
    return word.translate(DIGITS) if DISGUISED.fullmatch(word) else word


def _is_loose(character: str) -> bool:
    return unicodedata.category(character) in {"Mn", "Me"}
