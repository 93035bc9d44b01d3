"""What the tests of the schema share."""

import pytest

from tests.api import Caller
from tests.schema.mutations import World


@pytest.fixture
def world(asha: Caller, bilal: Caller) -> World:
    """Asha, who sends the requests and has a draft, and bilal, who has a published story."""
    return World.of(asha, bilal)
