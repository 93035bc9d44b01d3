"""`changes`, when others delete something and end its being seen, or give it to another, while an app is offline."""

from collections.abc import Callable

import pytest

from backend.erasure import sweeping
from schema.nodes import from_id
from tests.api import PASSWORD, ApiClient, join
from tests.schema.test_changes import begun, pair_id, place_id, told
from tests.working import work_off

pytestmark = pytest.mark.django_db(transaction=True)

Story = tuple[str, str, str, str]
"""A story and its three chapters."""


@pytest.fixture
def dev(transactional_db: None) -> ApiClient:
    """One more."""
    return join("dev")


@pytest.fixture
def story(asha: ApiClient, bilal: ApiClient) -> Story:
    """A draft of asha's that bilal writes too."""
    made = asha.create_story("0", chapters=3)["story"]
    asha.written_with(bilal, story=made["id"])
    return (made["id"], *(one["id"] for one in made["chapters"]))


def drop(writer: ApiClient, chapter: str) -> None:
    deleted = writer.delete_chapter(chapter, writer.version_of(chapter))
    assert deleted["__typename"] == "ChapterDeleted", deleted


def append(writer: ApiClient, story: str) -> str:
    added: str = writer.append(story)["chapter"]["id"]
    return added


def hand_over(author: ApiClient, heir: ApiClient, story: str) -> None:
    offered = author.invite(story, heir, author.version_of(story), "OWN")["invitation"]["id"]
    assert heir.accept(offered)["applied"] == "WRITTEN"


def remove(manager: ApiClient, coauthor: ApiClient, story: str) -> None:
    assert manager.remove_coauthor(story, coauthor, manager.version_of(story))["applied"] == "WRITTEN"


def leave(_: ApiClient, coauthor: ApiClient, story: str) -> None:
    assert coauthor.leave_story(story, coauthor.version_of(story))["applied"] == "WRITTEN"


def block(author: ApiClient, coauthor: ApiClient, _: str) -> None:
    author.block(coauthor)


def be_blocked(author: ApiClient, coauthor: ApiClient, _: str) -> None:
    coauthor.block(author)


def take_back(author: ApiClient, coauthor: ApiClient, story: str) -> None:
    """Whatever has come between them."""
    for one, other in ((author, coauthor), (coauthor, author)):
        side = one.relationship(other)
        if side is not None and side["blocking"]:
            one.unblock(other, side["version"])
    author.written_with(coauthor, story=story)


def without_invitations(found: dict[str, str | None]) -> dict[str, str | None]:
    return {id_: version for id_, version in found.items() if from_id(id_)[0] != "Invitation"}  # type: ignore[index]


def of_story(caller: ApiClient, since: str) -> dict[str, str | None]:
    """What is told of stories and chapters."""
    return {id_: version for id_, version in told(caller, since).items() if from_id(id_)[0] in ("Story", "Chapter")}  # type: ignore[index]


Ending = Callable[[ApiClient, ApiClient, str], None]
ending = pytest.mark.parametrize("end", [remove, leave, block, be_blocked])


@ending
def test_a_chapter_that_was_deleted_before_the_right_ended_is_gone(
    asha: ApiClient, bilal: ApiClient, story: Story, end: Ending
) -> None:
    """As the others are, which are there still: whether it was deleted before, after or never is not to be seen."""
    at = begun(bilal)
    drop(asha, story[1])
    end(asha, bilal, story[0])
    drop(asha, story[2])
    assert of_story(bilal, at) == dict.fromkeys(story)


@ending
def test_a_chapter_that_was_deleted_while_somebody_was_away_is_gone(
    asha: ApiClient, bilal: ApiClient, story: Story, end: Ending
) -> None:
    """They have come back and find the others. What came and went meanwhile they never hear of."""
    at = begun(bilal)
    end(asha, bilal, story[0])
    drop(asha, story[1])
    drop(asha, append(asha, story[0]))
    take_back(asha, bilal, story[0])
    assert of_story(bilal, at) == {
        story[0]: asha.version_of(story[0]),
        story[1]: None,
        story[2]: "2",
        story[3]: "2",
    }


