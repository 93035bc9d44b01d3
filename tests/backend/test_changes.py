"""The change log: what is appended to it, and how it is read."""

import uuid
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.utils import timezone

from backend.changes import log, pruning
from backend.changes.kinds import ACCESS, LEFT, PUBLIC, SIGHT
from backend.changes.log import Cursor, CursorExpired, Entry, Malformed
from backend.changes.models import Mark
from schema.nodes import from_id
from tests.api import ApiClient
from tests.races.rows import scalar, until_all_is_over
from tests.schema.asking import PASSWORD

pytestmark = pytest.mark.django_db(transaction=True)


def key(global_id: str) -> uuid.UUID:
    found = from_id(global_id)
    assert found is not None
    return found[1][-1]


def told(entries: list[Entry]) -> list[tuple[str, int, bool]]:
    return sorted((one.kind, one.version, one.gone) for one in entries)


def own(entries: list[Entry], person: ApiClient) -> list[tuple[str, int, bool]]:
    return told([one for one in entries if one.owner == person.person.pk])


def write_in_vain() -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE whispers_whisper SET version = version + 1, nsfw = NOT nsfw, nsfw_changed = version + 1"
            )
        raise ZeroDivisionError


def test_a_write_is_told_once_and_a_rollback_never(asha: ApiClient) -> None:
    """A cursor stands after what was committed, and the next one after what it gave."""
    begun = log.begin()
    story = asha.create_story("0", chapters=2)["story"]
    asha.create_whisper()
    at, first = log.since(begun)
    assert told(first) == [("c", 1, False), ("c", 1, False), ("f", 1, False), ("s", 1, False), ("w", 1, False)]
    assert {one.owner for one in first} == {asha.person.pk}
    assert {one.aggregate for one in first if one.kind in "sc"} == {key(story["id"])}
    with pytest.raises(ZeroDivisionError):
        write_in_vain()
    assert log.since(at)[1] == []
    assert log.since(Cursor.decode(begun.encode()))[1] == first


def test_what_is_deleted_is_told_with_its_owner(asha: ApiClient, bilal: ApiClient) -> None:
    """Of a chapter too, though its story, which names the owner, goes first in the same transaction; and to each reader."""
    story = asha.published_story(chapters=2)
    bilal.record_view(story["id"])
    at = log.begin()
    assert asha.delete_story(story["id"], "2")["__typename"] == "StoryDeleted"
    found = log.since(at)[1]
    assert [kind for kind, _, gone in own(found, asha) if gone] == [PUBLIC, "c", "c", "s"]
    assert own(found, bilal) == [("r", 1, True)]
    assert {one.id for one in found if one.kind in "rs"} == {key(story["id"])}


def test_a_block_tells_either_side_what_it_may_know(asha: ApiClient, bilal: ApiClient) -> None:
    """Only the version of the side that acted rises; the other hears that it sees less, which it does."""
    at = log.begin()
    asha.block(bilal)
    at, found = log.since(at)
    assert own(found, asha) == [(SIGHT, 1, True), ("l", 1, False)]
    assert own(found, bilal) == [(SIGHT, 3, True)]
    assert {(one.owner, one.id) for one in found if one.kind == SIGHT} == {
        (asha.person.pk, bilal.person.pk),
        (bilal.person.pk, asha.person.pk),
    }
    asha.unblock(bilal, "1")
    at, found = log.since(at)
    assert own(found, bilal) == [(SIGHT, 12, False)]
    bilal.follow(asha)
    assert own(log.since(at)[1], bilal) == [("l", 1, False)]


def test_access_that_ends_is_told(asha: ApiClient, bilal: ApiClient) -> None:
    """Tokens one by one, all by a password, the account by leaving: with that it is told that everything of it is hidden."""
    at = log.begin()
    asha.revoke_token(asha.tokens()[0]["id"])
    at, found = log.since(at)
    assert own(found, asha) == [(ACCESS, 0, True)]
    bilal.delete_account(PASSWORD)
    found = log.since(at)[1]
    assert {(LEFT, 0, False), (ACCESS, 0, True), ("p", 2, False)} <= set(own(found, bilal))


def test_a_cursor_that_the_log_cannot_answer_is_refused(asha: ApiClient) -> None:
    """Of another cluster, timeline, database, file or count; of a later time; older than what was pruned."""
    at = log.begin()
    parts = at.identity.split(".")
    for number, part in enumerate(parts):
        changed = f"{int(part, 16) + 1:08X}" if number == 1 else str(int(part) + 1)
        other = ".".join([*parts[:number], changed, *parts[number + 1 :]])
        with pytest.raises(CursorExpired):
            log.since(Cursor(other, at.snapshot))
    end = int(at.snapshot.split(":")[1])
    with pytest.raises(CursorExpired):
        log.since(Cursor(at.identity, f"{end + 1000}:{end + 1000}:"))
    Mark.objects.create(xid=end + 1, pruned=False)
    log.since(at)
    Mark.objects.update(pruned=True)
    with pytest.raises(CursorExpired):
        log.since(at)


NO_SNAPSHOTS = ("", "1:", "5:4:", "1:9:3,2", "1:9:9", "1:9:3,", "0:9:", f"1:{2**63}:", f"{2**32}:{2**32}:", "1:9:;")


@pytest.mark.parametrize(
    "text",
    ["", "!", "YQ", "a" * 30_000, "ü", *(log.encoded("1.00000001.1.1.1", one) for one in NO_SNAPSHOTS)],
)
def test_nonsense_is_no_cursor(text: str) -> None:
    """It never gets as far as PostgreSQL, which would refuse it with an error."""
    with pytest.raises(Malformed):
        Cursor.decode(text)


def test_old_entries_go_and_later_ones_stay(asha: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """In batches, by the mark of a day; who has a cursor of before is refused, who has one of after finds all."""
    monkeypatch.setattr(pruning, "DELETE", pruning.DELETE.replace(str(pruning.BATCH), "2"))
    monkeypatch.setattr(pruning, "BATCH", 2)
    before = log.begin()
    asha.create_story("0", chapters=4)
    old = scalar("SELECT count(*) FROM changes_change")
    kept = timedelta(days=30)
    until_all_is_over()
    assert pruning.prune(kept) == 0
    after = log.begin()
    asha.create_whisper()
    assert pruning.prune(kept) == 0
    first = Mark.objects.earliest("at")
    Mark.objects.filter(pk=first.pk).update(at=timezone.now() - kept - timedelta(hours=1))
    assert pruning.prune(kept) == old
    with pytest.raises(CursorExpired):
        log.since(before)
    assert told(log.since(after)[1]) == [("w", 1, False)]
    assert pruning.prune(kept) == 0
    call_command("prune_changes", "--all")
    assert not Mark.objects.exists()
    with pytest.raises(CursorExpired):
        log.since(after)
