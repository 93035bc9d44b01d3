"""What every conflict says of the change behind it: which fields, how many versions, when and by whom."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest
from graphql import GraphQLObjectType, GraphQLUnionType

from backend.erasure import sweeping
from schema.root import schema
from tests.api import PASSWORD, ApiClient, join
from tests.api.moderation import make_moderator
from tests.api.notifications import told_of_a_day
from tests.schema.mutation_fixture import ANSWER, FIELDS, LISTED, MUTATIONS

FACTS = (
    "__typename ... on Failure { code } ... on ConflictError { expected versionsBehind changedFields by { id } at "
    "overlaps { path } current { __typename id version updatedAt } }"
)
SUCCEEDED = {"WRITTEN", "MERGED"}


@dataclass(frozen=True)
class Late:
    """A request that comes too late, and what it has to be told."""

    request: dict[str, Any]
    changed: list[str]
    behind: int = 1
    by: ApiClient | None = None


Case = Callable[[ApiClient, ApiClient], Late]


def late(caller: ApiClient, mutation: str, **variables: Any) -> Any:
    """The answer to one mutation, with the facts of its conflict."""
    return caller.ask(MUTATIONS[mutation].replace(ANSWER, FACTS), **variables)[mutation]


def done(*answers: Any) -> None:
    """All of these were written."""
    for answer in answers:
        assert answer["applied"] in SUCCEEDED


def at(version: str, **others: Any) -> dict[str, Any]:
    return {"expect": {"version": version}, **others}


def of_draft(asha: ApiClient, **others: Any) -> dict[str, Any]:
    """A new draft with two chapters, whose summary is then written elsewhere: a request about it as it was."""
    story = asha.create_story("0", chapters=2)["story"]
    done(asha.update_story(story["id"], {"summary": "Elsewhere"}, "1"))
    return at("1", id=story["id"], **others)


def of_chapter(asha: ApiClient, **others: Any) -> dict[str, Any]:
    """The same of a chapter whose title is written elsewhere."""
    chapter = asha.create_story("0")["story"]["chapters"][0]["id"]
    done(asha.update_chapter(chapter, {"title": "Elsewhere"}, "1"))
    return at("1", id=chapter, **others)


def followed(asha: ApiClient, bilal: ApiClient) -> Late:
    done(asha.block(bilal))
    return Late(at("0", person=bilal.id), ["blocking"], by=asha)


def unfollowed(asha: ApiClient, bilal: ApiClient) -> Late:
    done(asha.follow(bilal), bilal.follow(asha), asha.unfollow(bilal, "2"))
    return Late(at("1", person=bilal.id), ["following", "followedBy"], behind=2)


def removed(asha: ApiClient, bilal: ApiClient) -> Late:
    done(bilal.follow(asha), bilal.unfollow(asha, "1"))
    return Late(at("1", person=bilal.id), ["followedBy"])


def blocked(asha: ApiClient, bilal: ApiClient) -> Late:
    done(bilal.follow(asha))
    return Late(at("0", person=bilal.id), ["followedBy"])


def unblocked(asha: ApiClient, bilal: ApiClient) -> Late:
    done(asha.block(bilal), asha.unblock(bilal, "1"))
    return Late(at("1", person=bilal.id), ["blocking"], by=asha)


def profile(asha: ApiClient, _bilal: ApiClient) -> Late:
    query = "mutation { updateProfile(patch: {showMature: true}, expect: {version: 2}) { ... on ProfileSuccess { applied } } }"
    done(asha.update_profile({"bio": "Elsewhere"}, "1"), asha.ask(query)["updateProfile"])
    return Late(at("1", patch={"name": "A."}), ["bio", "showMature"], behind=2, by=asha)


def created(asha: ApiClient, _bilal: ApiClient) -> Late:
    done(asha.create_story("0"))
    return Late(at("0", input={"title": "Mine"}), ["stories"], by=asha)


def published(asha: ApiClient, _bilal: ApiClient) -> Late:
    story = asha.create_story("0")["story"]
    done(
        asha.update_story(story["id"], {"mature": True}, "1"),
        asha.update_chapter(story["chapters"][0]["id"], {"body": "Elsewhere."}, "1"),
    )
    return Late(at("1", id=story["id"]), ["mature", "chapters"], behind=2, by=asha)


def unpublished(asha: ApiClient, _bilal: ApiClient) -> Late:
    story = asha.published_story()["id"]
    done(asha.unpublish(story, "2"), asha.publish(story, "3"), asha.update_story(story, {"title": "Elsewhere"}, "4"))
    return Late(at("2", id=story), ["title", "status"], behind=3, by=asha)


def reordered(asha: ApiClient, _bilal: ApiClient) -> Late:
    story = asha.create_story("0", chapters=2)["story"]
    done(asha.append(story["id"]))
    order = [chapter["id"] for chapter in reversed(story["chapters"])]
    return Late(at("1", story=story["id"], order=order), ["chapters"], by=asha)


def restored(asha: ApiClient, _bilal: ApiClient) -> Late:
    story = asha.create_story("0")["story"]["id"]
    done(asha.update_story(story, {"title": "Elsewhere"}, "1"))
    revision = asha.revisions(story)[0]["id"]
    done(asha.update_story(story, {"title": "Again", "summary": "Elsewhere"}, "2"))
    return Late(at("2", id=revision), ["title", "summary"], by=asha)


def read(asha: ApiClient, bilal: ApiClient) -> Late:
    story = bilal.published_story()
    done(asha.record_view(story["id"], "0", story["chapters"][0]["id"], 3))
    return Late(at("0", story=story["id"]), ["chapter", "offset"])


def whispered(asha: ApiClient, bilal: ApiClient) -> Late:
    whisper = asha.create_whisper()["whisper"]["id"]
    report = make_moderator(bilal).report(whisper)["report"]["id"]
    done(bilal.resolve(report, "MARKED_NSFW"))
    return Late(at("1", id=whisper), ["nsfw"])


def of_report(asha: ApiClient, bilal: ApiClient, **others: Any) -> Late:
    report = make_moderator(asha).report(join("chitra").create_whisper()["whisper"]["id"])["report"]["id"]
    done(make_moderator(bilal).claim(report))
    return Late(at("1", id=report, **others), ["status"], by=bilal)


def stocked(asha: ApiClient, bilal: ApiClient) -> Late:
    edition = asha.create_edition(asha.published_story()["id"])["edition"]["id"]
    done(bilal.place_order((edition, 1)))
    return Late(at("1", edition=edition, to=9), ["stock"])


def ordered(asha: ApiClient, bilal: ApiClient) -> Late:
    edition = bilal.create_edition(bilal.published_story()["id"])["edition"]["id"]
    order = asha.place_order((edition, 1))["order"]["id"]
    done(bilal.update_order(order, "CONFIRMED", "1"), bilal.update_order(order, "SHIPPED", "2"))
    return Late(at("1", id=order, to="CANCELLED"), ["status"], behind=2, by=bilal)


def told(asha: ApiClient, _bilal: ApiClient) -> Late:
    notification = told_of_a_day(make_moderator(asha))
    done(asha.mark_read(notification))
    return Late(at("1", id=notification), ["readAt"], by=asha)


CASES: dict[str, Case] = {
    "follow": followed,
    "unfollow": unfollowed,
    "removeFollower": removed,
    "block": blocked,
    "unblock": unblocked,
    "updateProfile": profile,
    "createStory": created,
    "publishStory": published,
    "unpublishStory": unpublished,
    "updateStory": lambda asha, _: Late(of_draft(asha, patch={"title": "Mine"}), ["summary"], by=asha),
    "updateChapter": lambda asha, _: Late(of_chapter(asha, patch={"body": "Mine."}), ["title"], by=asha),
    "deleteStory": lambda asha, _: Late(of_draft(asha), ["summary"], by=asha),
    "deleteChapter": lambda asha, _: Late(of_chapter(asha), ["title"], by=asha),
    "reorderChapters": reordered,
    "restoreRevision": restored,
    "recordView": read,
    "deleteWhisper": whispered,
    "claimReport": of_report,
    "unclaimReport": of_report,
    "reopenReport": of_report,
    "resolveReport": lambda asha, bilal: of_report(asha, bilal, outcome="DISMISSED"),
    "setStock": stocked,
    "updateOrder": ordered,
    "markNotificationRead": told,
}


def can_conflict(name: str) -> bool:
    """Whether the answers of a mutation include a conflict."""
    result = FIELDS[name].type
    union = getattr(result, "of_type", result)
    return isinstance(union, GraphQLUnionType) and any(type_.name == "ConflictError" for type_ in union.types)


def test_every_mutation_that_can_conflict_is_here() -> None:
    """A mutation of a noun of tests/nouns is tried there; tests/test_complete.py looks at the names of its fields."""
    assert set(CASES) == {name for name in LISTED if name in FIELDS and can_conflict(name)}


@pytest.mark.parametrize("mutation", CASES)
def test_a_conflict_says_what_has_changed(mutation: str, asha: ApiClient, bilal: ApiClient) -> None:
    """Also where the write would have left those fields alone. The fields are fields of what `current` is."""
    case = CASES[mutation](asha, bilal)
    answer = late(asha, mutation, **case.request)
    assert answer["__typename"] == "ConflictError", answer
    assert (answer["changedFields"], answer["versionsBehind"]) == (case.changed, case.behind)
    assert answer["by"] == (case.by and {"id": case.by.id})
    assert answer["at"] == answer["current"]["updatedAt"]
    assert int(answer["current"]["version"]) == int(answer["expected"]) + case.behind
    type_ = schema._schema.type_map[answer["current"]["__typename"]]
    assert isinstance(type_, GraphQLObjectType)
    assert set(case.changed) <= set(type_.fields)


def test_fields_that_only_others_wrote_are_no_overlaps(asha: ApiClient) -> None:
    answer = late(asha, "updateStory", **of_draft(asha, patch={"title": "Mine"}))
    assert (answer["overlaps"], answer["changedFields"]) == ([], ["summary"])


def test_a_version_that_never_was_says_nothing_of_changes(asha: ApiClient) -> None:
    story = asha.create_story("0")["story"]["id"]
    answer = late(asha, "updateStory", **at("99", id=story, patch={"title": "Mine"}))
    assert (answer["versionsBehind"], answer["changedFields"], answer["by"], answer["at"]) == (0, [], None, None)
    assert (answer["expected"], answer["current"]["version"]) == ("99", "1")


def test_an_order_names_who_ended_it_but_not_an_author_who_left(asha: ApiClient, bilal: ApiClient) -> None:
    """One that its buyer has cancelled names the buyer, whoever else has left."""
    chitra = join("chitra")
    orders = []
    for author in (bilal, chitra):
        edition = author.create_edition(author.published_story()["id"])["edition"]["id"]
        orders.append(asha.place_order((edition, 1))["order"]["id"])
    done(asha.update_order(orders[1], "CANCELLED", "1"))
    assert bilal.delete_account(PASSWORD)["__typename"] == "AccountDeleted"
    sweeping.sweep(bilal.person.pk)
    by = [late(asha, "updateOrder", **at("1", id=order, to="CANCELLED"))["by"] for order in orders]
    assert by == [None, {"id": asha.id}]


def test_what_ones_own_writes_made_is_not_behind(asha: ApiClient) -> None:
    """Of four versions two are the caller's own; the latest of the others has its own moment, from the history."""
    story, keys = asha.create_story("0")["story"]["id"], [str(uuid.uuid4()) for _ in range(2)]
    done(asha.update_story(story, {"summary": "Elsewhere"}, "1"))
    done(asha.update_story(story, {"title": "Mine"}, "1", merge=True, key=keys[0]))
    done(asha.update_story(story, {"mature": True}, "3"))
    given = {"id": story, "patch": {"title": "Again"}, "onConflict": "MERGE", "key": keys[1]}
    assert late(asha, "updateStory", **given, expect={"after": keys[0]})["__typename"] == "StorySuccess"
    answer = late(asha, "updateStory", id=story, patch={"title": "Once more"}, expect={"after": keys[1]})
    assert (answer["versionsBehind"], answer["changedFields"]) == (2, ["summary", "mature"])
    assert (answer["expected"], answer["current"]["version"]) == ("1", "5")
    moments = "query ($id: ID!) { story(id: $id) { revisions { edges { node { version at by { id } } } } } }"
    made = {
        edge["node"]["version"]: edge["node"] for edge in asha.ask(moments, id=story)["story"]["revisions"]["edges"]
    }
    assert (answer["at"], answer["by"]) == (made["4"]["at"], made["4"]["by"])
    assert datetime.fromisoformat(answer["at"]) < datetime.fromisoformat(answer["current"]["updatedAt"])