@ending
@pytest.mark.parametrize("also_before", [False, True])
def test_a_story_that_was_deleted_after_the_right_ended_is_gone_with_its_chapters(
    asha: ApiClient, bilal: ApiClient, story: Story, end: Ending, also_before: bool
) -> None:
    """The same is told as if it were there; nothing of it later."""
    at = begun(bilal)
    if also_before:
        drop(asha, story[1])
    end(asha, bilal, story[0])
    append(asha, story[0])
    hidden = begun(bilal)
    asha.delete_story(story[0], asha.version_of(story[0]))
    assert of_story(bilal, at) == dict.fromkeys(story)
    later = told(bilal, hidden)
    assert without_invitations(later) == {}
    assert len(later) == (end in (remove, leave))  # the invitation, which a block hides


def test_a_story_that_was_deleted_under_its_co_author_is_gone_with_its_chapters(
    asha: ApiClient, bilal: ApiClient, story: Story
) -> None:
    """With those that were deleted before it."""
    at = begun(bilal)
    drop(asha, story[1])
    asha.delete_story(story[0], asha.version_of(story[0]))
    assert of_story(bilal, at) == dict.fromkeys(story)


@pytest.mark.parametrize("sweeps", [False, True])
def test_a_chapter_that_was_deleted_before_its_author_left_is_gone(
    asha: ApiClient, bilal: ApiClient, story: Story, sweeps: bool
) -> None:
    """Also when all of it is swept already."""
    at = begun(bilal)
    drop(asha, story[1])
    asha.delete_account(PASSWORD)
    if sweeps:
        sweeping.sweep(asha.person.pk)
    assert of_story(bilal, at) == dict.fromkeys(story)


def test_whoever_comes_is_not_told_what_was_before(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, story: Story
) -> None:
    """Nor who never came, or has been removed before."""
    remove(asha, bilal, story[0])
    since = {one: begun(one) for one in (bilal, chitra)}
    drop(asha, story[1])
    drop(asha, append(asha, story[0]))
    assert told(bilal, since[bilal]) == told(chitra, since[chitra]) == {}
    asha.written_with(chitra, story=story[0])
    assert set(of_story(chitra, since[chitra])) == {story[0], story[2], story[3]}


# --- Handing over -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ends", [False, True])
def test_what_the_author_wrote_and_deleted_before_a_hand_over_is_told(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, story: Story, ends: bool
) -> None:
    """Though it is another's now."""
    at = begun(bilal)
    asha.update_chapter(story[2], {"body": "Hers."}, "1")
    drop(asha, story[1])
    hand_over(asha, chitra, story[0])
    if ends:
        remove(chitra, bilal, story[0])
        drop(chitra, story[3])
        assert of_story(bilal, at) == dict.fromkeys(story)
    else:
        version = chitra.version_of(story[0])
        assert of_story(bilal, at) == {story[0]: version, story[1]: None, story[2]: "3", story[3]: "2"}


def test_what_changed_under_several_authors_is_told(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, dev: ApiClient, story: Story
) -> None:
    """Each of whom had it for a while."""
    at = begun(bilal)
    for number, (author, heir) in enumerate(((asha, chitra), (chitra, dev), (dev, asha)), 1):
        author.update_chapter(story[number], {"body": f"Number {number}."}, "1")
        hand_over(author, heir, story[0])
    assert of_story(bilal, at) == {story[0]: asha.version_of(story[0]), **dict.fromkeys(story[1:], "2")}


@pytest.mark.parametrize("before", ["a stranger", "a co-author"])
def test_whoever_gets_a_story_is_told_all_of_it(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, dev: ApiClient, story: Story, before: str
) -> None:
    """With the invitations to it, which are theirs now. What was deleted before is told to who has written it."""
    heir = bilal if before == "a co-author" else chitra
    pending = asha.invite(story[0], dev, asha.version_of(story[0]))["invitation"]["id"]
    at = begun(heir)
    drop(asha, story[1])
    hand_over(asha, heir, story[0])
    gone = {story[1]: None} if before == "a co-author" else {}
    assert of_story(heir, at) == {story[0]: heir.version_of(story[0]), story[2]: "2", story[3]: "2", **gone}
    assert told(heir, at)[pending] == "1"


