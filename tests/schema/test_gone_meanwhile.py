"""What was written may be deleted by others before its answer is read: that is told in an answer of the mutation's types."""

import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from backend.engine.idempotency import Outcome
from backend.engine.mutations import Mutation, perform
from backend.stories.models import Story
from resolvers import work
from schema.nodes import to_id
from tests.api import ApiClient
from tests.races.rivals import Rival
from tests.races.rows import assert_verified
from tests.schema.test_answers import ASKS, FRESH, UNCONDITIONED, given, send, send_unconditioned, whole

pytestmark = pytest.mark.django_db(transaction=True)
__all__ = ["whole"]

Send = Callable[[ApiClient, str, dict[str, Any], str | None], dict[str, Any]]


def _conditioned(who: ApiClient, field: str, variables: dict[str, Any], key: str | None) -> Any:
    return send(who, field, variables, FRESH.get(field, "0"), key)


SENDS: dict[str, Send] = {**dict.fromkeys(ASKS, _conditioned), **dict.fromkeys(UNCONDITIONED, send_unconditioned)}


def _delete_stories(*people: ApiClient) -> None:
    """All of theirs that can be deleted."""
    for one in people:
        for story, version in Story.objects.filter(author_id=one.person.pk).values_list("pk", "version"):
            one.delete_story(to_id("Story", story), str(version))


@pytest.mark.parametrize("field", SENDS)
def test_what_is_gone_before_the_answer_is_read_is_told(
    field: str, asha: ApiClient, bilal: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between COMMIT and the answer every story is deleted that can be: nothing of the answer is a fault."""
    variables, key = given(asha, bilal), str(uuid.uuid4())
    sent: list[str] = []

    def perform_then_delete(mutation: Mutation) -> Outcome:
        outcome = perform(mutation)
        if mutation.operation == field and not sent:
            sent.append(field)
            Rival(partial(_delete_stories, asha, bilal)).result()
        return outcome

    monkeypatch.setattr(work, "perform", perform_then_delete)
    answer = SENDS[field](asha, field, variables, key)
    assert sent
    assert answer["__typename"] == "NotFoundError" or answer["applied"] in ("WRITTEN", "NOOP")
    assert_verified()
