"""What the tests of the schema share."""

import pytest

from tests.api import ApiClient
from tests.schema.mutation_fixture import MutationFixture


@pytest.fixture
def world(asha: ApiClient, bilal: ApiClient) -> MutationFixture:
    """Asha, who sends the requests and has a draft, and bilal, who has a published story."""
    return MutationFixture.of(asha, bilal)
