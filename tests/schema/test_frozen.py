"""A look-up that has frozen holds up its own request and nobody else's in the process."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from backend.engine.values import as_text
from backend.limits.buckets import Limit
from backend.limits.rates import Rate
from backend.people.actions import digest
from schema.server import in_process
from tests.api import ApiClient
from tests.serving import PATIENCE_SECONDS

WHO = "{ viewer { handle } }"


class Aside(threading.Thread):
    """Work in a thread of its own, and what it returned."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.work, self.result = work, None
        self.start()

    def run(self) -> None:
        self.result = self.work()


def test_others_who_are_signed_in_are_answered_while_a_token_is_looked_up(
    asha: ApiClient, bilal: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backend that looks up one token has frozen; the same process answers whoever has another one."""
    frozen, goes_on = threading.Event(), threading.Event()
    real, theirs = in_process.select, as_text(digest(asha.token or ""))

    def select(statement: Any, parameters: Any) -> Any:
        if theirs in parameters:
            frozen.set()
            assert goes_on.wait(PATIENCE_SECONDS)
        return real(statement, parameters)

    monkeypatch.setattr(in_process, "select", select)
    first = Aside(lambda: asha.post(WHO))
    assert frozen.wait(PATIENCE_SECONDS)
    second = Aside(lambda: bilal.post(WHO))
    second.join(PATIENCE_SECONDS / 4)
    answered_meanwhile = second.result
    goes_on.set()
    first.join(PATIENCE_SECONDS)
    second.join(PATIENCE_SECONDS)
    assert answered_meanwhile == {"data": {"viewer": {"handle": "bilal"}}}
    assert first.result == {"data": {"viewer": {"handle": "asha"}}}


def test_the_key_of_a_limit_is_computed_once() -> None:
    """And stays what it was: rows are found by it."""
    limit = Limit("sign-ins", "asha", Rate(1, 1.0))
    assert limit.key is limit.key
    assert limit.key == Limit("sign-ins", "asha", Rate(9, 9.0)).key
    assert limit.key != Limit("sign-ins", "bilal", Rate(1, 1.0)).key
