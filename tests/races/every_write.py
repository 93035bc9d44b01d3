"""Every mutation and job, in an order in which each has something to do, with the refusals that lock first."""

import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from backend.engine.transactions import unit_of_work
from backend.moderation.digest import tell_moderators
from backend.moderation.rescreening import rescreen
from backend.people.models import AccessToken
from backend.persisted import documents
from tests.api import PASSWORD, ApiClient, join
from tests.api.account import another_token
from tests.api.moderation import make_moderator, new_key, screen_for
from tests.api.notifications import announce, told_of_a_day
from tests.nouns import merged

SIGN_UP = 'mutation($p: String!) { signUp(handle: "meena", name: "Meena", password: $p) { __typename } }'
SIGN_IN = 'mutation($p: String!) { signIn(handle: "asha", password: $p) { __typename } }'


def everything_that_writes(asha: ApiClient, bilal: ApiClient, chitra: ApiClient) -> list[Callable[[], Any]]:
    """Every mutation, in an order in which each has something to do, and each refusal that locks first."""
    draft = asha.create_story("0")["story"]["id"]
    story = bilal.published_story()
    chapter = story["chapters"][0]["id"]
    return [
        lambda: ApiClient().ask(SIGN_UP, p=PASSWORD),
        lambda: ApiClient().ask(SIGN_IN, p=PASSWORD),
        lambda: asha.update_profile({"name": "A.", "bio": "B."}, "1", key=str(uuid.uuid4())),
        lambda: asha.follow(bilal, "0", str(uuid.uuid4())),
        lambda: asha.follow(bilal, "0", str(uuid.uuid4())),
        lambda: bilal.follow(asha, "0", str(uuid.uuid4())),
        lambda: asha.unfollow(bilal, "2", str(uuid.uuid4())),
        lambda: asha.remove_follower(bilal, "3", str(uuid.uuid4())),
        lambda: asha.follow(chitra, "0", str(uuid.uuid4())),
        lambda: chitra.follow(asha, "0", str(uuid.uuid4())),
        lambda: chitra.block(asha, "1", key=str(uuid.uuid4())),
        lambda: chitra.block(asha, "2", key=str(uuid.uuid4())),
        lambda: chitra.block(asha, key=str(uuid.uuid4())),
        lambda: chitra.unblock(asha, "3", str(uuid.uuid4())),
        lambda: asha.create_story("1", chapters=2, key=str(uuid.uuid4())),
        lambda: asha.publish(draft, key=str(uuid.uuid4())),
        lambda: asha.record_view(story["id"], "0", chapter, 1, str(uuid.uuid4())),
        lambda: asha.record_view(story["id"], "1", chapter, 2, str(uuid.uuid4())),
        lambda: asha.record_view(story["id"], None, chapter, 3, str(uuid.uuid4()), policy="FURTHEST"),
        lambda: asha.record_view(story["id"], None, chapter, 1, str(uuid.uuid4()), policy="FURTHEST"),
        lambda: chitra.record_views([{"story": story["id"]}, {"story": new_key()}], new_key()),
        *everything_that_edits(chitra, asha),
        *everything_that_moderates(chitra, asha),
        *everything_that_trades(bilal, chitra),
        *everything_that_is_told(asha, bilal),
        *everything_of_nouns(),
        *everything_that_signs_in(asha),
    ]


def everything_of_nouns() -> list[Callable[[], Any]]:
    """The requests of tests/nouns, each twice: the second has nothing to do, or is refused."""
    prepared = [
        prepare(join(f"one{number}"), join(f"other{number}"))
        for number, prepare in enumerate(merged("REQUESTS").values())
    ]
    return [lambda send=send: send(new_key()) for send in prepared for _ in range(2)]


def everything_that_edits(author: ApiClient, reader: ApiClient) -> list[Callable[[], Any]]:
    """Every write to a story and its chapters, from its creation's version on, and to its end."""
    story = author.create_story("0", chapters=3)["story"]
    id_, (one, two, three) = story["id"], [chapter["id"] for chapter in story["chapters"]]
    return [
        lambda: author.update_story(id_, {"title": "T", "summary": "S"}, "1", key=str(uuid.uuid4())),
        lambda: author.reorder(id_, [three, one, two], "2", key=str(uuid.uuid4())),
        lambda: author.append(id_),
        lambda: author.update_chapter(one, {"body": "Mine."}, "2", key=str(uuid.uuid4())),
        lambda: author.update_chapter(two, {"body": "Late."}, "1", key=str(uuid.uuid4())),
        lambda: author.publish(id_, "5", key=str(uuid.uuid4())),
        lambda: reader.record_view(id_, "0", one, 3, key=str(uuid.uuid4())),
        lambda: author.delete_chapter(one, "3", key=str(uuid.uuid4())),
        lambda: author.restore(author.revisions(id_)[0]["id"], "7", key=str(uuid.uuid4())),
        lambda: author.restore(author.revisions(id_)[-1]["id"], "8", key=str(uuid.uuid4())),
        lambda: author.unpublish(id_, "9", key=str(uuid.uuid4())),
        lambda: author.publish(id_, "10", key=str(uuid.uuid4())),
        lambda: author.delete_story(id_, "11", key=str(uuid.uuid4())),
    ]


