"""Accounts and profiles: signing up, in and out, and changing one's own name and bio on two devices."""

import uuid
from typing import Any

import pytest
from django.contrib.auth import hashers

from tests.api import PASSWORD, ApiClient
from tests.schema.footprint import nothing_written

PROFILE = """
query ($h: String!) { person(handle: $h) {
  __typename id version updatedAt joinedAt handle name bio followerCount followingCount storyCount
  relationship { id } shelf { id }
  followers { totalCount edges { cursor } } following { totalCount edges { cursor } } stories { edges { cursor } }
} }
"""
SIGN = "__typename ... on SignSuccess { token person { handle name bio version storyCount shelf { version } } } "
SIGN += "... on Failure { code message retry { kind afterMs } }"
SIGN_UP = (
    f"mutation ($h: String!, $n: String!, $p: String!) {{ signUp(handle: $h, name: $n, password: $p) {{ {SIGN} }} }}"
)
SIGN_IN = f"mutation ($h: String!, $p: String!) {{ signIn(handle: $h, password: $p) {{ {SIGN} }} }}"


def test_a_new_person(nobody: ApiClient) -> None:
    """Signed in at once, with an empty shelf; the name is trimmed and normalised, the handle is kept as written."""
    answer = nobody.ask(SIGN_UP, h="Dora.D", n="  Do\u0301ra  ", p=PASSWORD)["signUp"]
    assert answer["person"] == {
        "handle": "Dora.D",
        "name": "D\u00f3ra",
        "bio": "",
        "version": "1",
        "storyCount": 0,
        "shelf": {"version": "0"},
    }
    dora = ApiClient(answer["token"])
    assert dora.ask("{ viewer { handle } }") == {"viewer": {"handle": "Dora.D"}}
    empty = {"totalCount": 0, "edges": []}
    found = nobody.ask(PROFILE, h="dora.d")["person"]
    assert (found["followers"], found["following"], found["stories"]) == (empty, empty, {"edges": []})
    assert (found["relationship"], found["shelf"]) == (None, None)
    assert found["joinedAt"] == found["updatedAt"]


def test_nobody_of_that_name(nobody: ApiClient) -> None:
    """Null, also for what could never be a handle."""
    for handle in ("asha", "", " ", "a b", "%", "x" * 400, "ä"):
        assert nobody.ask(PROFILE, h=handle) == {"person": None}
    assert nobody.ask("{ viewer { id } }") == {"viewer": None}


def test_signing_in_takes_the_handle_in_any_case(asha: ApiClient) -> None:
    """And gives a token of its own each time."""
    tokens = {asha.token}
    for handle in ("asha", "ASHA", "Asha"):
        answer = ApiClient().ask(SIGN_IN, h=handle, p=PASSWORD)["signIn"]
        assert answer["person"]["handle"] == "asha"
        tokens.add(answer["token"])
    assert len(tokens) == 4


