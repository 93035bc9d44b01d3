"""The core of the Python client, driven by a world of the test: what it sends, how long it waits, when it gives up."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema, parse, validate
from katha_client import (
    Change,
    ChangePage,
    CursorExpired,
    NotListening,
    Patience,
    RequestError,
    Unserved,
    Write,
    mutations,
)
from katha_client.drafts import CHAPTER, STORY, Draft
from katha_client.effects import Ask, Clock, Emit, Listen, NextLine, Reply, Send, Wait
from katha_client.live import catching_up, polled_document, subscribing, watching
from katha_client.requests import insist, query, write
from katha_client.sse import Events

SCHEMA = build_schema((Path(__file__).parents[2] / "schema" / "schema.graphql").read_text())
WRITE: Write[Any] = Write("x", "mutation", {"expect": {"version": "1"}, "patch": {"a": "mine"}})
SUCCESS = {"data": {"x": {"applied": "WRITTEN"}}}


def refusal(kind: str, code: str, after: int = 1000, **more: Any) -> dict[str, Any]:
    return {"data": {"x": {"code": code, "message": code, "retry": {"kind": kind, "afterMs": after}, **more}}}


CONFLICT = refusal("REBASE", "CONFLICT", 500, __typename="ConflictError", current={"version": "9"})
BUSY = refusal("SAME_REQUEST", "BUSY")
UNKNOWN = refusal("SAME_REQUEST", "OUTCOME_UNKNOWN")


class World:
    """Answers with what the test has prepared, the last one for ever. Its clock moves only when somebody waits."""

    def __init__(self, *answers: Any, oversleep: float = 0.0) -> None:
        self.answers = list(answers)
        self.now = 0.0
        self.oversleep = oversleep
        self.sent: list[dict[str, Any]] = []
        self.listened: list[dict[str, Any]] = []
        self.waits: list[float] = []
        self.emitted: list[Any] = []
        self.lines: list[str | None] = []
        self.clock = Clock(lambda: self.now, lambda: 0.5)

    def run(self, steps: Any, until: int | None = None) -> Any:
        """The result; or None once so many things were emitted."""
        act: Callable[[], Any] = lambda: next(steps)  # noqa: E731
        while True:
            try:
                effect = act()
            except StopIteration as end:
                return end.value
            if isinstance(effect, Emit):
                self.emitted.append(effect.value)
                if until == len(self.emitted):
                    return steps.close()
            try:
                result = self.do(effect)
                act = lambda result=result: steps.send(result)  # noqa: E731
            except Unserved as problem:
                act = lambda problem=problem: steps.throw(problem)  # noqa: E731

    def do(self, effect: Any) -> Any:
        match effect:
            case Send(body):
                self.sent.append(json.loads(json.dumps(body)))
                return self.answer()
            case Listen(body):
                self.listened.append(json.loads(json.dumps(body)))
                answer = self.answer()
                if isinstance(answer, list):
                    self.lines = answer
                    return Reply(200, {"content-type": "text/event-stream"}, b"")
                return answer
            case NextLine():
                line = self.lines.pop(0) if self.lines else None
                if line == "broken":
                    raise Unserved("cut")
                return line
            case Wait(seconds):
                self.waits.append(seconds)
                self.now += seconds + self.oversleep
            case Ask(call, arguments):
                return call(*arguments)
        return None

    def answer(self) -> Any:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, dict):
            return Reply(200, {}, json.dumps(answer).encode())
        return answer


def test_a_write_keeps_its_key_through_all_that_can_happen() -> None:
    """Nobody there, busy, unknown, a conflict that is rebased, busy again: one intention, one key."""
    world = World(Unserved("cut"), BUSY, UNKNOWN, CONFLICT, BUSY, SUCCESS)
    answer = world.run(write(WRITE, Patience(), world.clock, rebase=lambda _conflict: {"patch": {"a": "both"}}))
    assert answer == SUCCESS["data"]["x"]
    assert len({body["variables"]["key"] for body in world.sent}) == 1
    assert [body["variables"]["expect"]["version"] for body in world.sent] == ["1", "1", "1", "1", "9", "9"]
    assert [body["variables"]["patch"]["a"] for body in world.sent] == ["mine"] * 4 + ["both"] * 2


def test_a_conflict_is_never_sent_again_blindly() -> None:
    """Without a function of the caller, and where that gives up, it is the answer after one request."""
    for rebase in (None, lambda _conflict: None):
        world = World(CONFLICT)
        assert world.run(write(WRITE, Patience(), world.clock, rebase=rebase)) == CONFLICT["data"]["x"]
        assert len(world.sent) == 1


def test_rebases_have_an_end() -> None:
    world = World(CONFLICT)
    patience = Patience(rebases=3)
    assert world.run(write(WRITE, patience, world.clock, rebase=lambda _conflict: {}))["code"] == "CONFLICT"
    assert len(world.sent) == 4


def test_what_the_server_says_is_waited_for_and_never_less() -> None:
    world = World(BUSY, SUCCESS)
    world.run(write(WRITE, Patience(), world.clock))
    assert world.waits == [pytest.approx(1.05)]


def test_pauses_that_nobody_names_grow_and_are_different_each_time() -> None:
    world = World(*[Unserved("cut")] * 9, SUCCESS)
    world.run(write(WRITE, Patience(), world.clock))
    assert world.waits == pytest.approx([0.075, 0.15, 0.3, 0.6, 1.2, 2.4, 3.75, 3.75, 3.75])


@pytest.mark.parametrize(("patience", "sent"), [(Patience(seconds=10), 10), (Patience(attempts=4), 4)])
def test_it_gives_up_by_the_clock_and_by_the_count(patience: Patience, sent: int) -> None:
    """What the server said last is the answer; where it said nothing, that is raised."""
    world = World(BUSY)
    assert world.run(write(WRITE, patience, world.clock))["code"] == "BUSY"
    assert len(world.sent) == sent
    world = World(Unserved("cut", 1.0))
    with pytest.raises(Unserved):
        world.run(write(WRITE, patience, world.clock))
    assert len(world.sent) == sent


def test_a_machine_that_slept_was_not_impatient() -> None:
    """It closed its lid for an hour in the middle of a pause, and goes on where it was."""
    world = World(BUSY, BUSY, BUSY, SUCCESS, oversleep=3600.0)
    assert world.run(write(WRITE, Patience(seconds=10), world.clock)) == SUCCESS["data"]["x"]
    world = World(BUSY, BUSY, BUSY, SUCCESS, oversleep=1.0)
    assert world.run(write(WRITE, Patience(seconds=4), world.clock))["code"] == "BUSY"


def test_what_has_no_key_is_sent_again_only_where_nothing_was_written() -> None:
    unkeyed: Write[Any] = Write("x", "mutation", {}, keyed=False)
    world = World(BUSY, SUCCESS)
    assert world.run(write(unkeyed, Patience(), world.clock)) == SUCCESS["data"]["x"]
    world = World(UNKNOWN, SUCCESS)
    assert world.run(write(unkeyed, Patience(), world.clock))["code"] == "OUTCOME_UNKNOWN"
    world = World(Unserved("cut"), SUCCESS)
    with pytest.raises(Unserved):
        world.run(write(unkeyed, Patience(), world.clock))
    assert len(world.sent) == 1
    assert "key" not in world.sent[0]["variables"]


@pytest.mark.parametrize("code", ["KEY_REUSED", "INVALID", "NOT_FOUND", "FORBIDDEN", "A_NEW_ONE"])
def test_what_is_refused_for_good_is_sent_once(code: str) -> None:
    world = World(refusal("NEVER", code, 0))
    assert world.run(write(WRITE, Patience(), world.clock))["code"] == code
    assert (len(world.sent), world.waits) == (1, [])


PAGES: dict[str, tuple[Reply, list[float]]] = {
    "a proxy's page": (Reply(502, {}, b"<html>"), [0.075]),
    "a proxy that says when": (Reply(503, {"Retry-After": "2"}, b"<html>"), [2.1]),
    "a proxy's own JSON": (Reply(504, {}, b'{"message": "timed out"}'), [0.075]),
    "half an answer": (Reply(200, {}, b'{"data": {'), [0.075]),
    "a list": (Reply(200, {}, b"[]"), [0.075]),
    "no place": (
        Reply(
            503, {}, b'{"errors": [{"message": "", "extensions": {"code": "BUSY", "retry": '
            b'{"kind": "SAME_REQUEST", "afterMs": 20}}}]}'
        ),
        [0.021],
    ),
    "too much": (Reply(429, {}, b'{"errors": [{"message": "", "extensions": {"afterMs": 20}}]}'), [0.021]),
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_what_stands_between_is_waited_out(page: str) -> None:
    reply, waits = PAGES[page]
    world = World(reply, SUCCESS)
    assert world.run(insist({}, Patience(), world.clock)) == SUCCESS["data"]
    assert world.waits == pytest.approx(waits)


def test_errors_of_a_request_are_raised_at_once_with_their_code() -> None:
    world = World({"data": None, "errors": [{"message": "no such field", "extensions": {"code": "X"}}]})
    with pytest.raises(RequestError, match="no such field") as caught:
        world.run(query("{ x }", None, Patience(), world.clock))
    assert (caught.value.code, len(world.sent)) == ("X", 1)


# --- What is generated -----------------------------------------------------------------------------------------


def test_every_document_fits_the_contract_and_every_mutation_has_one() -> None:
    made = {name: text for name, text in vars(mutations).items() if name.isupper() and isinstance(text, str)}
    for name, text in {**made, "SAVE": CHAPTER.save(), "STORY": STORY.save(), "LOOK": CHAPTER.look()}.items():
        assert validate(SCHEMA, parse(text)) == [], name
    assert validate(SCHEMA, parse(polled_document("... on Story { title }"))) == []
    assert SCHEMA.mutation_type
    kept = [name for name, field in SCHEMA.mutation_type.fields.items() if not field.deprecation_reason]
    assert len(made) == len(kept)


# --- Drafts ----------------------------------------------------------------------------------------------------

BODY = "one\n\ntwo\n\nthree"


def draft() -> Draft:
    return Draft.of(CHAPTER, {"id": "c", "version": "1", "title": "T", "body": BODY})


def chapter(version: str, body: str, title: str = "T", applied: str = "WRITTEN") -> dict[str, Any]:
    thing = {"id": "c", "version": version, "title": title, "body": body}
    return {"__typename": "ChapterSuccess", "applied": applied, "chapter": thing}


def test_a_row_of_saves_names_the_save_before() -> None:
    """Until something of others comes in: then the version that it came with."""
    one = draft()
    one.edit(body=BODY + "!")
    first = one.take()
    assert first
    assert one.take() is first, "one at a time"
    assert (first.patch, first.expect) == ({"body": BODY + "!"}, {"version": "1"})
    one.edit(body=BODY + "!?")
    one.answered(chapter("2", BODY + "!"))
    second = one.take()
    assert second
    assert (second.expect, second.patch) == ({"after": first.key}, {"body": BODY + "!?"})
    one.answered(chapter("4", "ONE\n\ntwo\n\nthree!?", applied="MERGED"))
    assert one.mine["body"] == "ONE\n\ntwo\n\nthree!?"
    assert one.take() is None
    one.edit(title="New")
    third = one.take()
    assert third
    assert (third.expect, third.patch) == ({"version": "4"}, {"title": "New"})


def test_what_is_typed_meanwhile_is_merged_with_the_answer() -> None:
    one = draft()
    one.edit(body="one\n\ntwo!\n\nthree")
    one.take()
    one.edit(body="one\n\ntwo!\n\nthree and more")
    one.answered(chapter("3", "ONE\n\ntwo!\n\nthree", applied="MERGED"))
    assert one.mine["body"] == "ONE\n\ntwo!\n\nthree and more"
    save = one.take()
    assert save
    assert (save.expect, save.sent["body"]) == ({"version": "3"}, "ONE\n\ntwo!\n\nthree and more")


def test_what_is_typed_meanwhile_can_collide_with_the_answer() -> None:
    """Nothing is sent until somebody decides, and what is typed stays as it is."""
    one = draft()
    one.edit(body="one\n\ntwo!\n\nthree")
    one.take()
    one.edit(body="first\n\ntwo!\n\nthree")
    one.answered(chapter("3", "ONE\n\ntwo!\n\nthree", applied="MERGED"))
    assert one.take() is None
    assert one.conflict
    (collision,) = one.conflict.collisions
    assert (collision.base, collision.mine) == ("one\n\ntwo!\n\nthree", "first\n\ntwo!\n\nthree")
    with pytest.raises(ValueError, match="body"):
        one.resolve()
    one.resolve(body="FIRST\n\ntwo!\n\nthree")
    save = one.take()
    assert save
    assert save.expect == {"version": "3"}


def test_a_conflict_goes_on_under_its_key_with_what_was_typed_since() -> None:
    one = draft()
    one.edit(body="uno\n\ntwo\n\nthree", title="Mine")
    save = one.take()
    assert save
    one.edit(title="Mine too")
    theirs = {"id": "c", "version": "5", "title": "T", "body": "eins\n\ntwo\n\nthree"}
    one.answered({"__typename": "ConflictError", "retry": {"kind": "REBASE"}, "current": theirs, "versionsBehind": 2})
    conflict = one.conflict
    assert conflict
    assert [(one.path, one.base, one.theirs) for one in conflict.collisions] == [("body", BODY, theirs["body"])]
    assert conflict.about["versionsBehind"] == 2
    one.resolve(body="uno, eins\n\ntwo\n\nthree")
    again = one.take()
    assert again
    assert (again.key, again.expect) == (save.key, {"version": "5"})
    assert again.patch == {"title": "Mine too", "body": "uno, eins\n\ntwo\n\nthree"}


def test_a_blank_at_the_end_of_a_title_is_not_saved_for_ever_nor_taken_away() -> None:
    one = draft()
    one.edit(title="The ")
    one.take()
    one.answered(chapter("2", BODY, title="The"))
    assert (one.mine["title"], one.take()) == ("The ", None)
    one.edit(title="The e\u0301nd")
    assert one.take()
    one.answered(chapter("3", BODY, title="The \u00e9nd"))
    assert one.take() is None


def test_a_key_that_is_of_another_write_is_not_used_again() -> None:
    """As after a copy of an old store: the thing is looked at, and what differs is saved under a new key."""
    one = draft()
    one.edit(title="New")
    old = one.take()
    assert old
    one.answered({"code": "KEY_REUSED", "retry": {"kind": "NEVER"}})
    assert one.stale
    one.looked({"id": "c", "version": "7", "title": "T", "body": BODY + "\n\nfour"})
    save = one.take()
    assert save
    assert save.key != old.key
    assert (save.expect, one.mine["body"]) == ({"version": "7"}, BODY + "\n\nfour")


# --- Live things -----------------------------------------------------------------------------------------------


def event(name: str, data: Any = None) -> list[str]:
    return [f"event: {name}", *([f"data: {json.dumps(data)}"] if data is not None else ["data:"]), ""]


def changed(version: str | None, name: str = "a") -> list[str]:
    thing = version and {"id": name, "version": version}
    return event("next", {"data": {"changed": {"id": name, "version": version, "thing": thing}}})


def test_events_are_read_line_by_line() -> None:
    events = Events()
    lines = [":", "event:next", 'data: {"a":', "data: 1}", "", ": comment", "", "event: complete", "data:", ""]
    assert [found for line in lines if (found := events.feed(line))] == [("next", {"a": 1}), ("complete", None)]


def test_a_stream_that_breaks_is_opened_again_from_where_it_was() -> None:
    """Nothing twice, nothing that was seen; what happened while it was broken is asked for at once."""
    now = {"data": {"nodes": [{"id": "a", "version": "4"}]}}
    world = World([*changed("2"), *changed("2"), *changed("3"), "broken"], now, [*changed("5"), *event("complete")])
    world.run(watching({"a": "1"}, "", 5.0, Patience(), world.clock))
    assert [change.version for change in world.emitted] == ["2", "3", "4", "5"]
    assert [body["variables"]["things"] for body in world.listened] == [
        [{"id": "a", "version": "1"}],
        [{"id": "a", "version": "4"}],
    ]


def test_reconnecting_does_not_storm() -> None:
    """A server that takes streams and ends them at once is asked less and less often."""
    world = World(*[changed(str(number)) for number in range(12)], [*event("complete")])
    world.run(watching({"a": "x"}, "", 5.0, Patience(), world.clock))
    assert len(world.emitted) == 12
    assert world.waits == sorted(world.waits)
    assert sum(world.waits) > 20


@pytest.mark.parametrize(
    "answer",
    [
        Reply(406, {}, b""),
        {"errors": [{"message": "no subscriptions", "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}]},
        {"data": {"changed": None}},
    ],
)
def test_where_there_are_no_streams_it_asks(answer: Any) -> None:
    """Each few seconds, and tells only what is new. What is gone is told once."""
    states = [["1"], ["2"], ["2"], [None], [None], ["3"]]
    nodes = [{"data": {"nodes": [v and {"id": "a", "version": v} for v in state]}} for state in states]
    world = World(answer, *nodes)
    world.run(watching({"a": "1"}, "", 5.0, Patience(), world.clock), until=3)
    assert world.emitted == [
        Change("a", "2", {"id": "a", "version": "2"}),
        Change("a", None, None),
        Change("a", "3", {"id": "a", "version": "3"}),
    ]
    assert set(world.waits) == {5.0}
    with pytest.raises(NotListening):
        World(answer).run(subscribing("{ x }", dict, dict, Patience(), world.clock))


def test_a_refusal_in_a_stream_is_raised() -> None:
    world = World(event("next", {"errors": [{"message": "no", "extensions": {"code": "UNAUTHENTICATED"}}]}))
    with pytest.raises(RequestError) as caught:
        world.run(watching({"a": "1"}, "", 5.0, Patience(), world.clock))
    assert caught.value.code == "UNAUTHENTICATED"


def test_changes_come_in_pages_until_there_are_no_more() -> None:
    def page(cursor: str, more: bool, *versions: str) -> dict[str, Any]:
        found = [{"id": "a", "version": version, "thing": None} for version in versions]
        return {"data": {"changes": {"__typename": "ChangePage", "cursor": cursor, "hasMore": more, "changes": found}}}

    world = World(page("c2", True, "1", "2"), page("c3", False))
    world.run(catching_up("c1", "", Patience(), world.clock))
    assert world.emitted == [ChangePage([Change("a", "1", None), Change("a", "2", None)], "c2"), ChangePage([], "c3")]
    assert [body["variables"]["since"] for body in world.sent] == ["c1", "c2"]
    old = {"data": {"changes": {"__typename": "CursorExpiredError", "message": "too old", "retry": {"kind": "NEVER"}}}}
    with pytest.raises(CursorExpired):
        World(old).run(catching_up("c1", "", Patience(), world.clock))
