"""Whom a conflict over who writes a story names: who acted, where the viewer may know it; nobody after a block or a leaving."""

from collections.abc import Callable

import pytest
from django.db import IntegrityError, connection

from backend.coauthors import queries
from backend.engine.transactions import unit_of_work
from backend.erasure.sweeping import sweep
from backend.stories import revisions
from backend.stories.models import Story
from tests.api import PASSWORD, ApiClient, join
from tests.races.rows import assert_verified
from tests.schema.access_fixture import key_in

pytestmark = pytest.mark.django_db(transaction=True)

Act = Callable[[str, ApiClient, ApiClient], ApiClient | None]
"""What one of those who write a story does, its author or `bilal`, who manages it; returns who is named."""


def invites(story: str, _asha: ApiClient, bilal: ApiClient) -> ApiClient | None:
    assert bilal.invite(story, join("dev"), bilal.version_of(story))["applied"] == "WRITTEN"
    return bilal


def accepts(story: str, asha: ApiClient, _bilal: ApiClient) -> ApiClient | None:
    asha.written_with(dev := join("dev"), story=story)
    return dev


def takes_over(story: str, asha: ApiClient, bilal: ApiClient) -> ApiClient | None:
    asha.written_with(bilal, "OWN", story=story)
    assert Story.objects.get().author == bilal.person
    return bilal


def sets_a_right(story: str, asha: ApiClient, bilal: ApiClient) -> ApiClient | None:
    asha.written_with(dev := join("dev"), story=story)
    assert bilal.set_right(story, dev, "MANAGE", bilal.version_of(story))["applied"] == "WRITTEN"
    return bilal


def takes_a_right(story: str, _asha: ApiClient, bilal: ApiClient) -> ApiClient | None:
    """Of themselves."""
    assert bilal.set_right(story, bilal, "WRITE", bilal.version_of(story))["applied"] == "WRITTEN"
    return bilal


def removes(story: str, asha: ApiClient, bilal: ApiClient) -> ApiClient | None:
    assert asha.remove_coauthor(story, bilal, asha.version_of(story))["applied"] == "WRITTEN"
    return asha


def leaves(story: str, _asha: ApiClient, bilal: ApiClient) -> ApiClient | None:
    assert bilal.leave_story(story, bilal.version_of(story))["applied"] == "WRITTEN"
    return None


def blocks(_story: str, asha: ApiClient, bilal: ApiClient) -> ApiClient | None:
    bilal.block(asha)
    return None


def is_blocked(_story: str, asha: ApiClient, bilal: ApiClient) -> ApiClient | None:
    asha.block(bilal)
    return None


def is_swept(_story: str, _asha: ApiClient, bilal: ApiClient) -> ApiClient | None:
    bilal.delete_account(PASSWORD)
    unit_of_work(lambda: None)
    sweep(bilal.person.pk)
    return None


ACTS = [invites, accepts, takes_over, sets_a_right, takes_a_right, removes, leaves, blocks, is_blocked, is_swept]


