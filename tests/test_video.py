"""`read_frames`: cameras that misbehave, and broken videos."""

import os
import struct
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from har import ActivityHead, SlidingWindow
from pose import ImageError, Predictor, hg1, read_frames
from pose import films as video
from pose.runtime.errors import DataError, MissingError

HANGS = 10.0  # s until a read from a hanging camera fails, as on Linux


class Camera:
    """A `cv2.VideoCapture` that plays a script: frames; None for a read that fails; HANGS for one that fails late; an
    error for one that raises it. After the script every read fails. Time passes only through the script and sleep."""

    def __init__(self, monkeypatch, script, opened=True, **properties):
        self.script, self.opened, self.properties = list(script), opened, properties
        self.now, self.played, self.released = 100.0, 0, False
        monkeypatch.setattr(cv2, "VideoCapture", lambda source: self)
        monkeypatch.setattr(video, "time", SimpleNamespace(monotonic=lambda: self.now, sleep=self.sleep))

    def sleep(self, seconds):
        self.now += seconds

    def isOpened(self):
        return self.opened

    def read(self):
        self.now += 0.001
        self.played += 1
        what = self.script.pop(0) if self.script else None
        if isinstance(what, Exception):
            raise what
        if what is None or isinstance(what, float):
            self.now += what or 0
            return False, None
        return True, what

    def get(self, what):
        return self.properties.get({cv2.CAP_PROP_FRAME_COUNT: "count", cv2.CAP_PROP_FPS: "rate"}.get(what), 0.0)

    def release(self):
        self.released = True


