"""The Python client against a real server, over a wire that is cut: what is written is there, once. Sync and async."""

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from katha_client import (
    CHAPTER,
    STORY,
    Client,
    FileStore,
    MemoryStore,
    NotFound,
    Patience,
    Unserved,
    Write,
    is_conflict,
    is_failure,
    mutations,
)

from backend.embedded import ROLE
from tests import depth
from tests.api import ApiClient, join
from tests.clients.conftest import PACKAGE, QUICK, Connect
from tests.clients.wire import Wire
from tests.races.cuttable_proxy import PORT, CuttableProxy
from tests.serving import serving, until

pytestmark = pytest.mark.django_db(transaction=True)
SHORT = Patience(attempts=3, first_pause=0.02, longest_pause=0.1)


@pytest.fixture
def chapter(asha: ApiClient) -> dict[str, Any]:
    """A chapter of asha's with three paragraphs."""
    return _story(asha, [{"title": "Night", "body": "one\n\ntwo\n\nthree"}])


def _story(author: ApiClient, chapters: list[dict[str, str]]) -> dict[str, Any]:
    story = author.create_story("0")["story"]
    appended = author.append(story["id"], **chapters[0])["chapter"]
    return {**appended, "story": story["id"]}


def writes(who: ApiClient, chapter: dict[str, Any]) -> int:
    """How often the chapter was written."""
    found = who.ask("query($id: ID!) { node(id: $id) { ... on Chapter { version } } }", id=chapter["id"])
    return int(found["node"]["version"]) - 1


def body(who: ApiClient, chapter: dict[str, Any]) -> str:
    found = who.ask("query($id: ID!) { node(id: $id) { ... on Chapter { body } } }", id=chapter["id"])
    return str(found["node"]["body"])


def retitled(chapter: dict[str, Any], title: str, version: str = "1") -> Write[Any]:
    return mutations.update_chapter(id=chapter["id"], patch={"title": title}, expect={"version": version})


# --- Writes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cuts", [["request"], ["reply"], ["reply", "request", "reply"]])
def test_a_write_over_a_wire_that_is_cut_happens_once(
    connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any], cuts: list[str]
) -> None:
    """A lost reply comes again by the key; a lost request is sent again."""
    wire.cuts = list(cuts)
    answer = connect(wire.url, asha.token).write(retitled(chapter, "New"))
    assert not is_failure(answer)
    assert (answer["applied"], answer["chapter"]["title"]) == ("REPLAYED" if "reply" in cuts else "WRITTEN", "New")
    assert (wire.requests, writes(asha, chapter)) == (len(cuts) + 1, 1)


def test_a_write_that_is_sent_again_is_still_of_who_meant_it(
    connect: Connect, wire: Wire, asha: ApiClient, bilal: ApiClient, chapter: dict[str, Any]
) -> None:
    """Somebody else signs in while a conflict is looked at; what was meant goes on as it began, and what comes next is theirs."""
    client = connect(wire.url, asha.token)
    client.write(retitled(chapter, "First"))

    def rebase(_: dict[str, Any]) -> dict[str, Any]:
        client.address.token = bilal.token
        return {"patch": {"title": "Second"}}

    assert client.write(retitled(chapter, "Mine"), rebase=rebase)["applied"] == "WRITTEN"
    assert client.write(retitled(chapter, "Third", "3"))["code"] == "NOT_FOUND"


def test_nobody_there_is_told_when_the_patience_ends_and_the_key_can_be_used_later(
    connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any]
) -> None:
    client, key = connect(wire.url, asha.token, SHORT), str(uuid.uuid4())
    with wire.down(), pytest.raises(Unserved):
        client.write(retitled(chapter, "New"), key=key)
    assert [client.write(retitled(chapter, "New"), key=key)["applied"] for _ in range(2)] == ["WRITTEN", "REPLAYED"]


