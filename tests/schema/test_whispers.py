"""Whispers: what their screening finds, who sees them in which list, and deleting them."""

from collections.abc import Callable
from typing import Any

import pytest

from backend.moderation.models import Report
from backend.whispers.models import Flag, Policy, PolicyWord, Whisper
from tests.api import ApiClient
from tests.api.moderation import allow_links, make_moderator, screen_for
from tests.schema.footprint import nothing_written

LISTED = "edges { cursor node { id text nsfw author { handle } } } pageInfo { hasNextPage endCursor }"
WHISPERS = f"query ($first: Int, $after: String) {{ whispers(first: $first, after: $after) {{ {LISTED} }} }}"
OF_PERSON = f"query ($h: String!) {{ person(handle: $h) {{ whispers {{ {LISTED} }} }} }}"
NODE = "query ($id: ID!) { node(id: $id) { __typename ... on Whisper { text } } }"


def texts(connection: Any) -> list[str]:
    """What the whispers of a page say."""
    return [edge["node"]["text"] for edge in connection["edges"]]


def whispers(caller: ApiClient) -> list[str]:
    """What the caller is shown."""
    return texts(caller.ask(WHISPERS)["whispers"])


# --- Screening --------------------------------------------------------------------------------------------------


def test_a_whisper_in_which_nothing_is_found_is_as_its_author_says(asha: ApiClient) -> None:
    """Marked or not, with neither flag nor report."""
    plain, marked = asha.create_whisper("Hello"), asha.create_whisper("Hello", nsfw=True)
    assert (plain["applied"], plain["report"]) == ("WRITTEN", None)
    whisper = plain["whisper"]
    assert (whisper["text"], whisper["nsfw"], whisper["version"]) == ("Hello", False, "1")
    assert whisper["author"] == {"handle": "asha"}
    assert marked["whisper"]["nsfw"] is True
    assert (Flag.objects.count(), Report.objects.count()) == (0, 0)


def test_a_word_marks_a_whisper(asha: ApiClient) -> None:
    """The flag says which rules found it, and at which version of the policy."""
    screen_for("FLAG", "gore", "blood bath")
    answer = asha.create_whisper("A BLOOD  bath, and more Gore!")
    assert (answer["whisper"]["nsfw"], answer["report"]) == (True, None)
    flag = Flag.objects.get()
    assert (flag.effect, flag.rules, flag.author_id) == ("FLAG", ["blood bath", "gore"], asha.person.pk)
    assert flag.policy >= 1


def test_a_worse_word_reports_a_whisper_as_well(asha: ApiClient) -> None:
    """The report has no reporter, and its author sees it in the answer."""
    screen_for("FLAG", "gore")
    screen_for("REPORT", "scam")
    answer = asha.create_whisper("gore, scam")
    assert answer["whisper"]["nsfw"] is True
    report = answer["report"]
    assert (report["status"], report["reason"]) == ("OPEN", "Found on screening: gore, scam.")
    assert report["subject"]["id"] == answer["whisper"]["id"]
    assert (report["reporter"], report["claimedBy"]) == (None, None)
    assert Report.objects.get().reporter_id is None


def test_too_many_links_report_a_whisper(asha: ApiClient) -> None:
    """Three may be there unless the policy says otherwise."""
    three = "see http://a.example, https://www.b.example and www.c.example"
    assert asha.create_whisper(three)["report"] is None
    assert asha.create_whisper(three + " or WWW.D.EXAMPLE")["report"]["reason"] == (
        "Found on screening: more than 3 links."
    )
    allow_links(0)
    assert asha.create_whisper("http://a.example")["whisper"]["nsfw"] is True
    assert asha.create_whisper("no link: awww. http:/x")["report"] is None


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("gore", "GORE"),
        ("gore", "so much gore."),
        ("gore", "_gore_"),
        ("gore", "g\u200bo\u00adre"),
        ("gore", "\uff47\uff4f\uff52\uff45"),
        ("straße", "STRASSE"),
        ("café", "cafe\u0301"),
        ("खून", "वह खून है।"),
        ("血", "「血」"),
        ("δόξας", "ΔΌΞΑΣ"),
    ],
)
def test_a_word_is_found_however_it_is_written(asha: ApiClient, word: str, text: str) -> None:
    """In any case, width, script and punctuation."""
    screen_for("FLAG", word)
    assert asha.create_whisper(text)["whisper"]["nsfw"] is True


