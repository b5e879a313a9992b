"""Numbers read many at once are those of float(), and whatever is no plain decimal is left to it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pose.decimals import read_decimals

PLAIN = st.from_regex(r"-?([0-9]{1,7}(\.[0-9]{0,8})?|\.[0-9]{1,8})", fullmatch=True)


@given(st.lists(st.lists(PLAIN, min_size=3, max_size=3), min_size=1, max_size=5))
def test_plain_decimals_are_read_as_float_reads_them(rows):
    found = read_decimals([" ".join(row) for row in rows], 3)
    np.testing.assert_array_equal(found, [[float(text) for text in row] for row in rows])


@given(st.lists(st.text(alphabet="0123456789.- \tenaif+_,", max_size=12), min_size=1, max_size=3))
def test_it_is_right_or_silent(lines):
    found = read_decimals(lines, 2)
    if found is not None:
        np.testing.assert_array_equal(found, [[float(text) for text in line.split(" ")] for line in lines])


@pytest.mark.parametrize(
    "lines",
    [["1 nan"], ["1 1e3"], ["1  2"], ["1"], ["1 2 3", "1"], ["1 ."], ["1 -"], ["1 2 3"],
     ["1-2 . 3"], ["1-2 3"], ["1 2..3"], ["1,5 2"],
     ["1 ٣"], ["1 1234567890123456"], ["1 \udcff"]],
)  # fmt: skip
def test_anything_else_is_left_to_float(lines):
    assert read_decimals(lines, 2) is None
