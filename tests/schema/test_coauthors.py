"""Co-authors: what is offered and taken, what each right allows, what others learn of it, and how it ends."""

from typing import Any

import pytest

from backend.coauthors.models import Coauthor, Invitation
from backend.coauthors.queries import MAX_OPEN
from backend.engine.transactions import unit_of_work
from backend.erasure.sweeping import sweep
from backend.stories.models import MAX_COAUTHORS, Shelf, Story
from tests.api import PASSWORD, ApiClient, join
from tests.api.moderation import make_moderator, new_key
from tests.races.rows import assert_verified
from tests.schema.access_fixture import key_in

pytestmark = pytest.mark.django_db(transaction=True)

MINE = """
{ viewer { coauthored { edges { node { id title viewerRight } } } unreadCount
    invitations { edges { node { id status right story { id title version } } } }
    notifications { edges { node { kind invitation { id status } } } } } }
"""
HISTORY = "query ($id: ID!) { story(id: $id) { revisions { edges { node { by { id } byModerator changed } } } } }"


def own(who: ApiClient) -> Any:
    """What a viewer finds of themselves."""
    return who.ask(MINE)["viewer"]


def nodes(connection: Any) -> list[Any]:
    return [edge["node"] for edge in connection["edges"]]


# --- Inviting ---------------------------------------------------------------------------------------------------


def test_a_draft_is_offered_and_taken(asha: ApiClient, bilal: ApiClient) -> None:
    """Before, the invited sees its title and author alone; afterwards they write it."""
    story = asha.create_story("0", title="Ours", chapters=2)["story"]["id"]
    made = asha.invite(story, bilal, "1")
    assert (made["applied"], made["story"]["version"], made["invitation"]["status"]) == ("WRITTEN", "2", "PENDING")
    offered = nodes(own(bilal)["invitations"])[0]
    assert offered["story"] == {"id": story, "title": "Ours", "version": "0"}
    assert bilal.story_as_found(story) is None
    (told,) = nodes(own(bilal)["notifications"])
    assert told == {"kind": "INVITED", "invitation": {"id": offered["id"], "status": "PENDING"}}
    taken = bilal.accept(offered["id"])
    assert taken["story"]["viewerRight"] == "WRITE"
    assert taken["story"]["version"] == "3"
    assert taken["invitation"]["status"] == "ACCEPTED"
    assert nodes(own(bilal)["coauthored"]) == [{"id": story, "title": "Ours", "viewerRight": "WRITE"}]
    assert asha.story_as_found(story)["coauthors"] == [{"right": "WRITE", "person": {"id": bilal.id}}]
    assert_verified()


def test_the_same_again_changes_nothing(asha: ApiClient, bilal: ApiClient) -> None:
    """An invitation, an answer; whoever answers what is closed is told."""
    story = asha.create_story("0")["story"]["id"]
    made = asha.invite(story, bilal, "1")["invitation"]
    again = asha.invite(story, bilal, "2")
    assert (again["applied"], again["invitation"]["id"]) == ("NOOP", made["id"])
    other = asha.invite(story, bilal, "2", "MANAGE")
    assert [one["path"] for one in other["fields"]] == ["person"]
    assert bilal.accept(made["id"])["applied"] == "WRITTEN"
    assert bilal.accept(made["id"], "2")["applied"] == "NOOP"
    late = asha.withdraw(made["id"])
    assert (late["code"], late["current"]["status"], late["by"]) == ("CONFLICT", "ACCEPTED", {"id": bilal.id})
    assert asha.withdraw(made["id"], "2")["code"] == "INVALID"
    assert Invitation.objects.count() == 1


