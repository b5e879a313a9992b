"""A long stream keeps nothing of past frames; `benchmarks/soak.py` checks the same for hours."""

import gc
import tracemalloc

import numpy as np
import pytest
import torch

from har import ActivityHead, SlidingWindow
from pose import Predictor, hg1

SIZES = [(72, 96), (120, 160), (96, 72), (240, 320)]  # height, width, px
ROUND = 40  # frames: ten of each size, alternating every five


@pytest.fixture
def stream():
    torch.manual_seed(0)
    head = ActivityHead(3, hidden=8, frames=6)
    head.actions = ["sit", "stand", "wave"]
    return SlidingWindow(head, pose=Predictor(hg1(channels=16), inp_res=64), window=10)


def camera(count):
    """Frames of changing size, black and noise among them; new arrays each time."""
    rng = np.random.default_rng(0)
    for i in range(count):
        size = (*SIZES[i // 5 % len(SIZES)], 3)
        yield np.zeros(size, np.uint8) if i % 7 == 0 else rng.integers(0, 256, size, dtype=np.uint8)


def skeletons(count):
    """Landmarks of which some are missing."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield np.where(rng.random((20, 1)) < 0.05, np.nan, rng.uniform(0, 200, (20, 2)))


def kept(moments, rounds, every):
    """After each round of frames: bytes that Python and NumPy hold, objects, and tensors' bytes."""
    rows = []
    tracemalloc.start()
    try:
        for number, _ in zip(range(1, 1 + rounds * every), moments, strict=False):
            if number % every == 0:
                gc.collect()
                objects = gc.get_objects()
                tensors = sum(x.untyped_storage().nbytes() for x in objects if type(x) is torch.Tensor)
                rows.append((tracemalloc.get_traced_memory()[0], len(objects), tensors))
                del objects
    finally:
        tracemalloc.stop()
    return np.array(rows)


def assert_flat(rows):
    """The second half of the rounds leaves less than one frame of the smallest size, which has 20,736 bytes; the free
    lists of Python itself still fill up by some 10 kB."""
    growth = rows[-1] - rows[len(rows) // 2 - 1]
    assert growth[0] < 20_000, growth
    assert growth[1] < 40, growth
    assert growth[2] == 0, growth


def test_a_stream_of_frames_keeps_none_of_them(stream):
    assert_flat(kept(stream.run(camera(6 * ROUND)), rounds=6, every=ROUND))


def test_a_stream_of_landmarks_keeps_only_its_window(stream):
    assert_flat(kept(stream.run(skeletons(600)), rounds=6, every=100))


def test_consecutive_streams_leave_nothing_behind(stream):
    def moments():
        while True:
            yield from stream.run(skeletons(15))

    assert_flat(kept(moments(), rounds=6, every=45))


def test_what_is_kept_would_be_seen(stream):
    """The same measurement when every frame, tensor or moment is kept."""
    sources = camera(4 * ROUND), map(torch.from_numpy, camera(4 * ROUND)), stream.run(skeletons(4 * ROUND))
    for source in sources:
        kept_for_ever = []
        with pytest.raises(AssertionError):
            assert_flat(kept((kept_for_ever.append(what) for what in source), rounds=4, every=ROUND))
