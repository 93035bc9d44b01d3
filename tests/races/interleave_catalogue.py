"""The mutations that meet in `test_interleave`, each in the scenes whose preconditions matter to it.

A scene makes people and things, and says what each of its acts does; every two acts of a scene may meet, an act itself too.
Asha and Bilal are the two of a pair; where there is an author it is Asha.
"""

import itertools
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from tests.api import PASSWORD
from tests.api.account import another_token
from tests.api.moderation import make_moderator, screen_for
from tests.api.notifications import told_of
from tests.races.stepped import Work
from tests.races.test_faults import SIGN_IN, SIGN_UP, Patient, patient

Acts = Mapping[str, Work]
KEY = str(uuid.UUID(int=7))
"""Sent by acts that are one request sent twice."""


@dataclass(frozen=True)
class Scene:
    """People and things, made by `make`, which says what each of `words` does."""

    name: str
    words: str
    make: Callable[[], Acts]

    @property
    def names(self) -> tuple[str, ...]:
        """Its acts."""
        return tuple(self.words.split())

    def acts(self) -> Acts:
        """Make it."""
        acts = self.make()
        assert set(self.names) <= set(acts), set(self.names) - set(acts)
        return acts


def _version(me: Patient, them: Patient) -> str:
    known = me.relationship(them)
    return str(known["version"]) if known else "0"


def _pair(prepare: Callable[[Patient, Patient], Any]) -> Acts:
    """Asha and Bilal after they have been prepared, and what both do to each other."""
    asha, bilal = patient("asha"), patient("bilal")
    prepare(asha, bilal)
    mine, theirs = _version(asha, bilal), _version(bilal, asha)
    return {
        "follow": lambda: asha.follow(bilal, mine),
        "follow-keyed": lambda: asha.follow(bilal, mine, KEY),
        "follow-back": lambda: bilal.follow(asha, theirs),
        "unfollow": lambda: asha.unfollow(bilal, mine),
        "remove-follower": lambda: bilal.remove_follower(asha, theirs),
        "block": lambda: bilal.block(asha),
        "block-if-unchanged": lambda: bilal.block(asha, theirs),
        "block-back": lambda: asha.block(bilal),
        "unblock": lambda: bilal.unblock(asha, theirs),
        "delete-account": lambda: bilal.delete_account(PASSWORD),
        "update-profile": lambda: asha.update_profile({"name": "A."}, "1"),
    }


def _they_met(asha: Patient, bilal: Patient) -> None:
    asha.follow(bilal)
    asha.unfollow(bilal, "1")


def _they_follow(asha: Patient, bilal: Patient) -> None:
    asha.follow(bilal)
    bilal.follow(asha, "1")


STRANGERS = "follow follow-keyed follow-back block block-back delete-account update-profile"
MET = "follow follow-back block block-if-unchanged block-back"
FOLLOWING = "follow unfollow remove-follower block block-if-unchanged block-back delete-account"
BLOCKED = "follow follow-back block block-back unblock delete-account"


