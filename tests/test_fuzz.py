"""Property tests (hypothesis): any text in the two files that people write, and any crop.

`tests/tools/fuzz.py` runs longer, and is guided by coverage.
"""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from har import read_clips
from pose import (
    KINECT20,
    Annotations,
    Skeleton,
    crop_matrix,
    heatmap_to_image,
    heatmaps_to_landmarks,
    landmarks_to_heatmaps,
    read_annotations,
    transform_landmarks,
    write_annotations,
)
from pose.clips import write_clips
from pose.geometry import compose, invert, mirror_landmarks, mirror_matrix
from pose.runtime.errors import PoseError

TWO = Skeleton(("left_hand", "right_hand"), limbs=())  # mutations of short lines are more effective
EPSILON = np.finfo(np.float64).eps
WORDS = [b"nan", b"inf", b"1e999", b"-", b"#", b"..", b"/", b"\\", b"C:", b"\xef\xbb\xbf", b"\xff", b"\0", b"\r", b"\n",
         b" ", b"\xe2\x80\xa8", b",", b'"', b'""', b"1_0", b"0 0"]  # fmt: skip
JOINTS = [
    b"a.png 1.5 2.5 nan nan\nb c.png -3 4 0 0\n",
    b"# by hand\r\n\r\n\xef\xbb\xbfb c.png\t1 2  3 4\r\na.png 5 6 7 8",
]
HEADER = b"clip,subject,action,first_image,last_image\n"
CLIPS = [
    HEADER + b'x,Ann,wave,a/0.png,a/1.png\n"y, 2",Bob,wave,b/0.png,b/3.png\n',
    HEADER + b"x,Ann,wave,a/0.png,a/1.png",
]


@st.composite
def mutated(draw, seeds):
    """One of the seeds with some of its bytes replaced, removed and inserted."""
    content = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 5))):
        place = draw(st.integers(0, len(content)))
        content[place : place + draw(st.integers(0, 6))] = draw(st.sampled_from(WORDS) | st.binary(max_size=4))
    return bytes(content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "images").mkdir()
    for name in ("a.png", "b c.png"):
        (folder / "images" / name).touch()
    return folder


def read_or_faults(read, *args):
    """The result, or None and the messages of the project's own error; any other error is raised."""
    try:
        return read(*args), []
    except PoseError as error:
        return None, getattr(error, "faults", [str(error)])


def say_where(faults, file):
    return all(re.match(rf".*{file}(, line \d+)?: \S", fault, re.DOTALL) for fault in faults)


@settings(deadline=None, max_examples=300)
@given(content=st.binary(max_size=200) | mutated(JOINTS), with_images=st.booleans())
def test_whatever_a_joints_file_holds_it_is_read_or_its_faults_are_listed(folder, content, with_images):
    (folder / "joints.txt").write_bytes(content)
    image_dir = folder / "images" if with_images else None
    annotations, faults = read_or_faults(read_annotations, folder / "joints.txt", image_dir, TWO)
    assert say_where(faults, r"joints\.txt")
    if annotations is not None:
        assert annotations.landmarks.shape == (len(annotations.paths), 2, 2)
        missing = np.isnan(annotations.landmarks)
        np.testing.assert_array_equal(missing[..., 0], missing[..., 1])
        assert not np.isinf(annotations.landmarks).any()


@settings(deadline=None, max_examples=300)
@given(content=st.binary(max_size=200) | st.binary(max_size=100).map(HEADER.__add__) | mutated(CLIPS))
def test_whatever_a_clips_file_holds_it_is_read_or_its_faults_are_listed(folder, content):
    annotations = Annotations([f"{where}/{i}.png" for where in "ab" for i in range(5)], np.ones((10, 2, 2)))
    (folder / "clips.csv").write_bytes(content)
    clips, faults = read_or_faults(read_clips, folder / "clips.csv", annotations)
    assert say_where(faults, r"clips\.csv")
    if clips is not None:
        assert all(0 <= clip.first < clip.last < 10 for clip in clips)
        assert all(clip.name and clip.subject and clip.action for clip in clips)


numbers = st.floats(-1e5, 1e5) | st.sampled_from([0.0, -0.0, 4e-4, np.nan, np.inf])
names = st.text(max_size=8) | st.sampled_from(
    ["photo 1", "a nan", "#a", "\ufeffa", "a\u2028b", "a\x85", "x/../y", "\udcff", "\ud800"]
)
pairs = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=2)


@settings(deadline=None, max_examples=300)
@given(written=st.dictionaries(names, pairs, min_size=1, max_size=4))
def test_what_is_written_is_read_back_to_a_thousandth_or_not_written(folder, written):
    (folder / "written.txt").unlink(missing_ok=True)
    _, refused = read_or_faults(write_annotations, folder / "written.txt", written)
    assert (folder / "written.txt").exists() == (not refused)
    if not refused:
        back, faults = read_or_faults(read_annotations, folder / "written.txt", None, TWO)
        assert all("is already on line" in fault for fault in faults)  # ./a and a are two names until they are read
        if back is not None:
            assert back.paths == list(written)
            rounded = Annotations(written, np.round(list(written.values()), 3)).landmarks
            np.testing.assert_allclose(back.landmarks, rounded, atol=1e-3)


words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6)