def test_who_cannot_sign_in_is_told_the_same(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown handle, wrong password or nonsense: the same words, the hasher run once, and nothing written."""
    hashed: list[str] = []
    hasher = hashers.get_hasher()
    encode = type(hasher).encode
    monkeypatch.setattr(type(hasher), "encode", lambda self, *args: hashed.append("once") or encode(self, *args))
    answers, runs = [], []
    with nothing_written():
        for handle, password in [
            ("asha", "wrong"),
            ("nobody", "wrong"),
            ("nobody", PASSWORD),
            ("", ""),
            ("a b", "x" * 5_000),
        ]:
            hashed.clear()
            answers.append(ApiClient().ask(SIGN_IN, h=handle, p=password)["signIn"])
            runs.append(len(hashed))
    assert all(answer == answers[0] for answer in answers)
    assert runs == [1] * len(answers)
    assert (answers[0]["__typename"], answers[0]["code"]) == ("ForbiddenError", "UNAUTHENTICATED")
    assert answers[0]["retry"] == {"kind": "NEVER", "afterMs": 0}


# --- The profile ------------------------------------------------------------------------------------------------


def new_key() -> str:
    """A key."""
    return str(uuid.uuid4())


def test_the_profile_is_ones_own_to_change(asha: ApiClient, bilal: ApiClient) -> None:
    """Everybody sees it, and the version moves by one."""
    answer = asha.update_profile({"name": "Asha D", "bio": "Reads.\nWrites."}, "1")
    assert answer["applied"] == "WRITTEN"
    assert answer["person"] == {"id": asha.id, "version": "2", "name": "Asha D", "bio": "Reads.\nWrites."}
    found = bilal.ask(PROFILE, h="asha")["person"]
    assert (found["name"], found["bio"], found["version"]) == ("Asha D", "Reads.\nWrites.", "2")
    assert found["updatedAt"] > found["joinedAt"]
    assert asha.update_profile({"bio": ""}, "2")["person"]["bio"] == ""


def test_what_it_says_already_is_left_alone(asha: ApiClient) -> None:
    """NOOP, the version stays; a stale version of what has not changed since does no harm."""
    with nothing_written():
        answer = asha.update_profile({"name": "Asha"}, "1")
    assert (answer["applied"], answer["person"]["version"]) == ("NOOP", "1")


def test_fail_refuses_any_change_since(asha: ApiClient) -> None:
    """Also one of the other field: the writer had not seen it."""
    asha.update_profile({"bio": "New."}, "1")
    with nothing_written():
        answer = asha.update_profile({"name": "Other"}, "1")
    assert (answer["__typename"], answer["expected"], answer["overlaps"]) == ("ConflictError", "1", [])
    assert (answer["current"]["version"], answer["current"]["bio"], answer["current"]["name"]) == ("2", "New.", "Asha")


def test_merge_keeps_what_others_wrote(asha: ApiClient) -> None:
    """Disjoint fields of two devices are both kept, and the client hears that there was something to merge."""
    asha.update_profile({"bio": "New."}, "1")
    answer = asha.update_profile({"name": "Other"}, "1", merge=True)
    assert (answer["applied"], answer["person"]["version"]) == ("MERGED", "3")
    assert (answer["person"]["name"], answer["person"]["bio"]) == ("Other", "New.")
    assert asha.update_profile({"name": "Third"}, "3", merge=True)["applied"] == "WRITTEN"


def test_merge_refuses_the_same_field(asha: ApiClient) -> None:
    """Nobody's value is dropped: the conflict names the field with both values."""
    asha.update_profile({"name": "First"}, "1")
    with nothing_written():
        answer = asha.update_profile({"name": "Second", "bio": "New."}, "1", merge=True)
    assert answer["__typename"] == "ConflictError"
    (overlap,) = answer["overlaps"]
    assert {name: overlap[name] for name in ("path", "mine", "theirs")} == {
        "path": "name",
        "mine": "Second",
        "theirs": "First",
    }
    assert answer["retry"]["kind"] == "REBASE"


def test_merge_takes_what_is_there_already(asha: ApiClient) -> None:
    """Two devices that set the same value agree: a field that holds it is no conflict, beside others or alone."""
    asha.update_profile({"name": "Same", "bio": "New."}, "1")
    with nothing_written():
        answer = asha.update_profile({"name": "Same", "bio": "New."}, "1", merge=True)
    assert (answer["applied"], answer["person"]["version"]) == ("NOOP", "2")
    with nothing_written():
        answer = asha.update_profile({"name": "Same"}, "1", merge=True)
    assert (answer["applied"], answer["person"]["version"], answer["person"]["bio"]) == ("MERGED", "2", "New.")
    answer = asha.update_profile({"name": "Same", "showMature": True}, "1", merge=True)
    assert (answer["applied"], answer["person"]["version"]) == ("MERGED", "3")
    with nothing_written():
        answer = asha.update_profile({"name": "Same", "bio": "Other.", "showMature": True}, "1", merge=True)
    assert [overlap["path"] for overlap in answer["overlaps"]] == ["bio"]


def test_fail_does_not_take_what_is_there_already(asha: ApiClient) -> None:
    """A version that is no longer the present one is a conflict, also where nothing would change."""
    asha.update_profile({"name": "Same"}, "1")
    with nothing_written():
        answer = asha.update_profile({"name": "Same"}, "1")
    assert answer["__typename"] == "ConflictError"


def test_what_lists_show_can_be_changed_by_itself(asha: ApiClient) -> None:
    """A field like the others: off at first, with a stamp and a conflict of its own."""
    shown = "{ viewer { showMature version } }"
    assert asha.ask(shown)["viewer"] == {"showMature": False, "version": "1"}
    assert asha.update_profile({"name": "Other"}, "1")["applied"] == "WRITTEN"
    assert asha.update_profile({"showMature": True}, "1", merge=True)["applied"] == "MERGED"
    assert asha.ask(shown)["viewer"] == {"showMature": True, "version": "3"}
    with nothing_written():
        assert asha.update_profile({"showMature": True}, "3")["applied"] == "NOOP"
        answer = asha.update_profile({"showMature": False, "name": "Third"}, "2", merge=True)
    (overlap,) = answer["overlaps"]
    assert {name: overlap[name] for name in ("path", "mine", "theirs")} == {
        "path": "showMature",
        "mine": False,
        "theirs": True,
    }


@pytest.mark.parametrize("version", ["0", "5", "9" * 18])
@pytest.mark.parametrize("merge", [False, True])
def test_a_version_that_was_never_is_a_conflict(asha: ApiClient, version: str, merge: bool) -> None:
    """Of the past or of the future."""
    with nothing_written():
        answer = asha.update_profile({"name": "Other"}, version, merge=merge)
    assert (answer["__typename"], answer["expected"]) == ("ConflictError", version)


def test_a_key_replays_the_profile_as_it_was(asha: ApiClient) -> None:
    """The first reply, although the profile has changed since; other values under the key are refused."""
    key = new_key()
    first = asha.update_profile({"name": "First"}, "1", key=key)
    asha.update_profile({"name": "Second"}, "2")
    with nothing_written():
        again = asha.update_profile({"name": "First"}, "1", key=key)
        other = asha.update_profile({"name": "Third"}, "3", key=key)
        merged = asha.update_profile({"name": "First"}, "1", merge=True, key=key)
    assert again == {**first, "applied": "REPLAYED"}
    assert {answer["__typename"] for answer in (other, merged)} == {"KeyReusedError"}


def test_what_is_only_for_oneself(asha: ApiClient, bilal: ApiClient) -> None:
    """The shelf, and whether lists show them stories for adults."""
    query = "query ($id: ID!) { node(id: $id) { ... on Person { handle showMature shelf { storyCount } } } }"
    asha.update_profile({"showMature": True}, "1")
    mine: Any = asha.ask(query, id=asha.id)["node"]
    assert mine == {"handle": "asha", "showMature": True, "shelf": {"storyCount": 0}}
    for other in (bilal, ApiClient()):
        assert other.ask(query, id=asha.id)["node"] == {"handle": "asha", "showMature": None, "shelf": None}
