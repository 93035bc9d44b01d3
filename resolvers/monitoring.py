"""The health of the server, for moderators."""

from backend.monitoring import figures
from backend.monitoring.figures import Figures
from backend.people.models import Person
from resolvers.access import signed_in
from resolvers.moderation import must_moderate


def health(*, viewer: Person | None) -> Figures:
    """All present metrics."""
    must_moderate(signed_in(viewer))
    return figures.read()