@pytest.mark.parametrize("outcome", ["MARKED_NSFW", "REMOVED"])
def test_a_moderators_write_is_by_whom_the_history_says(outcome: str, asha: ApiClient, bilal: ApiClient) -> None:
    """One rule decides who is named in a history and in a conflict."""
    story = asha.published_story()["id"]
    report = make_moderator(bilal).report(story)["report"]["id"]
    done(bilal.resolve(report, outcome))
    answer = late(asha, "deleteStory", **at("2", id=story))
    newest = "query ($id: ID!) { story(id: $id) { revisions(first: 1) { edges { node { by { id } at } } } } }"
    (kept,) = asha.ask(newest, id=story)["story"]["revisions"]["edges"]
    assert answer["changedFields"] == [{"MARKED_NSFW": "mature", "REMOVED": "status"}[outcome], "decisions"]
    assert answer["by"] == kept["node"]["by"]


def test_somebody_who_blocks_the_viewer_is_not_named(asha: ApiClient, bilal: ApiClient) -> None:
    """An order is dealt with across a block; who moved it is then nobody whom the viewer can find."""
    case = ordered(asha, bilal)
    done(bilal.block(asha))
    answer = late(asha, "updateOrder", **case.request)
    assert (answer["changedFields"], answer["by"]) == (["status"], None)


@pytest.mark.parametrize("mutation", ["block", "unblock"])
def test_a_hidden_block_shows_in_none_of_the_facts(
    mutation: str, asha: ApiClient, bilal: ApiClient, chitra: ApiClient
) -> None:
    """A follow that a block has ended looks as one that the other has ended without a block."""
    for other in (bilal, chitra):
        done(asha.block(other), asha.unblock(other, "1"), asha.follow(other, "2"))
    done(bilal.block(asha), chitra.remove_follower(asha, "1"))
    if mutation == "unblock":
        done(asha.block(bilal), asha.block(chitra))
    answers = [late(asha, mutation, **at("2", person=other.id)) for other in (bilal, chitra)]
    facts = [{name: answer[name] for name in ("changedFields", "versionsBehind", "by")} for answer in answers]
    assert facts[0] == facts[1]
    changed = ["following", "blocking"] if mutation == "unblock" else ["following"]
    assert (facts[0]["changedFields"], facts[0]["by"]) == (changed, {"id": asha.id} if mutation == "unblock" else None)
