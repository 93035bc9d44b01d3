"""How texts become words that can be looked for: functions in the database, which no server's locale changes.

Triggers keep the words of a text beside it (`people.PersonWords`, `stories.StoryWords`), so that no write can forget them. They
are folded character by character, by a table that is made of Unicode's own data when a migration creates the functions:

    letters     without case, accents, points and width, as Unicode decomposes them (NFKD); vowel signs, viramas and the marks of
                kana stay, because they make another letter. Katakana is hiragana, and a repetition mark is what it repeats
    digits      0 to 9 for those of all scripts
    nothing     for what cannot be seen, such as joiners, soft hyphens and direction marks

A word is what stands between spaces, punctuation and symbols. Where it has an apostrophe, hyphen, dot or underscore within, its
parts are words, and so is the whole without them. Scripts that set no spaces between words have each pair of neighbouring
characters as a word, so that every part of a text is found. Each emoji is a word.
"""

import json
import re
import unicodedata
import uuid
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import atomic

LONGEST = 64
"""A word is told from others by its first so many characters."""

MOST = 65_536
"""Of how many characters the words of one row are kept: of more than the texts of a story have, unless their letters are taken
apart into many. Of titles that are made for that, the last words are not found. PostgreSQL keeps no more than 1 MiB of words, and
refuses what has more; a character makes at most 15 bytes.
"""

APART = "\x1e"
"""Stands between the texts of one row, which are split together; a word of its own, which is not kept."""

UNSPACED = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x19DF), (0x1A20, 0x1AAF)),  # Thai to Tai Tham
    *((0xA980, 0xA9FF), (0xAA60, 0xAA7F)),  # Javanese, more of Burmese
    *((0x1100, 0x11FF), (0xA960, 0xA97F), (0xAC00, 0xD7FF)),  # Hangul
    *(
        (0x2E80, 0x2FD5),
        (0x3005, 0x3007),
        (0x3021, 0x3029),
        (0x3400, 0x9FFF),
        (0xF900, 0xFAFF),
        (0x20000, 0x3FFFF),
    ),  # Han
    *((0x3041, 0x312F), (0x31A0, 0x31FF), (0x1B000, 0x1B16F)),  # kana, bopomofo
)
"""Blocks of the scripts without spaces between words, and of Hangul, in which particles are attached to words."""

JOINERS = "'\u2019\u2018\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u05f3\u05f4\u05be._\u00b7\u2010\u2011-"
"""What may stand within a word: apostrophes, dots, underscores, hyphens."""

QUOTES = '"\u201c\u201d\u201e\uff02'
"""What keeps words together in a query."""

STRIPPED = {1, 7, *range(10, 37), 202, 214, 216, 218, 220, 222, 224, 226, 228, 230, 232, 233, 234, 240}
"""Combining classes of marks that go: accents, overlays, nuktas, points of Hebrew, Arabic and Syriac."""

UNSEEN = {
    *(0x034F, 0x0640, 0x115F, 0x1160, 0x17B4, 0x17B5),  # 0640 only makes an Arabic word longer
    *range(0x180B, 0x1810),
    *range(0xFE00, 0xFE10),
    *range(0x1F3FB, 0x1F400),  # skin tones
    *range(0xE0100, 0xE01F0),
}
"""Code points that leave no trace, besides those of the category Cf."""

SAME = {
    **{"æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ı": "i", "ȷ": "j"},
    **{"ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ہ": "ه", "ۀ": "ه"},
    **{"ヽ": "ゝ"},
}
"""Letters that Unicode does not decompose, and that people type for each other."""

WITH_STROKE = re.compile("LATIN SMALL LETTER ([A-Z]) WITH ")


def _is_unspaced(code: int) -> bool:
    return any(first <= code <= last for first, last in UNSPACED)


def _is_symbol(one: str) -> bool:
    return unicodedata.category(one) == "So" and one != "\u2800" and not _is_unspaced(ord(one))


def _is_between(one: str) -> bool:
    return unicodedata.category(one)[0] in "PSZC" and not _is_symbol(one) and one not in JOINERS


def _is_punctuation(one: str) -> bool:
    return _is_between(one) and one not in (" ", APART)


def _folded(character: str) -> str:
    """What stands for a character that NFKD leaves as it is."""
    category, code = unicodedata.category(character), ord(character)
    if category in {"Cf", "Me"} or code in UNSEEN or unicodedata.combining(character) in STRIPPED:
        return ""
    if _is_between(character) and _is_unspaced(code):
        return " "
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if "ァ" <= character <= "ヶ":
        return chr(code - 0x60)
    letters = unicodedata.normalize("NFKD", character.casefold())
    folded = "".join(one for one in letters if unicodedata.combining(one) not in STRIPPED)
    plain = WITH_STROKE.match(unicodedata.name(folded, "")) if len(folded) == 1 else None
    return plain[1].lower() if plain else SAME.get(folded, folded)


