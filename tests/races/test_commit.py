"""A connection that breaks around COMMIT: the client is told the truth, and the same request again has one effect."""

import uuid
from collections.abc import Callable

import pytest
from django.db import connection

from backend.engine.errors import Busy, OutcomeUnknown
from backend.engine.ids import uuid7
from backend.engine.transactions import snapshot, unit_of_work
from backend.people.models import Person
from backend.stories.models import Chapter, Story
from tests.api import ApiClient
from tests.races.cuttable_proxy import through_proxy
from tests.races.rivals import my_pid, terminate
from tests.races.rows import assert_sound, everything, query, scalar
from tests.races.statements import before

pytestmark = pytest.mark.django_db(transaction=True)

CUTS = pytest.mark.parametrize(("moment", "again"), [("before", "WRITTEN"), ("after", "REPLAYED")])
LAST_STATEMENT = "UPDATE .*engine_idempotencykey"

FOLLOW_AND_READ = """
mutation($p: ID!, $k: UUID) { follow(person: $p, expect: {version: "0"}, key: $k) {
  __typename ... on RelationshipSuccess { applied relationship { version person { followerCount } } }
} }
"""


def new_person(handle: str) -> None:
    Person.objects.bulk_create([Person(handle=handle, name=handle)])


# --- Through the API ------------------------------------------------------------------------------------------


@CUTS
def test_the_same_request_after_a_cut_has_one_effect(
    asha: ApiClient, bilal: ApiClient, moment: str, again: str
) -> None:
    """Nobody can tell what became of it, so the key decides: done now if it was not, or the first reply."""
    key = str(uuid.uuid4())
    with through_proxy() as proxy:
        proxy.cut(moment)
        answer = asha.follow(bilal, "0", key)
        assert (answer["code"], answer["retry"]["kind"]) == ("OUTCOME_UNKNOWN", "SAME_REQUEST")
        answer = asha.follow(bilal, "0", key)
    assert (answer["applied"], answer["relationship"]["version"]) == (again, "1")
    assert query("SELECT low_version, high_version FROM social_relationship") == [(1, 1)]
    assert_sound()


def test_what_is_committed_is_told_although_the_connection_ends(asha: ApiClient, bilal: ApiClient) -> None:
    """PostgreSQL has answered COMMIT and ends before it is ready for more: the write is done, and its answer is read."""
    with through_proxy() as proxy:
        proxy.cut("ended")
        answer = asha.ask(FOLLOW_AND_READ, p=bilal.id, k=None)["follow"]
    assert answer["applied"] == "WRITTEN"
    assert answer["relationship"] == {"version": "1", "person": {"followerCount": 1}}
    assert_sound()


@CUTS
def test_a_story_that_was_cut_off_exists_once(asha: ApiClient, moment: str, again: str) -> None:
    """A create is repeated as safely as an update: one story, with all its chapters."""
    key = str(uuid.uuid4())
    with through_proxy() as proxy:
        proxy.cut(moment)
        assert asha.create_story("0", chapters=3, key=key)["code"] == "OUTCOME_UNKNOWN"
        answer = asha.create_story("0", chapters=3, key=key)
    assert (answer["applied"], len(answer["story"]["chapters"])) == (again, 3)
    assert (Story.objects.count(), Chapter.objects.count()) == (1, 3)
    assert answer["shelf"] == {"version": "1", "storyCount": 1}


@CUTS
def test_a_view_that_was_cut_off_counts_once(asha: ApiClient, bilal: ApiClient, moment: str, again: str) -> None:
    """Exactly one view once it is acknowledged, however often the request had to be sent."""
    story, key = asha.published_story()["id"], str(uuid.uuid4())
    with through_proxy() as proxy:
        proxy.cut(moment)
        assert bilal.record_view(story, key=key)["code"] == "OUTCOME_UNKNOWN"
        answer = bilal.record_view(story, key=key)
    assert (answer["applied"], answer["counted"]) == (again, True)
    assert scalar("SELECT count(*) FROM reading_view") == 1
    assert_sound()


def test_without_a_key_the_version_still_prevents_a_second_effect(asha: ApiClient, bilal: ApiClient) -> None:
    """Who sent no key is told of a conflict, and sees in it that the write did happen."""
    with through_proxy() as proxy:
        proxy.cut("after")
        assert asha.follow(bilal, "0")["code"] == "OUTCOME_UNKNOWN"
        answer = asha.follow(bilal, "0")
    assert (answer["code"], answer["current"]["following"]) == ("CONFLICT", True)
    assert scalar("SELECT count(*) FROM follow") == 1


