"""Framing: where the bytes were cut makes no difference."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ordod.wire.framing import LINE_BYTES_MAX, TOO_LONG, Lines

pieces = st.lists(st.sampled_from([b"{}", b"a", b"\n", b"\r\n", b" ", b"\r", b"\xff", b"\n\n"]))


@given(pieces, st.lists(st.integers(0, 40)))
def test_a_stream_cut_anywhere_gives_the_same_lines(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})

    whole = Lines()
    in_one = whole.feed(stream) + whole.end()
    cut = Lines()
    in_pieces = [line for a, b in pairwise(places) for line in cut.feed(stream[a:b])]

    assert in_pieces + cut.end() == in_one


def test_carriage_returns_and_blank_lines_are_ignored() -> None:
    assert Lines().feed(b"\n\r\n  \n{}\r\n\t\n[]\n") == [b"{}", b"[]"]


def test_a_line_of_the_bound_passes_and_one_byte_more_does_not() -> None:
    longest = b"x" * LINE_BYTES_MAX

    assert Lines().feed(longest + b"\n") == [longest]
    assert Lines().feed(longest + b"x\n{}\n") == [TOO_LONG, b"{}"]


def test_a_line_beyond_the_bound_is_thrown_away_wherever_it_is_cut() -> None:
    lines = Lines()

    seen = [line for _ in range(20) for line in lines.feed(b"x" * 65536)]
    seen += lines.feed(b"x\n{}\n")

    assert seen == [TOO_LONG, b"{}"]
    assert lines.begun == 0


def test_a_long_line_in_the_middle_of_one_piece_is_too_long_as_well() -> None:
    assert Lines().feed(b"{}\n" + b"x" * (LINE_BYTES_MAX + 1) + b"\n{}\n") == [
        b"{}",
        TOO_LONG,
        b"{}",
    ]
