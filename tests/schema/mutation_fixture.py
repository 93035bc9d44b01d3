"""Every mutation with arguments that succeed, so that a test need only say what it makes wrong."""

import uuid
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLField, Undefined

from schema.root import schema
from tests.api import PASSWORD, ApiClient
from tests.api.account import another_token
from tests.api.moderation import make_moderator
from tests.api.notifications import told_of_a_day
from tests.nouns import merged
from tests.schema.footprint import nothing_written

KEY = str(uuid.UUID(int=5))
UNKNOWN = uuid.UUID(int=7)
MEGABYTE = "x" * 1_000_000
NUL, SURROGATE = "a\0b", "a\ud800b"


@dataclass
class MutationFixture:
    """Who and what a request can name."""

    me: ApiClient
    other: ApiClient
    story: Any
    draft: Any
    revision: str
    whisper: str
    """The first one's."""
    report: str
    """An open one; the first one moderates."""
    printed: str
    edition: str
    order: str
    notification: str
    token: str
    """Another one of the first one's."""
    against_me: str
    """A decision of the other's, who moderates no more."""
    appealed: str
    """A decision of the first one's against the other, who has appealed it."""
    in_force: str
    """Another one, which is not appealed."""
    shared: str
    """A draft of the first one's that the other writes too."""
    theirs: str
    """One of the other's that the first one writes too."""
    invited: str
    """To a third one of theirs."""
    inviting: str
    """The other, by the first one."""

    @classmethod
    def of(cls, me: ApiClient, other: ApiClient) -> "MutationFixture":
        """Two people with a story and two drafts between them, one of which was edited; the requests are the first one's."""
        edited = me.create_story("0")["story"]["id"]
        me.update_story(edited, {"title": "Edited"}, "1")
        query = "query ($id: ID!) { story(id: $id) { revisions { edges { node { id } } } } }"
        (edge,) = me.ask(query, id=edited)["story"]["revisions"]["edges"]
        draft = me.create_story("1", chapters=2)["story"]
        whisper = make_moderator(me).create_whisper()["whisper"]["id"]
        report = me.report(other.create_whisper()["whisper"]["id"])["report"]["id"]
        printed = me.published_story("2")["id"]
        edition = me.create_edition(printed)["edition"]["id"]
        order = other.place_order((edition, 1))["order"]["id"]
        named = (whisper, report, printed, edition, order, told_of_a_day(me), another_token(me))
        decisions = [_warned(*pair) for pair in ((make_moderator(other), me), (me, other), (me, other))]
        make_moderator(other, moderator=False).appeal(decisions[1])
        story = other.published_story()
        return cls(
            me, other, story, draft, edge["node"]["id"], *named, *decisions, *_together(me, other, edited, printed)
        )


def _together(me: ApiClient, other: ApiClient, mine: str, printed: str) -> tuple[str, str, str, str]:
    """What the two write together, and what they offer each other."""
    shared, theirs = me.written_with(other, story=mine), other.written_with(me)
    offered = other.create_story(other.shelf_version())["story"]["id"]
    invited = other.invite(offered, me, "1")["invitation"]["id"]
    return shared, theirs, invited, me.invite(printed, other, "2")["invitation"]["id"]


def _warned(by: ApiClient, about: ApiClient) -> str:
    """A decision of one against the other."""
    decision: str = by.decided(by.report(about.id)["report"]["id"], "WARNED")["id"]
    return decision


