"""Whoever is named within another thing is shown to nobody from whom they are hidden, wherever the contract has a person."""

from collections.abc import Callable
from typing import Any

import pytest
from graphql import get_named_type, is_object_type

from backend.moderation.models import ModerationAction
from schema.nodes import to_id
from schema.root import schema
from tests.api import ApiClient
from tests.api.moderation import make_moderator
from tests.schema.access_fixture import key_in

PROFILE = "id handle name bio followerCount relationship { version following followedBy blocking }"
TYPES = schema._schema.type_map


class NamedFixture:
    """Mina blocks asha. She had done all with her that names a person; both moderate."""

    def __init__(self, asha: ApiClient, bilal: ApiClient, mina: ApiClient) -> None:
        self.asha, self.bilal, self.mina = asha, bilal, mina
        make_moderator(mina).update_profile({"bio": "TEXT of mina"}, "1")
        self.story = asha.published_story()["id"]
        marked = bilal.report(self.story)["report"]["id"]
        assert mina.resolve(marked, "MARKED_NSFW")["applied"] == "WRITTEN"
        self.made = mina.report(bilal.create_whisper()["whisper"]["id"])["report"]["id"]
        mina.claim(self.made)
        self.edition = asha.create_edition(self.story)["edition"]["id"]
        self.order = mina.place_order((self.edition, 1))["order"]["id"]
        self.hers = mina.published_story()["id"]
        self.whisper = mina.create_whisper()["whisper"]["id"]
        self.by_mina = mina.decided(mina.report(bilal.id)["report"]["id"], "WARNED")["id"]
        make_moderator(bilal)
        self.against_mina = bilal.decided(bilal.report(mina.id)["report"]["id"], "WARNED")["id"]
        make_moderator(bilal, moderator=False)
        self.reports = [bilal.report(one)["report"]["id"] for one in (self.hers, self.whisper)]
        self.shared = bilal.written_with(mina, "MANAGE", bilal.written_with(asha, "MANAGE"))
        self.handed_over = bilal.invite(self.shared, mina, bilal.version_of(self.shared), "OWN")["invitation"]["id"]
        other = bilal.written_with(mina, "MANAGE")
        self.invited = mina.invite(other, asha, mina.version_of(other))["invitation"]["id"]
        mina.follow(bilal)
        mina.block(asha)
        make_moderator(asha)

    def node(self, id_: str, of: str) -> Any:
        """A thing as asha gets it."""
        return self.asha.ask(f"query ($id: ID!) {{ node(id: $id) {{ ... on {of} }} }}", id=id_)["node"]


def of_subject(scene: NamedFixture, number: int, kind: str) -> Any:
    """The author of what a report is of."""
    return scene.node(scene.reports[number], f"Report {{ subject {{ ... on {kind} {{ author {{ {PROFILE} }} }} }} }}")[
        "subject"
    ]["author"]


def of_decision(scene: NamedFixture, id_: str, field: str) -> Any:
    """Somebody whom a decision names."""
    return scene.node(id_, f"Decision {{ {field} {{ {PROFILE} }} }}")[field]


def of_log(scene: NamedFixture, decision: str, field: str) -> Any:
    """Somebody whom the log names where this was decided."""
    line = to_id("ModerationAction", ModerationAction.objects.get(decision_id=key_in(decision)).pk)
    return scene.node(line, f"ModerationAction {{ {field} {{ {PROFILE} }} }}")[field]


def of_revision(scene: NamedFixture) -> Any:
    """Who wrote the newest revision of asha's story."""
    found = scene.node(
        scene.story, f"Story {{ revisions {{ edges {{ node {{ byModerator by {{ {PROFILE} }} }} }} }} }}"
    )
    newest = found["revisions"]["edges"][0]["node"]
    assert newest["byModerator"] is True
    return newest["by"]


def of_conflict(scene: NamedFixture) -> Any:
    """Who made the latest change that asha has not seen: the moderator's mark."""
    query = (
        'mutation ($s: ID!) { updateStory(id: $s, patch: {title: "Mine"}, expect: {version: "1"}) { ... on ConflictError { '
        f"changedFields by {{ {PROFILE} }} }} }} }}"
    )
    found = scene.asha.ask(query, s=scene.story)["updateStory"]
    assert "mature" in found["changedFields"]
    return found["by"]


def of_coauthors(scene: NamedFixture) -> Any:
    """Who writes a story of bilal's beside asha."""
    found = scene.node(scene.shared, f"Story {{ coauthors {{ person {{ {PROFILE} }} }} }}")["coauthors"]
    return next(one["person"] for one in found if one["person"]["id"] != scene.asha.id)


def of_invitation(scene: NamedFixture, id_: str, field: str) -> Any:
    """Somebody whom an invitation names."""
    return scene.node(id_, f"Invitation {{ {field} {{ {PROFILE} }} }}")[field]


def of_pair(scene: NamedFixture) -> Any:
    """The other one of a pair, who is blocked back."""
    query = (
        "mutation ($p: ID!) { block(person: $p) { ... on RelationshipSuccess { "
        f"relationship {{ person {{ {PROFILE} }} }} }} }} }}"
    )
    return scene.asha.ask(query, p=scene.mina.id)["block"]["relationship"]["person"]


