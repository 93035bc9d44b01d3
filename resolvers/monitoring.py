"""The health of the server, for moderators."""

from backend.monitoring import figures
from backend.monitoring.figures import Figures
from backend.people.models import Person
from resolvers.access import must_moderate, signed_in


def health(*, viewer: Person | None) -> Figures:
    """All present metrics."""
    must_moderate(signed_in(viewer))
    return figures.read()