def _story(published: bool) -> Acts:
    """A story of three chapters, the first of them edited once, and somebody who reads it; and a second reader."""
    author, reader, other = patient("asha"), patient("bilal"), patient("chitra")
    made = author.create_story("0", chapters=3)["story"]
    id_, (one, two, three) = made["id"], [chapter["id"] for chapter in made["chapters"]]
    author.update_chapter(one, {"body": "First.\n\nSecond."}, "1")
    author.update_story(id_, {"summary": "Before."}, "2")
    version = "3"
    if published:
        author.publish(id_, version)
        version = "4"
        reader.record_view(id_, "0", two, 1)
    first, second = {"body": "First, mine.\n\nSecond."}, {"body": "First.\n\nSecond, mine."}
    revision = author.revisions(id_)[-1]["id"]
    return {
        "update-title": lambda: author.update_story(id_, {"title": "T"}, version),
        "update-title-keyed": lambda: author.update_story(id_, {"title": "T"}, version, key=KEY),
        "update-summary": lambda: author.update_story(id_, {"summary": "S"}, version),
        "update-summary-merging": lambda: author.update_story(id_, {"summary": "S"}, version, merge=True),
        "update-title-merging": lambda: author.update_story(id_, {"title": "U"}, version, merge=True),
        "update-chapter": lambda: author.update_chapter(one, {"body": "Anew."}, "2"),
        "merge-first-paragraph": lambda: author.update_chapter(one, first, "2", merge=True),
        "merge-second-paragraph": lambda: author.update_chapter(one, second, "2", merge=True),
        "append": lambda: author.append(id_),
        "append-keyed": lambda: author.append(id_, key=KEY),
        "delete-chapter": lambda: author.delete_chapter(two, "1"),
        "reorder": lambda: author.reorder(id_, [three, one, two], version),
        "publish": lambda: author.publish(id_, version),
        "unpublish": lambda: author.unpublish(id_, version),
        "delete-story": lambda: author.delete_story(id_, version),
        "restore": lambda: author.restore(revision, version),
        "create-story": lambda: author.create_story("1", title="Another"),
        "view": lambda: other.record_view(id_, "0", two, 2),
        "view-further": lambda: reader.record_view(id_, None, three, 1, policy="FURTHEST"),
        "view-again": lambda: reader.record_view(id_, "1", two, 3),
        "create-edition": lambda: author.create_edition(id_),
        "report-story": lambda: reader.report(id_),
        "delete-author": lambda: author.delete_account(PASSWORD),
        "block-reader": lambda: author.block(reader),
    }


EDITS = """
update-title update-title-keyed update-summary update-summary-merging update-title-merging update-chapter merge-first-paragraph
merge-second-paragraph append append-keyed delete-chapter reorder delete-story restore create-story delete-author publish
"""
READ = """
update-title merge-first-paragraph append delete-chapter reorder unpublish delete-story restore view view-further view-again
create-edition report-story delete-author block-reader
"""


def _together() -> Acts:
    """A draft of Asha's that Bilal may publish too, and to which Chitra is invited; and one that Chitra writes too, and that is
    offered to Bilal.
    """
    author, other, invited = patient("asha"), patient("bilal"), patient("chitra")
    for who in (
        author,
        other,
        invited,
    ):  # of their own columns: whatever else is shown is read after COMMIT, as it is then
        who.invitation, who.story = "id version status", "id version"
    made = author.create_story("0", chapters=2)["story"]
    id_, (one, two) = made["id"], [chapter["id"] for chapter in made["chapters"]]
    author.written_with(other, "MANAGE", story=id_)
    invitation = author.invite(id_, invited, "3")["invitation"]["id"]
    given = author.create_story("1")["story"]["id"]
    author.written_with(invited, story=given)
    offer = author.invite(given, other, "3", "OWN")["invitation"]["id"]
    return {
        "accept": lambda: invited.accept(invitation),
        "decline": lambda: invited.decline(invitation),
        "withdraw": lambda: author.withdraw(invitation),
        "withdraw-by-other": lambda: other.withdraw(invitation),
        "demote": lambda: author.set_right(id_, other, "WRITE", "4"),
        "remove": lambda: author.remove_coauthor(id_, other, "4"),
        "leave": lambda: other.leave_story(id_, "4"),
        "edit-by-other": lambda: other.update_story(id_, {"title": "His"}, "4"),
        "edit": lambda: author.update_story(id_, {"summary": "Hers"}, "4", merge=True),
        "write-by-other": lambda: other.update_chapter(one, {"body": "His."}, "1", merge=True),
        "append-by-other": lambda: other.append(id_),
        "reorder-by-other": lambda: other.reorder(id_, [two, one], "4"),
        "publish": lambda: author.publish(id_, "4"),
        "publish-by-other": lambda: other.publish(id_, "4"),
        "take-over": lambda: other.accept(offer),
        "delete-given": lambda: author.delete_story(given, "4"),
        "publish-given": lambda: author.publish(given, "4"),
        "remove-given": lambda: author.remove_coauthor(given, invited, "4"),
        "leave-given": lambda: invited.leave_story(given, "4"),
        "write-given": lambda: invited.append(given),
        "delete-story": lambda: author.delete_story(id_, "4"),
        "block": lambda: author.block(other),
        "block-back": lambda: other.block(author),
        "block-invited": lambda: invited.block(author),
        "block-heir": lambda: invited.block(other),
        "delete-author": lambda: author.delete_account(PASSWORD),
        "delete-other": lambda: other.delete_account(PASSWORD),
        "delete-invited": lambda: invited.delete_account(PASSWORD),
    }