def frame(width=96, height=72, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture
def stream():
    torch.manual_seed(0)
    head = ActivityHead(3, hidden=8, frames=6)
    head.actions = ["sit", "stand", "wave"]
    return SlidingWindow(head, pose=Predictor(hg1(channels=16), inp_res=64), window=5)


def test_a_camera_that_stalls_continues(stream, monkeypatch):
    Camera(monkeypatch, [frame(), *[None] * 80, frame(), HANGS / 4, frame()])  # 80 × 0.05 s
    moments = stream.run(0)
    assert [next(moments).action in stream.actions for _ in range(3)] == [True] * 3


def test_dropped_frames_are_skipped(monkeypatch):
    first, second, third = (frame(seed=seed) for seed in range(3))
    empty = np.empty((0, 0, 3), np.uint8)
    script = [None, first, None, second, cv2.error("out of memory"), empty, third]
    Camera(monkeypatch, script)
    frames = read_frames(0)
    for expected in (first, second, third):
        np.testing.assert_array_equal(next(frames), expected[..., ::-1])


def test_a_camera_may_change_its_resolution(stream, monkeypatch):
    sizes = [(96, 72), (160, 120), (72, 96), (96, 72)]
    shown = [frame(*size) for size in sizes]
    Camera(monkeypatch, shown)
    for picture, moment in zip(shown, stream.run(0), strict=False):
        expected = stream.pose.predict(np.ascontiguousarray(picture[..., ::-1]))[0].landmarks
        np.testing.assert_allclose(moment.landmarks, expected, atol=1e-3)
        if picture is shown[-1]:
            break


def test_an_unplugged_camera_ends_the_stream_with_an_error(stream, monkeypatch):
    camera = Camera(monkeypatch, [frame(), frame()])
    moments = []
    with pytest.raises(ImageError, match=r"camera 3: has given no frame for 5\.[01] s; check that it is plugged in"):
        moments.extend(stream.run(3))
    assert len(moments) == 2
    assert camera.released
    assert 5.0 <= camera.now - 100 < 5.2


def test_patience_limits_how_long_a_camera_may_give_nothing(monkeypatch):
    Camera(monkeypatch, [frame(), *[None] * 80, frame()])
    with pytest.raises(ImageError, match=r"no frame for 1\.0 s"):
        list(read_frames(0, patience=1.0))
    camera = Camera(monkeypatch, [frame(), *[None] * 400, frame()])
    frames = read_frames(0, patience=60)
    assert (len(next(frames)), len(next(frames))) == (72, 72)
    assert camera.now - 100 > 20


def test_a_read_that_hangs_is_not_tried_again_beyond_patience(monkeypatch):
    camera = Camera(monkeypatch, [frame(), HANGS, frame()])
    with pytest.raises(ImageError, match=r"no frame for 10\.0 s"):
        list(read_frames(0))
    assert camera.played == 2


def test_time_spent_on_a_frame_does_not_count_as_waiting(monkeypatch):
    camera = Camera(monkeypatch, [frame(), None, frame()])
    frames = read_frames(0)
    next(frames)
    camera.now += 3600
    assert len(next(frames)) == 72


def test_a_camera_that_cannot_be_opened_is_not_waited_for(stream, monkeypatch):
    camera = Camera(monkeypatch, [], opened=False)
    with pytest.raises(ImageError, match="camera 1: cannot be opened; is it plugged in"):
        next(stream.run(1))
    assert camera.now == 100
    assert camera.released


def test_a_camera_is_released_when_no_more_frames_are_wanted(monkeypatch):
    camera = Camera(monkeypatch, [frame()] * 3)
    frames = read_frames(0)
    next(frames)
    frames.close()
    assert camera.released
    assert camera.played == 1


@pytest.mark.parametrize("channels", [(), (1,), (4,)])
def test_grey_and_transparent_frames_become_rgb(stream, monkeypatch, channels):
    given = np.full((72, 96, *channels), 7, np.uint8)
    if channels == (4,):
        given[:] = 30, 20, 10, 99  # blue, green, red, opacity
    Camera(monkeypatch, [given] * 2)
    read = next(read_frames(0))
    np.testing.assert_array_equal(read[5, 5], [10, 20, 30] if channels == (4,) else [7, 7, 7])
    assert read.shape == (72, 96, 3)
    assert next(stream.run(0)).landmarks.shape == (20, 2)


@pytest.mark.parametrize("given", [np.zeros((72, 96), np.uint16), np.zeros((72, 96, 2), np.uint8)])
def test_frames_of_another_kind_are_named(monkeypatch, given):
    camera = Camera(monkeypatch, [given])
    with pytest.raises(ImageError, match=r"camera 0: gives frames \(72, 96.*instead of 8-bit"):
        next(read_frames(0))
    assert camera.released


def test_a_film_of_varying_rate_is_complete_at_the_end_of_its_duration(monkeypatch, tmp_path):
    """Its number of frames is estimated as duration × rate: here it slows down to half the rate."""
    (tmp_path / "film.mkv").write_bytes(b"")

    def film(last):
        capture = Camera(monkeypatch, [frame()] * 300, count=600.0, rate=30.0)
        get = capture.get
        capture.get = lambda what: last if what == cv2.CAP_PROP_POS_MSEC else get(what)
        return list(read_frames(tmp_path / "film.mkv"))

    assert len(film(last=19_900.0)) == 300
    with pytest.raises(ImageError, match="ends after 300 of 600 frames"):
        film(last=9_967.0)


@pytest.fixture
def film(tmp_path):
    """A function that writes a video of noise in which every frame is different; returns path and bytes."""

    def write(count, name="film.avi"):
        writer = cv2.VideoWriter(str(tmp_path / name), cv2.VideoWriter_fourcc(*"MJPG"), 10, (96, 72))
        for seed in range(count):
            writer.write(frame(seed=seed))
        writer.release()
        return tmp_path / name, bytearray((tmp_path / name).read_bytes())

    return write


def until_the_error(source, stream=None):
    """The frames read, and the error's message."""
    frames = []
    with pytest.raises(ImageError) as error:
        frames.extend(stream.run(str(source)) if stream else read_frames(source))
    return frames, str(error.value)


@pytest.mark.parametrize("whole", [1, 6, 11])
def test_all_complete_frames_of_a_cut_film_come_before_the_error(stream, film, whole):
    path, content = film(12)
    complete = list(read_frames(path))
    starts = [i for i in range(content.index(b"movi"), len(content)) if content[i : i + 4] == b"00dc"]
    path.write_bytes(content[: starts[whole] + 100])  # only the beginning of the next frame
    frames, message = until_the_error(path)
    np.testing.assert_array_equal(frames[:whole], complete[:whole])
    assert len(frames) in (whole, whole + 1)  # the last one may be partial
    assert f"film.avi: ends after {len(frames)} of 12 frames" in message
    assert len(until_the_error(path, stream)[0]) == len(frames)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.9, 0.99])