def test_a_key_gives_the_same_reply(asha: ApiClient, bilal: ApiClient) -> None:
    """One key, one invitation, one right; and `expect.after` goes on from it."""
    story, key = asha.create_story("0")["story"]["id"], new_key()
    first, again = (asha.invite(story, bilal, "1", key=key) for _ in range(2))
    assert (again["applied"], again["invitation"]) == ("REPLAYED", first["invitation"])
    key = new_key()
    taken = [bilal.accept(first["invitation"]["id"], key=key) for _ in range(2)]
    assert [one["applied"] for one in taken] == ["WRITTEN", "REPLAYED"]
    key = new_key()
    left = [bilal.leave_story(story, "3", key=key) for _ in range(2)]
    assert left == [
        {"__typename": "LeaveSuccess", "applied": applied, "id": story} for applied in ("WRITTEN", "REPLAYED")
    ]
    assert Coauthor.objects.count() == 0


def test_declined_and_withdrawn(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Nothing comes of it; the same person can be invited again."""
    bilal.create_story("0")  # that they manage one does not let them withdraw what others offer
    story = asha.create_story("0")["story"]["id"]
    for answer, status in ((bilal.decline, "DECLINED"), (asha.withdraw, "WITHDRAWN")):
        made = asha.invite(story, bilal, asha.version_of(story))["invitation"]["id"]
        assert chitra.accept(made)["code"] == "NOT_FOUND"
        assert asha.accept(made)["code"] == "FORBIDDEN"
        assert bilal.withdraw(made)["code"] == "FORBIDDEN"
        answered = answer(made)
        assert answered["invitation"]["status"] == status
    assert bilal.story_as_found(story) is None
    assert Story.objects.get(author=asha.person).writers == []


def test_what_cannot_be_offered(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """To oneself, to who has it, by who may not; OWN by the author alone."""
    story = asha.written_with(bilal)
    version = asha.version_of(story)
    assert asha.invite(story, asha, version)["code"] == "INVALID"
    assert asha.invite(story, bilal, version)["code"] == "INVALID"
    assert bilal.invite(story, chitra, version)["code"] == "FORBIDDEN"
    assert chitra.invite(story, bilal, version)["code"] == "NOT_FOUND"
    assert asha.set_right(story, bilal, "MANAGE", version)["applied"] == "WRITTEN"
    version = asha.version_of(story)
    assert bilal.invite(story, asha, version)["code"] == "INVALID"
    assert bilal.invite(story, chitra, version, "OWN")["code"] == "FORBIDDEN"
    assert bilal.invite(story, chitra, version, "MANAGE")["applied"] == "WRITTEN"
    assert asha.set_right(story, bilal, "OWN", asha.version_of(story))["code"] == "INVALID"


def test_a_story_has_so_many_co_authors(asha: ApiClient, bilal: ApiClient) -> None:
    """Whoever would be one too many is refused, when invited and when they accept, however few another story has."""
    bilal.create_story("0")
    story = asha.create_story("0")["story"]["id"]
    invited = asha.invite(story, bilal, "1")["invitation"]["id"]
    others = [join(f"other{number}") for number in range(MAX_COAUTHORS)]
    for other in others:
        asha.written_with(other, story=story)
    assert len(asha.story_as_found(story)["coauthors"]) == MAX_COAUTHORS
    assert bilal.accept(invited)["code"] == "INVALID"
    assert asha.invite(story, join("late"), asha.version_of(story))["code"] == "INVALID"
    assert asha.withdraw(invited)["applied"] == "WRITTEN"
    handed = asha.invite(story, bilal, asha.version_of(story), "OWN")["invitation"]["id"]
    assert bilal.accept(handed)["code"] == "INVALID"  # who had it would be one too many
    assert asha.withdraw(handed)["applied"] == "WRITTEN"
    handed = asha.invite(story, others[0], asha.version_of(story), "OWN")["invitation"]["id"]
    assert others[0].accept(handed)["applied"] == "WRITTEN"
    assert_verified()


def test_a_story_has_so_many_open_invitations(asha: ApiClient) -> None:
    """One more is refused, until one is answered."""
    story = asha.create_story("0")["story"]["id"]
    people = [join(f"other{number}") for number in range(MAX_OPEN + 1)]
    *_, last = [asha.invite(story, one, asha.version_of(story)) for one in people[:-1]]
    assert last["applied"] == "WRITTEN"
    refused = asha.invite(story, people[-1], asha.version_of(story))
    assert [one["path"] for one in refused["fields"]] == ["story"]
    assert asha.withdraw(last["invitation"]["id"])["applied"] == "WRITTEN"
    assert asha.invite(story, people[-1], asha.version_of(story))["applied"] == "WRITTEN"
    assert_verified()


# --- What each right allows -------------------------------------------------------------------------------------


def test_who_writes_edits_and_no_more(asha: ApiClient, bilal: ApiClient) -> None:
    """WRITE: title, chapters, history. Not publishing, order, co-authors, deleting."""
    story = asha.written_with(bilal)
    one, two = (chapter["id"] for chapter in bilal.story_as_found(story)["chapters"])
    assert bilal.update_story(story, {"title": "T"}, "3")["applied"] == "WRITTEN"
    assert bilal.update_chapter(one, {"body": "Mine."}, "1")["applied"] == "WRITTEN"
    assert bilal.append(story)["applied"] == "WRITTEN"
    assert bilal.delete_chapter(two, "1")["applied"] == "WRITTEN"
    removed = bilal.revisions(story)[0]
    assert bilal.restore(removed["id"], bilal.version_of(story))["applied"] == "WRITTEN"
    version = bilal.version_of(story)
    order = [chapter["id"] for chapter in bilal.story_as_found(story)["chapters"]]
    refused = [
        bilal.publish(story, version),
        bilal.unpublish(story, version),
        bilal.reorder(story, order[::-1], version),
        bilal.delete_story(story, version),
        bilal.remove_coauthor(story, asha, version),
        bilal.set_right(story, asha, "WRITE", version),
    ]
    assert [one["code"] for one in refused] == ["FORBIDDEN"] * 6
    assert {edge["by"]["id"] for edge in nodes(asha.ask(HISTORY, id=story)["story"]["revisions"])} == {bilal.id}
    assert_verified()


def test_who_writes_gives_and_takes_no_right(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Not to themselves, and not of another who writes."""
    story = asha.written_with(chitra, story=asha.written_with(bilal))
    version = bilal.version_of(story)
    refused = [
        bilal.set_right(story, bilal, "MANAGE", version),
        bilal.set_right(story, chitra, "MANAGE", version),
        bilal.remove_coauthor(story, chitra, version),
        bilal.invite(story, join("dev"), version),
    ]
    assert [one["code"] for one in refused] == ["FORBIDDEN"] * 4
    assert bilal.version_of(story) == version


@pytest.mark.parametrize(
    "step", ["raise", "lower", "remove", "leave", "invite", "accept", "take over", "decline", "withdraw"]
)
def test_a_step_is_of_one_story(asha: ApiClient, bilal: ApiClient, chitra: ApiClient, step: str) -> None:
    """Two stories with the same people and invitations, and what is done in one leaves the other as it was."""
    one, other = (asha.written_with(bilal, "WRITE" if step == "raise" else "MANAGE") for _ in range(2))
    right = "OWN" if step == "take over" else "WRITE"
    invited, _ = (
        asha.invite(story, chitra, asha.version_of(story), right)["invitation"]["id"] for story in (one, other)
    )
    if step == "invite":
        newcomer = join("dev")
        asha.invite(other, newcomer, asha.version_of(other))
    version = asha.version_of(one)
    before = asha.story_as_found(other), Invitation.objects.filter(status="PENDING").count()
    answer = {
        "raise": lambda: asha.set_right(one, bilal, "MANAGE", version),
        "lower": lambda: asha.set_right(one, bilal, "WRITE", version),
        "remove": lambda: asha.remove_coauthor(one, bilal, version),
        "leave": lambda: bilal.leave_story(one, version),
        "invite": lambda: asha.invite(one, newcomer, version),
        "accept": lambda: chitra.accept(invited),
        "take over": lambda: chitra.accept(invited),
        "decline": lambda: chitra.decline(invited),
        "withdraw": lambda: asha.withdraw(invited),
    }[step]()
    assert answer["applied"] == "WRITTEN", answer
    change = {"invite": 1, "accept": -1, "take over": -1, "decline": -1, "withdraw": -1}.get(step, 0)
    assert (asha.story_as_found(other), Invitation.objects.filter(status="PENDING").count() - change) == before
    assert_verified()


def test_who_manages_publishes(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """MANAGE: publishing, order, co-authors. It is counted for its author; deleting and editions stay theirs."""
    story = asha.written_with(bilal, "MANAGE")
    asha.written_with(chitra, story=story)
    order = [chapter["id"] for chapter in bilal.story_as_found(story)["chapters"]]
    assert bilal.reorder(story, order[::-1], bilal.version_of(story))["applied"] == "WRITTEN"
    assert bilal.publish(story, bilal.version_of(story))["applied"] == "WRITTEN"
    counts = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on Person { storyCount } } }"
    found = chitra.ask(counts, ids=[asha.id, bilal.id])["nodes"]
    assert [one["storyCount"] for one in found] == [1, 0]
    assert bilal.create_edition(story)["code"] == "FORBIDDEN"
    assert bilal.delete_story(story, bilal.version_of(story))["code"] == "FORBIDDEN"
    assert bilal.remove_coauthor(story, chitra, bilal.version_of(story))["applied"] == "WRITTEN"
    assert bilal.remove_coauthor(story, bilal, bilal.version_of(story))["code"] == "INVALID"
    assert bilal.unpublish(story, bilal.version_of(story))["applied"] == "WRITTEN"
    assert chitra.story_as_found(story) is None
    assert_verified()


