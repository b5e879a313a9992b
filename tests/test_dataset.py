"""`Generic`: the contents of a sample, and that augmentation moves the image and its landmarks together."""

from copy import deepcopy

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import pose
from pose.augmentation import Augmentation
from pose.dataset import Generic
from pose.geometry import center_and_scale, crop_matrix, heatmap_to_image, transform_landmarks
from pose.heatmaps import heatmaps_to_landmarks, landmarks_to_heatmaps
from pose.skeleton import KINECT20

HEAD, LEFT_HAND, RIGHT_HAND = (KINECT20.index(name) for name in ("head", "left_hand", "right_hand"))
STILL = Augmentation(scale=0, rot=0, shift=0, mirror=0, light=0)


def sample_equal(a, b):
    """Whether two samples are the same to the last bit."""
    same_info = all(np.array_equal(a[2][key], b[2][key], equal_nan=key in ("pts", "tpts")) for key in a[2])
    return same_info and torch.equal(a[0], b[0]) and torch.equal(a[1], b[1])


def test_a_sample_is_an_image_heatmaps_and_nine_info_entries(tiny_annotations):
    image, heatmaps, info = Generic(tiny_annotations)[2]
    assert image.shape == (3, 256, 256)
    assert heatmaps.shape == (20, 64, 64)
    assert image.dtype == heatmaps.dtype == torch.float32
    assert 0 <= image.min() < image.max() <= 1
    assert set(info) == {"index", "center", "scale", "pts", "tpts", "inp_res", "out_res", "rot", "img_paths"}
    assert info["center"].shape == (2,)
    assert info["pts"].shape == info["tpts"].shape == (20, 2)
    assert (info["index"], info["inp_res"], info["out_res"]) == (2, 256, 64)
    assert info["img_paths"] == tiny_annotations.paths[2]


def test_samples_collate_with_the_default_loader(tiny_annotations):
    images, heatmaps, info = next(iter(DataLoader(Generic(tiny_annotations, inp_res=64, out_res=16), batch_size=4)))
    assert images.shape == (4, 3, 64, 64)
    assert heatmaps.shape == (4, 20, 16, 16)
    assert info["center"].shape == (4, 2)
    assert info["scale"].shape == info["rot"].shape == (4,)
    assert info["tpts"].dtype == info["scale"].dtype == info["rot"].dtype == torch.float32
    assert info["pts"].dtype == torch.float64
    assert info["index"].tolist() == [0, 1, 2, 3]
    assert info["img_paths"] == tiny_annotations.paths


@pytest.mark.parametrize("is_train", [True, False])
def test_the_info_of_a_sample_is_consistent(tiny_annotations, is_train):
    data = Generic(tiny_annotations, is_train, inp_res=128, out_res=32)
    for epoch in range(3):
        data.set_epoch(epoch)
        for _, heatmaps, info in data:
            crop = info["center"], info["scale"], info["rot"]
            np.testing.assert_allclose(heatmap_to_image(info["tpts"], *crop, 32), info["pts"], atol=1e-3)
            np.testing.assert_array_equal(heatmaps, landmarks_to_heatmaps(info["tpts"], 32))


def test_evaluation_crops_exactly_to_the_box_of_the_landmarks(tiny_annotations):
    data = Generic(tiny_annotations, is_train=False, inp_res=64, out_res=16)
    center, scale = center_and_scale(tiny_annotations.landmarks)
    for i, (_, _, info) in enumerate(data):
        np.testing.assert_allclose(info["center"], center[i], rtol=1e-6)
        np.testing.assert_allclose(info["scale"], scale[i], rtol=1e-6)
        assert info["rot"] == 0
        np.testing.assert_allclose(info["pts"], tiny_annotations.landmarks[i], rtol=1e-6)
    data.set_epoch(1)
    assert sample_equal(data[0], Generic(tiny_annotations, is_train=False, inp_res=64, out_res=16, seed=7)[0])


def test_training_without_any_change_has_the_geometry_of_evaluation(tiny_annotations):
    train = Generic(tiny_annotations, is_train=True, inp_res=64, out_res=16, augmentation=STILL)
    valid = Generic(tiny_annotations, is_train=False, inp_res=64, out_res=16)
    assert sample_equal(train[1], valid[1])