def shared(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> tuple[str, str]:
    """A story that `bilal` and `chitra` manage with its author, and its version."""
    story = asha.written_with(bilal, "MANAGE")
    asha.written_with(chitra, "MANAGE", story=story)
    return story, asha.version_of(story)


@pytest.mark.parametrize("act", ACTS)
def test_who_acted_is_named(act: Act, asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """To each who is late, in each way in which they are: with who writes it, and with the whole of it."""
    story, seen = shared(asha, bilal, chitra)
    named = act(story, asha, bilal)
    by = named and {"id": named.id}
    for viewer in (asha, chitra):
        late = viewer.leave_story(story, seen) if viewer is chitra else viewer.set_right(story, chitra, "WRITE", seen)
        assert (late["__typename"], late["by"]) == ("ConflictError", by), late
        assert "coauthors" in late["changedFields"]
        assert late["at"] == late["current"]["updatedAt"]
    assert chitra.ask(PUBLISH, id=story, e={"version": seen})["publishStory"]["by"] == by
    assert_verified()


PUBLISH = (
    "mutation ($id: ID!, $e: Expect!) { publishStory(id: $id, expect: $e) { ... on ConflictError { by { id } } } }"
)


def test_of_two_changes_the_later_one_counts(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """What somebody wrote to the story after it is by them; what is not of the story's writers does not take its name away."""
    story, seen = shared(asha, bilal, chitra)
    removes(story, asha, bilal)
    assert chitra.update_story(story, {"title": "Hers"}, chitra.version_of(story))["applied"] == "WRITTEN"
    late = chitra.leave_story(story, seen)
    assert late["by"] == {"id": chitra.id}
    removed = asha.remove_coauthor(story, chitra, asha.version_of(story))
    assert asha.set_right(story, bilal, "WRITE", seen)["by"] == {"id": asha.id}
    assert removed["applied"] == "WRITTEN"


def test_a_change_that_no_history_has_is_nobodys(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Not of who changed who writes the story before it."""
    story, seen = shared(asha, bilal, chitra)
    invites(story, asha, bilal)
    assert chitra.update_story(story, {"title": "Hers"}, chitra.version_of(story))["applied"] == "WRITTEN"
    assert chitra.leave_story(story, seen)["by"] == {"id": chitra.id}
    revisions.prune(kept=0, characters=0)
    assert chitra.leave_story(story, seen)["by"] is None


def test_whom_one_cannot_find_is_not_named(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Two co-authors, one of whom blocks the other: they write on, and find no name; the author does."""
    story, seen = shared(asha, bilal, chitra)
    assert bilal.invite(story, join("dev"), seen)["applied"] == "WRITTEN"
    assert chitra.leave_story(story, seen)["by"] == {"id": bilal.id}
    bilal.block(chitra)
    assert chitra.leave_story(story, seen)["by"] is None
    assert asha.set_right(story, chitra, "WRITE", seen)["by"] == {"id": bilal.id}


def test_who_has_left_is_named_no_more(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """At once, before anything is swept; afterwards no column has their id."""
    story, seen = shared(asha, bilal, chitra)
    assert bilal.invite(story, join("dev"), seen)["applied"] == "WRITTEN"
    assert Story.objects.get().coauthors_by == bilal.person.pk
    bilal.delete_account(PASSWORD)
    assert chitra.leave_story(story, seen)["by"] is None
    unit_of_work(lambda: None)
    sweep(bilal.person.pk)
    assert Story.objects.get().coauthors_by is None
    assert_verified()


@pytest.mark.parametrize("act", [leaves, is_blocked, is_swept])
def test_what_ends_a_right_leaves_no_id_behind(act: Act, asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Also where the one who goes was the last who wrote the group."""
    story, seen = shared(asha, bilal, chitra)
    assert bilal.invite(story, join("dev"), seen)["applied"] == "WRITTEN"
    act(story, asha, bilal)
    row = Story.objects.get()
    assert (bilal.person.pk in row.writers, row.coauthors_by) == (False, None)


def test_nobody_is_kept_who_does_not_write_the_story(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """The table refuses it, so that the id goes with the right, whatever takes that."""
    story, _ = shared(asha, bilal, chitra)
    wrong = "UPDATE stories_story SET version = version + 1, coauthors_changed = version + 1, "
    for change in (f"coauthors_by = '{join('dev').person.pk}'", "writers = '{}', managers = '{}'"):
        with pytest.raises(IntegrityError, match="story_coauthors_by_who_writes"):
            connection.cursor().execute(f"{wrong}{change} WHERE id = %s", [key_in(story)])


def test_who_is_only_invited_reads_no_id(asha: ApiClient, bilal: ApiClient) -> None:
    """The row that stands for a draft that they do not find has none."""
    story = asha.create_story("0")["story"]["id"]
    made = asha.invite(story, bilal, "1")["invitation"]["id"]
    assert Story.objects.get().coauthors_by == asha.person.pk
    offered = queries.offered(key_in(made), bilal.person.pk)
    assert offered is not None
    assert (offered.version, offered.coauthors_by) == (0, None)