def test_whoever_gives_a_story_and_is_removed_is_told_that_it_is_gone(
    asha: ApiClient, chitra: ApiClient, story: Story
) -> None:
    """With what was deleted by them and by the other."""
    at = begun(asha)
    drop(asha, story[1])
    hand_over(asha, chitra, story[0])
    drop(chitra, story[2])
    remove(chitra, asha, story[0])
    drop(chitra, story[3])
    assert of_story(asha, at) == dict.fromkeys(story)


def test_a_co_author_who_is_apart_from_the_heir_is_told_that_all_is_gone(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, story: Story
) -> None:
    """Their right ends, as by a block that is set; it does not come back when that is lifted."""
    asha.written_with(chitra, story=story[0])
    chitra.block(bilal)
    at = begun(bilal)
    drop(asha, story[1])
    hand_over(asha, chitra, story[0])
    hidden = begun(bilal)
    assert of_story(bilal, at) == dict.fromkeys(story)
    drop(chitra, story[2])
    chitra.unblock(bilal, "1")
    assert of_story(bilal, hidden) == {}


def test_what_somebody_had_as_a_reader_is_gone_that_was_deleted_while_they_wrote(
    asha: ApiClient, bilal: ApiClient, story: Story
) -> None:
    """Though it is hidden from them before and after."""
    remove(asha, bilal, story[0])
    at = begun(bilal)
    asha.written_with(bilal, story=story[0])
    drop(asha, story[1])
    remove(asha, bilal, story[0])
    assert of_story(bilal, at) == dict.fromkeys(story)


# --- What hangs on a story --------------------------------------------------------------------------------------


@pytest.fixture
def announced(asha: ApiClient, bilal: ApiClient) -> tuple[Story, list[str]]:
    """A draft again, of which bilal has a place and a notification: both hidden from him."""
    bilal.follow(asha)
    made = asha.published_story(chapters=3)
    at = begun(bilal)
    work_off()
    bilal.record_view(made["id"])
    (notification,) = set(told(bilal, at)) - {made["id"], place_id(bilal, made["id"])}
    asha.unpublish(made["id"], "2")
    return (made["id"], *(one["id"] for one in made["chapters"])), [place_id(bilal, made["id"]), notification]


def test_places_and_notifications_come_and_go_with_the_right_to_write(
    asha: ApiClient, bilal: ApiClient, announced: tuple[Story, list[str]]
) -> None:
    """Of a draft, which only those see who write it."""
    story, held = announced
    at = begun(bilal)
    asha.written_with(bilal, story=story[0])
    assert told(bilal, at).items() >= dict.fromkeys(held, "1").items()
    at = begun(bilal)
    remove(asha, bilal, story[0])
    hidden = begun(bilal)
    assert told(bilal, at) == dict.fromkeys([*story, *held])
    asha.delete_story(story[0], asha.version_of(story[0]))
    assert without_invitations(told(bilal, at)) == dict.fromkeys([*story, *held])
    assert without_invitations(told(bilal, hidden)) == {}


def test_a_right_that_came_and_went_shows_no_more_than_there_was(
    asha: ApiClient, bilal: ApiClient, announced: tuple[Story, list[str]]
) -> None:
    """The place and the notification have been hidden before, and are."""
    story, held = announced
    at = begun(bilal)
    asha.written_with(bilal, story=story[0])
    remove(asha, bilal, story[0])
    assert not set(told(bilal, at)) & set(held)