WRITTEN_TOGETHER = """
accept decline withdraw withdraw-by-other demote remove leave edit-by-other edit write-by-other append-by-other reorder-by-other
publish publish-by-other take-over delete-given publish-given remove-given leave-given write-given delete-story
block block-back block-invited block-heir delete-author
delete-other delete-invited
"""


def _market() -> Acts:
    """Two editions with three copies each, one of each ordered by Bilal."""
    author, buyer, other = patient("asha"), patient("bilal"), patient("chitra")
    story = author.published_story()["id"]
    one, two = (author.create_edition(story, stock=4)["edition"]["id"] for _ in range(2))
    order = buyer.place_order((one, 1), (two, 1))["order"]["id"]
    return {
        "place-order": lambda: buyer.place_order((one, 2), (two, 1)),
        "place-order-reversed": lambda: other.place_order((two, 2), (one, 2)),
        "place-order-keyed": lambda: buyer.place_order((one, 2), key=KEY),
        "adjust-stock": lambda: author.adjust_stock(one, -2),
        "set-stock": lambda: author.set_stock(one, 9, "2"),
        "create-edition": lambda: author.create_edition(story),
        "confirm": lambda: author.update_order(order, "CONFIRMED", "1"),
        "cancel": lambda: buyer.update_order(order, "CANCELLED", "1"),
        "cancel-by-author": lambda: author.update_order(order, "CANCELLED", "1"),
        "unpublish": lambda: author.unpublish(story, "2"),
        "delete-story": lambda: author.delete_story(story, "2"),
        "delete-buyer": lambda: buyer.delete_account(PASSWORD),
        "delete-author": lambda: author.delete_account(PASSWORD),
        "block-buyer": lambda: author.block(buyer),
    }


TRADES = """
place-order place-order-reversed place-order-keyed adjust-stock set-stock create-edition confirm cancel cancel-by-author
unpublish delete-story delete-buyer delete-author block-buyer
"""


def _moderated(prepare: Callable[[Patient, str], Any], version: str) -> Acts:
    """A whisper and a published story, each reported by Bilal, who moderates as Chitra does; the whisper's report prepared."""
    author, one, other = patient("asha"), make_moderator(patient("bilal")), make_moderator(patient("chitra"))
    screen_for("REPORT", "scam")
    whisper = author.create_whisper("A whisper.")["whisper"]["id"]
    story = author.published_story()["id"]
    report, of_story = (one.report(subject)["report"]["id"] for subject in (whisper, story))
    prepare(one, report)
    return {
        "claim": lambda: one.claim(report, version),
        "claim-by-other": lambda: other.claim(report, version),
        "unclaim": lambda: one.unclaim(report, version),
        "dismiss": lambda: one.resolve(report, "DISMISSED", version),
        "remove": lambda: one.resolve(report, "REMOVED", version),
        "remove-by-other": lambda: other.resolve(report, "REMOVED", version),
        "reopen": lambda: one.reopen(report, version),
        "remove-story": lambda: one.resolve(of_story, "REMOVED"),
        "mark-story": lambda: other.resolve(of_story, "MARKED_NSFW"),
        "report-whisper": lambda: other.report(whisper),
        "report-story": lambda: other.report(story),
        "create-whisper": lambda: author.create_whisper("A scam."),
        "delete-whisper": lambda: author.delete_whisper(whisper),
        "update-story": lambda: author.update_story(story, {"title": "T"}, "2"),
        "delete-story": lambda: author.delete_story(story, "2"),
        "delete-author": lambda: author.delete_account(PASSWORD),
        "delete-moderator": lambda: one.delete_account(PASSWORD),
    }


