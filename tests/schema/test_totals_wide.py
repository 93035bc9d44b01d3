"""Totals that are greater than any Int: the Int stands still at its greatest value, the BigInt beside it has all of it."""

import pytest

from backend.people.models import Person, PersonTally
from backend.stories.models import Story, StoryTally
from schema.scalars import MAX_INT
from tests.api import ApiClient
from tests.schema.unguarded import unguarded

pytestmark = pytest.mark.django_db(transaction=True)

BIG = 3_000_000_000
LISTED = "{ stories { edges { node { title viewCount viewTotal } } } }"
PERSON = """
query ($handle: String!) {
  viewer { handle }
  person(handle: $handle) {
    followerCount followerTotal followingCount followingTotal storyCount storyTotal followers { totalCount total }
  }
}
"""


def grow(model: type[PersonTally] | type[StoryTally], subject: object, kind: str, by: int = BIG) -> None:
    """Let a total be so great; its first slot may be there."""
    slot, made = model.objects.get_or_create(subject_id=subject, kind=kind, slot=99, defaults={"count": by})
    assert made, slot


def test_one_story_with_very_many_views_takes_no_list_away(asha: ApiClient, bilal: ApiClient) -> None:
    """Its neighbours are listed with it; a number that fits is the same in both fields."""
    asha.published_story(title="Small")
    asha.published_story("1", title="Great")
    grow(StoryTally, Story.objects.get(title="Great").pk, "views")
    great, small = (edge["node"] for edge in bilal.ask(LISTED)["stories"]["edges"])
    assert great == {"title": "Great", "viewCount": MAX_INT, "viewTotal": BIG}
    assert small == {"title": "Small", "viewCount": 0, "viewTotal": 0}


@pytest.mark.parametrize(("total", "shown"), [(MAX_INT - 1, MAX_INT - 1), (MAX_INT, MAX_INT), (MAX_INT + 1, MAX_INT)])
def test_the_greatest_int_stands_for_itself_and_more(asha: ApiClient, total: int, shown: int) -> None:
    """At the edge nothing is lost and nothing fails."""
    asha.published_story()
    grow(StoryTally, Story.objects.get().pk, "views", total)
    (edge,) = asha.ask(LISTED)["stories"]["edges"]
    assert (edge["node"]["viewCount"], edge["node"]["viewTotal"]) == (shown, total)


def test_so_do_all_totals_of_a_person(asha: ApiClient, bilal: ApiClient) -> None:
    """Also the one of a list; and `viewer` beside them is there."""
    for kind in ("followers", "following", "stories"):
        grow(PersonTally, bilal.person.pk, kind)
    found = asha.ask(PERSON, handle="bilal")
    assert found["viewer"] == {"handle": "asha"}
    ints = {"followerCount", "followingCount", "storyCount"}
    assert {found["person"][name] for name in ints} == {MAX_INT}
    assert {found["person"][name] for name in ("followerTotal", "followingTotal", "storyTotal")} == {BIG}
    assert found["person"]["followers"] == {"totalCount": MAX_INT, "total": BIG}


def test_so_does_the_answer_of_a_mutation(asha: ApiClient, bilal: ApiClient) -> None:
    """The write is told as what it is."""
    grow(PersonTally, bilal.person.pk, "followers")
    query = (
        'mutation ($p: ID!) { follow(person: $p, expect: {version: "0"}) { ... on RelationshipSuccess { applied relationship '
        "{ person { followerCount followerTotal } } } } }"
    )
    answer = asha.ask(query, p=bilal.id)["follow"]
    assert answer == {
        "applied": "WRITTEN",
        "relationship": {"person": {"followerCount": MAX_INT, "followerTotal": BIG + 1}},
    }


def test_so_does_how_far_behind_somebody_is(asha: ApiClient) -> None:
    """A version is no Int."""
    with unguarded():
        Person.objects.filter(pk=asha.person.pk).update(version=BIG, name_changed=2)
    query = (
        'mutation { updateProfile(patch: {name: "A"}, expect: {version: "1"}) { ... on ConflictError { versionsBehind '
        "current { version } } } }"
    )
    answer = asha.ask(query)["updateProfile"]
    assert answer == {"versionsBehind": MAX_INT, "current": {"version": str(BIG)}}