def test_a_connection_that_ends_before_commit_was_busy(asha: ApiClient, bilal: ApiClient) -> None:
    """Before COMMIT it is certain that nothing was written, and the answer says so."""
    key, untouched = str(uuid.uuid4()), everything()
    with before(LAST_STATEMENT, lambda: terminate(my_pid())):
        answer = asha.follow(bilal, "0", key)
    assert (answer["code"], answer["retry"]["kind"]) == ("BUSY", "SAME_REQUEST")
    assert everything() == untouched
    assert asha.follow(bilal, "0", key)["applied"] == "WRITTEN"


def test_a_connection_that_ended_while_idle_is_not_noticed(asha: ApiClient, bilal: ApiClient) -> None:
    """After a restart of the database the next request on each thread works."""
    asha.relationship(bilal)
    terminate(my_pid())
    assert asha.follow(bilal, "0")["applied"] == "WRITTEN"
    terminate(my_pid())
    assert asha.relationship(bilal)["following"]


def lose_connection() -> None:
    terminate(my_pid())


def test_a_write_is_answered_though_its_connection_ends_before_the_answer_is_read(
    asha: ApiClient, bilal: ApiClient
) -> None:
    with before("people_persontally", lambda: None, lose_connection):
        follow = asha.ask(FOLLOW_AND_READ, p=bilal.id, k=str(uuid.uuid4()))["follow"]
    assert (follow["applied"], follow["relationship"]["person"]["followerCount"]) == ("WRITTEN", 1)


def test_a_write_whose_answer_cannot_be_read_is_not_called_unwritten(asha: ApiClient, bilal: ApiClient) -> None:
    """After COMMIT nothing may claim that nothing was written."""
    key = str(uuid.uuid4())
    with before("people_persontally", lambda: None, lose_connection, lose_connection):
        answer = asha.post(FOLLOW_AND_READ, p=bilal.id, k=key)
    again = asha.ask(FOLLOW_AND_READ, p=bilal.id, k=key)["follow"]
    assert (again["applied"], again["relationship"]["person"]["followerCount"]) == ("REPLAYED", 1)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["OUTCOME_UNKNOWN"]


# --- The engine alone -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_error_from_commit_is_an_unknown_outcome(moment: str, db: None) -> None:
    """The engine never guesses, and its next unit of work on the same thread works."""
    with through_proxy() as proxy:
        proxy.cut(moment)
        with pytest.raises(OutcomeUnknown):
            unit_of_work(lambda: new_person("meena"))
        unit_of_work(lambda: new_person("ravi"))
    handles = set(Person.objects.values_list("handle", flat=True))
    assert "ravi" in handles
    assert ("meena" in handles) == (moment == "after")


def test_a_commit_that_the_database_refuses_was_rolled_back(asha: ApiClient) -> None:
    """A deferred constraint speaks at COMMIT; that is no unknown outcome, because PostgreSQL says what it did."""
    asha.create_story("0")
    untouched, story = everything(), Story.objects.get()
    twice = [Chapter(id=uuid7(), story=story, position=7, title="Seven", body=".") for _ in range(2)]
    with pytest.raises(Busy):
        unit_of_work(lambda: Chapter.objects.bulk_create(twice))
    assert everything() == untouched
    unit_of_work(lambda: Chapter.objects.bulk_create(twice[:1]))


def in_a_snapshot(work: Callable[[], object]) -> object:
    with snapshot():
        return work()


@pytest.mark.parametrize("doing", [unit_of_work, in_a_snapshot], ids=lambda doing: doing.__name__)
@pytest.mark.parametrize("statement", [1, 2])
def test_a_connection_that_ends_in_the_middle_is_busy(doing: Callable[..., object], statement: int) -> None:
    """Units of work and snapshots alike: nothing was written, and the thread goes on with a new connection."""
    acts = [lambda: None] * (statement - 1) + [lambda: terminate(my_pid())]
    with before("SELECT 1", *acts), pytest.raises(Busy):
        doing(lambda: (scalar("SELECT 1"), scalar("SELECT 1")))
    assert doing(lambda: scalar("SELECT 2")) == 2
    assert (connection.connection.isolation_level, connection.connection.read_only) == (None, None)
