"""People: lookups, the fields of a person, and the viewer's own profile."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from backend.engine import tallies
from backend.engine.conditions import Target, conditioned
from backend.engine.idempotency import Outcome, Request
from backend.engine.ids import moment_of
from backend.engine.versions import Expected
from backend.pages import Page, Window
from backend.people import actions, demo, queries
from backend.people.models import Person, PersonTally
from backend.social import queries as social
from backend.social.models import PairSide
from backend.stories import lists
from backend.stories import queries as stories
from backend.stories.models import Shelf, Story
from backend.stories.revisions import by_moderator
from resolvers.access import is_moderator, shows_mature, the_id
from resolvers.batches import Batch, gather, gather_pages, loaded
from resolvers.work import performed

DEMO_PASSWORD = demo.PASSWORD


def person(handle: str, *, viewer: Person | None) -> Person | None:
    """The person with this handle, if the viewer can find one."""
    if not actions.HANDLE.fullmatch(handle):
        return None
    found = queries.by_handle(handle, viewer=the_id(viewer))
    return None if found is None else gather([found], viewer)[0]


def by_ids(ids: Iterable[uuid.UUID], *, viewer: Person | None) -> dict[uuid.UUID, Person]:
    """The people among these ids whom the viewer can find."""
    found = queries.by_ids(ids, viewer=the_id(viewer))
    gather(found.values(), viewer)
    return found


def hidden(person_id: uuid.UUID, viewer: Person | None) -> Person:
    """A placeholder for a hidden person: only the id, and the time in it.

    So a committed write can be answered even if one of its people is now hidden.
    """
    (person,) = _placeholders([person_id], viewer)
    return person


def parties(ids: Iterable[uuid.UUID], viewer: Person | None) -> dict[uuid.UUID, Person]:
    """The people of an order of the viewer's, also across a block, because they have to deal with each other.

    Placeholders for those who have left.
    """
    found = {pk: one for pk, one in queries.all_of(ids).items() if one.left_at is None}
    gather(found.values(), viewer)
    return _or_placeholders(ids, found, viewer)


def shown(ids: Iterable[uuid.UUID], viewer: Person | None) -> dict[uuid.UUID, Person]:
    """These people, whom something names that the viewer may see. Placeholders for those whom the viewer cannot find."""
    return _or_placeholders(ids, by_ids(ids, viewer=viewer), viewer)


def writers(ids: Iterable[uuid.UUID], author: uuid.UUID, viewer: Person | None) -> dict[uuid.UUID, Person | None]:
    """Who wrote to a story of this author, as far as the viewer may know.

    None for a moderator, who is a moderator and nobody else to all but moderators, and to those whom they block.
    """
    ids = set(ids)
    known = {one for one in ids if is_moderator(viewer) or not by_moderator(one, author)}
    found = by_ids(known, viewer=viewer) if known else {}
    return {one: found.get(one) for one in ids}


def _or_placeholders(
    ids: Iterable[uuid.UUID], found: Mapping[uuid.UUID, Person], viewer: Person | None
) -> dict[uuid.UUID, Person]:
    """`found`, and a placeholder for each other id, to whom the viewer has no relationship."""
    unseen = _placeholders([pk for pk in ids if pk not in found], viewer)
    tell_nothing_of(unseen)
    return {**found, **{one.pk: one for one in unseen}}


def _placeholders(ids: Iterable[uuid.UUID], viewer: Person | None) -> list[Person]:
    """Placeholders for these people, as one batch with totals of 0."""
    people = [
        Person(id=pk, handle="", name="", joined_at=moment_of(pk), updated_at=moment_of(pk), version=0) for pk in ids
    ]
    _without_totals(gather(people, viewer))
    return people


def tell_nothing_of(people: list[Person]) -> None:
    """Give these people of one batch, whom the viewer cannot find, totals of 0 and no relationship."""
    _without_totals(people)
    for one in people[:1]:
        one.batch.instead(  # type: ignore[attr-defined]
            "relationship", lambda batch: {pk: PairSide(batch.viewer_id, pk) for pk in batch.rows}
        )


def _without_totals(people: list[Person]) -> None:
    for one in people[:1]:
        for total in ("followers", "following", "stories"):
            one.batch.instead(total, lambda batch: dict.fromkeys(batch.rows, 0))  # type: ignore[attr-defined]


def update_profile(
    me: Person,
    *,
    patch: Mapping[str, Any],
    expect: Expected,
    merge: bool,
    key: uuid.UUID | None,
) -> Outcome:
    """Change the viewer's name, bio, or whether lists show stories for adults."""

    def write(seen: Expected) -> Outcome:
        return actions.update_profile(me.pk, patch, seen, merge=merge)

    request = Request("updateProfile", me.pk, key, {"patch": dict(patch), "merge": merge})
    return performed(request, conditioned(me.pk, expect, Target("person", {"pk": me.pk}), write), me)