RELATIONSHIPS = ("follow", "unfollow", "removeFollower", "block", "unblock")
CLAIMS = ("claimReport", "unclaimReport", "reopenReport")
READ = "markNotificationRead"
ANSWER = (
    "__typename ... on Failure { code message retry { kind afterMs } } ... on InvalidError { fields { path message } }"
)
MUTATIONS = {
    **{
        name: f"mutation ($person: ID!, $expect: Expect!, $key: UUID) "
        f"{{ {name}(person: $person, expect: $expect, key: $key) {{ {ANSWER} }} }}"
        for name in RELATIONSHIPS
    },
    "createStory": "mutation ($input: CreateStoryInput!, $expect: Expect!, $key: UUID) "
    f"{{ createStory(input: $input, expect: $expect, key: $key) {{ {ANSWER} }} }}",
    "publishStory": "mutation ($id: ID!, $expect: Expect!, $key: UUID) "
    f"{{ publishStory(id: $id, expect: $expect, key: $key) {{ {ANSWER} }} }}",
    "updateStory": "mutation ($id: ID!, $patch: StoryPatch!, $expect: Expect!, $key: UUID, $onConflict: OnConflict! = FAIL) "
    f"{{ updateStory(id: $id, patch: $patch, expect: $expect, key: $key, onConflict: $onConflict) {{ {ANSWER} }} }}",
    "updateChapter": "mutation ($id: ID!, $patch: ChapterPatch!, $expect: Expect!, $key: UUID, "
    "$onConflict: OnConflict! = FAIL) "
    f"{{ updateChapter(id: $id, patch: $patch, expect: $expect, key: $key, onConflict: $onConflict) {{ {ANSWER} }} }}",
    **{
        name: f"mutation ($id: ID!, $expect: Expect!, $key: UUID) {{ {name}(id: $id, expect: $expect, key: $key) "
        f"{{ {ANSWER} }} }}"
        for name in (
            "unpublishStory",
            "deleteStory",
            "deleteChapter",
            "restoreRevision",
            "deleteWhisper",
            *CLAIMS,
            READ,
        )
    },
    "revokeToken": f"mutation ($id: ID!, $key: UUID) {{ revokeToken(id: $id, key: $key) {{ {ANSWER} }} }}",
    "changePassword": "mutation ($current: String!, $new: String!, $key: UUID) "
    f"{{ changePassword(current: $current, new: $new, key: $key) {{ {ANSWER} }} }}",
    "deleteAccount": "mutation ($password: String!, $key: UUID) "
    f"{{ deleteAccount(password: $password, key: $key) {{ {ANSWER} }} }}",
    "appendChapter": "mutation ($story: ID!, $chapter: ChapterInput!, $key: UUID!) "
    f"{{ appendChapter(story: $story, chapter: $chapter, key: $key) {{ {ANSWER} }} }}",
    "reorderChapters": "mutation ($story: ID!, $order: [ID!]!, $expect: Expect!, $key: UUID) "
    f"{{ reorderChapters(story: $story, order: $order, expect: $expect, key: $key) {{ {ANSWER} }} }}",
    "recordView": "mutation ($story: ID!, $place: PlaceInput, $expect: Expect!, $policy: PlacePolicy! = EXACT, "
    "$seen: Version, $key: UUID) { recordView(story: $story, place: $place, expect: $expect, policy: $policy, seen: $seen, "
    f"key: $key) {{ {ANSWER} }} }}",
    "recordViews": "mutation ($views: [ViewInput!]!, $key: UUID) "
    f"{{ recordViews(views: $views, key: $key) {{ {ANSWER} }} }}",
    "createWhisper": "mutation ($text: String!, $nsfw: Boolean! = false, $key: UUID) "
    f"{{ createWhisper(text: $text, nsfw: $nsfw, key: $key) {{ {ANSWER} }} }}",
    "report": "mutation ($subject: ID!, $reason: String!, $key: UUID) "
    f"{{ report(subject: $subject, reason: $reason, key: $key) {{ {ANSWER} }} }}",
    "resolveReport": "mutation ($id: ID!, $outcome: ReportOutcome!, $expect: Expect!, $key: UUID) "
    f"{{ resolveReport(id: $id, outcome: $outcome, expect: $expect, key: $key) {{ {ANSWER} }} }}",
    "updateProfile": "mutation ($patch: ProfilePatch!, $expect: Expect!, $key: UUID, $onConflict: OnConflict! = FAIL) "
    f"{{ updateProfile(patch: $patch, expect: $expect, key: $key, onConflict: $onConflict) {{ {ANSWER} }} }}",
    "createEdition": "mutation ($story: ID!, $title: String!, $priceCents: Int!, $stock: Int!, $key: UUID) "
    f"{{ createEdition(story: $story, title: $title, priceCents: $priceCents, stock: $stock, key: $key) {{ {ANSWER} }} }}",
    "adjustStock": "mutation ($edition: ID!, $delta: Int!, $key: UUID!) "
    f"{{ adjustStock(edition: $edition, delta: $delta, key: $key) {{ {ANSWER} }} }}",
    "setStock": "mutation ($edition: ID!, $to: Int!, $expect: Expect!, $key: UUID) "
    f"{{ setStock(edition: $edition, to: $to, expect: $expect, key: $key) {{ {ANSWER} }} }}",
    "placeOrder": "mutation ($lines: [OrderLineInput!]!, $key: UUID!) "
    f"{{ placeOrder(lines: $lines, key: $key) {{ {ANSWER} }} }}",
    "updateOrder": "mutation ($id: ID!, $to: OrderStatus!, $expect: Expect!, $key: UUID) "
    f"{{ updateOrder(id: $id, to: $to, expect: $expect, key: $key) {{ {ANSWER} }} }}",
    "signUp": "mutation ($handle: String!, $name: String!, $password: String!) "
    f"{{ signUp(handle: $handle, name: $name, password: $password) {{ {ANSWER} }} }}",
    "signIn": "mutation ($handle: String!, $password: String!) "
    f"{{ signIn(handle: $handle, password: $password) {{ {ANSWER} }} }}",
    "endSession": f"mutation {{ endSession {{ {ANSWER} }} }}",
}
assert schema._schema.mutation_type
FIELDS = schema._schema.mutation_type.fields


