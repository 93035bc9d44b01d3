"""No answer has more fields than its cost, whatever is asked for and however much there is."""

import uuid
from typing import Any

import pytest
from django.db import connection

from backend.stories.models import MAX_CHAPTERS
from schema.execution.operations import Operation
from tests import depth
from tests.api import ApiClient
from tests.schema.reads.documents import documents
from tests.schema.reads.world import make_world

DOCUMENTS = depth.rounds(3_000, at_least=100) if depth.EXHAUSTIVE else 40
LONGEST = """INSERT INTO stories_chapter SELECT (jsonb_populate_record(chapter, jsonb_build_object(
  'id', gen_random_uuid(), 'position', %s + number))).* FROM stories_chapter AS chapter
  CROSS JOIN generate_series(1, %s) AS number WHERE chapter.position = 1 AND chapter.story_id = %s"""


def values_in(answer: Any) -> int:
    """How many fields an answer has, and members of lists of values. Nobody can tell what is within a JSON value from fields."""
    if isinstance(answer, dict):
        return len(answer) + sum(map(values_in, answer.values()))
    if isinstance(answer, list):
        return sum(values_in(one) if isinstance(one, dict) else 1 for one in answer if one is not None)
    return 0


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The costs of what is asked, in its order."""
    found: list[int] = []
    plain = Operation.cost

    def cost(operation: Operation, values: Any, a_minute: int) -> int:
        found.append(plain(operation, values, a_minute))
        return found[-1]

    monkeypatch.setattr(Operation, "cost", cost)
    return found


def lengthen() -> None:
    """Give each story as many chapters as it can have."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT story_id, max(position) FROM stories_chapter GROUP BY story_id")
        for story, last in cursor.fetchall():
            cursor.execute(LONGEST, [last, MAX_CHAPTERS - last, story])


@pytest.mark.django_db(transaction=True)
def test_no_answer_has_more_fields_than_it_costs(costs: list[int], settings: Any) -> None:
    """Made by chance, over everything that can be read, with stories as long as they can be."""
    world = make_world()
    lengthen()
    settings.MAX_COST = 1_000_000
    clients = {viewer: ApiClient(token) for viewer, token in world.tokens.items()}
    tried = 0
    for asked in documents(world, DOCUMENTS, uuid.uuid4().int if depth.EXHAUSTIVE else 13):
        if "values" in asked.query:
            continue
        costs.clear()
        answer = clients[asked.viewer].post(asked.query, **asked.variables)
        if costs and isinstance(answer.get("data"), dict):
            tried += 1
            assert values_in(answer["data"]) <= costs[0], (asked, costs)
    assert tried > DOCUMENTS / 3
