"""Whatever a mutation answers with can be looked into: every field of it, in a success, a replay and a conflict."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from backend.sources import as_json
from schema.execution import rows, writing
from schema.execution.counting import FieldCount
from schema.execution.document_limits import CAP
from schema.execution.graphql_schema import GRAPHQL
from schema.execution.operations import Operation
from tests.api import PASSWORD, ApiClient
from tests.api.moderation import make_moderator, new_key, screen_for
from tests.api.notifications import told_of

PERSON = """
fragment P on Person {
  id version updatedAt joinedAt handle name bio showMature followerCount followingCount storyCount
  relationship { id version updatedAt following person { handle } }
  followers { totalCount edges { node { handle } } } followed: following { totalCount edges { node { handle } } }
  stories { edges { node { title } } } shelf { id version storyCount stories { edges { node { title } } } }
  whispers { edges { cursor node { text author { handle } } } pageInfo { endCursor } }
  readings { edges { cursor node { id version changedChapters { title } story { title } } } pageInfo { endCursor } }
}
"""
STORY = """
fragment S on Story {
  id version updatedAt createdAt publishedAt title summary status mature warnings chapterCount viewCount
  author { ...P } chapters { ...C } revisions { edges { cursor node { ...V } } pageInfo { endCursor } }
  decisions { id version reason }
  reading { id version updatedAt offset chapter { title } changedChapters { title } story { title } }
}
"""
CHAPTER = """
fragment C on Chapter {
  id version updatedAt position title body story { title } revisions { edges { node { ...V } } }
}
fragment V on Revision { id version at by { handle storyCount } changed values }
"""
REST = f"""{CHAPTER}
fragment R on Relationship {{ id version updatedAt following followedBy blocking person {{ ...P }} }}
fragment Sh on Shelf {{ id version updatedAt storyCount stories {{ edges {{ node {{ ...S }} }} }} }}
fragment Re on Reading {{ id version updatedAt offset chapter {{ id title story {{ ...S }} }}
  changedChapters {{ id title story {{ ...S }} }} story {{ ...S }} }}
"""
DECISION = """
fragment D on Decision { id version updatedAt decidedAt decided: outcome reason excerpt until liftedAt about: story { ...S }
  against: person { ...P } moderator { ...P } report { id state: status reporter { handle } }
  appeal { text at outcome answer } }
"""
MODERATION = f"""{DECISION}
fragment W on Whisper {{ id version updatedAt createdAt text nsfw author {{ ...P }} }}
fragment Rp on Report {{
  id version updatedAt createdAt reason state: status outcome claimedBy {{ ...P }} reporter {{ ...P }} decision {{ ...D }}
  subject {{ __typename id
    ... on Whisper {{ ...W }} ... on Story {{ ...S }} ... on Chapter {{ ...C }} ... on Person {{ ...P }} }}
}}
"""
EDITION = "fragment E on Edition { id version updatedAt createdAt title priceCents stock story { ...S } }"
MARKET = f"""{EDITION}
fragment O on Order {{ id version updatedAt createdAt stage: status totalCents buyer {{ ...P }} author {{ ...P }}
  lines {{ quantity priceCents edition {{ ...E }} }} }}
"""
NOTIFICATION = """
fragment N on Notification { id version updatedAt createdAt readAt kind published: story { ...S }
  digest { day openReports claimedReports resolvedReports } }
"""
INVITATION = """
fragment I on Invitation { id version updatedAt createdAt answered: status right invited: person { ...P } invitedBy { ...P }
  offered: story { ...S } }