def test_a_right_is_changed(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Up and down again; what is so already is a NOOP; nobody gets one so who has none."""
    story = asha.written_with(bilal)
    assert asha.set_right(story, bilal, "WRITE", "3")["applied"] == "NOOP"
    raised = asha.set_right(story, bilal, "MANAGE", "3")
    assert raised["story"]["coauthors"] == [{"right": "MANAGE", "person": {"id": bilal.id}}]
    again = asha.set_right(story, bilal, "MANAGE", "4")
    assert (again["applied"], again["story"]["version"]) == ("NOOP", "4")
    assert asha.set_right(story, bilal, "WRITE", "4")["story"]["version"] == "5"
    assert asha.set_right(story, chitra, "MANAGE", "5")["code"] == "INVALID"
    assert asha.remove_coauthor(story, bilal, "5")["applied"] == "WRITTEN"
    assert asha.remove_coauthor(story, bilal, "6")["applied"] == "NOOP"
    assert asha.remove_coauthor(story, bilal, "5")["changedFields"] == ["coauthors"]


def test_views_of_co_authors_do_not_count(asha: ApiClient, bilal: ApiClient) -> None:
    """As those of the author."""
    story = asha.written_with(bilal)
    asha.publish(story, "3")
    assert bilal.record_view(story)["counted"] is False


def test_nobody_reports_what_they_write(asha: ApiClient, bilal: ApiClient) -> None:
    story = asha.written_with(bilal)
    assert bilal.report(story)["code"] == "INVALID"


# --- Conflicts between people -----------------------------------------------------------------------------------


def test_a_conflict_says_who(asha: ApiClient, bilal: ApiClient) -> None:
    """Who, when, and how many versions behind; texts of two people merge by paragraphs."""
    story = asha.written_with(bilal)
    chapter = asha.story_as_found(story)["chapters"][0]["id"]
    asha.update_chapter(chapter, {"body": "One.\n\nTwo.\n\nThree."}, "1")
    assert bilal.update_chapter(chapter, {"body": "One, his.\n\nTwo.\n\nThree."}, "2")["applied"] == "WRITTEN"
    merged = asha.update_chapter(chapter, {"body": "One.\n\nTwo.\n\nThree, hers."}, "2", merge=True)
    assert (merged["applied"], merged["chapter"]["body"]) == ("MERGED", "One, his.\n\nTwo.\n\nThree, hers.")
    late = bilal.update_chapter(chapter, {"body": "One, his own.\n\nTwo.\n\nThree."}, "2", merge=True)
    assert [part["kind"] for part in late["suggestion"]["body"]] == ["COLLISION", "CLEAN"]
    query = """
    mutation ($id: ID!, $e: Expect!) { updateStory(id: $id, patch: {title: "Late"}, expect: $e) {
      ... on ConflictError { versionsBehind changedFields by { id } at overlaps { path theirs } } } }
    """
    asha.update_story(story, {"title": "Hers"}, asha.version_of(story))
    conflict = bilal.ask(query, id=story, e={"version": "3"})["updateStory"]
    assert (conflict["by"], conflict["overlaps"]) == ({"id": asha.id}, [{"path": "title", "theirs": "Hers"}])
    assert conflict["versionsBehind"] == 4
    assert conflict["at"] is not None


def test_what_a_moderator_did_is_nobodys(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Co-authors see each other in the history, and no moderator; HELD tells a co-author why."""
    moderator = make_moderator(chitra)
    story = asha.written_with(bilal, "MANAGE")
    bilal.publish(story, "3")
    report = join("reader").report(story)["report"]["id"]
    moderator.decided(report, "REMOVED")
    (last, first) = nodes(bilal.ask(HISTORY, id=story)["story"]["revisions"])
    assert (last["by"], last["byModerator"]) == (None, True)
    assert (first["by"], first["byModerator"]) == ({"id": bilal.id}, False)
    assert bilal.publish(story, bilal.version_of(story))["code"] == "HELD"
    assert asha.invite(story, bilal, asha.version_of(story), "OWN")["code"] == "INVALID"


def test_a_moderator_does_not_judge_what_they_write(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """Neither a report of it, which they do not find, nor a decision about it."""
    moderator, other = make_moderator(bilal), make_moderator(chitra)
    story = asha.written_with(moderator)
    asha.publish(story, "3")
    chapter = asha.story_as_found(story)["chapters"][0]["id"]
    of_story, of_chapter = (join(f"reader{n}").report(one)["report"]["id"] for n, one in enumerate((story, chapter)))
    for report in (of_story, of_chapter):
        assert moderator.ask("query ($id: ID!) { node(id: $id) { id } }", id=report)["node"] is None
        assert moderator.claim(report)["code"] == "FORBIDDEN"
        assert moderator.resolve(report, "REMOVED")["code"] == "FORBIDDEN"
    assert moderator.ask("{ reports { edges { node { id } } } }")["reports"]["edges"] == []
    decision = other.decided(of_story, "REMOVED")["id"]
    assert moderator.lift(decision)["code"] == "FORBIDDEN"
    assert moderator.ask("{ decisions { edges { node { id } } } }")["decisions"]["edges"] == []
    assert other.lift(decision)["applied"] == "WRITTEN"


CHANGES = """
query ($since: String) { changes(since: $since) { __typename
  ... on ChangePage { cursor hasMore changes { id version thing { __typename } } } } }
"""


def test_what_changed_is_told_to_those_who_write(asha: ApiClient, bilal: ApiClient) -> None:
    """The story and its chapters, when somebody comes to write them, when they are written, and when that ends."""
    story = asha.create_story("0", chapters=2)["story"]
    one, two = (chapter["id"] for chapter in story["chapters"])
    cursor = bilal.ask(CHANGES, since=None)["changes"]["cursor"]

    def told() -> dict[str, str | None]:
        nonlocal cursor
        page = bilal.ask(CHANGES, since=cursor)["changes"]
        assert page["hasMore"] is False
        cursor = page["cursor"]
        return {change["id"]: change["version"] for change in page["changes"]}

    invited = asha.invite(story["id"], bilal, "1")["invitation"]["id"]
    assert told()[invited] == "1"
    bilal.accept(invited)
    assert {name: version for name, version in told().items() if name != invited} == {
        story["id"]: "3",
        one: "1",
        two: "1",
    }
    asha.update_chapter(one, {"body": "Hers."}, "1")
    assert told() == {story["id"]: "4", one: "2"}
    asha.remove_coauthor(story["id"], bilal, "4")
    assert told() == {story["id"]: None, one: None, two: None}
    asha.update_chapter(one, {"body": "Hers alone."}, "2")
    assert told() == {}


def test_a_late_edit_of_a_deleted_chapter_is_told_when_it_went(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient
) -> None:
    """To all who write the story by then, also to a request that had been served; to nobody else."""
    story = asha.written_with(bilal)
    chapter, key = asha.story_as_found(story)["chapters"][0]["id"], new_key()
    assert bilal.update_chapter(chapter, {"body": "His."}, "1", key=key)["applied"] == "WRITTEN"
    asha.delete_chapter(chapter, "2")

    def told(who: ApiClient, with_key: str | None = None) -> tuple[str, bool]:
        answer = who.update_chapter(chapter, {"body": "His."}, "1", key=with_key)
        return answer["code"], "deleted at " in answer["message"]

    when, nothing = ("NOT_FOUND", True), ("NOT_FOUND", False)
    assert [told(asha), told(bilal), told(bilal, key), told(chitra)] == [when, when, when, nothing]
    made = asha.invite(story, chitra, asha.version_of(story), "OWN")["invitation"]["id"]
    chitra.accept(made)
    chitra.remove_coauthor(story, bilal, chitra.version_of(story))
    assert [told(chitra), told(bilal), told(bilal, key)] == [when, nothing, nothing]


# --- Handing over -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", ["a stranger", "a co-author"])
def test_a_story_is_handed_over(asha: ApiClient, bilal: ApiClient, before: str) -> None:
    """Until then it is the author's; then the other's, with its count and its place on the shelf."""
    story = asha.create_story("0")["story"]["id"]
    if before == "a co-author":
        asha.written_with(bilal, story=story)
    asha.publish(story, asha.version_of(story))
    made = asha.invite(story, bilal, asha.version_of(story), "OWN")["invitation"]["id"]
    assert asha.story_as_found(story)["viewerRight"] == "OWN"
    assert bilal.accept(made)["story"]["author"] == {"id": bilal.id}
    assert asha.story_as_found(story)["viewerRight"] == "MANAGE"
    assert Story.objects.get().writers == [asha.person.pk]
    assert {one.author_id: one.story_count for one in Shelf.objects.all() if one.story_count} == {bilal.person.pk: 1}
    assert asha.delete_story(story, asha.version_of(story))["code"] == "FORBIDDEN"
    assert bilal.create_edition(story)["__typename"] == "EditionSuccess"
    assert asha.leave_story(story, asha.version_of(story))["applied"] == "WRITTEN"
    assert_verified()


@pytest.mark.parametrize("blocker", ["the heir", "the other"])
def test_a_hand_over_ends_what_a_block_parts_from_the_heir(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, blocker: str
) -> None:
    """The right of a co-author, and what is offered to somebody: nobody writes the story of one from whom a block parts them."""
    dev = join("dev")
    story = asha.written_with(chitra)
    offered = asha.invite(story, dev, asha.version_of(story))["invitation"]["id"]
    for other in (chitra, dev):
        if blocker == "the heir":
            bilal.block(other)
        else:
            other.block(bilal)
    made = asha.invite(story, bilal, asha.version_of(story), "OWN")["invitation"]["id"]
    assert bilal.accept(made)["applied"] == "WRITTEN"
    assert Story.objects.get().writers == Story.objects.get().managers == [asha.person.pk]
    assert Invitation.objects.get(pk=key_in(offered)).status == "WITHDRAWN"
    assert_verified()


def test_a_story_with_editions_stays(asha: ApiClient, bilal: ApiClient) -> None:
    """Orders and editions are the author's."""
    story = asha.published_story()["id"]
    made = asha.invite(story, bilal, "2", "OWN")["invitation"]["id"]
    asha.create_edition(story)
    assert bilal.accept(made)["code"] == "INVALID"
    other = join("other")
    assert asha.invite(story, other, "3", "OWN")["code"] == "INVALID"
    assert Story.objects.get().author_id == asha.person.pk
    assert_verified()


# --- The end ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["author", "co-author"])
def test_a_block_ends_it(asha: ApiClient, bilal: ApiClient, who: str) -> None:
    """In both directions, what is written together and what is offered; nobody is invited across it."""
    story = asha.written_with(bilal, "MANAGE")
    offered = asha.create_story("1")["story"]["id"]
    invitation = asha.invite(offered, bilal, "1")["invitation"]["id"]
    one, other = (asha, bilal) if who == "author" else (bilal, asha)
    version = asha.version_of(story)
    one.block(other)
    assert asha.story_as_found(story)["coauthors"] == []
    assert asha.version_of(story) == str(int(version) + 1)
    assert bilal.story_as_found(story) is None
    assert Invitation.objects.get(pk=key_in(invitation)).status == "WITHDRAWN"
    assert bilal.accept(invitation)["code"] == "NOT_FOUND"
    assert asha.invite(offered, bilal, asha.version_of(offered))["code"] == (
        "FORBIDDEN" if who == "author" else "NOT_FOUND"
    )
    assert_verified()


def test_two_co_authors_stay_apart(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> None:
    """A block between two co-authors ends nothing: who writes it is for its author to say. The blocked finds no name."""
    story = asha.written_with(bilal)
    asha.written_with(chitra, story=story)
    bilal.block(chitra)
    query = "query ($id: ID!) { story(id: $id) { coauthors { person { id handle } } } }"
    shown = [one["person"]["handle"] for one in chitra.ask(query, id=story)["story"]["coauthors"]]
    assert shown == ["", "chitra"]
    assert chitra.update_story(story, {"title": "T"}, chitra.version_of(story))["applied"] == "WRITTEN"
    assert_verified()


def test_a_co_author_leaves(asha: ApiClient, bilal: ApiClient) -> None:
    """The author does not; who has left finds the draft no more, and what they wrote stays."""
    story = asha.written_with(bilal)
    bilal.update_story(story, {"title": "His"}, "3")
    assert asha.leave_story(story, "4")["code"] == "INVALID"
    assert bilal.leave_story(story, "4")["applied"] == "WRITTEN"
    assert bilal.leave_story(story, "5")["code"] == "NOT_FOUND"
    assert bilal.update_story(story, {"title": "Again"}, "5")["code"] == "NOT_FOUND"
    assert nodes(own(bilal)["coauthored"]) == []
    assert asha.story_as_found(story)["title"] == "His"


@pytest.mark.parametrize("who", ["author", "co-author"])
def test_an_account_is_deleted(asha: ApiClient, bilal: ApiClient, who: str) -> None:
    """A story goes with its author; of a co-author the right, what they were invited to, and their name go."""
    story = asha.written_with(bilal, "MANAGE")
    bilal.update_story(story, {"title": "His"}, "3")
    dev = join("dev")
    offered = dev.create_story("0")["story"]["id"]
    dev.invite(offered, bilal, "1")
    bilal.invite(story, dev, "4")
    leaver, other = (asha, bilal) if who == "author" else (bilal, asha)
    leaver.delete_account(PASSWORD)
    if who == "author":
        assert bilal.story_as_found(story) is None
        assert nodes(own(bilal)["coauthored"]) == []
    else:
        assert asha.story_as_found(story)["coauthors"] == []
    unit_of_work(lambda: None)
    sweep(leaver.person.pk)
    assert other.update_profile({"bio": "Still here."}, "1")["applied"] == "WRITTEN"
    if who == "author":
        assert not Story.objects.filter(author=asha.person).exists()
        assert Invitation.objects.get().story_id == key_in(offered)
    else:
        assert Story.objects.get(author=asha.person).writers == []
        assert Invitation.objects.get().invited_by_id is None
        assert nodes(asha.ask(HISTORY, id=story)["story"]["revisions"])[0]["by"] is None
    assert_verified()
