"""A world that tests share is one that none of them writes to; whoever does is found out."""

import pytest

from tests.races.rows import crowd
from tests.worlds import MadeOnce

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_write_is_found_out_when_the_module_ends() -> None:
    """It is said to which tables."""
    made = MadeOnce("some/module.py")
    made(lambda: crowd(1))
    crowd(1, "other")
    with pytest.raises(
        AssertionError, match="written to changes_change, people_person, people_personwords, stories_shelf"
    ):
        made.end()


def test_a_write_is_found_out_before_another_world_is_made() -> None:
    """Else it would count as part of that one."""
    made = MadeOnce("some/module.py")
    made(lambda: crowd(1))
    crowd(1, "other")
    with pytest.raises(
        AssertionError, match="written to changes_change, people_person, people_personwords, stories_shelf"
    ):
        made(lambda: None)


def test_worlds_that_are_only_read_may_follow_one_another() -> None:
    """Each is made beside those before it."""
    made = MadeOnce("some/module.py")
    assert [len(made(lambda prefix=prefix: crowd(2, prefix))) for prefix in ("a", "b")] == [2, 2]
    made.end()