@settings(deadline=None, max_examples=100)
@given(fields=st.lists(st.tuples(words, words, words), min_size=1, max_size=3))
def test_the_names_of_clips_are_read_as_they_were_written(folder, fields):
    images = [(f"{i}/0.png", f"{i}/1.png") for i in range(len(fields))]
    fields = [(f"{i} {name}", subject, action) for i, (name, subject, action) in enumerate(fields)]
    write_clips(folder / "clips.csv", [field + image for field, image in zip(fields, images, strict=True)])
    annotations = Annotations([name for image in images for name in image], np.ones((2 * len(images), 2, 2)))
    clips, faults = read_or_faults(read_clips, folder / "clips.csv", annotations)
    assert all(re.search("is empty|only the subject", fault) for fault in faults)
    if clips is not None:
        expected = [tuple(field.strip() for field in three) for three in fields]
        assert [(clip.name, clip.subject, clip.action) for clip in clips] == expected


# The geometry. Rounding in float64: each of a matrix's products is exact to a few units in the last place, and the
# largest numbers that cancel are the position, the center and the crop's side.
places = st.tuples(*[st.floats(-1e6, 1e6)] * 2)
crops = st.fixed_dictionaries({"center": places, "scale": st.floats(1e-3, 1e4), "rot": st.floats(-1e4, 1e4),
                               "res": st.integers(1, 4096)})  # fmt: skip


def image_tolerance(place, center, scale, res):
    """The tolerance in image px, to the crop and back."""
    return 16 * EPSILON * (np.abs([*place, *center]).max() + 200 * scale * (1 + 1 / res))


@settings(deadline=None, max_examples=300)
@given(place=places, crop=crops)
def test_any_point_comes_back_from_any_crop(place, crop):
    there = transform_landmarks([place], crop_matrix(**crop))
    back = heatmap_to_image(there, crop["center"], crop["scale"], crop["rot"], crop["res"])
    tolerance = image_tolerance(place, crop["center"], crop["scale"], crop["res"])
    np.testing.assert_allclose(back, [place], rtol=0, atol=tolerance)


@settings(deadline=None, max_examples=300)
@given(place=places, first=crops, second=crops)
def test_one_matrix_does_what_the_two_that_it_is_composed_of_do(place, first, second):
    to_first, to_second = crop_matrix(**first), crop_matrix(**second)
    direct = transform_landmarks([place], compose(to_second, invert(to_first)))
    by_way = transform_landmarks(
        heatmap_to_image([place], *(first[key] for key in ("center", "scale", "rot", "res"))), to_second
    )
    side = 200 * first["scale"]
    largest = np.abs(place).max() * side / first["res"] + side + np.abs([*first["center"], *second["center"]]).max()
    zoom = second["res"] / (200 * second["scale"])
    np.testing.assert_allclose(direct, by_way, rtol=0, atol=32 * EPSILON * (zoom * largest + second["res"]))


@settings(deadline=None, max_examples=200)
@given(place=places, other=places, crop=crops)
def test_a_crop_keeps_shapes_and_changes_all_lengths_alike(place, other, crop):
    there = transform_landmarks([place, other], crop_matrix(**crop))
    zoom = crop["res"] / (200 * crop["scale"])
    tolerance = zoom * image_tolerance((*place, *other), crop["center"], crop["scale"], crop["res"])
    length = np.linalg.norm(there[0] - there[1])
    np.testing.assert_allclose(
        length, zoom * np.linalg.norm(np.subtract(place, other)), rtol=8 * EPSILON, atol=tolerance
    )


@settings(deadline=None, max_examples=200)
@given(place=places, width=st.integers(1, 100_000))
def test_mirrored_twice_is_where_it_was_under_the_same_name(place, width):
    landmarks = np.array([place] * len(KINECT20)) + np.arange(len(KINECT20))[:, None]
    twice = mirror_landmarks(mirror_landmarks(landmarks, width, KINECT20), width, KINECT20)
    tolerance = 4 * EPSILON * (np.abs(landmarks).max() + width)
    np.testing.assert_allclose(twice, landmarks, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(compose(mirror_matrix(width), mirror_matrix(width)), np.eye(2, 3))


@settings(deadline=None, max_examples=200)
@given(
    inside=st.lists(st.tuples(*[st.floats(-0.499, 0.499)] * 2), min_size=1, max_size=5),
    crop=crops,
    out_res=st.integers(8, 128),
    sigma=st.floats(0.9, 2),  # in the corners it is exact for these
)
def test_landmarks_come_back_from_their_heatmaps(inside, crop, out_res, sigma):
    crop = crop | {"res": out_res}
    of_crop = (crop["center"], crop["scale"], crop["rot"], out_res)
    in_heatmap = np.array([*inside, (np.nan, np.nan)]) * out_res + out_res / 2 - 0.5
    landmarks = heatmap_to_image(in_heatmap, *of_crop)  # in the image, anywhere in the crop
    heatmaps = landmarks_to_heatmaps(transform_landmarks(landmarks, crop_matrix(**crop)), out_res, sigma)
    found, confidence = heatmaps_to_landmarks(heatmaps)
    back = heatmap_to_image(found.numpy(), *of_crop)
    pixel = 200 * crop["scale"] / out_res  # of the heatmap, in image px
    tolerance = 2e-3 * pixel + image_tolerance((0, 0), crop["center"], crop["scale"], out_res)
    np.testing.assert_allclose(back[:-1], landmarks[:-1], rtol=0, atol=tolerance)
    assert np.isnan(back[-1]).all()
    np.testing.assert_allclose(confidence.numpy(), [1] * len(inside) + [0], atol=2e-3)