def test_augmentation_stays_in_its_bounds_and_uses_them(tiny_annotations):
    data = Generic(tiny_annotations.select([0]), inp_res=64, out_res=16)
    center, scale = center_and_scale(tiny_annotations.landmarks[0])
    rots, zooms, shifts, mirrored = [], [], [], []
    for epoch in range(200):
        data.set_epoch(epoch)
        info = data[0][2]
        mirrored.append(not np.allclose(info["pts"], tiny_annotations.landmarks[0]))
        expected = [69 - center[0], center[1]] if mirrored[-1] else center
        shifts.append((info["center"] - expected) / (200 * scale))
        zooms.append(info["scale"] / scale)
        rots.append(info["rot"])
    rots, zooms, shifts = np.array(rots), np.array(zooms), np.array(shifts)
    assert 0.35 < np.mean(mirrored) < 0.65
    assert 0.25 < np.mean(rots == 0) < 0.55
    assert 25 < rots.max() <= 30
    assert -30 <= rots.min() < -25
    assert 0.75 <= zooms.min() < 0.8
    assert 1.2 < zooms.max() <= 1.25
    assert 0.045 < np.abs(shifts).max() <= 0.0501


@pytest.mark.parametrize("part", [{"rot": 30}, {"scale": 0.25}, {"shift": 0.1}, {"mirror": 1}, {"light": 0.3}], ids=str)
def test_each_part_of_the_augmentation_changes_what_it_says(tiny_annotations, part):
    only = Augmentation(**{"rot": 0, "scale": 0, "shift": 0, "mirror": 0, "light": 0, "rot_share": 1} | part)
    image, heatmaps, info = Generic(tiny_annotations, True, 64, 16, augmentation=only)[0]
    still_image, still_heatmaps, still = Generic(tiny_annotations, False, 64, 16)[0]
    assert (info["rot"] != still["rot"]) == ("rot" in part)
    assert (info["scale"] != still["scale"]) == ("scale" in part)
    assert (info["center"] != still["center"]).any() == ("shift" in part or "mirror" in part)
    assert (info["pts"] != still["pts"]).any() == ("mirror" in part)
    assert torch.equal(heatmaps, still_heatmaps) == ("light" in part)
    assert not torch.equal(image, still_image)


@pytest.fixture(params=[220, 1400], ids=["a small image", "a large image"])
def dots(request, write_image):
    """An image with a red dot at the left hand, a green one at the right hand and a blue one at the head."""
    side = request.param
    landmarks = np.full((20, 2), np.nan)
    landmarks[[0, 1]] = [[0.15 * side, 0.2 * side], [0.8 * side, 0.85 * side]]  # these only make the box
    landmarks[[LEFT_HAND, RIGHT_HAND, HEAD]] = np.array([[0.41, 0.47], [0.56, 0.52], [0.5, 0.4]]) * side + 0.3
    y, x = np.indices((side, round(1.1 * side)))
    channels = [255 * np.exp(-((x - u) ** 2 + (y - v) ** 2) / (2 * (side / 70) ** 2))
                for u, v in landmarks[[LEFT_HAND, RIGHT_HAND, HEAD]]]  # fmt: skip
    return {write_image("dots.png", np.stack(channels, axis=-1).round().astype(np.uint8)): landmarks}


def centroids(image):
    """The centre of brightness of each channel of (3, H, W), as (3, 2) px."""
    weights = image.double().numpy()
    y, x = np.indices(weights.shape[1:])
    return np.stack([(x * weights).sum((1, 2)), (y * weights).sum((1, 2))], axis=1) / weights.sum((1, 2))[:, None]


