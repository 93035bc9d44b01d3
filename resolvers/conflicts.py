"""The latest change behind a conflict: when it was made and by whom, as far as the viewer may know."""

import uuid
from datetime import datetime

from backend.engine.errors import Conflict
from backend.people.models import Person
from backend.people.queries import BY_ID
from backend.sources import read
from backend.stories import revisions as history
from backend.stories.models import Chapter, Revision, Story
from resolvers.access import is_moderator
from resolvers.work import shown_to


def by(conflict: Conflict) -> Person | None:
    """Who made the latest change; None if nobody recorded it, or the viewer may not know them."""
    me, revision = conflict.viewer, _revision(conflict)
    person_id = _without_history(conflict) if revision is None else revision.by_id
    if person_id is None or (
        revision is not None and revision.moderated and person_id != me.id and not is_moderator(me)
    ):
        return None
    found = read(Person, BY_ID, key=person_id, viewer=me.id).row
    return None if found is None else shown_to(found, me)


def at(conflict: Conflict) -> datetime | None:
    """When the latest change was made; None if that is not known any more, because the caller has written since."""
    if conflict.unseen.at is not None:
        return conflict.unseen.at
    revision = _revision(conflict)
    return None if revision is None else revision.at


def _without_history(conflict: Conflict) -> uuid.UUID | None:
    """Who made a latest change that no history has: of who writes a story, its row says so."""
    row = conflict.current
    if isinstance(row, Story) and conflict.unseen.latest == row.coauthors_changed:
        return row.coauthors_by
    return conflict.unseen.by


def _revision(conflict: Conflict) -> Revision | None:
    row, latest = conflict.current, conflict.unseen.latest
    if latest is None or not isinstance(row, Story | Chapter):
        return None
    return history.of_write(row, latest)
