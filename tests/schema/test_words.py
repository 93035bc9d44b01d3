"""Words are found in any script, whatever the server's locale: without case, accents, points and punctuation."""

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from backend.stories.models import Chapter, Story
from tests.api import PASSWORD, ApiClient, join
from tests.races.rows import crowd

FOUND = {
    "café": "CAFE Cafe\u0301 cafe “Café”, caf",
    "CAFE": "café",
    "Straße": "STRASSE strasse straße",
    "İstanbul": "ISTANBUL istanbul İSTANBUL",
    "DİYARBAKIR ışık": "diyarbakir isik IŞIK",
    "Łódź": "lodz LODZ łódź",
    "Ølberg": "olberg ØLBERG",
    "Đorđe Æsir cœur þing": "dorde aesir AESIR coeur cœur thing",
    "naïve Müller crème Åse": "naive muller MULLER creme ase",
    "ΟΔΥΣΣΕΥΣ": "οδυσσεύς Οδυσσευς οδυσσε",
    "Ἀχιλλεύς": "αχιλλευς ΑΧΙΛΛΕΥΣ",
    "Ёлка в лесу": "елка ЁЛКА лесу ЛЕС",
    "м’ята": "мята м'ята МʼЯТА",
    "المُحَمَّد كتـــاب": "المحمد كتاب",
    "أحمد إلى مدرسة": "احمد الي مدرسه",
    "שָׁלוֹם בית־ספר צה״ל": "שלום ספר ביתספר צהל",
    "हरि। क़लम हिन्दी": "हरि कलम क़लम हिन्दी हिन्",
    "বাংলা গল্প।": "বাংলা গল্প",
    "தமிழ் கதை": "தமிழ் கதை தமி",
    "เรื่องเล่าของแม่": "เรื่อง เล่า แม่ เล่าของ",
    "រឿងនិទានខ្មែរ។": "រឿង និទាន ខ្មែរ",
    "ເລື່ອງລາວ": "ລາວ ເລື່ອງ",
    "ပုံပြင်များ": "ပုံ ပြင် များ",
    "東京、大阪": "東京 大阪 東 大 阪 京",
    "红楼梦里的故事": "红楼梦 楼梦 故事 梦",
    "吾輩は猫である": "猫 吾輩 猫である",
    "ラーメン・タワー": "ﾗｰﾒﾝ らーめん タワー メン ラーメン",
    "ｶﾞｷﾞグゲゴ": "ガギ がぎぐ",
    "人々 時々 さゝやき": "人々 時時 ささやき さゝ",
    "한국어를 배우다": "한국어 국어 배우 \u1112\u1161\u11ab국",
    "ＫＡＴＨＡ ４２": "katha 42 KATHA ４２",
    "१२३ ٤٥ ৬": "123 45 6",
    "ﬁne ﬂow": "fine flow",
    "keeper’s 'keeper' O’Brien": "keeper keepers keeper's keeperʼs keep obrien o’brien",
    "co-author co‑writer co\u00adpilot": "author co-author coauthor co‑author writer cowriter copilot co-writer",
    "Night—Morning": "night morning Morning—Night",
    "“Hello” (you) ¿qué? …end": "hello you que end",
    "snake_case 3.14 U.S.A. 2024-05-01": "snake case snakecase 3.14 314 usa 2024-05 U.S.A.",
    "asha@example.com https://katha.example/a/story?x=1": "asha example example.com katha story",
    "zero\u200bwidth نم\u200cی \u200fשלום\u200e": "zerowidth نمی שלום",
    "moon 🌙 and 👩‍🚀 ❤️": "🌙 👩‍🚀 🚀 ❤ ❤️",
    "l'été d’Aujourd’hui": "ete été lete aujourd hui daujourdhui",
    "x" * 150: "x" * 150,
}
NOT_FOUND = {
    "keeper’s": ["eeper", "keepers house", '"keep"'],
    "東京、大阪": ["京大", "京都", "大京"],
    "Café": ["afe", "cafes", "caff"],
    "हिन्दी": ["हन", "न्दी"],
    "เรื่องเล่า": ["เล่น", "รื้อ"],
    "ラーメン": ["ラメン"],
    "хлеб": ["леб"],
    "गज": ["गाज"],
    "moon": ["🌙"],
}