"""
COAUTHORS = "fragment Co on Story { viewerRight coauthors { since right person { ...P } } invitations { ...I } }"
CURRENT = (
    "... on ConflictError { current { __typename id version updatedAt "
    "...P ...S ...C ...R ...Sh ...Re ...W ...Rp ...D ...E ...O ...N ...I } }"
)
INVITATION_SUCCESS = "... on InvitationSuccess { applied invitation { ...I } story { ...S ...Co } }"
COAUTHOR_SUCCESS = "... on CoauthorSuccess { applied story { ...S ...Co } }"
REPORT_SUCCESS = "... on ReportSuccess { applied report { ...Rp } }"
DECISION_SUCCESS = "... on DecisionSuccess { applied decision { ...D } }"
STORY_SUCCESS = "... on StorySuccess { applied story { ...S } shelf { ...Sh } }"
ASKS: dict[str, tuple[str, str]] = {
    "updateProfile": ('patch: {bio: "x"}', "... on ProfileSuccess { applied person { ...P } }"),
    "follow": ("person: $whom", "... on RelationshipSuccess { applied relationship { ...R } }"),
    "unfollow": ("person: $whom", "... on RelationshipSuccess { applied relationship { ...R } }"),
    "removeFollower": ("person: $whom", "... on RelationshipSuccess { applied relationship { ...R } }"),
    "block": ("person: $whom", "... on RelationshipSuccess { applied relationship { ...R } }"),
    "unblock": ("person: $whom", "... on RelationshipSuccess { applied relationship { ...R } }"),
    "createStory": ('input: {title: "t"}', STORY_SUCCESS),
    "publishStory": ("id: $draft", STORY_SUCCESS),
    "updateStory": ('id: $draft, patch: {title: "t"}', STORY_SUCCESS),
    "unpublishStory": ("id: $mine", STORY_SUCCESS),
    "deleteStory": ("id: $draft", "... on StoryDeleted { applied id shelf { ...Sh } }"),
    "reorderChapters": ("story: $draft, order: [$second, $first]", STORY_SUCCESS),
    "updateChapter": (
        'id: $first, patch: {body: "b"}',
        "... on ChapterSuccess { applied chapter { ...C } story { ...S } }",
    ),
    "deleteChapter": ("id: $first", "... on ChapterDeleted { applied id story { ...S } }"),
    "restoreRevision": (
        "id: $revision",
        "... on RevisionSuccess { applied chapter { ...C } story { ...S } shelf { ...Sh } }",
    ),
    "recordView": ("story: $story", "... on ReadingSuccess { applied counted reading { ...Re } }"),
    "deleteWhisper": ("id: $whisper", "... on WhisperDeleted { applied id }"),
    "claimReport": ("id: $report", REPORT_SUCCESS),
    "unclaimReport": ("id: $report", REPORT_SUCCESS),
    "resolveReport": ("id: $report, outcome: MARKED_NSFW", REPORT_SUCCESS),
    "reopenReport": ("id: $report", REPORT_SUCCESS),
    "appealDecision": ('id: $decided, text: "It is fine."', DECISION_SUCCESS),
    "resolveAppeal": ('id: $appealed, outcome: OVERTURNED, answer: "So it is."', DECISION_SUCCESS),
    "liftDecision": ("id: $inForce", DECISION_SUCCESS),
    "setStock": ("edition: $edition, to: 2", "... on EditionSuccess { applied edition { ...E } }"),
    "markNotificationRead": ("id: $notification", "... on NotificationSuccess { applied notification { ...N } }"),
    "updateOrder": ("id: $order, to: CANCELLED", "... on OrderSuccess { applied order { ...O } }"),
    "inviteCoauthor": ("story: $draft, person: $whom", INVITATION_SUCCESS),
    "acceptInvitation": ("id: $offered", INVITATION_SUCCESS),
    "declineInvitation": ("id: $offered", INVITATION_SUCCESS),
    "withdrawInvitation": ("id: $made", INVITATION_SUCCESS),
    "setCoauthorRight": ("story: $shared, person: $whom, right: MANAGE", COAUTHOR_SUCCESS),
    "removeCoauthor": ("story: $shared, person: $whom", COAUTHOR_SUCCESS),
    "leaveStory": ("story: $theirStory", "... on LeaveSuccess { applied id }"),
}
FRESH = {
    **dict.fromkeys(("updateProfile", "publishStory", "updateStory", "deleteStory", "reorderChapters"), "1"),
    **dict.fromkeys(("updateChapter", "deleteChapter"), "1"),
    **dict.fromkeys(("deleteWhisper", "claimReport", "unclaimReport", "resolveReport", "reopenReport"), "1"),
    **{"createStory": "5", "unpublishStory": "3", "restoreRevision": "3"},
    **{"appealDecision": "1", "resolveAppeal": "2", "liftDecision": "1"},
    **{"setStock": "1", "updateOrder": "1", "markNotificationRead": "1"},
    **dict.fromkeys(("inviteCoauthor", "acceptInvitation", "declineInvitation", "withdrawInvitation"), "1"),
    **dict.fromkeys(("setCoauthorRight", "removeCoauthor", "leaveStory"), "3"),
}
"""The version that a first write names; 0 for what does not exist yet."""


def send(who: ApiClient, field: str, variables: dict[str, Any], version: str, key: str | None) -> Any:
    """The mutation with every field of whatever it can answer."""
    arguments, success = ASKS[field]
    used = [name for name in variables if f"${name}" in arguments]
    declared = "".join(f", ${name}: ID!" for name in used)
    query = (
        f"mutation ($e: Expect!, $k: UUID{declared}) {{ {field}({arguments}, expect: $e, key: $k) "
        f"{{ __typename {success} {CURRENT} }} }} {PERSON} {STORY} {REST} {MODERATION} {MARKET} {NOTIFICATION} {INVITATION} "
        f"{COAUTHORS if '...Co' in success else ''}"
    )
    given = {name: variables[name] for name in used}
    return who.ask(query, e={"version": version}, k=key, **given)[field]


def given(me: ApiClient, other: ApiClient) -> dict[str, Any]:
    """What the mutations name: a draft with two chapters, and a story that was edited, published and has lost a chapter."""
    draft = me.create_story("0", chapters=2)["story"]
    first, second = (chapter["id"] for chapter in draft["chapters"])
    mine = me.create_story("1", chapters=2)["story"]
    me.update_story(mine["id"], {"title": "Mine"}, "1")
    me.publish(mine["id"], "2")
    lost = me.create_story("2", chapters=2)["story"]
    me.update_chapter(lost["chapters"][0]["id"], {"title": "Old"}, "1")
    me.delete_chapter(lost["chapters"][0]["id"], "2")
    edges = me.ask(HISTORY, id=lost["id"])["story"]["revisions"]["edges"]
    story = other.published_story()["id"]
    me.record_view(mine["id"])
    edition = me.create_edition(mine["id"])["edition"]["id"]
    theirs = other.create_edition(story)["edition"]["id"]
    order = me.place_order((theirs, 2))["order"]["id"]
    named = {"whom": other.id, "draft": draft["id"], "first": first, "second": second}
    report = make_moderator(me).report(other.create_whisper()["whisper"]["id"])["report"]["id"]
    whisper = me.create_whisper()["whisper"]["id"]
    named |= {"whisper": whisper, "report": report, **decisions(me, other)}
    named |= {"edition": edition, "theirs": theirs, "order": order, "notification": told_of(me, story)}
    named |= together(me, other)
    return {**named, "mine": mine["id"], "story": story, "revision": edges[0]["node"]["id"]}


def together(me: ApiClient, other: ApiClient) -> dict[str, str]:
    """What the two write together, and what each has offered to the other."""
    shared, their_story = me.written_with(other), other.written_with(me)
    mine = me.create_story(me.shelf_version())["story"]["id"]
    theirs = other.create_story(other.shelf_version())["story"]["id"]
    made, offered = me.invite(mine, other, "1"), other.invite(theirs, me, "1")
    ids = {"made": made["invitation"]["id"], "offered": offered["invitation"]["id"]}
    return {"shared": shared, "theirStory": their_story, **ids}


def decisions(me: ApiClient, other: ApiClient) -> dict[str, str]:
    """One against me, and two of mine against the other, who has appealed the first and moderates no more."""

    def decided(by: ApiClient, about: ApiClient) -> str:
        id_: str = by.decided(by.report(about.id)["report"]["id"], "WARNED", reason="Rude.")["id"]
        return id_

    against_me, appealed, in_force = decided(make_moderator(other), me), decided(me, other), decided(me, other)
    assert make_moderator(other, moderator=False).appeal(appealed)["applied"] == "WRITTEN"
    return {"decided": against_me, "appealed": appealed, "inForce": in_force}


HISTORY = "query ($id: ID!) { story(id: $id) { revisions { edges { node { id } } } } }"


@pytest.fixture(autouse=True)
def whole(settings: Any) -> None:
    """No client asks for everything at once: that is beyond what a document may cost."""
    settings.MAX_COST = settings.MAX_STATEMENT_CHARACTERS = CAP


@pytest.fixture(autouse=True)
def within(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No answer has more fields than its cost said, whatever it is asked for."""
    answers: list[int] = []
    costs: list[int] = []

    class Counting(FieldCount):
        """Counts the fields of one answer."""

        def __init__(self) -> None:
            """Begin to count."""
            super().__init__()
            answers.append(0)

        def add(self, fields: int) -> None:
            """Count the fields of one object."""
            answers[-1] += fields
            super().add(fields)

    def cost(operation: Operation, values: Any, _a_minute: int) -> int:
        cost = operation.costs.of(values)
        if not operation.is_query:  # a query is not executed
            costs.append(cost)
        return cost

    monkeypatch.setattr(writing, "FieldCount", Counting)
    monkeypatch.setattr(Operation, "cost", cost)
    yield
    assert len(answers) == len(costs)
    assert all(0 < fields <= cost for fields, cost in zip(answers, costs, strict=True))


