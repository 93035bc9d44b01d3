"""Demo people: the named ones first, then generated ones, in the order of popularity."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from backend.demo.chance import JOINING, LIVING, Chance
from backend.demo.words import FIRST_NAMES, LAST_NAMES, bio
from backend.people.demo import HANDLES

NAMES = (
    "Asha Rao",
    "Bilal Khan",
    "Chitra Nair",
    "Dev Mehta",
    "Esra Yıldız",
    "Farid Haddad",
    "Gita Sharma",
    "Hana Sato",
)
"""The names of the people in `HANDLES`."""

ASHA, BILAL = 0, 1
NAMED = range(len(HANDLES))
"""Their indexes in the list of people."""


@dataclass(frozen=True, slots=True)
class Someone:
    """A demo person."""

    id: uuid.UUID
    handle: str
    name: str
    bio: str
    joined_at: datetime


def people(seed: int, count: int) -> list[Someone]:
    """`count` people, the named ones first."""
    chance = Chance(seed, "people")
    taken: dict[str, int] = {}
    made = []
    for number in range(count):
        if number in NAMED:
            handle, name = HANDLES[number], NAMES[number]
        else:
            first, last = chance.one(FIRST_NAMES), chance.one(LAST_NAMES)
            handle, name = _free(f"{first}.{last}".lower(), taken), f"{first} {last}"
        joined_at = chance.moment(JOINING, LIVING)
        made.append(Someone(chance.id(joined_at), handle, name, bio(chance), joined_at))
    return made


def _free(handle: str, taken: dict[str, int]) -> str:
    taken[handle] = taken.get(handle, 0) + 1
    return handle if taken[handle] == 1 else f"{handle}{taken[handle]}"