@pytest.mark.parametrize("after", ["a hand-over", "nothing"])
def test_a_reader_is_told_what_was_hidden_before_a_hand_over(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, announced: tuple[Story, list[str]], after: str
) -> None:
    """As if there had been none, and that it is back."""
    (story, *_), held = announced
    hidden = begun(bilal)
    asha.publish(story, asha.version_of(story))
    shown = begun(bilal)
    if after == "a hand-over":
        hand_over(asha, chitra, story)
    assert told(bilal, hidden) == {story: asha.version_of(story), **dict.fromkeys(held, "1")}
    asha.unpublish(story, asha.version_of(story))
    if after == "a hand-over":
        hand_over(chitra, asha, story)
    assert told(bilal, shown) == dict.fromkeys([story, *held])
    assert told(bilal, hidden) == {}


@pytest.mark.parametrize("first", ["a hand-over", "a hand-over to one apart", "unpublished", "blocked"])
def test_what_is_read_is_gone_whatever_came_before_it_was_deleted(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient, announced: tuple[Story, list[str]], first: str
) -> None:
    """With the place and the notification; once, whether it was hidden before or not."""
    (story, *_), held = announced
    asha.publish(story, asha.version_of(story))
    if first == "a hand-over to one apart":
        chitra.block(bilal)
    at, owner = begun(bilal), asha
    if first == "unpublished":
        asha.unpublish(story, asha.version_of(story))
    elif first == "blocked":
        asha.block(bilal, asha.relationship(bilal)["version"])
    else:
        hand_over(asha, chitra, story)
        owner = chitra
    middle = begun(bilal)
    assert owner.delete_story(story, owner.version_of(story))["__typename"] == "StoryDeleted"
    gone = dict.fromkeys([story, *held])
    assert told(bilal, at).items() >= gone.items()
    assert told(bilal, middle) == (gone if first == "a hand-over" else {})


def test_a_story_is_hidden_that_comes_to_somebody_who_is_apart(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient
) -> None:
    """The block was there before; and it is back when it comes back."""
    story = asha.published_story()["id"]
    bilal.record_view(story)
    chitra.block(bilal)
    at = begun(bilal)
    hand_over(asha, chitra, story)
    hidden = begun(bilal)
    assert told(bilal, at) == {story: None, place_id(bilal, story): None}
    hand_over(chitra, asha, story)
    assert told(bilal, hidden) == {story: asha.version_of(story), place_id(bilal, story): "1"}
    assert told(bilal, at) == {story: asha.version_of(story)}


def test_a_draft_whose_author_leaves_stays_hidden(
    asha: ApiClient, bilal: ApiClient, announced: tuple[Story, list[str]]
) -> None:
    """Nobody who could not see it is told."""
    at = begun(bilal)
    asha.delete_account(PASSWORD)
    assert told(bilal, at) == {}


@pytest.mark.parametrize("deletes", [False, True])
def test_an_invitation_is_hidden_with_its_author(asha: ApiClient, bilal: ApiClient, deletes: bool) -> None:
    """By a block, though it was answered before; also if the story has been deleted since."""
    story = asha.create_story("0")["story"]["id"]
    invitation = asha.invite(story, bilal, "1")["invitation"]["id"]
    bilal.decline(invitation)
    at = begun(bilal)
    asha.block(bilal)
    hidden = {asha.id: None, pair_id(bilal, asha): None, invitation: None}
    if deletes:
        asha.delete_story(story, asha.version_of(story))
        assert told(bilal, at) == hidden
        return
    assert told(bilal, at) == hidden
    at = begun(bilal)
    asha.unblock(bilal, "1")
    assert told(bilal, at) == {asha.id: "1", pair_id(bilal, asha): "0", invitation: "2"}
    at = begun(bilal)
    asha.delete_account(PASSWORD)
    assert told(bilal, at) == {invitation: None}


def test_an_invitation_goes_with_ones_own_story(asha: ApiClient, bilal: ApiClient) -> None:
    """From both sides."""
    story = asha.create_story("0")["story"]["id"]
    invitation = asha.invite(story, bilal, "1")["invitation"]["id"]
    since = {one: begun(one) for one in (asha, bilal)}
    asha.delete_story(story, asha.version_of(story))
    assert told(bilal, since[bilal]) == {invitation: None}
    assert told(asha, since[asha]).items() >= dict.fromkeys([story, invitation]).items()
