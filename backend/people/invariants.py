"""Invariants of people and of those who have left, for `manage.py verify`."""

from backend.changes.invariants import kinds_without_owner
from backend.engine.checks import Check

INVARIANTS = (
    Check(
        "one_person_per_handle",
        "no two people have the same handle, however it is capitalised",
        "people_person",
        "SELECT lower(handle) AS handle, count(*) AS people FROM people_person GROUP BY lower(handle) HAVING count(*) > 1",
    ),
    Check(
        "words_of_people",
        "everybody who has not left is found by the words of their handle and name, and nobody else",
        "people_person",
        """
        SELECT coalesce(id, person_id) AS id, handle, name
        FROM people_person FULL JOIN people_personwords AS found ON person_id = id
        WHERE (person_id IS NULL) <> (left_at IS NOT NULL) OR found.words <> katha_words(handle, name)
           OR found.joined_at <> people_person.joined_at
        """,
    ),
    Check(
        "logins_are_handles",
        "people sign in with their own handle",
        "people_account",
        """
        SELECT person_id, login, handle FROM people_account JOIN people_person ON id = person_id
        WHERE login <> lower(handle)
        """,
    ),
    Check(
        "who_left_is_swept",
        "exactly those who have left have a mark of how far the sweeping has come",
        "(SELECT FROM people_person WHERE left_at IS NOT NULL)",
        """
        SELECT coalesce(id, person_id) AS person_id, left_at, stage FROM people_person
        FULL JOIN people_departure ON person_id = id
        WHERE (left_at IS NOT NULL) <> (person_id IS NOT NULL)
        """,
    ),
    Check(
        "who_left_cannot_sign_in",
        "nobody who has left has an account that is open, or a token",
        "(SELECT FROM people_person WHERE left_at IS NOT NULL)",
        """
        SELECT person_id, login FROM people_account AS account JOIN people_person AS person ON person.id = person_id
        WHERE left_at IS NOT NULL
          AND (is_active OR is_staff OR is_moderator OR EXISTS (SELECT FROM people_accesstoken WHERE account_id = person_id))
        """,
    ),
    Check(
        "who_left_has_no_profile",
        "of somebody who has left there is the handle, which nobody else gets, and nothing that they said about themselves",
        "(SELECT FROM people_person WHERE left_at IS NOT NULL)",
        "SELECT id, handle FROM people_person WHERE left_at IS NOT NULL AND (name <> '' OR bio <> '' OR show_mature)",
    ),
    Check(
        "changes_are_somebodys",
        "each entry of the change log is of somebody's world, but those of what nobody has made, such as the screening",
        "changes_change",
        f"""
        SELECT kind, id, owner FROM changes_change AS change
        WHERE CASE WHEN owner IS NULL THEN kind NOT IN ({", ".join(f"'{kind}'" for kind in sorted(kinds_without_owner()))})
            ELSE NOT EXISTS (SELECT FROM people_person AS person WHERE person.id = change.owner) END
        """,
    ),
)