def document(name: str, field: GraphQLField) -> str:
    """A mutation with all of its arguments; those that have a value of their own may be left out."""
    types = {
        given: str(argument.type) if argument.default_value is Undefined else str(argument.type).rstrip("!")
        for given, argument in field.args.items()
    }
    declared = ", ".join(f"${given}: {type_}" for given, type_ in types.items())
    passed = ", ".join(f"{given}: ${given}" for given in types)
    return f"mutation ({declared}) {{ {name}({passed}) {{ {ANSWER} }} }}"


LISTED = {*MUTATIONS, "signOut"}
"""Those of which everything is said in this file; others are of the nouns in tests/nouns."""
MUTATIONS |= {name: document(name, field) for name, field in FIELDS.items() if name not in LISTED}
OF_STORIES = ("publishStory", "updateStory", "unpublishStory", "deleteStory", "reorderChapters")
OF_CHAPTERS = ("updateChapter", "deleteChapter")
OF_REPORTS = (*CLAIMS, "resolveReport")
CONDITIONED = tuple(name for name, field in FIELDS.items() if "expect" in field.args)
KEYED = tuple(name for name, field in FIELDS.items() if "key" in field.args)
BY_ID = {
    **dict.fromkeys(RELATIONSHIPS, ("person", "Person")),
    **dict.fromkeys(OF_STORIES, ("id", "Story")),
    **dict.fromkeys(OF_CHAPTERS, ("id", "Chapter")),
    **dict.fromkeys(("reorderChapters", "appendChapter", "recordView"), ("story", "Story")),
    "restoreRevision": ("id", "Revision"),
    "deleteWhisper": ("id", "Whisper"),
    **dict.fromkeys(OF_REPORTS, ("id", "Report")),
    "createEdition": ("story", "Story"),
    **dict.fromkeys(("adjustStock", "setStock"), ("edition", "Edition")),
    "updateOrder": ("id", "Order"),
    READ: ("id", "Notification"),
    "revokeToken": ("id", "AccessToken"),
    **merged("BY_ID"),
}
"""The argument that names what is written to, and its type."""


