"""Demo co-authors: some stories are written by two or three, among them one of Asha's by Bilal too, and some are offered."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from backend.coauthors.models import Invitation
from backend.demo.chance import Chance
from backend.demo.follows import Ties
from backend.demo.people import ASHA, BILAL, Someone
from backend.demo.stories import Tale
from backend.notifications.models import Notification, NotificationKind
from backend.nouns import Rows, Table
from backend.stories.rights import Right

SHARED, OFFERED, MANAGED = 0.08, 0.04, 0.3
"""The shares of stories with co-authors, of those that are offered to somebody, and of co-authors with the right MANAGE."""
MAX_WRITERS = 2


def shared(seed: int, tales: Sequence[Tale], ties: Ties, people: int) -> list[Tale]:
    """The stories, with who writes them beside their authors, and who is invited to."""
    chance = Chance(seed, "coauthors")
    found = [_shared(chance, tale, ties, people) for tale in tales]
    for author, other in ((ASHA, BILAL), (BILAL, ASHA)):
        newest = max((number for number, tale in enumerate(found) if tale.author == author), default=None)
        if newest is not None and author == ASHA:
            found[newest] = replace(found[newest], writers=(other,), managers=(other,), invited=None)
        elif newest is not None:
            found[newest] = replace(found[newest], writers=(), managers=(), invited=other)
    return found


def _shared(chance: Chance, tale: Tale, ties: Ties, people: int) -> Tale:
    count = chance.randint(1, MAX_WRITERS) if chance.random() < SHARED else 0
    some = sorted({chance.randrange(people) for _ in range(count)})
    writers = tuple(one for one in some if one != tale.author and not ties.apart(one, tale.author))
    managers = tuple(one for one in writers if chance.random() < MANAGED)
    is_offered, invited = chance.random() < OFFERED, chance.randrange(people)
    free = invited not in (tale.author, *writers) and not ties.apart(invited, tale.author)
    return replace(tale, writers=writers, managers=managers, invited=invited if is_offered and free else None)


_INVITATION = "id story person invited_by offered created_at updated_at"
_TOLD = "id person kind invitation_id created_at updated_at"


def tables(seed: int, tales: Sequence[Tale], people: Sequence[Someone]) -> Iterator[Table]:
    """Open invitations, each by the author, and what people are told of them."""
    chance = Chance(seed, "invitations")
    made = [
        (chance.id(tale.created_at), chance.id(tale.created_at), tale, people[tale.invited].id)
        for tale in tales
        if tale.invited is not None
    ]
    offered, kind = Right.WRITE.value, NotificationKind.INVITED.value
    invitations: Rows = (
        (id_, tale.id, person, people[tale.author].id, offered, tale.created_at, tale.created_at)
        for id_, _, tale, person in made
    )
    told: Rows = ((told, person, kind, id_, tale.created_at, tale.created_at) for id_, told, tale, person in made)
    yield Table("invitations", Invitation, _INVITATION, len(made), invitations)
    yield Table("notifications of invitations", Notification, _TOLD, len(made), told)