def has(title: str, text: str) -> bool:
    """Whether a text with this title is found by these words."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT katha_words(%s) @@ katha_query(%s)", [title, text])
        return bool(cursor.fetchone()[0])


@pytest.mark.django_db
@pytest.mark.parametrize("title", FOUND, ids=ascii)
def test_words_are_found_in_every_script(title: str) -> None:
    """Each of these words by itself, and the title itself."""
    assert [word for word in FOUND[title].split() if not has(title, word)] == []
    assert has(title, title)


@pytest.mark.django_db
@pytest.mark.parametrize("title", NOT_FOUND, ids=ascii)
def test_other_words_are_not_found(title: str) -> None:
    """Neither the middles of words, where a script sets spaces, nor other letters or signs."""
    assert [text for text in NOT_FOUND[title] if has(title, text)] == []


SAME_EVERYWHERE = """
SELECT katha_words(given COLLATE {collation})::text, katha_query(given COLLATE {collation})::text
FROM (SELECT %s) AS one (given)
"""


@pytest.mark.django_db
@pytest.mark.parametrize("title", FOUND, ids=ascii)
def test_no_collation_changes_words(title: str) -> None:
    """Those of C and of Unicode, which a server may have for its default, make the same words."""
    found = []
    with connection.cursor() as cursor:
        newer = ("pg_c_utf8",) if connection.pg_version >= 170_000 else ()
        for collation in ('"C"', '"default"', *newer, "ucs_basic"):
            cursor.execute(SAME_EVERYWHERE.format(collation=collation), [title])
            found += cursor.fetchall()
    assert len(set(found)) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("word", ["\U00010428-", "\ufdfa", "\u0c1c\u0c4d\u0c1e\u0c3e ", "\U0002000b", "a."], ids=ascii)
def test_no_text_has_too_many_words_to_be_kept(word: str) -> None:
    """Not even where words make the most of all that a story may say: PostgreSQL would refuse to write it."""
    texts = ["zeroth " + word * (2_000 // len(word)), *[word * (200 // len(word))] * 201]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_column_size(katha_words(VARIADIC %s)), katha_words(VARIADIC %s) @@ katha_query('zeroth')",
            [texts] * 2,
        )
        size, is_found = cursor.fetchone()
    assert is_found
    assert size < 1 << 20


SYMBOL = "🌙"
PLAIN = st.lists(st.text("abzЁéहि19  .,'-_—“”¿\n\t\x1e", max_size=40), max_size=4)


@pytest.mark.django_db
@given(PLAIN)
def test_words_between_blanks_are_those_of_any_text(texts: list[str]) -> None:
    """They are split faster where there is nothing else. Beside a symbol, all go the long way: to the same places."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT katha_words(VARIADIC %s::text[]), ts_delete(katha_words(VARIADIC %s::text[]), %s)",
            [texts, [*texts, SYMBOL], SYMBOL],
        )
        short, long = cursor.fetchone()
    assert short == long


# --- Stories ----------------------------------------------------------------------------------------------------


CALLS = "SELECT coalesce(sum(calls), 0) FROM pg_stat_xact_user_functions WHERE funcname = 'katha_words'"


@pytest.mark.django_db
def test_a_new_story_is_indexed_once() -> None:
    """With all its chapters, when it is committed; a chapter that it gets later is indexed at once."""
    (author,) = crowd(1)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL track_functions = 'pl'")
        story = Story.objects.create(author=author, title="The well")
        Chapter.objects.bulk_create(Chapter(story=story, position=n, title=f"Chapter {n}", body=".") for n in (1, 2, 3))
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(CALLS)
        assert cursor.fetchone() == (1,)
        Chapter.objects.create(story=story, position=4, title="Further", body=".")
        cursor.execute(CALLS)
        assert cursor.fetchone() == (2,)
        cursor.execute("SELECT words @@ katha_query('well chapter further') FROM stories_storywords")
        assert cursor.fetchall() == [(True,)]


def found(who: ApiClient, text: str, **given: str) -> list[str]:
    """The titles of the stories that are found by a text."""
    answer = who.ask(
        "query ($f: StoryFilter) { stories(filter: $f) { edges { node { title } } } }", f={"text": text, **given}
    )
    return [edge["node"]["title"] for edge in answer["stories"]["edges"]]