def good(world: MutationFixture, mutation: str) -> dict[str, Any]:
    """Arguments with which the mutation would succeed."""
    if mutation not in LISTED:
        found: dict[str, Any] = merged("ARGUMENTS")[mutation](world)
        return found
    chapters = [{"title": "One", "body": "Text."}]
    draft, order = world.draft["id"], [chapter["id"] for chapter in world.draft["chapters"]]
    own: dict[str, dict[str, Any]] = {
        **{name: {"person": world.other.id, "expect": {"version": "0"}} for name in RELATIONSHIPS},
        "createStory": {"input": {"title": "A story", "chapters": chapters}, "expect": {"version": "3"}},
        "publishStory": {"id": world.draft["id"], "expect": {"version": "1"}},
        "updateStory": {"id": draft, "patch": {"title": "New"}, "expect": {"version": "1"}},
        **{name: {"id": draft, "expect": {"version": "1"}} for name in ("unpublishStory", "deleteStory")},
        "reorderChapters": {"story": draft, "order": order[::-1], "expect": {"version": "1"}},
        "appendChapter": {"story": draft, "chapter": chapters[0], "key": KEY},
        "updateChapter": {"id": order[0], "patch": {"title": "New"}, "expect": {"version": "1"}},
        "deleteChapter": {"id": order[0], "expect": {"version": "1"}},
        "restoreRevision": {"id": world.revision, "expect": {"version": "2"}},
        "recordView": {"story": world.story["id"], "expect": {"version": "0"}},
        "recordViews": {"views": [{"story": world.story["id"]}, {"story": draft}]},
        "createWhisper": {"text": "Psst."},
        "deleteWhisper": {"id": world.whisper, "expect": {"version": "1"}},
        "report": {"subject": world.story["id"], "reason": "Look at this."},
        **{name: {"id": world.report, "expect": {"version": "1"}} for name in CLAIMS},
        "resolveReport": {"id": world.report, "outcome": "DISMISSED", "expect": {"version": "1"}},
        "updateProfile": {"patch": {"name": "Asha"}, "expect": {"version": "1"}},
        READ: {"id": world.notification, "expect": {"version": "1"}},
        "revokeToken": {"id": world.token},
        "changePassword": {"current": PASSWORD, "new": "another good password"},
        "deleteAccount": {"password": PASSWORD},
        **of_market(world),
        "signUp": {"handle": "dora", "name": "Dora", "password": "a good enough password"},
        "signIn": {"handle": "asha", "password": "a good enough password"},
        "endSession": {},
    }
    return own[mutation]


def of_market(world: MutationFixture) -> dict[str, dict[str, Any]]:
    """Those of them that are about an edition of the first one's, of which the other has ordered a copy."""
    return {
        "createEdition": {"story": world.printed, "title": "New", "priceCents": 5, "stock": 3},
        "adjustStock": {"edition": world.edition, "delta": 2, "key": KEY},
        "setStock": {"edition": world.edition, "to": 9, "expect": {"version": "2"}},
        "placeOrder": {"lines": [{"edition": world.edition, "quantity": 2}], "key": KEY},
        "updateOrder": {"id": world.order, "to": "CONFIRMED", "expect": {"version": "1"}},
    }


def send(world: MutationFixture, mutation: str, /, **arguments: Any) -> Any:
    """The whole answer to a mutation with good arguments but for these."""
    return world.me.post(MUTATIONS[mutation], **{**good(world, mutation), **arguments})


def check_invalid(world: MutationFixture, mutation: str, path: str, *requests: dict[str, Any]) -> None:
    """Each request gets an InvalidError that names the argument, no use in trying again, and writes nothing."""
    with nothing_written():
        for arguments in requests:
            _check_one(send(world, mutation, **arguments), mutation, path, repr(arguments)[:200])


def _check_one(whole: Any, mutation: str, path: str, sent: str) -> None:
    answer = whole["data"][mutation]
    assert (answer["__typename"], answer["code"]) == ("InvalidError", "INVALID"), sent
    assert answer["retry"] == {"kind": "NEVER", "afterMs": 0}, sent
    assert {field["path"] for field in answer["fields"]} == {path}, sent
    assert 0 < len(answer["message"]) < 500, sent


def check_request_error(world: MutationFixture, mutation: str, *requests: dict[str, Any]) -> None:
    """Requests that the schema itself does not allow: an error with a code, no data, nothing written."""
    with nothing_written():
        for arguments in requests:
            answer = send(world, mutation, **arguments)
            assert "data" not in answer, arguments
            assert answer["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT", arguments
