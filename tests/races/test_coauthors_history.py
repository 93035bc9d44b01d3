"""A random history of those who write one story, over a real server whose connections and answers get lost, checked against every
change of the story's row.

Each request has a key and is sent until it has an answer, as docs/conflicts.md says.
"""

import http.client
import json
import random
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from django.db import connection

from backend.embedded import ROLE
from schema.nodes import from_id
from tests import depth
from tests.api import ApiClient, join
from tests.races.cuttable_proxy import PORT, CuttableProxy
from tests.races.rivals import PATIENCE_SECONDS, Rival
from tests.races.rows import assert_verified, query, scalar
from tests.races.test_editing_history import FORGET, LOG
from tests.schema.test_changes import CHANGES
from tests.serving import serving

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = depth.rounds(200, at_least=30)
SEEDS = depth.some([1, 2, 3], 1)
LOST, TROUBLE_SECONDS = 0.1, 0.3
SAME_AGAIN = ("BUSY", "OUTCOME_UNKNOWN")
DONE = ("WRITTEN", "MERGED", "REPLAYED")
MOVES = (
    *("title", "text", "text", "text", "append", "drop", "publish", "unpublish", "reorder"),
    *("invite", "invite", "invite", "invite", "set right", "remove", "leave", "withdraw"),
)
MANAGES = ("publish", "unpublish", "reorder", "set right", "remove")
OF_INVITATIONS = ("invite", "accept", "decline", "withdraw")

VIEW = """
query ($id: ID!) {
  story(id: $id) {
    version status viewerRight chapters { id version title body } coauthors { right person { id } }
    invitations { id version }
  }
  viewer { invitations(first: 5) { edges { node { id version status } } } }
}"""


class Unheard(ConnectionError):
    """The answer was lost on its way."""


class Caller(ApiClient):
    """Somebody whose requests go over the network, where answers get lost."""

    def __init__(self, who: ApiClient, address: str, chance: random.Random) -> None:
        super().__init__(who.token, who.person)
        self._netloc, self._chance, self.loses = urlsplit(address).netloc, chance, True

    def post(self, query: str, **variables: Any) -> dict[str, Any]:
        """One request; raises OSError where its answer is lost."""
        wire = http.client.HTTPConnection(self._netloc, timeout=PATIENCE_SECONDS)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        try:
            wire.request("POST", "/graphql", json.dumps({"query": query, "variables": variables}), headers)
            if self.loses and self._chance.random() < LOST:
                raise Unheard
            answer: dict[str, Any] = json.loads(wire.getresponse().read())
            return answer
        finally:
            wire.close()

    def ask(self, query: str, **variables: Any) -> Any:
        """The data, as soon as there is an answer."""
        for _ in range(100):
            try:
                answer = self.post(query, **variables)
            except (OSError, http.client.HTTPException):
                continue
            codes = [one["extensions"]["code"] for one in answer.get("errors", ())]
            failed = [one.get("code") for one in (answer.get("data") or {}).values() if isinstance(one, dict)]
            if any(code in SAME_AGAIN for code in [*codes, *failed]):
                continue
            assert not codes, answer
            return answer["data"]
        raise AssertionError("there was never an answer")


@dataclass(frozen=True)
class Said:
    """One request and what it was told: the version of the story that it made, if it made one and says which."""

    who: uuid.UUID
    move: str
    word: str
    version: int | None
    token: str | None = None
    invitation: str | None = None


