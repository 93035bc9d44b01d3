"""The Python client merges as the server does: the same parts of the same texts, also where there is a choice."""

from hypothesis import given
from hypothesis import strategies as st
from katha_client.generated import merge as ours
from katha_client.lcs import LCSseq
from rapidfuzz.distance import LCSseq as Theirs

from backend.stories import merge as theirs

NUMBERS = st.lists(st.integers(0, 4), max_size=14)
GAPS = st.sampled_from(["\n\n", "\n\n\n", "\n \n", "\r\n\r\n"])
TEXTS = st.lists(st.tuples(st.sampled_from("abcdef"), GAPS), max_size=8).map(
    lambda pieces: "".join(text + gap for text, gap in pieces)
)


@given(NUMBERS, NUMBERS)
def test_of_several_longest_the_same_is_found(one: list[int], other: list[int]) -> None:
    equal = [tuple(run)[1:] for run in LCSseq.opcodes(one, other)]
    assert equal == [
        (code.src_start, code.src_end, code.dest_start, code.dest_end)
        for code in Theirs.opcodes(one, other)
        if code.tag == "equal"
    ]


@given(TEXTS, TEXTS, TEXTS)
def test_three_texts_become_the_same_parts(base: str, mine: str, their: str) -> None:
    assert [vars(part) for part in ours.three_way(base, mine, their)] == [
        vars(part) for part in theirs.three_way(base, mine, their)
    ]


def test_a_text_of_many_paragraphs_is_merged_in_no_time() -> None:
    """Thousands of paragraphs that all differ, as after a reformatting: the client has no compiled package."""
    base = "\n\n".join(f"paragraph {n}" for n in range(2000))
    mine, their = base.replace("7", "seven"), base.replace("paragraph 3", "Paragraph 3")
    assert [vars(part) for part in ours.three_way(base, mine, their)] == [
        vars(part) for part in theirs.three_way(base, mine, their)
    ]
