"""What may happen to somebody at the moment of their leaving: each mutation, theirs and others', and each job."""

from collections.abc import Callable
from datetime import date
from typing import Any

from backend.engine.errors import Refusal
from backend.engine.transactions import unit_of_work
from backend.erasure import sweeping
from backend.moderation.digest import tell_moderators
from backend.moderation.rescreening import rescreen
from backend.people import actions
from backend.people.models import Account
from tests.api import PASSWORD, ApiClient, join
from tests.api.account import another_token
from tests.api.moderation import new_key, screen_for
from tests.api.notifications import announce, told_of, told_of_a_day
from tests.departure_fixture import DepartureFixture, done, leave, lived
from tests.nouns import merged
from tests.races.kept import kept

Act = Callable[[DepartureFixture], Any]

SIGN_IN = (
    'mutation ($p: String!) { signIn(handle: "asha", password: $p) { __typename ... on SignSuccess { token } '
    "... on Failure { code } } }"
)
SIGN_UP = (
    'mutation ($p: String!) { signUp(handle: "ASHA", name: "A", password: $p) { __typename ... on SignSuccess { token } '
    "... on Failure { code } } }"
)


def fought_over() -> DepartureFixture:
    """A bit of everything, and what the acts name. Its rows are kept."""
    return kept(lived_and_named)


def lived_and_named() -> DepartureFixture:
    """The same, through the API."""
    life = lived()
    asha, bilal, ids = life.asha, life.bilal, life.ids
    ids["revision"] = asha.revisions(ids["ordered"])[0]["id"]
    ids["token"] = another_token(asha)
    ids["told"], ids["told of hers"] = told_of_a_day(asha), told_of(life.esra, ids["read"])
    done(life.dev.resolve(ids["by asha"]))
    account = Account.objects.get(pk=asha.person.pk)
    ids["gita"] = str(join("gita").token)
    ids["device"] = unit_of_work(lambda: actions.new_token(account))
    ids["seen by bilal"], ids["seen by chitra"] = (one.relationship(asha)["version"] for one in (bilal, life.chitra))
    ids["seen of bilal"], ids["seen of dev"] = (asha.relationship(one)["version"] for one in (bilal, life.dev))
    return life


def job(work: Callable[[], Any]) -> Any:
    """What became of a job: a refusal, after which it is done again later, or nothing."""
    try:
        work()
    except Refusal as refusal:
        return {"code": refusal.code}
    return {}