def of_list(scene: NamedFixture) -> Any:
    """Who is in a list."""
    edges = scene.node(scene.bilal.id, f"Person {{ followers {{ edges {{ node {{ {PROFILE} }} }} }} }}")["followers"][
        "edges"
    ]
    return edges[0]["node"] if edges else None


Asked = Callable[[NamedFixture], Any]

NAMED: dict[str, Asked] = {
    "Coauthor.person": of_coauthors,
    "ConflictError.by": of_conflict,
    "Decision.moderator": lambda scene: of_decision(scene, scene.by_mina, "moderator"),
    "Decision.person": lambda scene: of_decision(scene, scene.against_mina, "person"),
    "Invitation.invitedBy": lambda scene: of_invitation(scene, scene.invited, "invitedBy"),
    "Invitation.person": lambda scene: of_invitation(scene, scene.handed_over, "person"),
    "ModerationAction.moderator": lambda scene: of_log(scene, scene.by_mina, "moderator"),
    "ModerationAction.person": lambda scene: of_log(scene, scene.against_mina, "person"),
    "Order.buyer": lambda scene: scene.node(scene.order, f"Order {{ buyer {{ {PROFILE} }} }}")["buyer"],
    "PersonEdge.node": of_list,
    "Relationship.person": of_pair,
    "Report.claimedBy": lambda scene: scene.node(scene.made, f"Report {{ claimedBy {{ {PROFILE} }} }}")["claimedBy"],
    "Report.reporter": lambda scene: scene.node(scene.made, f"Report {{ reporter {{ {PROFILE} }} }}")["reporter"],
    "Revision.by": of_revision,
    "Story.author": lambda scene: of_subject(scene, 0, "Story"),
    "Whisper.author": lambda scene: of_subject(scene, 1, "Whisper"),
}
"""How asha asks for mina, whom she cannot find, wherever somebody else can be named."""

OWN = {"Order.author", "PasswordSuccess.person", "ProfileSuccess.person", "SignSuccess.person"}
"""Names the viewer; an order names the other side, whichever that is, by one rule."""
TOLD = {"Present.person"}
"""Is told by a subscription: tests/live/test_presence.py looks at it."""
LEFT_OUT = {
    *(
        "ConflictError.by",
        "PersonEdge.node",
        "Report.claimedBy",
        "Report.reporter",
        "Revision.by",
        "Invitation.invitedBy",
    ),
    *("Decision.moderator", "Decision.person", "ModerationAction.moderator", "ModerationAction.person"),
}
"""Says nobody."""
DEALT_WITH = {"Order.buyer"}
"""The two sides of an order have to deal with each other, see docs/access.md."""


@pytest.fixture
def scene(asha: ApiClient, bilal: ApiClient, person: Callable[[str], ApiClient]) -> NamedFixture:
    """Mina, who is hidden from asha."""
    return NamedFixture(asha, bilal, person("mina"))


def test_every_field_that_names_somebody_is_asked() -> None:
    """A new one has to be thought of."""
    found = {
        f"{name}.{field}"
        for name, type_ in TYPES.items()
        if is_object_type(type_) and name != "Query"
        for field, of in type_.fields.items()
        if get_named_type(of.type).name == "Person"
    }
    assert found == set(NAMED) | OWN | TOLD


def test_nobody_is_named_to_whom_they_are_hidden_from(scene: NamedFixture) -> None:
    """A field that may be empty is; any other shows the id and nothing else."""
    for field, ask in NAMED.items():
        shown = ask(scene)
        if field in LEFT_OUT:
            assert shown is None, field
        elif field not in DEALT_WITH:
            assert (shown["id"], shown["followerCount"]) == (scene.mina.id, 0), field
            assert [shown[name] for name in ("handle", "name", "bio")] == [""] * 3, field
        else:
            assert (shown["id"], shown["handle"]) == (scene.mina.id, "mina"), field


def test_who_is_found_is_named(scene: NamedFixture) -> None:
    """The fields above are empty because of the block."""
    scene.mina.unblock(scene.asha, str(scene.mina.relationship(scene.asha)["version"]))
    for field, ask in NAMED.items():
        assert ask(scene)["handle"] == "mina", field


def test_a_moderator_is_a_moderator_to_an_author(
    asha: ApiClient, bilal: ApiClient, person: Callable[[str], ApiClient]
) -> None:
    """Whatever the moderator and the author are to each other; the author's own writes are the author's."""
    scene = NamedFixture(asha, bilal, person("mina"))
    scene.mina.unblock(asha, str(scene.mina.relationship(asha)["version"]))
    make_moderator(asha, moderator=False)
    assert of_revision(scene) is None
    asha.update_story(scene.story, {"title": "New"}, "3")
    shown = scene.node(scene.story, "Story { revisions { edges { node { byModerator by { handle } } } } }")
    assert [edge["node"] for edge in shown["revisions"]["edges"]] == [
        {"byModerator": False, "by": {"handle": "asha"}},
        {"byModerator": True, "by": None},
        {"byModerator": False, "by": {"handle": "asha"}},
    ]
