"""Who may ask for what: an author with one thing of each kind, and everybody who may stand in some way to them."""

import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.changes import log
from schema.nodes import from_id, to_id
from tests.api import ApiClient, join
from tests.api.account import another_token
from tests.api.http import Client
from tests.api.moderation import make_moderator
from tests.api.notifications import told_of, told_of_a_day
from tests.nouns import collect, merged

VIEWERS = ("signed out", "stranger", "follower", "blocked", "blocks", "author", "co-author", "buyer", "moderator")
TABLE = Path(__file__).parents[2] / "docs" / "access.md"
MISSING = uuid.UUID("01890000-0000-7000-8000-00000000abcd")

REVISIONS = "query ($id: ID!) { node(id: $id) { ... on Chapter { revisions { edges { node { id } } } } } }"

VERSION = "query ($id: ID!) { node(id: $id) { ... on Versioned { version } } }"


@dataclass(frozen=True)
class Row:
    """A row of the table: what it is about, and what each viewer gets."""

    what: str
    names: tuple[str, ...]
    cells: dict[str, str]


def table(heading: str, viewers: tuple[str, ...] = VIEWERS) -> list[Row]:
    """The rows below a heading of docs/access.md; names are what stands in backticks in the second column."""
    _, _, after = TABLE.read_text().partition(f"## {heading}\n")
    lines = [line for line in after.partition("\n## ")[0].splitlines() if line.startswith("|")]
    return [_row([cell.strip() for cell in line.strip("|").split("|")], viewers) for line in lines[2:]]


def _row(cells: list[str], viewers: tuple[str, ...]) -> Row:
    first, second, *others = cells
    return Row(first.strip("`"), tuple(re.findall(r"`([^`]+)`", second)), dict(zip(viewers, others, strict=False)))


def kind_of(thing: str) -> str:
    """The type of a thing such as `Story (draft)`."""
    return thing.partition(" ")[0]


THINGS = table("Things")


