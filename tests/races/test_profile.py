"""Races on one profile: disjoint fields merge, and the history of one field is a chain."""

import pytest

from backend.people.models import Account, Person
from tests import depth
from tests.api import PASSWORD, ApiClient
from tests.races.rivals import lost, race, won
from tests.races.rows import assert_sound

pytestmark = pytest.mark.django_db(transaction=True)

SIGN_UP = """
mutation($h: String!, $n: String!, $p: String!) { signUp(handle: $h, name: $n, password: $p) {
  __typename ... on SignSuccess { person { handle } token } ... on InvalidError { fields { path message } }
} }
"""


def test_of_eight_rivals_on_one_version_exactly_one_wins(asha: ApiClient) -> None:
    """The others are told the winner's name, and what they collided over."""
    results = race([lambda name=f"Asha {n}": asha.update_profile({"name": name}, "1") for n in range(8)])
    (winner,) = won(results)
    assert len(lost(results)) == 7
    name = winner["person"]["name"]
    assert all(one["current"]["name"] == name and one["current"]["version"] == "2" for one in lost(results))
    assert all([overlap["theirs"] for overlap in one["overlaps"]] == [name] for one in lost(results))
    assert (Person.objects.get().name, Person.objects.get().version) == (name, 2)


def test_disjoint_fields_merge_without_conflict(asha: ApiClient) -> None:
    """With MERGE a new name and a new bio, sent at once for the same version, both stand."""
    for number in range(depth.rounds(20, at_least=6)):
        version = str(1 + 2 * number)
        patches = [{"name": f"Asha {number}"}, {"bio": f"Bio {number}"}]
        results = race([lambda p=patch, v=version: asha.update_profile(p, v, merge=True) for patch in patches])
        assert sorted(one["applied"] for one in results) == ["MERGED", "WRITTEN"]
        row = Person.objects.get()
        assert (row.name, row.bio, row.version) == (f"Asha {number}", f"Bio {number}", int(version) + 2)


def test_eight_who_merge_two_fields_lose_only_to_the_same_field(asha: ApiClient) -> None:
    """Four names and four bios for one version: one of each wins."""
    patches = [{"name": f"Asha {n}"} if n % 2 else {"bio": f"Bio {n}"} for n in range(8)]
    results = race([lambda p=patch: asha.update_profile(p, "1", merge=True) for patch in patches])
    done = [one for one in results if one["__typename"] == "ProfileSuccess"]
    assert sorted(one["applied"] for one in done) == ["MERGED", "WRITTEN"]
    assert len(lost(results)) == 6
    fields = sorted(next(iter(patch)) for patch, one in zip(patches, results, strict=True) if one in done)
    assert fields == ["bio", "name"]
    assert Person.objects.get().version == 3


def test_the_history_of_one_field_is_a_chain(asha: ApiClient) -> None:
    """Eight writers who rebase until they succeed: each replaced exactly the name that it had seen."""

    def stubborn(name: str) -> tuple[str, str]:
        seen, version = "Asha", "1"
        while True:
            answer = asha.update_profile({"name": name}, version, merge=True)
            if answer["__typename"] == "ProfileSuccess":
                return seen, name
            seen, version = answer["current"]["name"], answer["current"]["version"]

    replaced = dict(race([lambda n=n: stubborn(f"Name {n}") for n in range(8)]))
    assert len(replaced) == 8, "two writers replaced the same name"
    name = "Asha"
    for _ in range(8):
        name = replaced[name]
    assert Person.objects.get().name == name
    assert Person.objects.get().version == 9


def test_of_eight_who_sign_up_with_one_handle_exactly_one_does(nobody: ApiClient) -> None:
    """The others are told that it is taken, however it is capitalised, and leave nothing behind."""
    handles = ["meena", "Meena", "MEENA", "meenA"] * 2
    results = race([lambda h=h: nobody.ask(SIGN_UP, h=h, n="Meena", p=PASSWORD)["signUp"] for h in handles])
    kinds = sorted(one["__typename"] for one in results)
    assert kinds == ["InvalidError"] * 7 + ["SignSuccess"]
    assert all(one["fields"] == [{"path": "handle", "message": "is taken."}] for one in results if "fields" in one)
    assert (Person.objects.count(), Account.objects.count()) == (1, 1)
    assert_sound()
