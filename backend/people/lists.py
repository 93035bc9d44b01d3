"""The list of people who are looked for by words of their handle or name."""

from backend.engine.searches import QUERY, asked_for, pages
from backend.pages import Window
from backend.sources import Bound, Page, Value
from backend.visibility import met

FIRST = "'9999-01-01Z'::timestamptz"
"""SQL: the place of whoever has exactly the handle that is looked for, before everybody else."""

IS_NAMED = "lower(person.handle) = lower($handle)"

FOUND = "SELECT words.person_id, words.joined_at FROM people_personwords AS words WHERE TRUE"
FEW = "(SELECT found.person_id AS id, found.joined_at FROM found) AS person WHERE TRUE"
# `coalesce` keeps PostgreSQL from using the index of words.
MANY = (
    "(SELECT person_id AS id, joined_at, words FROM people_personwords) AS person "
    f"WHERE coalesce(person.words @@ {QUERY}, FALSE)"
)
NAMED = f"(SELECT id, {FIRST} AS joined_at FROM people_person AS person WHERE {IS_NAMED}) AS person WHERE TRUE"
ROW = (
    f"SELECT person.* FROM people_person AS person WHERE person.id = place.id AND {met('person.id', '$viewer')} "
    f"AND (({IS_NAMED}) = (place.place_at = {FIRST}))"
)

HOW_MANY = f"""(
    SELECT count(*) FROM people_personwords AS words
    WHERE words.words @@ {QUERY} AND {met("words.person_id", "$viewer")}
)"""

SEARCHED = Page(
    pages(FOUND, FEW, MANY, ROW, at="person.joined_at", id_="person.id", also=[NAMED]),
    "person.joined_at",
    "person.id",
    total=Value(HOW_MANY, is_wide=True),
)


def searched(text: str, window: Window) -> Bound:
    """People with these words in handle or name: whoever has this handle, then those who joined last.

    Nobody who has left, and nobody across a block. Raises `Invalid` for an unusable text.
    """
    text = asked_for("text", text)
    return Bound(SEARCHED, {"text": text, "handle": text.removeprefix("@")}, window)