class AccessFixture:
    """The author, the viewers, and the id of each thing. Every text in it names the thing, so that it can be looked for."""

    def __init__(self) -> None:
        self.begun = log.begin().encode()
        """The cursor of before all of it."""
        self.callers = {"signed out": ApiClient(), **{name: join(f"the-{name}") for name in VIEWERS[1:]}}
        self.author, self.buyer = self.callers["author"], self.callers["buyer"]
        make_moderator(self.callers["moderator"])
        self.ids: dict[str, Callable[[ApiClient], str]] = {}
        self.order: dict[str, list[str]] = {}
        self.stories()
        self.market()
        self.relations()
        self.told()
        self.author.update_profile({"bio": "TEXT of Person"}, "1")
        for set_scene in collect("set_scene"):
            set_scene(self)

    def _put(self, thing: str, id_: str) -> str:
        self.ids[thing] = lambda _viewer: id_
        return id_

    def stories(self) -> None:
        """A published story that was edited, and a draft."""
        for version, state in enumerate(("published", "draft")):
            made = self.author.create_story(str(version), chapters=2)["story"]
            first, second = (chapter["id"] for chapter in made["chapters"])
            self.author.update_chapter(first, {"body": f"TEXT of Chapter ({state})"}, "1")
            self.author.update_chapter(second, {"body": "TEXT of Revision"}, "1")
            self.author.update_chapter(second, {"body": "Two."}, "2")
            self.author.update_story(made["id"], {"title": f"TEXT of Story ({state})"}, "4")
            self._put(f"Story ({state})", made["id"])
            self._put(f"Chapter ({state})", first)
            self.order[f"Story ({state})"] = [second, first]
        (_, second) = reversed(self.order["Story (published)"])
        self.story = self.ids["Story (published)"](self.author)
        self.author.publish(self.story, "5")
        (_, edited) = self.author.ask(REVISIONS, id=second)["node"]["revisions"]["edges"]
        self._put("Revision", edited["node"]["id"])
        self.restored = second
        self.author.create_edition(self.story, title="Never ordered")
        self._put("Shelf", to_shelf(self.author))
        self._put("Person", self.author.id)
        self._put("Whisper", self.author.create_whisper("TEXT of Whisper")["whisper"]["id"])

    def market(self) -> None:
        """An edition that is to be had, and one of a story that was published when somebody ordered it."""
        for version, state in enumerate(("published", "draft"), start=2):
            story = self.author.published_story(str(version), title=f"In print ({state})")["id"]
            edition = self.author.create_edition(story, title=f"TEXT of Edition ({state})", stock=50)["edition"]["id"]
            self._put(f"Edition ({state})", edition)
            self._put("Order", self.buyer.place_order((edition, 1))["order"]["id"])
        self.author.unpublish(story, "2")
        self.withdrawn = story

    def relations(self) -> None:
        """Everybody has read; then there are a follow and two blocks."""
        chapter = self.ids["Chapter (published)"](self.author)
        for viewer in VIEWERS[1:]:
            self.callers[viewer].record_view(self.story, chapter=chapter)
        self.callers["follower"].follow(self.author)
        self.author.follow(self.buyer)
        self.author.block(self.callers["blocked"])
        self.callers["blocks"].block(self.author)
        self.ids["Relationship (own)"] = lambda viewer: between("Relationship", viewer, self.author.person.pk)
        self.ids["Reading (own)"] = lambda viewer: between("Reading", viewer, key_in(self.story))
        follower = self.callers["follower"]
        self._put("Relationship (the follower's)", between("Relationship", follower, self.author.person.pk))
        self._put("Reading (the follower's)", between("Reading", follower, key_in(self.story)))

    def told(self) -> None:
        """What somebody reported and a moderator settled, and what the author is told of."""
        self.reporter = join("the-reporter")
        report = self.reporter.report(self.story, "TEXT of Report")["report"]["id"]
        self.callers["moderator"].claim(report)
        self.callers["moderator"].resolve(report, version="2")
        self._put("Report", report)
        moderator = self.callers["moderator"]
        self._put(
            "Report (about the moderator)",
            self.reporter.report(moderator.id, "TEXT of Report (about the moderator)")["report"]["id"],
        )
        for thing, id_ in (
            ("Notification (digest)", told_of_a_day(self.author)),
            ("Notification (story)", told_of(self.author, self.story)),
        ):
            self.author.mark_read(self._put(thing, id_))
        self._put("AccessToken", another_token(self.author))

    def version(self, id_: str, *askers: ApiClient) -> str:
        """The version of a thing, as the first of these finds it, or else the author or a moderator; 0 for what is not there."""
        for caller in (*askers, self.author, self.callers["moderator"]):
            found = caller.ask(VERSION, id=id_)["node"]
            if found is not None:
                return str(found["version"])
        return "0"

    def prepare(self, mutation: str) -> None:
        """Bring what it is about to where it can be done."""
        if mutation in merged("AGAIN"):
            merged("AGAIN")[mutation](self)
        report, moderator = self.ids["Report"](self.author), self.callers["moderator"]
        if mutation in ("claimReport", "unclaimReport", "resolveReport"):
            moderator.reopen(report, version=self.version(report))
        if mutation in ("unclaimReport", "resolveReport"):
            moderator.claim(report, version=self.version(report))
        if mutation == "reopenReport":
            moderator.resolve(report, version=self.version(report))


def key_in(id_: str) -> uuid.UUID:
    """The last key in a global id."""
    found = from_id(id_)
    assert found is not None
    return found[1][-1]


def between(kind: str, viewer: ApiClient, key: uuid.UUID) -> str:
    """The id of what stands between a viewer and something else; for the signed-out one that nobody has."""
    return to_id(kind, viewer.person.pk if viewer.person else MISSING, key)


def to_shelf(caller: ApiClient) -> str:
    """The id of somebody's shelf."""
    return to_id("Shelf", caller.person.pk)


def raw(caller: ApiClient, query: str, **variables: Any) -> bytes:
    """The bytes of an answer."""
    headers = {"HTTP_AUTHORIZATION": f"Bearer {caller.token}"} if caller.token else {}
    body = json.dumps({"query": query, "variables": variables})
    return bytes(Client().post("/graphql", body, content_type="application/json", **headers).content)
