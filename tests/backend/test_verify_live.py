"""`verify` on data that is written: what the API writes holds, and all checks see one moment of it."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.core.management import call_command
from django.db import connection

from backend.engine.checks import Check, Result, run
from backend.engine.removal import removing
from backend.monitoring import verify
from tests.api import ApiClient
from tests.backend.verifying import execute, told_broken, verified


def test_an_empty_database_and_one_with_real_writes_hold(person: Callable[[str], ApiClient]) -> None:
    said, error = verified()
    assert error is None
    zoe, ravi = person("zoe"), person("ravi")
    zoe.follow(ravi)
    ravi.follow(zoe, key="6f3f3c1e-0000-4000-8000-000000000001")
    zoe.block(ravi)
    zoe.unblock(ravi, version="3")
    ravi.follow(zoe, version="3")
    story = zoe.published_story(chapters=3)
    ravi.record_view(story["id"], chapter=story["chapters"][2]["id"], offset=3)
    zoe.record_view(story["id"])
    zoe.unpublish(story["id"], "2")
    zoe.create_story("1", chapters=0)
    zoe.update_profile({"bio": "Writes."}, "1")
    edition = ravi.create_edition(ravi.published_story()["id"])["edition"]["id"]
    order = ravi.place_order((edition, 2))["order"]["id"]
    ravi.adjust_stock(edition, 4)
    ravi.update_order(order, "CANCELLED", "1")
    said, error = verified()
    assert error is None
    assert said.splitlines()[-1] == f"All {len(verify.every_check())} checks hold."
    assert re.search(r"^views +ok +of 1 ", said, re.MULTILINE)
    assert re.search(r"^keys_have_a_reply +ok +of 3 ", said, re.MULTILINE)


def test_all_checks_see_one_moment(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is deleted after the first check, on another connection; the others still see it."""
    call_command("demo", people=30, stories=30, verbosity=0)

    def delete() -> None:
        execute(f"DELETE FROM stories_shelf WHERE {removing('stories_shelf')}")
        connection.close()

    def run_and_delete(check: Check) -> Result:
        result = run(check)
        with ThreadPoolExecutor() as other:
            other.submit(delete).result()
        return result

    monkeypatch.setattr(verify, "run", run_and_delete)
    _said, error = verified()
    assert error is None
    monkeypatch.undo()
    said, _error = verified()
    assert told_broken(said) == {"everybody_has_a_shelf"}