def test_a_real_film_that_is_cut_gives_what_it_has(pose_data, tmp_path, share):
    content = (pose_data / "video" / "exercise.avi").read_bytes()
    (tmp_path / "cut.avi").write_bytes(content[: int(share * len(content))])
    complete = read_frames(pose_data / "video" / "exercise.avi")
    frames, message = until_the_error(tmp_path / "cut.avi")
    assert share - 0.02 < len(frames) / 393 < share + 0.02
    assert f"ends after {len(frames)} of 393 frames" in message
    for ours, whole in zip(frames[:-1], complete, strict=False):
        np.testing.assert_array_equal(ours, whole)


@pytest.mark.parametrize("share", [0.1, 0.9, 0.999])
def test_a_real_film_whose_table_of_contents_is_cut_off_gives_no_frame(pose_data, tmp_path, share):
    content = (pose_data / "video" / "two_people.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: int(share * len(content))])
    frames, message = until_the_error(tmp_path / "cut.mp4")
    assert frames == []
    assert message.endswith("gives no frame; is it a video in a known format, and complete?")


@pytest.mark.parametrize("content", [b"", b"no video", b"RIFF", b"\0" * 5000])
@pytest.mark.parametrize("name", ["film.mp4", "film.avi", "film_001.mkv"])
def test_what_is_no_video_gives_no_frame(stream, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    frames, message = until_the_error(tmp_path / name, stream)
    assert frames == []
    assert f"{name}: gives no frame" in message


@pytest.mark.parametrize("name", ["film.avi", "film.mkv"])
def test_a_video_without_frames_is_named(film, name):
    path, _ = film(0, name)
    assert f"{name}: gives no frame" in until_the_error(path)[1]


@pytest.mark.parametrize("source", ["", "none.avi", "a" * 300, "a\0b.avi"])
def test_a_source_that_does_not_exist_is_missing(stream, source):
    with pytest.raises(MissingError, match="there is no such video"):
        next(stream.run(source))


def test_a_folder_without_images_is_named(stream, tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(DataError, match="contains no image"):
        next(stream.run(tmp_path))


def test_a_name_need_not_be_utf_8(film):
    path, content = film(2)
    try:
        other = os.fsdecode(os.fsencode(path.parent) + b"/f\xff.avi")
        with open(other, "wb") as file:
            file.write(content)
    except OSError:
        pytest.skip("the file system takes no such name")
    assert len(list(read_frames(other))) == 2


def stated(content, frames=None, size=None):
    """The AVI file with other numbers in its header."""
    main, kind, picture = (content.index(tag) + 8 for tag in (b"avih", b"strh", b"strf"))
    if frames is not None:
        content[main + 16 : main + 20] = content[kind + 32 : kind + 36] = struct.pack("<I", frames)
    if size is not None:
        content[main + 32 : main + 40] = content[picture + 4 : picture + 12] = struct.pack("<II", *size)
    return content


@pytest.mark.parametrize("frames", [100, 2**31 - 1, 2**32 - 1])
def test_a_header_that_promises_too_many_frames_is_named(film, frames):
    path, content = film(3)
    path.write_bytes(stated(content, frames=frames))
    found, message = until_the_error(path)
    assert len(found) == 3
    assert f"ends after 3 of {frames} frames" in message


@pytest.mark.parametrize("size", [(0, 0), (65535, 65535), (2**31 - 1, 2**31 - 1)])
def test_the_size_of_the_frames_overrides_that_in_the_header(film, size):
    path, content = film(3)
    path.write_bytes(stated(content, size=size))
    assert [found.shape for found in read_frames(path)] == [(72, 96, 3)] * 3


def test_frames_of_an_absurd_size_are_none(film):
    path, content = film(3)
    sizes = [i for i in range(len(content)) if content[i : i + 5] == b"\xff\xc0\x00\x11\x08"]  # in each JPEG's header
    assert len(sizes) == 3
    for i in sizes:
        content[i + 5 : i + 9] = struct.pack(">HH", 65500, 65500)
    path.write_bytes(content)
    assert "gives no frame" in until_the_error(path)[1]


def test_random_damage_raises_nothing_else(film):
    path, content = film(6)
    rng = np.random.default_rng(0)
    for _ in range(60):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[rng.integers(0, len(damaged) if rng.random() < 0.5 else 6000, 20)] = rng.integers(0, 256, 20)
        path.write_bytes(damaged.tobytes())
        try:
            assert all(found.shape[2] == 3 for found in read_frames(path))
        except ImageError as error:
            assert str(path) in str(error)  # noqa: PT017