def everything_that_moderates(author: ApiClient, moderator: ApiClient) -> list[Callable[[], Any]]:
    """Every write to whispers and reports, with each outcome, and the ends of what was reported."""
    make_moderator(moderator)
    screen_for("REPORT", "scam")
    done: dict[str, Any] = {}

    def whisper(name: str) -> None:
        done[name] = author.create_whisper("a scam", key=new_key())

    def report(name: str, subject: str) -> None:
        done[name] = moderator.report(subject, key=new_key())["report"]["id"]

    made = author.create_story("1", chapters=2)["story"]
    story, (one, two) = made["id"], [chapter["id"] for chapter in made["chapters"]]
    author.publish(story, "1")
    return [
        lambda: whisper("first"),
        lambda: whisper("second"),
        lambda: report("of first", done["first"]["whisper"]["id"]),
        lambda: moderator.claim(done["of first"], "1", new_key()),
        lambda: moderator.unclaim(done["of first"], "2", new_key()),
        lambda: moderator.resolve(done["of first"], "DISMISSED", "3", new_key()),
        lambda: moderator.reopen(done["of first"], "4", new_key()),
        lambda: moderator.resolve(done["of first"], "REMOVED", "5", new_key()),
        lambda: author.delete_whisper(done["second"]["whisper"]["id"], "1", new_key()),
        lambda: report("of story", story),
        lambda: moderator.resolve(done["of story"], "MARKED_NSFW", "1", new_key()),
        lambda: report("of one", one),
        lambda: report("of two", two),
        lambda: author.delete_chapter(one, "1", new_key()),
        lambda: moderator.resolve(done["of two"], "REMOVED", "1", new_key()),
        lambda: report("of author", author.id),
        lambda: author.delete_story(story, "5", new_key()),
    ]


def everything_that_is_told(author: ApiClient, follower: ApiClient) -> list[Callable[[], Any]]:
    """Every job that writes, and what people do with notifications."""
    pair_side = follower.relationship(author)
    assert follower.follow(author, pair_side["version"] if pair_side else "0")["applied"] == "WRITTEN"
    story = author.published_story("1")["id"]
    told = told_of_a_day(follower)
    author.create_whisper("This is new.")
    screen_for("REPORT", "new")
    return [
        lambda: announce(story),
        lambda: follower.mark_read(told, key=str(uuid.uuid4())),
        rescreen,
        lambda: tell_moderators(date(2020, 1, 1)),
        lambda: author.delete_story(story, "2", key=str(uuid.uuid4())),
    ]


def everything_that_trades(author: ApiClient, buyer: ApiClient) -> list[Callable[[], Any]]:
    """Every write to editions and orders, those that are refused too; one story goes with its edition, another stays."""
    story, doomed = author.published_story("1")["id"], author.published_story("2")["id"]
    one, two = (author.create_edition(story)["edition"]["id"] for _ in range(2))
    author.create_edition(doomed)
    order, other = (buyer.place_order((two, 1), (one, 1))["order"]["id"] for _ in range(2))
    return [
        lambda: author.create_edition(story, key=str(uuid.uuid4())),
        lambda: author.adjust_stock(one, 2),
        lambda: author.adjust_stock(one, -100),
        lambda: author.set_stock(one, 9, "4", key=str(uuid.uuid4())),
        lambda: author.set_stock(one, 8, "1", key=str(uuid.uuid4())),
        lambda: buyer.place_order((two, 1), (one, 2)),
        lambda: buyer.place_order((two, 1), (one, 1_000)),
        lambda: author.update_order(order, "CONFIRMED", "1", key=str(uuid.uuid4())),
        lambda: author.update_order(order, "SHIPPED", "2", key=str(uuid.uuid4())),
        lambda: buyer.update_order(other, "CANCELLED", "1", key=str(uuid.uuid4())),
        lambda: buyer.update_order(other, "CANCELLED", "1", key=str(uuid.uuid4())),
        lambda: author.delete_story(story, "2", key=str(uuid.uuid4())),
        lambda: author.delete_story(doomed, "2", key=str(uuid.uuid4())),
    ]


def everything_that_signs_in(person: ApiClient) -> list[Callable[[], Any]]:
    """What becomes of tokens and passwords, and a use that is noted."""
    token = another_token(person)
    other, browser, leaver = join("signs-out"), join("ends-a-session"), join("leaver")

    def used_long_ago() -> None:
        unit_of_work(lambda: AccessToken.objects.update(last_used_at=datetime(2020, 1, 1, tzinfo=UTC)))
        person.ask("{ viewer { id } }")

    return [
        lambda: person.revoke_token(token, key=new_key()),
        lambda: person.revoke_token(token, key=new_key()),
        lambda: person.change_password(PASSWORD, "another good password"),
        used_long_ago,
        lambda: other.ask("mutation { signOut }"),
        lambda: browser.ask("mutation { endSession { __typename } }"),
        lambda: documents.register("{ __typename }"),
        lambda: leaver.delete_account(PASSWORD),
    ]