def test_a_save_that_waits_for_another_is_busy_until_that_has_come(
    connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any]
) -> None:
    """BUSY of the real server, several times, for as long as the one before is on its way."""
    client, key, answers = connect(wire.url, asha.token), str(uuid.uuid4()), []
    late = mutations.update_chapter(id=chapter["id"], patch={"title": "Second"}, expect={"after": key})
    thread = threading.Thread(target=lambda: answers.append(client.write(late)))
    thread.start()
    until(lambda: wire.requests >= 2, "it was told BUSY")
    asha.update_chapter(chapter["id"], {"title": "First"}, "1", key=key)
    thread.join()
    assert (answers[0]["applied"], answers[0]["chapter"]["title"], writes(asha, chapter)) == ("WRITTEN", "Second", 2)


def test_a_key_of_another_write_is_an_answer_and_is_sent_once(
    connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any]
) -> None:
    client, key = connect(wire.url, asha.token), str(uuid.uuid4())
    client.write(retitled(chapter, "One"), key=key)
    requests = wire.requests
    answer = client.write(retitled(chapter, "Two"), key=key)
    assert (answer["__typename"], wire.requests) == ("KeyReusedError", requests + 1)


def test_a_rebase_is_made_of_what_is_there_now(
    connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any]
) -> None:
    """Sixteen add a word to one title, all from what they saw at first. Each word is there; without a function one is."""
    client = connect(wire.url, asha.token)
    words = [f"w{number}" for number in range(depth.rounds(16, at_least=4))]
    barrier = threading.Barrier(len(words))

    def add(word: str) -> None:
        barrier.wait()
        client.write(
            retitled(chapter, word),
            rebase=lambda conflict: {"patch": {"title": f"{conflict['current']['title']} {word}"}},
        )

    threads = [threading.Thread(target=add, args=[word]) for word in words]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = client.query("query($id: ID!) { node(id: $id) { ... on Chapter { title } } }", {"id": chapter["id"]})
    assert sorted(found["node"]["title"].split()) == sorted(words)
    assert is_conflict(client.write(retitled(chapter, "blind")))
    assert writes(asha, chapter) == len(words)


@pytest.fixture(scope="module")
def breakable(served_database: str) -> Iterator[tuple[CuttableProxy, str]]:
    """A database that can be cut at a COMMIT, and a server over it."""
    proxy = CuttableProxy()
    name = served_database.rpartition("/")[2]
    with serving(f"postgres://{ROLE}@{quote(str(proxy.folder), safe='')}:{PORT}/{name}", workers=1) as (address, _):
        yield proxy, address
    proxy.close()


def test_an_unknown_outcome_is_found_out_by_the_key(connect: Connect, breakable: tuple[CuttableProxy, str]) -> None:
    """The database was cut after it had committed, and before: the write is there once, and so the client says."""
    proxy, address = breakable
    zoe = join("zoe")
    chapter = _story(zoe, [{"title": "Night", "body": "one"}])
    client = connect(f"{address}/graphql", zoe.token)
    for version, (moment, applied) in enumerate([("after", "REPLAYED"), ("before", "WRITTEN")], 1):
        proxy.cut(moment)
        answer = client.write(retitled(chapter, moment, str(version)))
        assert (answer["applied"], answer["chapter"]["title"]) == (applied, moment)
        assert (writes(zoe, chapter), proxy.is_whole) == (version, True)


# --- Editing ---------------------------------------------------------------------------------------------------


def test_what_is_typed_is_saved_beside_what_others_write(
    connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any]
) -> None:
    wire.cuts = []
    editing = connect(wire.url, asha.token).edit(CHAPTER, chapter["id"])
    editing.edit(body="one\n\ntwo\n\nthree, mine")
    asha.update_chapter(chapter["id"], {"body": "ONE\n\ntwo\n\nthree"}, "1")
    wire.cuts = ["reply"]
    assert (editing.save(), editing.values["body"]) == ("SAVED", "ONE\n\ntwo\n\nthree, mine")
    assert body(asha, chapter) == editing.values["body"]
    assert writes(asha, chapter) == 2


