"""The latest change behind a conflict: when it was made and by whom, as far as the viewer may know."""

from datetime import datetime

from backend.engine.errors import Conflict
from backend.people.models import Person
from backend.stories import revisions as history
from backend.stories.models import Chapter, Revision, Story
from resolvers import people, revisions
from resolvers.batches import gather


def by(conflict: Conflict) -> Person | None:
    """Who made the latest change; None if nobody recorded it, or the viewer may not see them."""
    revision = _revision(conflict)
    if revision is not None:
        return revisions.author(revision)
    person_id = conflict.unseen.by
    if person_id is None:
        return None
    return people.by_ids([person_id], viewer=conflict.viewer).get(person_id)


def at(conflict: Conflict) -> datetime | None:
    """When the latest change was made; None if that is not known any more, because the caller has written since."""
    if conflict.unseen.at is not None:
        return conflict.unseen.at
    revision = _revision(conflict)
    return None if revision is None else revision.at


def _revision(conflict: Conflict) -> Revision | None:
    row, latest = conflict.current, conflict.unseen.latest
    if latest is None or not isinstance(row, Story | Chapter):
        return None
    found = history.of_write(row, latest)
    return None if found is None else gather([found], conflict.viewer)[0]