# --- What belongs to a person, for a whole batch at once ---------------------------------------------------------


def follower_count(person: Person) -> int:
    """How many people follow them."""
    return _total(person, "followers")


def following_count(person: Person) -> int:
    """How many people they follow."""
    return _total(person, "following")


def story_count(person: Person) -> int:
    """How many stories they have published."""
    return _total(person, "stories")


def _total(person: Person, kind: str) -> int:
    return loaded(person, kind, lambda batch: tallies.totals(PersonTally, kind, batch.rows))


def named(row: Any, field: str) -> Person:
    """The person in a field of the row, loaded for the whole batch; a placeholder if hidden from the viewer."""

    def load(batch: Batch) -> Mapping[uuid.UUID, Person]:
        found = shown({getattr(one, field) for one in batch.rows.values()}, batch.viewer)
        return {one.pk: found[getattr(one, field)] for one in batch.rows.values()}

    person: Person = loaded(row, field, load)
    return person


def relationship(person: Person) -> PairSide | None:
    """The viewer's side towards them; None when signed out or for oneself."""
    viewer = person.batch.viewer  # type: ignore[attr-defined]
    if viewer is None or viewer.pk == person.pk:
        return None
    pair_side: PairSide = loaded(person, "relationship", lambda batch: social.pair_sides(batch.rows, viewer=viewer.pk))
    return with_people(pair_side, person, viewer)


def with_people(pair_side: PairSide, person: Person, viewer: Person) -> PairSide:
    """Set the two people on the viewer's side."""
    pair_side.person, pair_side.viewer = person, viewer
    return pair_side


def followers(person: Person, window: Window) -> Page[Person]:
    """Who follows them, newest first."""
    return _list(person, social.FOLLOWERS, window)


def following(person: Person, window: Window) -> Page[Person]:
    """Whom they follow, newest first."""
    return _list(person, social.FOLLOWING, window)


def list_total(person: Person, kind: str) -> int:
    """The length of a list, as the viewer may see it."""
    return loaded(
        person,
        ("total", kind),
        lambda batch: social.list_totals(kind, list(batch.rows), viewer=batch.viewer_id),
    )


def _list(person: Person, kind: str, window: Window) -> Page[Person]:
    def load(batch: Any) -> Mapping[uuid.UUID, Page[Person]]:
        return gather_pages(social.lists(kind, list(batch.rows), window, viewer=batch.viewer_id), batch.viewer)

    return loaded(person, (kind, window), load)


def published_stories(person: Person, window: Window) -> Page[Story]:
    """What they have published, newest first."""

    def load(batch: Any) -> Mapping[uuid.UUID, Page[Story]]:
        pages = lists.by_authors(list(batch.rows), window, viewer=batch.viewer_id, mature=shows_mature(batch.viewer))
        return gather_pages(pages, batch.viewer)

    return loaded(person, ("stories", window), load)


def shelf(person: Person) -> Shelf | None:
    """The person's shelf; private."""
    if not _is_viewer(person):
        return None
    found = stories.shelves([person.pk])[person.pk]
    return gather([found], person.batch.viewer)[0]  # type: ignore[attr-defined]


def show_mature(person: Person) -> bool | None:
    """Whether lists show them stories for adults; private."""
    return person.show_mature if _is_viewer(person) else None


def _is_viewer(person: Person) -> bool:
    return person.batch.viewer_id == person.pk  # type: ignore[attr-defined]


def shelf_stories(shelf: Shelf, window: Window) -> Page[Story]:
    """All stories on one's own shelf, drafts included, newest first."""
    page = lists.on_shelf(shelf.pk, window)
    gather(page.rows, shelf.batch.viewer)  # type: ignore[attr-defined]
    return page


# --- Demo people, for the explorer ------------------------------------------------------------------------------


def demo_people() -> list[tuple[str, str]]:
    """Handle and name of the demo people that a visitor can sign in as; empty without demo data."""
    return queries.names(demo.HANDLES) if demo.is_open() else []