HERS: dict[str, Act] = {
    "follow": lambda life: life.asha.follow(life.chitra, "0", new_key()),
    "unfollow": lambda life: life.asha.unfollow(life.bilal, life.ids["seen of bilal"], new_key()),
    "removeFollower": lambda life: life.asha.remove_follower(life.bilal, life.ids["seen of bilal"], new_key()),
    "block": lambda life: life.asha.block(life.bilal, key=new_key()),
    "unblock": lambda life: life.asha.unblock(life.dev, life.ids["seen of dev"], new_key()),
    "updateProfile": lambda life: life.asha.update_profile({"bio": "Still here."}, "2", key=new_key()),
    "createWhisper": lambda life: life.asha.create_whisper("Still here."),
    "deleteWhisper": lambda life: life.asha.delete_whisper(life.ids["whisper"], key=new_key()),
    "createStory": lambda life: life.asha.create_story("3", title="Still here", key=new_key()),
    "publishStory": lambda life: life.asha.publish(life.ids["draft"], "2"),
    "unpublishStory": lambda life: life.asha.unpublish(life.ids["read"], "3"),
    "updateStory": lambda life: life.asha.update_story(life.ids["ordered"], {"title": "Still here"}, "3"),
    "deleteStory": lambda life: life.asha.delete_story(life.ids["read"], "3"),
    "reorderChapters": lambda life: life.asha.reorder(life.ids["draft"], [life.ids["chapter of draft"]], "2"),
    "appendChapter": lambda life: life.asha.append(life.ids["ordered"]),
    "updateChapter": lambda life: life.asha.update_chapter(life.ids["chapter of read"], {"body": "Here."}, "1"),
    "deleteChapter": lambda life: life.asha.delete_chapter(life.ids["chapter of read"], "1"),
    "restoreRevision": lambda life: life.asha.restore(life.ids["revision"], "3"),
    "recordView": lambda life: life.asha.record_view(life.ids["theirs"], None, policy="FURTHEST"),
    "recordViews": lambda life: life.asha.record_views([{"story": life.ids["theirs"]}], new_key()),
    "report": lambda life: life.asha.report(life.bilal.id),
    "placeOrder": lambda life: life.asha.place_order((life.ids["edition of bilal"], 1)),
    "updateOrder": lambda life: life.asha.update_order(life.ids["placed"], "CONFIRMED", "1"),
    "updateOrder-cancel": lambda life: life.asha.update_order(life.ids["bought"], "CANCELLED", "1", new_key()),
    "createEdition": lambda life: life.asha.create_edition(life.ids["read"]),
    "adjustStock": lambda life: life.asha.adjust_stock(life.ids["edition"], 2),
    "setStock": lambda life: life.asha.set_stock(life.ids["unordered"], 2, "1"),
    "claimReport": lambda life: life.asha.claim(life.ids["about ordered"]),
    "unclaimReport": lambda life: life.asha.unclaim(life.ids["claimed by asha"], "2"),
    "resolveReport": lambda life: life.asha.resolve(life.ids["claimed by asha"], "REMOVED", "2", new_key()),
    "reopenReport": lambda life: life.asha.reopen(life.ids["by asha"], "2"),
    "markNotificationRead": lambda life: life.asha.mark_read(life.ids["told"]),
    "changePassword": lambda life: life.asha.change_password(PASSWORD, "another good password", new_key()),
    "revokeToken": lambda life: life.asha.revoke_token(life.ids["token"], new_key()),
    "signIn": lambda _life: ApiClient().ask(SIGN_IN, p=PASSWORD)["signIn"],
    "endSession": lambda life: ApiClient(life.ids["device"]).ask("mutation { endSession { __typename } }"),
    "signOut": lambda life: ApiClient(life.ids["device"]).ask("mutation { signOut }"),
    "signUp": lambda _life: ApiClient().ask(SIGN_UP, p=PASSWORD)["signUp"],
    "deleteAccount": lambda life: life.asha.delete_account(PASSWORD, new_key()),
    **merged("HERS"),
}
"""What she does on another device, or somebody who wants her handle."""
OF_OTHERS: dict[str, Act] = {
    "follow": lambda life: ApiClient(life.ids["gita"]).follow(life.asha),
    "follow-again": lambda life: life.chitra.follow(life.asha, life.ids["seen by chitra"], new_key()),
    "block": lambda life: life.chitra.block(life.asha),
    "unblock": lambda life: life.esra.unblock(life.asha, "1"),
    "unfollow": lambda life: life.bilal.unfollow(life.asha, life.ids["seen by bilal"]),
    "removeFollower": lambda life: life.bilal.remove_follower(life.asha, life.ids["seen by bilal"]),
    "recordView": lambda life: ApiClient(life.ids["gita"]).record_view(life.ids["read"]),
    "report": lambda life: life.bilal.report(life.ids["flagged"]),
    "report-person": lambda life: life.chitra.report(life.asha.id),
    "placeOrder": lambda life: life.bilal.place_order((life.ids["edition"], 1)),
    "updateOrder": lambda life: life.bilal.update_order(life.ids["bought"], "CONFIRMED", "1"),
    "updateOrder-cancel": lambda life: life.bilal.update_order(life.ids["placed"], "CANCELLED", "1"),
    "deleteStory": lambda life: life.bilal.delete_story(life.ids["theirs"], "2"),
    "claimReport": lambda life: life.dev.claim(life.ids["about ordered"]),
    "unclaimReport": lambda life: life.dev.unclaim(life.ids["claimed by asha"], "2"),
    "resolveReport": lambda life: life.dev.resolve(life.ids["about whisper"], "REMOVED"),
    "takeDown": lambda life: life.dev.resolve(life.ids["about read"], "REMOVED"),
    "markNotificationRead": lambda life: life.esra.mark_read(life.ids["told of hers"]),
    "deleteAccount": lambda life: life.bilal.delete_account(PASSWORD, new_key()),
    "announce": lambda life: job(lambda: announce(life.ids["theirs"])),
    "announce-hers": lambda life: job(lambda: announce(life.ids["ordered"])),
    "rescreen": lambda _life: job(lambda: screen_for("REPORT", "psst") or rescreen()),
    "digest": lambda _life: job(lambda: tell_moderators(date(2020, 2, 2))),
    "sweep": lambda life: job(lambda: sweeping.sweep(life.asha.person.pk)),
    "sweep-bilal": lambda life: job(lambda: leave(life.bilal) or sweeping.sweep(life.bilal.person.pk)),
}
"""What others do with her, or with something of hers, and jobs."""
BEFORE_IT = dict.fromkeys(
    ("her changePassword", "her signIn", "her signUp", "her deleteAccount", "their deleteAccount"), 1
)
"""Units of work that come before the one of the act itself: attempts are counted by themselves."""
ACTS = {
    **{f"her {name}": act for name, act in HERS.items()},
    **{f"their {name}": act for name, act in OF_OTHERS.items()},
}