def test_a_conflict_is_data_for_a_dialogue(
    connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any]
) -> None:
    editing = connect(wire.url, asha.token).edit(CHAPTER, chapter["id"])
    editing.edit(title="Mine", body="one, mine\n\ntwo\n\nthree")
    asha.update_chapter(chapter["id"], {"title": "Theirs", "body": "one, theirs\n\ntwo\n\nTHREE"}, "1")
    assert editing.save() == "CONFLICT"
    assert editing.save() == "CONFLICT"
    conflict = editing.conflict
    title, text = conflict.collisions
    assert (title.path, title.base, title.mine, title.theirs) == ("title", "Night", "Mine", "Theirs")
    (first, rest) = text.parts
    assert (first.base, first.mine, first.theirs, rest.text) == ("one", "one, mine", "one, theirs", "\n\ntwo\n\nTHREE")
    assert (conflict.about["versionsBehind"], conflict.about["by"]["handle"]) == (1, "asha")
    assert writes(asha, chapter) == 1
    editing.resolve(title="Mine", body=f"one, both{rest.text}")
    assert editing.save() == "SAVED"
    assert body(asha, chapter) == "one, both\n\ntwo\n\nTHREE"


def test_autosaves_have_one_request_on_its_way(
    connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any]
) -> None:
    """While the reply of the first is held back a hundred things are typed: they are one save more."""
    wire.held = threading.Event()
    wire.held.set()
    editing = connect(wire.url, asha.token).edit(CHAPTER, chapter["id"], autosave=0.01)
    before = wire.requests
    wire.held.clear()
    editing.edit(title="0")
    until(lambda: wire.requests == before + 1, "the first save is on its way")
    for number in range(100):
        editing.edit(title=str(number))
    time.sleep(0.1)
    assert wire.requests == before + 1
    wire.held.set()
    until(lambda: editing.status == "SAVED", "all is saved")
    editing.close()
    assert (wire.requests, writes(asha, chapter)) == (before + 2, 2)


def test_autosave_outlives_a_tunnel(connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any]) -> None:
    """It goes on by itself, says what is the matter meanwhile, and saves what was typed there."""
    editing = connect(wire.url, asha.token, SHORT).edit(CHAPTER, chapter["id"], autosave=0.01)
    with wire.down():
        editing.edit(body="one\n\ntwo\n\nthree, in the tunnel")
        until(lambda: editing.trouble is not None, "it has given up once")
        asha.update_chapter(chapter["id"], {"body": "one, outside\n\ntwo\n\nthree"}, "1")
    until(lambda: editing.status == "SAVED", "it is saved")
    editing.close()
    assert body(asha, chapter) == "one, outside\n\ntwo\n\nthree, in the tunnel"


def test_what_is_gone_and_what_is_wrong_is_told_and_the_text_is_kept(
    connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any]
) -> None:
    client, store = connect(wire.url, asha.token), MemoryStore()
    editing = client.edit(CHAPTER, chapter["id"], store=store)
    editing.edit(title="")
    assert editing.save() == "REFUSED"
    assert editing.refused["fields"][0]["path"] == "patch.title"
    assert editing.save() == "REFUSED"
    editing.edit(title="Better", body="my text")
    asha.delete_chapter(chapter["id"], "1")
    assert (editing.save(), editing.values["body"]) == ("GONE", "my text")
    assert store.all("draft") != []
    editing.discard()
    assert store.all("draft") == []
    with pytest.raises(NotFound):
        client.edit(CHAPTER, chapter["id"])


def test_a_story_has_a_form_too(connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any]) -> None:
    editing = connect(wire.url, asha.token).edit(STORY, chapter["story"])
    editing.edit(summary="About a night.")
    assert editing.save() == "SAVED"
    editing.edit(title="The night")
    assert editing.save() == "SAVED"


# --- Restarts --------------------------------------------------------------------------------------------------


def test_a_save_without_an_answer_is_taken_up_by_the_next_start(
    connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any], tmp_path: Path
) -> None:
    """The reply was lost and the program ended. The next one sends the same with its key, and then what was typed since."""
    path = tmp_path / "drafts.sqlite"
    editing = connect(wire.url, asha.token, Patience(attempts=1)).edit(CHAPTER, chapter["id"], store=FileStore(path))
    editing.edit(body="one\n\ntwo\n\nthree, saved")
    wire.cuts = ["reply"]
    with pytest.raises(Unserved):
        editing.save()
    editing.edit(body="one\n\ntwo\n\nthree, saved, typed on")
    asha.update_chapter(chapter["id"], {"body": "ONE\n\ntwo\n\nthree, saved"}, "2")
    store = FileStore(path)
    again = connect(wire.url, asha.token).edit(CHAPTER, chapter["id"], store=store)
    assert (again.status, again.values["body"]) == ("UNSAVED", "one\n\ntwo\n\nthree, saved, typed on")
    assert again.save() == "SAVED"
    assert body(asha, chapter) == "ONE\n\ntwo\n\nthree, saved, typed on"
    assert (writes(asha, chapter), store.all("draft")) == (3, [])