@dataclass
class Writer:
    """Makes random writes with what they saw last, and looks up now and then, also when they may write no more."""

    me: Caller
    others: list[ApiClient]
    story: str
    chance: random.Random
    view: Any = None
    said: list[Said] = field(default_factory=list)
    told: dict[str, str | None] = field(default_factory=dict)
    cursor: str = ""

    def walk(self) -> None:
        """All steps."""
        for _ in range(STEPS):
            if self.view is None or self.chance.random() < 0.5:
                self.look()
            if self.chance.random() < 0.2:
                self.catch_up()
            self.step()

    def look(self) -> None:
        found = self.me.ask(VIEW, id=self.story)
        self.invited = [edge["node"] for edge in found["viewer"]["invitations"]["edges"]]
        if found["story"] is not None or self.view is None:
            self.view = found["story"]

    def catch_up(self) -> None:
        """What their app is told that has changed, to the end."""
        more = True
        while more:
            page = self.me.ask(CHANGES, since=self.cursor or None)["changes"]
            assert page["__typename"] == "ChangePage", page
            for one in page["changes"]:
                before, now = self.told.get(one["id"]), one["version"]
                assert before is None or now is None or int(before) <= int(now), (one, before)
                self.told[one["id"]] = now
            self.cursor, more = page["cursor"], page["hasMore"]

    def step(self) -> None:
        pending = [one for one in self.invited if one["status"] == "PENDING"]
        if pending and self.chance.random() < 0.7:
            one = pending[0]
            self.answer(self.chance.choice(["accept", "accept", "accept", "decline"]), one)
        elif self.view is None or self.chance.random() < 0.04:
            self.part_or_meet()
        else:
            self.write()

    def answer(self, move: str, one: Any) -> None:
        answer = getattr(self.me, move)(one["id"], one["version"], key=str(uuid.uuid4()))
        self.heard(move, answer, invitation=one["id"])

    def part_or_meet(self) -> None:
        other = self.chance.choice(self.others)
        side = self.me.relationship(other)
        if side is not None and side["blocking"]:
            self.heard("unblock", self.me.unblock(other, side["version"], key=str(uuid.uuid4())))
        elif self.chance.random() < 0.15:
            self.heard("block", self.me.block(other, key=str(uuid.uuid4())))

    def write(self) -> None:
        view, key, token = self.view, str(uuid.uuid4()), f"«{uuid.uuid4().hex[:12]}»"
        other, chapters = self.chance.choice(self.others), view["chapters"]
        move = self.chance.choice(MOVES)
        me, story, version, merge = self.me, self.story, view["version"], self.chance.random() < 0.7
        if move == "title":
            answer = me.update_story(story, {"summary": token}, version, merge, key)
        elif move == "append":
            answer = me.append(story, title="New", body=token, key=key)
        elif move in ("publish", "unpublish"):
            answer = getattr(me, move)(story, version, key)
        elif move == "reorder":
            order = self.chance.sample([one["id"] for one in chapters], len(chapters))
            answer = me.reorder(story, order, version, key)
        elif move == "invite":
            away = [one for one in self.others if one.id not in [known["person"]["id"] for known in view["coauthors"]]]
            right = self.chance.choice(["WRITE", "MANAGE", "MANAGE", "OWN"])
            answer = me.invite(story, self.chance.choice(away or self.others), version, right, key)
        elif move == "set right":
            answer = me.set_right(story, other, self.chance.choice(["WRITE", "MANAGE"]), version, key)
        elif move == "remove":
            answer = me.remove_coauthor(story, other, version, key)
        elif move == "leave":
            if self.chance.random() < 0.6:
                return
            answer = me.leave_story(story, version, key)
        elif move == "withdraw":
            if view["invitations"] and self.chance.random() < 0.3:
                self.answer("withdraw", view["invitations"][0])
            return
        elif not chapters:
            return
        elif move == "drop":
            if len(chapters) < 4:
                return
            chapter = self.chance.choice(chapters)
            answer = me.delete_chapter(chapter["id"], chapter["version"], key)
        else:
            chapter = self.chance.choice(chapters)
            text = f"{chapter['body']}\n\n{token}"
            answer = me.update_chapter(chapter["id"], {"body": text}, chapter["version"], merge, key)
        self.heard(move, answer, token=token if move in ("title", "text", "append") else None)

    def heard(self, move: str, answer: Any, token: str | None = None, invitation: str | None = None) -> None:
        word = answer.get("applied") or answer["code"]
        story = answer.get("story")
        # What is said of an invitation shows the story as it is by then, which another may have written meanwhile.
        says = move not in OF_INVITATIONS and word in DONE and isinstance(story, dict) and story.get("version")
        version = int(story["version"]) if says else None
        self.said.append(Said(self.me.person.pk, move, word, version, token, invitation))