@cache
def _characters() -> Sequence[str]:
    """All that Unicode knows, but for ideographs, Hangul syllables, surrogates and private use, of which each is a letter."""
    codes = (*range(1, 0x3400), *range(0xA000, 0xAC00), *range(0xF900, 0x17000), *range(0x1B000, 0x20000))
    return [chr(code) for code in (*codes, *range(0xE0000, 0xE0200)) if unicodedata.category(chr(code)) != "Cn"]


def _table() -> dict[str, str]:
    """What is put in the place of which character."""
    plain = (one for one in _characters() if unicodedata.normalize("NFKD", one) == one)
    return {one: folded for one in plain if (folded := _folded(one)) != one}


def _ranges(belongs: Callable[[str], bool]) -> str:
    """The characters of which this holds, for a bracket expression; what Unicode does not know joins two ranges."""
    found: list[list[int]] = []
    is_open = False
    for one in _characters():
        if not belongs(one):
            is_open = False
        elif is_open:
            found[-1][1] = ord(one)
        else:
            found.append([ord(one), ord(one)])
            is_open = True
    return _bracketed(found)


def _bracketed(ranges: Iterable[Sequence[int]]) -> str:
    return "".join(f"\\U{first:08X}-\\U{last:08X}" for first, last in ranges)


def functions() -> str:
    """SQL that creates the functions."""
    joiners = "".join(f"\\U{ord(one):08X}" for one in JOINERS)
    unspaced, symbols, punctuation = _bracketed(UNSPACED), _ranges(_is_symbol), _ranges(_is_punctuation)
    word = f"[^{unspaced}{symbols}{joiners}{_ranges(_is_between)}]"
    around = f"[{joiners}{punctuation} ]*"
    # Everything is compared by code points (COLLATE "C"), whatever the collation of what is given.
    return TEMPLATE.format(
        table=json.dumps(_table(), ensure_ascii=False, separators=(",", ":")),
        chunks=f"([{unspaced}]+)|({word}+(?:[{joiners}]{word}+)*)|([{symbols}])",
        joiners=joiners,
        around=f"[{joiners} ]*[{punctuation}]{around}|[{joiners}]+ {around}| +[{joiners}]{around}",
        plain=f"^(?:(?:{word}+|\\u001e) +)*$",
        blank=f"{_ranges(lambda one: unicodedata.category(one)[0] == 'Z')}\\t\\n\\v\\f\\r",
        quotes=QUOTES,
        han="\\u3400-\\u4dbf\\u4e00-\\u9fff\\U00020000-\\U0003ffff",
        longest=LONGEST,
        most=MOST,
    )