PROGRAM = """
import sys, time
from katha_client import CHAPTER, Client, FileStore, Patience
url, token, chapter, path, body = sys.argv[1:]
client = Client(url, token, patience=Patience(seconds=1.5, first_pause=0.2, longest_pause=0.2))
editing = client.edit(CHAPTER, chapter, store=FileStore(path))
editing.edit(body=body)
print("opened", flush=True)
sys.stdin.readline()
print(editing.save(), flush=True)
"""


class Program:
    """A program of its own that has opened a chapter, has typed, and saves when it is told to."""

    def __init__(self, *arguments: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(PACKAGE / "src")}
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen([sys.executable, "-c", PROGRAM, *arguments], env=environment, **pipes)
        assert self.said() == "opened"

    def said(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def save(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()


def test_a_program_that_is_killed_in_a_save_loses_nothing(
    wire: Wire, asha: ApiClient, chapter: dict[str, Any], tmp_path: Path
) -> None:
    """The server has written, the program dies before it hears so. The next one finds the save with its key."""
    path, typed = tmp_path / "drafts.sqlite", "one\n\ntwo\n\nthree, typed"
    program = Program(wire.url, asha.token, chapter["id"], str(path), typed)
    wire.held = threading.Event()
    program.save()
    until(lambda: writes(asha, chapter) == 1, "it is written")
    program.process.kill()
    assert program.process.wait() == -signal.SIGKILL
    wire.held.set()
    with Client(wire.url, asha.token, patience=QUICK) as client:
        editing = client.edit(CHAPTER, chapter["id"], store=FileStore(path))
        assert editing.draft.pending
        assert editing.save() == "SAVED"
    assert (writes(asha, chapter), body(asha, chapter)) == (1, typed)


def test_a_machine_that_sleeps_longer_than_its_patience_goes_on(
    wire: Wire, asha: ApiClient, chapter: dict[str, Any], tmp_path: Path
) -> None:
    """It was stopped in a pause; its second and a half was over when it woke, and the network came back some tries after that."""
    typed = "one\n\ntwo\n\nthree, typed"
    program = Program(wire.url, asha.token, chapter["id"], str(tmp_path / "drafts.sqlite"), typed)
    with wire.down():
        program.save()
        until(lambda: wire.refused > 0, "it was refused once")
        program.process.send_signal(signal.SIGSTOP)
        time.sleep(3.5)
        refused = wire.refused
        program.process.send_signal(signal.SIGCONT)
        until(lambda: wire.refused > refused + 1, "it has woken, and does not give up at the first refusal")
    assert program.said() == "SAVED"
    assert program.process.wait() == 0
    assert (writes(asha, chapter), body(asha, chapter)) == (1, typed)


def test_the_queue_survives_and_nothing_in_it_happens_twice(
    connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any], tmp_path: Path
) -> None:
    """Two titles and a new chapter are queued in the tunnel; the reply to the first is lost and the program ends."""
    path, story = tmp_path / "queue.sqlite", chapter["story"]
    queue = connect(wire.url, asha.token, Patience(attempts=1)).outbox(FileStore(path))
    for title in ("First", "Second"):
        queue.add(retitled(chapter, title), thing=chapter["id"])
    queue.add(mutations.append_chapter(story=story, chapter={"title": "New", "body": "text"}))
    with wire.down(), pytest.raises(Unserved):
        queue.send()
    wire.cuts = ["reply"]
    with pytest.raises(Unserved):
        queue.send()
    told: list[tuple[str, str]] = []
    again = connect(wire.url, asha.token).outbox(
        FileStore(path), lambda entry, answer: told.append((entry.write.mutation, answer["applied"]))
    )
    assert len(again.entries) == 3
    assert again.send() == 0
    assert told == [("updateChapter", "REPLAYED"), ("updateChapter", "WRITTEN"), ("appendChapter", "WRITTEN")]
    found = asha.ask("query($id: ID!) { story(id: $id) { chapters { title } } }", id=story)
    assert [one["title"] for one in found["story"]["chapters"]] == ["Chapter 1", "Second", "New"]


def test_a_conflict_in_the_queue_holds_up_only_its_own_thing(
    connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any]
) -> None:
    queue = connect(wire.url, asha.token).outbox(MemoryStore())
    first = queue.add(retitled(chapter, "Mine"), thing=chapter["id"])
    second = queue.add(retitled(chapter, "Mine too"), thing=chapter["id"])
    queue.add(mutations.append_chapter(story=chapter["story"], chapter={"title": "New", "body": "text"}))
    asha.update_chapter(chapter["id"], {"title": "Theirs"}, "1")
    assert queue.send() == 2
    (refused,) = queue.refused
    assert (refused.key, refused.answer["current"]["title"], writes(asha, chapter)) == (first, "Theirs", 1)
    queue.redo(first, {"expect": {"version": refused.answer["current"]["version"]}, "patch": {"title": "Both"}})
    assert (queue.send(), writes(asha, chapter)) == (0, 3)
    assert first != second


