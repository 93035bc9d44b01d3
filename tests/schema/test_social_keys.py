"""One key, one effect: a follow or a block that is sent again with its key."""

import uuid

from tests.api import ApiClient
from tests.schema.footprint import nothing_written
from tests.schema.test_social import side


def new_key() -> str:
    """A key."""
    return str(uuid.uuid4())


def test_a_key_gives_the_first_reply_again(asha: ApiClient, bilal: ApiClient) -> None:
    """Also when the version has moved since, and whatever has happened in between."""
    key = new_key()
    first = asha.follow(bilal, "0", key=key)
    asha.unfollow(bilal, "1")
    with nothing_written():
        again = asha.follow(bilal, "0", key=key)
        other_version = asha.follow(bilal, "5", key=key)
    assert again == {**first, "applied": "REPLAYED"}
    assert other_version == again
    assert asha.relationship(bilal) == side(version="2")


def test_a_key_belongs_to_one_request(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Another person or another mutation under it is refused."""
    key = new_key()
    asha.follow(bilal, "0", key=key)
    with nothing_written():
        for answer in (
            asha.follow(chitra, "0", key=key),
            asha.unfollow(bilal, "1", key=key),
            asha.block(bilal, key=key),
        ):
            assert (answer["__typename"], answer["code"]) == ("KeyReusedError", "KEY_REUSED")
            assert answer["retry"] == {"kind": "NEVER", "afterMs": 0}


def test_a_key_is_ones_own(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Two people may happen to use the same."""
    key = new_key()
    assert asha.follow(chitra, "0", key=key)["applied"] == "WRITTEN"
    assert bilal.follow(chitra, "0", key=key)["applied"] == "WRITTEN"


def test_a_refusal_is_not_remembered(asha: ApiClient, bilal: ApiClient) -> None:
    """After a conflict the same key goes with the new version."""
    asha.follow(bilal)
    asha.unfollow(bilal, "1")
    key = new_key()
    with nothing_written():
        assert asha.follow(bilal, "0", key=key)["__typename"] == "ConflictError"
    assert asha.follow(bilal, "2", key=key)["applied"] == "WRITTEN"


def test_a_noop_is_remembered_as_one(asha: ApiClient, bilal: ApiClient) -> None:
    """The first reply said that nothing was done; the second says that it was said."""
    key = new_key()
    assert asha.unfollow(bilal, "0", key=key)["applied"] == "NOOP"
    assert asha.unfollow(bilal, "0", key=key)["applied"] == "REPLAYED"


# --- Reading relationships --------------------------------------------------------------------------------------