def make_trouble(proxy: CuttableProxy, ended: threading.Event, chance: random.Random) -> None:
    """Until all is over: cuts before and after a COMMIT, and backends that are ended."""
    while not ended.wait(TROUBLE_SECONDS):
        if chance.random() < 0.5:
            proxy.cut(chance.choice(["before", "after"]))
        else:
            query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
                "AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state <> 'idle' LIMIT 1"
            )


@pytest.fixture
def proxy(transactional_db: None) -> Iterator[CuttableProxy]:
    """The tests' database, for the server alone."""
    made = CuttableProxy()
    yield made
    made.close()


@pytest.fixture
def log(transactional_db: None) -> Iterator[None]:
    """Every change of a story or a chapter, in the order in which its row was locked."""
    with connection.cursor() as cursor:
        cursor.execute(LOG)
    yield
    with connection.cursor() as cursor:
        cursor.execute(FORGET)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_random_history_keeps_every_promise(
    log: None, proxy: CuttableProxy, served_database: str, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Whatever the interleaving, and whatever gets lost. The exhaustive run walks three such histories, each longer."""
    monkeypatch.setenv("INVITATIONS", "100000/1")
    people = [join(f"person{number}") for number in range(4)]
    story = people[0].published_story(chapters=3)["id"]
    for one in people:
        assert one.record_view(story)["applied"] == "WRITTEN"
    database = f"postgres://{ROLE}@{quote(str(proxy.folder), safe='')}:{PORT}/{served_database.rpartition('/')[2]}"
    with serving(database, workers=2) as (address, _):
        writers = []
        for number, one in enumerate(people):
            chance = random.Random(f"{seed} {number}")
            others = [other for other in people if other is not one]
            writers.append(Writer(Caller(one, address, chance), others, story, chance))
        for one in writers:
            one.catch_up()
        for other in people[1:]:
            people[0].written_with(other, "MANAGE", story=story)
        ended = threading.Event()
        trouble = Rival(lambda: make_trouble(proxy, ended, random.Random(seed)))
        walks = [Rival(one.walk) for one in writers]
        try:
            problems = [walk.problem() for walk in walks]
        finally:
            ended.set()
        trouble.result()
        assert problems == [None] * len(walks)
        book = Book(key_of(story))
        for one in writers:
            one.catch_up()
            check_told(one, book)
    said = [one for writer in writers for one in writer.said]
    check_story(said, book)
    check_texts(said)
    check_invitations(said)
    assert_verified()


def key_of(id_: str) -> uuid.UUID:
    return from_id(id_)[1][0]  # type: ignore[index]


def check_story(said: list[Said], book: "Book") -> None:
    """Each version is one more, made by one, who had the right to it before; a replay may be of one that found it so already."""
    states = {row["version"]: row for _, row in book.states}
    assert sorted(states) == list(range(1, len(states) + 1))
    assert len(book.states) == len(states)
    made = [one for one in said if one.version is not None]
    writes = [one for one in made if one.word == "WRITTEN"]
    assert len({one.version for one in writes}) == len(writes), sorted(writes, key=lambda one: one.version or 0)
    assert len(made) > STEPS / 4
    for one in made:
        column = "managers" if one.move in MANAGES else "writers"
        versions = [one.version - 1, *([one.version] if one.word == "REPLAYED" else [])]  # type: ignore[operator]
        writers = [who for at in versions for who in (states[at]["author_id"], *states[at][column])]
        assert str(one.who) in writers, (one, writers)
    words = {one.word for one in said}
    assert words >= {"WRITTEN", "CONFLICT"}, words


def check_texts(said: list[Said]) -> None:
    """What was acknowledged is in the story or in its history."""
    kept = " ".join(
        one
        for (one,) in query(
            "SELECT body FROM stories_chapter UNION ALL SELECT summary FROM stories_story "
            "UNION ALL SELECT values::text FROM stories_revision"
        )
    )
    tokens = [one.token for one in said if one.token is not None and one.word in DONE]
    assert [one for one in tokens if one not in kept and json.dumps(one)[1:-1] not in kept] == []
    assert len(tokens) > STEPS / 4


def check_invitations(said: list[Said]) -> None:
    """Of all answers to an invitation one is given, and it has stayed so."""
    became = {"accept": "ACCEPTED", "decline": "DECLINED", "withdraw": "WITHDRAWN"}
    given = [one for one in said if one.move in became and one.word in DONE]
    assert len({one.invitation for one in given}) == len(given)
    for one in given:
        status = scalar("SELECT status FROM coauthors_invitation WHERE id = %s", key_of(str(one.invitation)))
        assert status == became[one.move]


class Book:
    """What really happened to the story and its chapters, in the order in which their rows were locked."""

    def __init__(self, story: uuid.UUID) -> None:
        rows = query("SELECT number, gone, at FROM race_log ORDER BY number")
        events = [(number, gone, json.loads(at) if isinstance(at, str) else at) for number, gone, at in rows]
        self.states = [(number, at) for number, _, at in events if at["id"] == str(story)]
        self.deleted = {uuid.UUID(at["id"]): number for number, gone, at in events if gone}

    def writes(self, who: uuid.UUID, at: Mapping[str, Any]) -> bool:
        return str(who) in [at["author_id"], *at["writers"]]

    def is_of_theirs(self, who: uuid.UUID, id_: uuid.UUID) -> bool:
        """Whether they were to be told that a chapter is gone or hidden of which they have been told: unless that was while they
        were a reader of what was published, who is told of the story alone.
        """
        until = [at for number, at in self.states if number <= self.deleted.get(id_, number)]
        for at in reversed(until):
            if self.writes(who, at):
                return True
            if at["published_at"] is not None:
                return False
        return True


def check_told(writer: Writer, book: Book) -> None:
    """Everybody has a place in the story, so they know whether it is there, and its version; whoever has a right to it has been
    told of all its chapters, as they are; and all who had one that what they saw is gone.
    """
    writer.me.loses = False
    found = writer.me.ask(VIEW, id=writer.story)["story"]
    told = {id_: version for id_, version in writer.told.items() if type_of(id_) in ("Story", "Chapter")}
    assert told[writer.story] == (found and found["version"])
    now = {}
    if found is not None and found["viewerRight"] is not None:
        now = {one["id"]: one["version"] for one in found["chapters"]}
    assert {id_: told.get(id_) for id_ in now} == now
    me = writer.me.person.pk
    left = [id_ for id_, version in told.items() if version is not None and id_ not in {*now, writer.story}]
    assert [id_ for id_ in left if book.is_of_theirs(me, key_of(id_))] == []
    others = [id_ for id_ in writer.told if id_ not in told and is_to_be_told(me, id_)]
    nodes = writer.me.ask("query ($i: [ID!]!) { nodes(ids: $i) { ... on Versioned { version } } }", i=others)["nodes"]
    assert {id_: one and one["version"] for id_, one in zip(others, nodes, strict=True)} == {
        id_: writer.told[id_] for id_ in others
    }


def is_to_be_told(who: uuid.UUID, id_: str) -> bool:
    """Whether each change of this is told to them: of invitations to those who were invited, and to the author."""
    if type_of(id_) != "Invitation":
        return True
    sql = (
        "SELECT %(who)s IN (invitation.person_id, story.author_id) FROM coauthors_invitation AS invitation "
        "JOIN stories_story AS story ON story.id = invitation.story_id WHERE invitation.id = %(id)s"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, {"who": who, "id": key_of(id_)})
        return bool(cursor.fetchone()[0])


def type_of(id_: str) -> str:
    return from_id(id_)[0]  # type: ignore[index]