@pytest.mark.parametrize(
    ("word", "text"), [("gore", "gorey"), ("gore", "Gregore"), ("खून", "खूनी"), ("blood bath", "blood, sweat, bath")]
)
def test_a_word_is_found_whole_or_not_at_all(asha: ApiClient, word: str, text: str) -> None:
    """A vowel sign of Devanagari is part of its word."""
    screen_for("FLAG", word)
    assert asha.create_whisper(text)["whisper"]["nsfw"] is False


def test_a_change_of_the_policy_holds_at_once(asha: ApiClient) -> None:
    """Words that are added, changed and taken away, one by one or all at once; and the policy with no row at all."""
    assert asha.create_whisper("gore")["whisper"]["nsfw"] is False
    screen_for("FLAG", "gore")
    assert asha.create_whisper("gore")["whisper"]["nsfw"] is True
    PolicyWord.objects.update(effect="REPORT")
    assert asha.create_whisper("gore")["report"] is not None
    PolicyWord.objects.all().delete()
    assert asha.create_whisper("gore")["whisper"]["nsfw"] is False
    allow_links(0)
    assert asha.create_whisper("www.a.example")["whisper"]["nsfw"] is True
    Policy.objects.all().delete()
    assert asha.create_whisper("www.a.example")["whisper"]["nsfw"] is False


@pytest.mark.parametrize(
    "text",
    [
        *(
            "sc\u0430m",
            "\u0455\u0441am",
            "SC\u0391M",
            "s\u0336c\u0336a\u0336m\u0336",
            "sc\u3164am",
            "sc\u200bam",
            "sc\u034fam",
            "\uff53cam",
        ),
        *(
            "\U0001d42c\U0001d41c\U0001d41a\U0001d426",
            "\ua731\u1d04\u1d00\u1d0d",
            "g0re",
            "g\u03bfre",
            "a G0RE b",
            "sca\ufe0fm",
        ),
    ],
    ids=ascii,
)
def test_a_word_is_found_in_disguise(asha: ApiClient, text: str) -> None:
    """With letters that look like those of the word, or with what cannot be seen between them."""
    screen_for("FLAG", "scam", "gore")
    assert asha.create_whisper(text)["whisper"]["nsfw"] is True


@pytest.mark.parametrize(
    "text", ["a\u00f1o", "\u0441\u043e\u0440\u0435", "10 11", "scams", "g\u00f8re", "go re"], ids=ascii
)
def test_other_words_are_no_disguise(asha: ApiClient, text: str) -> None:
    """Words of one script are what they are, and so are numbers."""
    screen_for("FLAG", "scam", "gore", "ano", "cope", "lo")
    assert asha.create_whisper(text)["whisper"]["nsfw"] is False


def test_a_text_says_something_and_is_not_too_long(asha: ApiClient) -> None:
    """1 to 500 characters, of which one is not blank."""
    with nothing_written():
        for text in ("", " \n", "x" * 501):
            answer = asha.create_whisper(text)
            assert [field["path"] for field in answer["fields"]] == ["text"]
    assert asha.create_whisper("x" * 500)["applied"] == "WRITTEN"


def test_the_reason_of_a_report_has_an_end(asha: ApiClient) -> None:
    """However many words are found."""
    screen_for("REPORT", *(" ".join("a" * count) for count in range(1, 50)))
    answer = asha.create_whisper(" ".join("a" * 50))
    assert len(answer["report"]["reason"]) == 1000
    assert answer["report"]["reason"].endswith("…")


# --- Lists ------------------------------------------------------------------------------------------------------


def test_the_signed_in_are_shown_whom_they_follow_and_themselves(
    asha: ApiClient, bilal: ApiClient, chitra: ApiClient
) -> None:
    """Newest first; everybody's for the signed-out."""
    for caller, text in ((asha, "one"), (bilal, "two"), (chitra, "three"), (asha, "four")):
        caller.create_whisper(text)
    asha.follow(bilal)
    assert whispers(asha) == ["four", "two", "one"]
    assert whispers(chitra) == ["three"]
    assert whispers(ApiClient()) == ["four", "three", "two", "one"]
    page = asha.ask(WHISPERS, first=2)["whispers"]
    assert page["pageInfo"]["hasNextPage"] is True
    assert texts(asha.ask(WHISPERS, after=page["pageInfo"]["endCursor"])["whispers"]) == ["one"]