@pytest.mark.parametrize("field", ASKS)
def test_every_field_of_an_answer_is_there(field: str, asha: ApiClient, bilal: ApiClient) -> None:
    """A write that expects another version, one that does not, and the same again: none of their fields is a fault."""
    variables = given(asha, bilal)
    version, key = FRESH.get(field, "0"), str(uuid.uuid4())
    late = send(asha, field, variables, "99", None)
    assert late["__typename"] == "ConflictError"
    assert late["current"]["id"]
    first = send(asha, field, variables, version, key)
    again = send(asha, field, variables, version, key)
    assert first.pop("applied") in ("WRITTEN", "NOOP")
    assert again.pop("applied") == "REPLAYED"
    assert again == first


RETITLE = """
mutation ($c: ID!) { updateChapter(id: $c, patch: {title: "Other"}, expect: {version: "1"}) {
  ... on ChapterSuccess { chapter { id title story { title chapterCount } } } } }
"""


def test_of_a_row_no_more_is_bound_than_is_asked(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The text of a chapter is as long as a book, and its new title says nothing of it."""
    chapter = asha.published_story()["chapters"][0]["id"]
    bound: list[dict[str, Any]] = []
    monkeypatch.setattr(rows, "as_json", lambda values: bound.append(values) or as_json(values))
    answer = asha.ask(RETITLE, c=chapter)["updateChapter"]["chapter"]
    written, story = bound
    assert answer["title"] == written["title"] == "Other"
    assert "body" not in written
    assert "summary" not in story


def test_every_field_of_a_new_whisper_and_report_is_there(asha: ApiClient, bilal: ApiClient) -> None:
    """Also of the report that a screening makes, and in a replay."""
    screen_for("REPORT", "scam")
    whisper = "... on WhisperSuccess { applied whisper { ...W } report { ...Rp } }"
    create = f'createWhisper(text: "scam", key: $k) {{ {whisper} }}'
    report = f'report(subject: $s, reason: "r", key: $k) {{ {REPORT_SUCCESS} }}'
    fragments = f"{PERSON} {STORY} {CHAPTER} {MODERATION}"
    story = bilal.published_story()
    subjects = [bilal.id, story["id"], story["chapters"][0]["id"], bilal.create_whisper()["whisper"]["id"]]
    for field, subject in [(create, None), *((report, one) for one in subjects)]:
        declared, given = ("", {}) if subject is None else (", $s: ID!", {"s": subject})
        key = new_key()
        twice = [
            asha.ask(f"mutation ($k: UUID{declared}) {{ done: {field} }} {fragments}", k=key, **given) for _ in range(2)
        ]
        assert [one["done"].pop("applied") for one in twice] == ["WRITTEN", "REPLAYED"]
        assert twice[0] == twice[1]
        assert twice[0]["done"]["report"]["subject"]["id"]


UNCONDITIONED = {
    "createEdition": (
        'story: $mine, title: "t", priceCents: 5, stock: 2',
        "... on EditionSuccess { applied edition { ...E } }",
    ),
    "adjustStock": ("edition: $edition, delta: 3", "... on EditionSuccess { applied edition { ...E } }"),
    "placeOrder": ("lines: [{edition: $theirs, quantity: 2}]", "... on OrderSuccess { applied order { ...O } }"),
}


def send_unconditioned(who: ApiClient, field: str, variables: dict[str, Any], key: str | None, **instead: str) -> Any:
    """A mutation that expects nothing, with every field of whatever it can answer; `instead` of some of its arguments."""
    arguments, success = UNCONDITIONED[field]
    for before, after in instead.items():
        arguments = re.sub(rf"{before}: \d+", f"{before}: {after}", arguments)
    used = [name for name in variables if f"${name}" in arguments]
    declared = "".join(f", ${name}: ID!" for name in used)
    short = "... on OutOfStockError { available edition { ...E } }" if field != "createEdition" else ""
    fragments = f"{PERSON} {STORY} {CHAPTER} {MARKET if '...O' in success else EDITION}"
    query = f"mutation ($k: UUID!{declared}) {{ {field}({arguments}, key: $k) {{ __typename {success} {short} }} }} {fragments}"
    return who.ask(query, k=key, **{name: variables[name] for name in used})[field]


TOO_MUCH = {"adjustStock": {"delta": "-99"}, "placeOrder": {"quantity": "99"}}


@pytest.mark.parametrize("field", UNCONDITIONED)
def test_every_field_of_an_answer_that_expects_nothing_is_there(field: str, asha: ApiClient, bilal: ApiClient) -> None:
    """A write and the same again; and what is said when too little is left."""
    variables, key = given(asha, bilal), new_key()
    first, again = (send_unconditioned(asha, field, variables, key) for _ in range(2))
    assert (first.pop("applied"), again.pop("applied")) == ("WRITTEN", "REPLAYED")
    assert first == again
    if field in TOO_MUCH:
        assert send_unconditioned(asha, field, variables, new_key(), **TOO_MUCH[field])["edition"]["story"]["title"]


def test_signing_in_and_up_answer_with_the_whole_person(nobody: ApiClient) -> None:
    """The person of a new token is oneself: the shelf is there, a relationship is not."""
    query = (
        'mutation { signUp(handle: "dev", name: "Dev", password: "a good enough password") '
        f"{{ ... on SignSuccess {{ person {{ ...P }} }} }} }} {PERSON}"
    )
    person = nobody.ask(query)["signUp"]["person"]
    assert person["relationship"] is None
    assert person["shelf"]["storyCount"] == 0


def test_a_changed_password_answers_with_the_whole_person(asha: ApiClient) -> None:
    """At first and again: it is oneself, who is asked for with the token that stays."""
    done = "... on PasswordSuccess { applied revoked person { ...P } }"
    query = f'mutation ($k: UUID) {{ changePassword(current: "{PASSWORD}", new: "another good password", key: $k) {{ {done} }} }}'
    key = new_key()
    first, again = (asha.ask(f"{query} {PERSON}", k=key)["changePassword"] for _ in range(2))
    assert (first.pop("applied"), again.pop("applied")) == ("WRITTEN", "REPLAYED")
    assert first == again
    assert (first["person"]["handle"], first["person"]["relationship"]) == ("asha", None)


def test_the_table_names_every_conditioned_mutation() -> None:
    """A mutation that is added is looked into here too."""
    mutations = GRAPHQL.mutation_type.fields if GRAPHQL.mutation_type else {}
    assert set(ASKS) == {name for name, field in mutations.items() if "expect" in field.args}