def test_who_gives_one_up_lets_the_next_expect_what_it_expected(
    connect: Connect, wire: Wire, asha: ApiClient, chapter: dict[str, Any]
) -> None:
    queue = connect(wire.url, asha.token).outbox(MemoryStore())
    first = queue.add(retitled(chapter, ""), thing=chapter["id"])
    queue.add(retitled(chapter, "Good"), thing=chapter["id"])
    assert queue.send() == 2
    queue.drop(first)
    assert (queue.send(), writes(asha, chapter)) == (0, 1)


# --- Switches --------------------------------------------------------------------------------------------------


@pytest.fixture
def shown() -> list[bool]:
    return []


def toggle(client: Any, who: ApiClient, whom: ApiClient, show: Callable[[bool], Any]) -> Any:
    return client.following(whom.id, who.relationship(whom), show)


def test_a_follow_is_shown_at_once_and_put_back_if_nobody_is_there(
    connect: Connect, wire: Wire, asha: ApiClient, bilal: ApiClient, shown: list[bool]
) -> None:
    switch = toggle(connect(wire.url, asha.token, SHORT), asha, bilal, shown.append)
    with wire.down(), pytest.raises(Unserved):
        switch.set(True)
    assert (shown, switch.shown) == ([True, False], False)
    assert switch.set(True)["applied"] == "WRITTEN"
    assert switch.set(True) is None
    assert switch.set(False)["applied"] == "WRITTEN"
    assert shown == [True, False, True, True, False]


def test_a_follow_looks_at_what_happened_meanwhile(
    connect: Connect, wire: Wire, asha: ApiClient, bilal: ApiClient, shown: list[bool]
) -> None:
    """Being followed is not in the way; having blocked is. Done on another device it is done."""
    switch = toggle(connect(wire.url, asha.token), asha, bilal, shown.append)
    bilal.follow(asha)
    assert switch.set(True)["applied"] == "WRITTEN"
    asha.unfollow(bilal, asha.relationship(bilal)["version"])
    asha.block(bilal)
    switch.set(False)
    assert (switch.shown, asha.relationship(bilal)["blocking"]) == (False, True)
    assert switch.set(True)["__typename"] in ("ConflictError", "ForbiddenError", "NotFoundError")
    assert (switch.shown, asha.relationship(bilal)["following"]) == (False, False)


def test_the_last_click_wins(connect: Connect, wire: Wire, asha: ApiClient, bilal: ApiClient) -> None:
    """Five clicks while the first is on its way are at most one write more."""
    wire.held = threading.Event()
    client = connect(wire.url, asha.token, QUICK)
    switch = toggle(client, asha, bilal, lambda _on: None)
    clicks = [threading.Thread(target=switch.set, args=[on]) for on in (True, False, True, False)]
    for click in clicks:
        click.start()
        time.sleep(0.02)
    wire.held.set()
    for click in clicks:
        click.join()
    assert (switch.shown, asha.relationship(bilal)["following"], wire.requests) == (False, False, 2)