def test_marked_ones_are_left_out_unless_they_are_wanted(asha: ApiClient, bilal: ApiClient, nobody: ApiClient) -> None:
    """Or one's own; by its id one is found whatever is wanted."""
    whisper = bilal.create_whisper("hush", nsfw=True)["whisper"]
    asha.follow(bilal)
    for caller, seen in ((asha, []), (nobody, []), (bilal, ["hush"])):
        assert whispers(caller) == seen
        assert texts(caller.ask(OF_PERSON, h="bilal")["person"]["whispers"]) == seen
        assert caller.ask(NODE, id=whisper["id"])["node"] == {"__typename": "Whisper", "text": "hush"}
    asha.update_profile({"showMature": True}, "1")
    assert whispers(asha) == texts(asha.ask(OF_PERSON, h="bilal")["person"]["whispers"]) == ["hush"]


def test_a_block_hides_whispers_both_ways(asha: ApiClient, bilal: ApiClient, nobody: ApiClient) -> None:
    """In lists and by id."""
    theirs, mine = bilal.create_whisper("theirs")["whisper"], asha.create_whisper("mine")["whisper"]
    asha.follow(bilal)
    asha.block(bilal)
    assert whispers(asha) == ["mine"]
    assert texts(asha.ask(OF_PERSON, h="bilal")["person"]["whispers"]) == []
    assert asha.ask(NODE, id=theirs["id"])["node"] is None
    assert bilal.ask(NODE, id=mine["id"])["node"] is None
    assert nobody.ask(NODE, id=mine["id"])["node"] is not None


# --- Deleting ---------------------------------------------------------------------------------------------------


def test_deleting_leaves_nothing_but_resolved_reports(asha: ApiClient, bilal: ApiClient) -> None:
    """The flag goes, the reports stay without their subject; late ones are told when it went."""
    screen_for("REPORT", "scam")
    whisper = asha.create_whisper("scam")["whisper"]["id"]
    bilal.report(whisper)
    deleted = asha.delete_whisper(whisper)
    assert (deleted["applied"], deleted["id"]) == ("WRITTEN", whisper)
    assert (Whisper.objects.count(), Flag.objects.count()) == (0, 0)
    states = Report.objects.values_list("status", "outcome", "whisper_id", "about_id", "version")
    assert list(states) == [("RESOLVED", "REMOVED", None, asha.person.pk, 2)] * 2
    late = asha.delete_whisper(whisper)
    assert late["code"] == "NOT_FOUND"
    assert late["message"].startswith("This was deleted at ")
    assert late["deletedAt"]
    assert bilal.delete_whisper(whisper)["message"] == "There is no such whisper."


def test_only_its_author_deletes_a_whisper(asha: ApiClient, bilal: ApiClient) -> None:
    """Across a block it is not found."""
    whisper = asha.create_whisper()["whisper"]["id"]
    with nothing_written():
        assert bilal.delete_whisper(whisper)["code"] == "FORBIDDEN"
    asha.block(bilal)
    assert bilal.delete_whisper(whisper)["code"] == "NOT_FOUND"


def test_deleting_is_refused_if_it_was_marked_since(person: Callable[[str], ApiClient], asha: ApiClient) -> None:
    """The author learns of it, and may delete it all the same."""
    moderator, bilal = make_moderator(person("mina")), person("bilal")
    whisper = asha.create_whisper()["whisper"]["id"]
    report = bilal.report(whisper)["report"]["id"]
    assert moderator.resolve(report, "MARKED_NSFW")["applied"] == "WRITTEN"
    answer = asha.delete_whisper(whisper)
    assert (answer["code"], answer["current"]["version"], answer["current"]["nsfw"]) == ("CONFLICT", "2", True)
    assert answer["overlaps"] == [{"path": "nsfw", "base": False, "mine": False, "theirs": True}]
    assert asha.delete_whisper(whisper, "2")["applied"] == "WRITTEN"


def test_a_key_names_the_whisper_that_it_made(asha: ApiClient) -> None:
    """It can be deleted without waiting for its version, and is created once."""
    key = "0f0f0f0f-0f0f-7f0f-8f0f-0f0f0f0f0f0f"
    first, again = asha.create_whisper(key=key), asha.create_whisper(key=key)
    assert (first.pop("applied"), again.pop("applied")) == ("WRITTEN", "REPLAYED")
    assert first == again
    query = "mutation ($id: ID!, $k: UUID!) { deleteWhisper(id: $id, expect: {after: $k}) { __typename } }"
    assert asha.ask(query, id=first["whisper"]["id"], k=key)["deleteWhisper"] == {"__typename": "WhisperDeleted"}
    assert asha.create_whisper("Another", key=key)["code"] == "KEY_REUSED"