TEMPLATE = """
CREATE OR REPLACE FUNCTION katha_folded(given text) RETURNS text LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $body$
DECLARE
    folded text COLLATE "C";
BEGIN
    IF octet_length(given) = length(given) THEN
        RETURN lower(given COLLATE "C");
    END IF;
    SELECT string_agg(coalesce($table${table}$table$::jsonb ->> one, one), '' ORDER BY place) INTO folded
    FROM unnest(string_to_array(normalize(given, NFKD), NULL)) WITH ORDINALITY AS characters (one, place);
    folded := regexp_replace(folded, '([{han}])\u3005', '\\1\\1', 'g');
    folded := regexp_replace(folded, '([\u3041-\u3096])(\u3099?)\u309d', '\\1\\2\\1', 'g');
    RETURN normalize(folded, NFC);
END
$body$;

CREATE OR REPLACE FUNCTION katha_pairs(run text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $body$
    SELECT array_agg(pair ORDER BY place) FROM (
        SELECT one || coalesce(lead(one) OVER (ORDER BY place), '') AS pair, place
        FROM unnest(string_to_array(run, NULL)) WITH ORDINALITY AS characters (one, place)
    ) AS pairs
$body$;

CREATE OR REPLACE FUNCTION katha_words(VARIADIC texts text[]) RETURNS tsvector
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $body$
DECLARE
    -- A text begins with a place of its own, so that no phrase leads into it from the one before.
    folded text COLLATE "C" := left(katha_folded(E'\\x1e ' || array_to_string(texts, E' \\x1e ')), {most});
    spaced text COLLATE "C" := regexp_replace(folded || ' ', '{around}', ' ', 'g');
    chunk text[];
    parts text[];
    whole text;
    place int := 0;
    found text[] := ARRAY[]::text[];
BEGIN
    IF spaced ~ '{plain}' THEN
        RETURN (
            SELECT coalesce(string_agg('''' || left(word, {longest}) || ''':' || least(at, 16383), ' '), '')
            FROM unnest(array_remove(string_to_array(spaced, ' '), '')) WITH ORDINALITY AS words (word, at)
            WHERE word <> E'\\x1e'
        )::tsvector;
    END IF;
    FOR chunk IN SELECT regexp_matches(folded, '{chunks}|(\\u001e)', 'g') LOOP
        whole := NULL;
        IF chunk[4] IS NOT NULL THEN
            place := place + 1;
            CONTINUE;
        ELSIF chunk[2] IS NULL THEN
            parts := katha_pairs(coalesce(chunk[1], chunk[3]));
        ELSE
            parts := regexp_split_to_array(chunk[2] COLLATE "C", '[{joiners}]');
            IF cardinality(parts) > 1 THEN
                whole := left(array_to_string(parts, ''), {longest});
            END IF;
        END IF;
        FOR at IN 1 .. cardinality(parts) LOOP
            place := least(place + 1, 16383);
            found := found || ('''' || left(parts[at], {longest}) || ''':' || place);
            IF at IN (1, cardinality(parts)) AND whole IS NOT NULL THEN  -- beside its neighbours
                found := found || ('''' || whole || ''':' || place);
            END IF;
        END LOOP;
    END LOOP;
    RETURN array_to_string(found, ' ')::tsvector;
END
$body$;

CREATE OR REPLACE FUNCTION katha_lexeme(word text, is_whole boolean) RETURNS tsquery
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $body$
    SELECT ('''' || left(word, {longest}) || '''' || CASE WHEN is_whole THEN '' ELSE ':*' END)::tsquery
$body$;

CREATE OR REPLACE FUNCTION katha_phrase(given text, is_phrase boolean) RETURNS tsquery
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $body$
DECLARE
    chunk text[];
    parts text[];
    one tsquery;
    whole tsquery;
    width int := 1;
BEGIN
    FOR chunk IN SELECT regexp_matches(katha_folded(given) COLLATE "C", '{chunks}', 'g') LOOP
        IF chunk[1] IS NOT NULL THEN
            parts := katha_pairs(chunk[1]);
            one := katha_lexeme(parts[1], cardinality(parts) > 1);
            FOR place IN 2 .. cardinality(parts) - 1 LOOP
                one := one <-> katha_lexeme(parts[place], TRUE);
            END LOOP;
        ELSIF chunk[3] IS NOT NULL THEN
            one := katha_lexeme(chunk[3], TRUE);
        ELSE
            parts := regexp_split_to_array(chunk[2] COLLATE "C", '[{joiners}]');
            one := NULL;
            FOR place IN 1 .. cardinality(parts) LOOP
                one := coalesce(one <-> katha_lexeme(parts[place], TRUE), katha_lexeme(parts[place], TRUE));
            END LOOP;
            IF cardinality(parts) = 1 THEN
                one := katha_lexeme(parts[1], is_phrase OR length(parts[1]) = 1);
            ELSE
                one := one || katha_lexeme(array_to_string(parts, ''), is_phrase);
            END IF;
        END IF;
        IF whole IS NULL THEN
            whole := one;
        ELSIF is_phrase THEN
            whole := tsquery_phrase(whole, one, width);
        ELSE
            whole := whole && one;
        END IF;
        width := CASE WHEN length(chunk[1]) > 1 THEN 2 ELSE 1 END;
    END LOOP;
    RETURN whole;
END
$body$;

CREATE OR REPLACE FUNCTION katha_query(asked text) RETURNS tsquery LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $body$
DECLARE
    part text[];
    one tsquery;
    all_of tsquery;
    any_of tsquery;
BEGIN
    FOR part IN
        SELECT regexp_matches(asked COLLATE "C", '(-?)[{quotes}]([^{quotes}]*)[{quotes}]?|([^{blank}{quotes}]+)', 'g')
    LOOP
        IF part[3] COLLATE "C" IN ('or', 'OR', 'Or') AND all_of IS NOT NULL THEN
            any_of := coalesce(any_of || all_of, all_of);
            all_of := NULL;
            CONTINUE;
        END IF;
        one := katha_phrase(coalesce(part[2], part[3]), part[2] IS NOT NULL);
        IF part[1] = '-' OR part[3] COLLATE "C" ~ '^-[^-]' THEN
            one := !!one;
        END IF;
        all_of := coalesce(all_of && one, one, all_of);
    END LOOP;
    RETURN coalesce(any_of || all_of, all_of, any_of);
END
$body$;
"""
"""SQL; the table and the expressions of characters are filled in."""

DROP = "DROP FUNCTION katha_query, katha_phrase, katha_lexeme, katha_words, katha_pairs, katha_folded"

BATCH = 1_000


def fill(connection: BaseDatabaseWrapper, table: str, index: str) -> None:
    """Index all rows of a table in batches, by a function that takes ids. For migrations.

    The rows of a batch are locked against changes of their texts, so that what is indexed is what they say at COMMIT.
    """
    last = uuid.UUID(int=0)
    while True:
        with atomic(connection.alias), connection.cursor() as cursor:
            cursor.execute(f"SELECT id FROM {table} WHERE id > %s ORDER BY id LIMIT {BATCH} FOR SHARE", [last])
            ids = [id_ for (id_,) in cursor.fetchall()]
            if not ids:
                return
            cursor.execute(f"SELECT {index}(%s)", [ids])
            last = ids[-1]