def _account() -> Acts:
    """Asha with a second token, and something to read."""
    asha, bilal = patient("asha"), patient("bilal")
    token, told = another_token(asha), told_of(asha, bilal.published_story()["id"])
    both = {"name": "A.", "bio": "Mine."}
    return {
        "update-name": lambda: asha.update_profile({"name": "A."}, "1"),
        "update-bio": lambda: asha.update_profile({"bio": "B."}, "1"),
        "update-both-merging": lambda: asha.update_profile(both, "1", merge=True),
        "change-password": lambda: asha.change_password(PASSWORD, "another good password"),
        "change-password-otherwise": lambda: asha.change_password(PASSWORD, "a third good password"),
        "revoke-token": lambda: asha.revoke_token(token),
        "sign-in": lambda: _said(Patient().ask(SIGN_IN, h="asha", p=PASSWORD)["signIn"]),
        "sign-up": lambda: _said(Patient().ask(SIGN_UP, h="meena", p=PASSWORD)["signUp"]),
        "mark-read": lambda: asha.mark_read(told),
        "create-story": lambda: asha.create_story("0"),
        "delete-account": lambda: asha.delete_account(PASSWORD),
    }


def _said(answer: Any) -> Any:
    """Without the token, which is chance."""
    return {name: value for name, value in answer.items() if name != "token"}


REPORTED = """
claim claim-by-other dismiss remove remove-by-other remove-story mark-story report-whisper report-story create-whisper
delete-whisper update-story delete-story delete-author delete-moderator
"""
CLAIMED = "unclaim claim-by-other dismiss remove-by-other delete-whisper delete-moderator"
RESOLVED = "reopen report-whisper delete-whisper delete-author delete-moderator"
ACCOUNT = """
update-name update-bio update-both-merging change-password change-password-otherwise revoke-token sign-in sign-up mark-read
create-story delete-account
"""

SCENES = {
    scene.name: scene
    for scene in (
        Scene("strangers", STRANGERS, partial(_pair, lambda *_: None)),
        Scene("met", MET, partial(_pair, _they_met)),
        Scene("following", FOLLOWING, partial(_pair, _they_follow)),
        Scene("blocked", BLOCKED, partial(_pair, lambda asha, bilal: bilal.block(asha))),
        Scene("draft", EDITS, partial(_story, published=False)),
        Scene("published", READ, partial(_story, published=True)),
        Scene("together", WRITTEN_TOGETHER, _together),
        Scene("market", TRADES, _market),
        Scene("reported", REPORTED, partial(_moderated, lambda *_: None, "1")),
        Scene("claimed", CLAIMED, partial(_moderated, lambda one, report: one.claim(report), "2")),
        Scene("resolved", RESOLVED, partial(_moderated, lambda one, report: one.resolve(report), "2")),
        Scene("account", ACCOUNT, _account),
    )
}

SAMPLE = [
    ("strangers", ("follow", "block")),
    ("blocked", ("block", "unblock")),
    ("draft", ("merge-first-paragraph", "merge-second-paragraph")),
    ("published", ("delete-chapter", "view-further")),
    ("together", ("remove", "write-by-other")),
    ("together", ("accept", "block-invited")),
    ("market", ("place-order", "place-order-reversed")),
    ("reported", ("remove", "delete-whisper")),
]
"""What `make test` does of it."""

THREE = [
    ("strangers", ("follow", "follow-back", "block")),
    ("blocked", ("follow", "unblock", "block-back")),
    ("draft", ("append", "delete-chapter", "publish")),
    ("together", ("accept", "withdraw", "block-invited")),
    ("market", ("place-order", "place-order-reversed", "cancel")),
    ("reported", ("claim", "remove-by-other", "delete-whisper")),
]
"""Those that meet as three."""


def pairs(scene: Scene) -> list[tuple[str, str]]:
    """Every two acts of a scene, and each with itself."""
    return list(itertools.combinations_with_replacement(scene.names, 2))
