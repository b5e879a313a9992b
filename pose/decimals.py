"""Reading many plain decimal numbers at once."""

import numpy as np

MOST_DIGITS = 15  # an integer of so many is exact in float64, and so is the power of ten that it is divided by
POINT, MINUS, NEWLINE = b".-\n"


def read_decimals(lines, count):
    """The numbers (len(lines), count) float64 of lines that hold `count` plain decimals each, one space between them.

    They are what float() makes of each, several times sooner: without their points they are integers, which are then
    divided by powers of ten. Returns None where anything else stands in a line: nan, an exponent, two spaces.
    """
    text = "\n".join(lines) + "\n"
    characters = np.frombuffer(text.encode("utf-8", "surrogateescape"), np.uint8)
    ends = np.flatnonzero((characters == ord(" ")) | (characters == NEWLINE))
    points, minuses = np.flatnonzero(characters == POINT), np.flatnonzero(characters == MINUS)
    digits = np.count_nonzero((characters >= ord("0")) & (characters <= ord("9")))
    if len(ends) != len(lines) * count or digits + len(ends) + len(points) + len(minuses) != len(characters):
        return None
    starts = np.concatenate([[0], ends[:-1] + 1])
    has_point, has_minus = np.searchsorted(ends, points), np.searchsorted(ends, minuses)
    lengths = ends - starts
    lengths[has_point] -= 1
    lengths[has_minus] -= 1
    plain = (
        (characters[ends[count - 1 :: count]] == NEWLINE).all()
        and np.array_equal(starts[has_minus], minuses)
        and (np.diff(has_point) > 0).all()  # no number has two
        and 1 <= lengths.min() <= lengths.max() <= MOST_DIGITS
    )
    if not plain:
        return None
    decimals = np.zeros(len(ends))
    decimals[has_point] = ends[has_point] - points - 1
    integers = np.fromstring(text.replace(".", ""), np.int64, sep=" ")
    return (integers / 10.0**decimals).reshape(len(lines), count)