@pytest.mark.parametrize("inp_res", [128, 256])
def test_image_and_landmarks_go_through_the_same_change(dots, inp_res):
    data = Generic(dots, inp_res=inp_res, out_res=inp_res // 4, augmentation=Augmentation(light=0))
    (original,) = dots.values()
    errors, seen = [], set()
    for epoch in range(12):
        data.set_epoch(epoch)
        image, heatmaps, info = data[0]
        mirrored = info["pts"][HEAD, 0] != original[HEAD, 0]
        seen.add((mirrored, info["rot"] != 0))
        # The red dot is the left hand; in a mirrored image it is what a viewer takes for the right hand.
        joints = [RIGHT_HAND, LEFT_HAND, HEAD] if mirrored else [LEFT_HAND, RIGHT_HAND, HEAD]
        expected = (centroids(image) + 0.5) / 4 - 0.5
        errors.append(info["tpts"][joints] - expected)
        places, _ = heatmaps_to_landmarks(heatmaps[joints])
        np.testing.assert_allclose(places, expected, atol=0.03)
    assert len(seen) == 4  # with and without mirroring, with and without rotation
    assert np.abs(errors).max() <= 0.02  # heatmap px
    assert np.abs(np.mean(errors, axis=(0, 1))).max() <= 0.005


def test_a_mirrored_sample_is_the_sample_of_the_mirrored_image(dots, write_image):
    ((path, landmarks),) = dots.items()
    picture = cv2.imread(path)[..., ::-1]
    left_right = landmarks[KINECT20.mirrored] * [-1, 1] + [picture.shape[1] - 1, 0]
    by_hand = Generic({write_image("mirrored.png", picture[:, ::-1]): left_right}, False, 128, 32)[0]
    only_mirror = Augmentation(scale=0, rot=0, shift=0, mirror=1, light=0)
    image, heatmaps, info = Generic(dots, True, 128, 32, augmentation=only_mirror)[0]
    # The large one is read as averages of 8 × 8 px, which in the mirrored file start at the other edge.
    atol = (5.01 if picture.shape[0] > 1000 else 2.01) / 255
    np.testing.assert_allclose(image, by_hand[0], atol=atol)
    np.testing.assert_allclose(heatmaps, by_hand[1], atol=1e-4)
    np.testing.assert_allclose(info["pts"], by_hand[2]["pts"], atol=1e-3)
    np.testing.assert_allclose(info["center"], by_hand[2]["center"], atol=1e-3)

    straight = Generic(dots, False, 128, 32)[0]
    np.testing.assert_allclose(heatmaps, straight[1][KINECT20.mirrored].flip(2), atol=1e-4)
    np.testing.assert_allclose(image, straight[0].flip(2), atol=2.01 / 255)


def test_lighting_changes_without_moving_anything(dots):
    light, dark = (Generic(dots, inp_res=128, out_res=32, augmentation=Augmentation(light=v))[0] for v in (0.3, 0))
    np.testing.assert_array_equal(light[2]["tpts"], dark[2]["tpts"])
    ratio = light[0].amax() / dark[0].amax()
    assert 0.4 < ratio < 1.7
    assert abs(ratio - 1) > 0.02


def test_an_augmentation_depends_on_seed_epoch_and_index_alone(tiny_annotations):
    def samples(seed, epoch, order=(0, 1, 2, 3)):
        data = Generic(tiny_annotations, inp_res=64, out_res=16, seed=seed)
        data.set_epoch(epoch)
        return {i: data[i] for i in order}

    first, again = samples(0, 0), samples(0, 0, order=(3, 1, 0, 2))
    assert all(sample_equal(first[i], again[i]) for i in first)
    for other in (samples(1, 0), samples(0, 1)):
        assert not any(sample_equal(first[i], other[i]) for i in first)
    _, scale = center_and_scale(tiny_annotations.landmarks)
    assert len({round(first[i][2]["scale"] / scale[i], 4) for i in first}) == 4


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # Python 3.12 and later, with threads
def test_samples_do_not_depend_on_the_number_of_workers(tiny_annotations):
    data = Generic(tiny_annotations, inp_res=64, out_res=16)
    data.set_epoch(5)
    alone, shared = (list(DataLoader(data, batch_size=2, num_workers=workers)) for workers in (0, 2))
    for (image, heatmaps, info), (image2, heatmaps2, info2) in zip(alone, shared, strict=True):
        assert torch.equal(image, image2)
        assert torch.equal(heatmaps, heatmaps2)
        assert torch.equal(info["center"], info2["center"])


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_persistent_workers_see_the_next_epoch(tiny_annotations, start):
    data = Generic(tiny_annotations, inp_res=64, out_res=16)
    loader = DataLoader(data, 4, num_workers=1, persistent_workers=True, multiprocessing_context=start)
    next(iter(loader))  # the process has started when the epoch is set
    for epoch in range(2):
        data.set_epoch(epoch)
        ((images, _, _),) = loader
        assert torch.equal(images[2], data[2][0])


def test_a_copy_of_a_data_set_has_an_epoch_of_its_own(tiny_annotations):
    data = Generic(tiny_annotations, inp_res=64, out_res=16)
    copy = deepcopy(data)
    copy.set_epoch(3)
    assert (data.epoch, copy.epoch) == (0, 3)


def labels(**places):
    landmarks = np.full((20, 2), np.nan)
    for name, place in places.items():
        landmarks[KINECT20.index(name)] = place
    return landmarks


@pytest.mark.parametrize("is_train", [True, False])
@pytest.mark.parametrize(
    ("landmarks", "side"),
    [(labels(head=(40, 30)), 200), (labels(head=(40, 30), spine=(40, 30)), 200), (labels(), 90)],
    ids=["one joint", "two in one place", "none: the whole image"],
)
def test_samples_with_hardly_any_label_are_defined(write_image, landmarks, side, is_train):
    path = write_image("grey.png", np.full((90, 70, 3), 99, np.uint8))
    data = Generic({path: landmarks}, is_train, 64, 16, augmentation=STILL)
    image, heatmaps, info = data[0]
    assert info["scale"] * 200 == pytest.approx(side)
    assert torch.isfinite(image).all()
    assert image.max() > 0.3
    labelled = np.isfinite(landmarks).all(axis=1)
    np.testing.assert_array_equal(heatmaps.amax((1, 2)) > 0.5, labelled)
    np.testing.assert_array_equal(np.isfinite(info["tpts"]).all(axis=1), labelled)
    assert np.isfinite(info["center"]).all()


def test_a_joint_pushed_out_of_the_crop_keeps_its_position_but_has_no_heatmap(tiny_annotations):
    far = Generic(tiny_annotations, True, 64, 16, augmentation=Augmentation(scale=0, rot=0, shift=0.9, light=0))
    inside = []
    for epoch in range(4):
        far.set_epoch(epoch)
        for _, heatmaps, info in far:
            assert np.isfinite(info["tpts"]).all()
            inside.append(((info["tpts"] >= -0.5) & (info["tpts"] <= 15.5)).all(axis=1))
            np.testing.assert_array_equal(heatmaps.amax((1, 2)) > 0, inside[-1])
    assert 0.1 < np.mean(inside) < 0.9


def test_the_sigma_is_that_of_the_heatmaps(tiny_annotations):
    wide, narrow = (Generic(tiny_annotations, False, 64, 16, sigma=sigma)[0][1] for sigma in (2, 1))
    inner = narrow.amax((1, 2)) > 0
    assert (wide.sum((1, 2)) > 2 * narrow.sum((1, 2)))[inner].all()


def test_indices_count_from_the_end_too_and_stop(tiny_annotations):
    data = Generic(tiny_annotations, inp_res=64, out_res=16)
    assert sample_equal(data[-1], data[3])
    with pytest.raises(IndexError):
        data[4]


def test_an_empty_data_set_and_another_skeleton_are_refused_immediately():
    with pytest.raises(ValueError, match="data set is empty"):
        Generic({})
    with pytest.raises(ValueError, match="expected the 20 joints of the skeleton, got 16"):
        pose.Annotations(["a.png"], np.zeros((1, 16, 2)), skeleton=KINECT20)


def test_landmarks_of_a_sample_are_those_of_the_crop_matrix(tiny_annotations):
    info = Generic(tiny_annotations, inp_res=128, out_res=32)[0][2]
    by_hand = transform_landmarks(info["pts"], crop_matrix(info["center"], info["scale"], info["rot"], 32))
    np.testing.assert_allclose(info["tpts"], by_hand, atol=1e-4)
