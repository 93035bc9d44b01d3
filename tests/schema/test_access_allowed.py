"""docs/access.md holds: whoever may do something can do it."""

import pytest

from tests.schema.access_fixture import VIEWERS, AccessFixture, table
from tests.schema.asking import DOCUMENTS, outcome, sent

LAST = (
    "unpublishStory",
    "deleteChapter",
    "leaveStory",
    "deleteStory",
    "deleteWhisper",
    "block",
    "signIn",
    "changePassword",
    "deleteAccount",
    "endSession",
    "signOut",
)
"""Mutations after which others of the table could not be done any more, in the order in which they can."""


@pytest.fixture
def scene(transactional_db: None) -> AccessFixture:
    """The author, their things and everybody."""
    return AccessFixture()


def test_allowed_mutations(scene: AccessFixture) -> None:
    """Each by each viewer who may, those last that take something away from others."""
    for row in sorted(table("Mutations"), key=lambda row: LAST.index(row.what) if row.what in LAST else -1):
        for viewer in (*(one for one in VIEWERS if one not in ("author", "buyer")), "buyer", "author"):
            if row.cells[viewer] == "✓":
                scene.prepare(row.what)
                answer = scene.callers[viewer].post(DOCUMENTS[row.what], **sent(scene, row, viewer))
                assert outcome(answer, row.what) == "✓", (row, viewer)