def test_titles_of_chapters_are_found(asha: ApiClient, bilal: ApiClient) -> None:
    """With words of the story, as they change: renamed, added, deleted, restored, and with the story itself."""
    story = asha.published_story(title="The Lighthouse", chapters=2)
    assert found(bilal, "lighthouse chapter") == ["The Lighthouse"]
    first = asha.ask("query ($id: ID!) { story(id: $id) { chapters { id version } } }", id=story["id"])["story"][
        "chapters"
    ][0]
    renamed = asha.update_chapter(first["id"], {"title": "L’Été"}, first["version"])
    assert found(bilal, "ete") == found(bilal, "light ete") == ["The Lighthouse"]
    asha.append(story["id"], title="東京、大阪")
    assert found(bilal, "大阪") == ["The Lighthouse"]
    assert asha.delete_chapter(first["id"], renamed["chapter"]["version"])["__typename"] == "ChapterDeleted"
    assert found(bilal, "ete") == []
    revision = asha.revisions(story["id"])[0]
    version = asha.ask("query ($id: ID!) { story(id: $id) { version } }", id=story["id"])["story"]["version"]
    assert asha.restore(revision["id"], version)["__typename"].endswith("Success")
    assert found(bilal, "ete") == ["The Lighthouse"]
    version = asha.ask("query ($id: ID!) { story(id: $id) { version } }", id=story["id"])["story"]["version"]
    assert asha.update_story(story["id"], {"title": "The Keeper"}, version)["story"]["title"] == "The Keeper"
    assert found(bilal, "lighthouse") == []
    assert found(bilal, "keep ete 東京") == ["The Keeper"]


def test_a_drafts_chapters_are_its_authors(asha: ApiClient, bilal: ApiClient) -> None:
    """Neither a draft nor a story that was published once is found by others, nor one across a block."""
    draft = asha.create_story("0", title="Draft")["story"]
    asha.append(draft["id"], title="Secret garden")
    assert found(asha, "secret", status="DRAFT") == ["Draft"]
    assert found(asha, "secret") == found(bilal, "secret") == found(bilal, "secret", status="DRAFT") == []
    version = asha.ask("query ($id: ID!) { story(id: $id) { version } }", id=draft["id"])["story"]["version"]
    version = asha.publish(draft["id"], version)["story"]["version"]
    assert found(bilal, "secret") == ["Draft"]
    asha.block(bilal)
    assert found(bilal, "secret") == []
    asha.unpublish(draft["id"], version)
    assert found(ApiClient(None), "secret") == []


# --- People -----------------------------------------------------------------------------------------------------

PEOPLE = """
query ($text: String!, $first: Int, $after: String) {
  people(text: $text, first: $first, after: $after) {
    totalCount edges { cursor node { handle } } pageInfo { hasNextPage endCursor }
  }
}
"""


def people(who: ApiClient, text: str) -> list[str]:
    """The handles of the people who are found, page by page; they are as many as is said."""
    handles, after = [], None
    while True:
        page = who.ask(PEOPLE, text=text, first=2, after=after)["people"]
        handles += [edge["node"]["handle"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            assert page["totalCount"] == len(handles)
            return handles
        after = page["pageInfo"]["endCursor"]


def test_people_are_found_by_handle_and_name(asha: ApiClient, bilal: ApiClient) -> None:
    """By beginnings of words; whoever has the very handle comes first, then those who joined last."""
    others = [join(handle) for handle in ("asha_rao", "ash", "Asha.k", "zoe")]
    others[3].update_profile({"name": "Ashą Łódź 東京"}, "1")
    assert people(bilal, "asha") == people(bilal, " @ASHA ") == ["asha", "zoe", "Asha.k", "asha_rao"]
    assert people(bilal, "ash") == ["ash", "zoe", "Asha.k", "asha_rao", "asha"]
    assert people(ApiClient(None), "lodz") == people(bilal, "京") == people(bilal, "ash lod") == ["zoe"]
    assert people(bilal, "asharao") == people(bilal, "rao asha") == ["asha_rao"]
    assert people(bilal, "nobody") == people(bilal, "?!") == []


def test_who_is_hidden_is_not_found(asha: ApiClient, bilal: ApiClient) -> None:
    """Across a block from either side, and who has left."""
    ashish = join("ashish")
    assert people(bilal, "ash") == ["ashish", "asha"]
    asha.block(bilal)
    assert people(bilal, "asha") == people(asha, "bilal") == []
    assert people(bilal, "ash") == ["ashish"]
    assert people(ApiClient(None), "bilal") == ["bilal"]
    assert ashish.delete_account(PASSWORD)["applied"] == "WRITTEN"
    assert people(ApiClient(None), "ashish") == people(ApiClient(None), "ash")[1:] == []


@pytest.mark.parametrize(
    ("text", "said"), [("", "must not be empty or blank."), ("a" * 201, "is too long"), ("a " * 41, "too many")]
)
def test_a_text_for_people_has_a_length(asha: ApiClient, text: str, said: str) -> None:
    """As one for stories."""
    (error,) = asha.post(PEOPLE, text=text)["errors"]
    assert error["message"].startswith("text: ")
    assert said in error["message"]
    assert error["extensions"]["code"] == "INVALID"
