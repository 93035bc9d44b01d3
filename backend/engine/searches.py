"""How lists are searched for words: SQL of a page of rows, of which `engine.words` and triggers keep the words.

How many rows have the words is counted by their index first, as far as it matters; PostgreSQL's planner would have to guess:

    few     all of them are looked at, and sorted
    many    the list is read in its order until a page is full; that is soon, because there are many

So a page costs about as much whether its words are unknown, rare or frequent.
"""

from collections.abc import Sequence

from backend.engine.errors import Wrong
from backend.engine.text import Checker

MAX_CHARACTERS = 200
MAX_WORDS = 40
"""Of what is looked for."""

FEW = 1_000
"""Up to so many rows are few."""

QUERY = "(SELECT katha_query($text))"
"""SQL: what is looked for, made once for the whole statement."""

NO_WORDS = "(SELECT querytree(katha_query($text)) = 'T')"
"""SQL: whether words are only forbidden, so that no index finds what is looked for."""


def asked_for(path: str, text: str) -> str:
    """What somebody looks for, trimmed, for `$text`. Raises `Invalid` if it is blank, too long or of too many words."""
    check, text = Checker(), text.strip()
    # Invisible characters are allowed in a search.
    check.text(path, text, most=MAX_CHARACTERS, blank=bool(text))
    words = sum(any(map(str.isalnum, part)) for part in text[: MAX_CHARACTERS + 1].split())
    if words > MAX_WORDS:
        check.wrong(path, f"has too many words: {words}, at most {MAX_WORDS}.", Wrong.TOO_MANY, MAX_WORDS)
    check.done()
    return text


def pages(found: str, few: str, many: str, row: str, *, at: str, id_: str, also: Sequence[str] = ()) -> str:
    """SQL of a page that `at` and `id_` sort.

    `found` selects from the table of words, as `words`; the common table `found` holds what it finds. `few` reads the places of
    all that was found, `many` and `also` those of the list and of more rows: each FROM and WHERE. `row` finds the row of `place`.
    """
    common = f"{found} AND words.words @@ {QUERY} AND NOT {NO_WORDS} LIMIT {FEW + 1}"
    are_many = f"((SELECT count(*) FROM found) > {FEW} OR {NO_WORDS})"

    def page(places: str, when: str) -> str:
        place = f"SELECT {at} AS place_at, {id_} AS id FROM {places}$between ORDER BY {at} $way, {id_} $way"
        return (
            f"(SELECT row.*, place.place_at FROM ({place}) AS place CROSS JOIN LATERAL ({row} OFFSET 0) AS row "
            f"WHERE {when} ORDER BY place.place_at $way, place.id $way LIMIT $limit)"
        )

    parts = [page(few, f"NOT {are_many}"), page(many, are_many), *(page(more, "TRUE") for more in also)]
    return f"WITH found AS MATERIALIZED ({common}) {' UNION ALL '.join(parts)}"
