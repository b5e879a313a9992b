"""Clip data sets: landmarks and frames, their augmentation, and batches."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from har import (
    ClipDataset,
    Joints3D,
    MotionAugmentation,
    SequenceDataset,
    collate_clips,
    read_joints_3d,
    write_joints_3d,
)
from har.joints_3d import Camera
from pose import KINECT20, AnnotationError, Annotations, heatmaps_to_landmarks, landmarks_to_heatmaps
from pose.augmentation import Augmentation
from pose.clips import Clip

CAMERA = Camera(fx=200, fy=200, cx=100, cy=100, width=200, height=200)
NOTHING = MotionAugmentation(crop=0, speed=0, turn=0, tilt=0, build=0, scale=0, noise=0, drop=0)


@pytest.fixture
def standing():
    """A person three metres away: (12, 20, 3) metres, swaying."""
    rng = np.random.default_rng(0)
    body = rng.uniform([-0.4, -0.9, 2.8], [0.4, 0.9, 3.2], (20, 3))
    return body + np.linspace(0, 0.3, 12)[:, None, None] * [1, 0, 0]


@pytest.fixture
def data(standing):
    """Annotations, clips and 3D joints of twelve images: seven of one clip, five of another."""
    names = [f"{i}.png" for i in range(12)]
    clips = [Clip("w", "Ann", "wave", "w", 0, 6), Clip("s", "Bob", "sit", "s", 7, 11)]
    return Annotations(names, CAMERA.project(standing)), clips, Joints3D(standing, CAMERA)


def test_a_sequence_is_the_clips_landmarks(data):
    annotations, clips, _ = data
    dataset = SequenceDataset(annotations, clips)
    landmarks, label = dataset[0]
    assert dataset.actions == ["sit", "wave"]
    assert (len(dataset), label, landmarks.dtype) == (2, 1, torch.float32)
    np.testing.assert_allclose(landmarks.numpy(), annotations.landmarks[:7], rtol=1e-6)
    np.testing.assert_allclose(dataset[-1][0].numpy(), annotations.landmarks[7:], rtol=1e-6)


def test_augmentation_that_does_nothing_gives_the_clip_itself(data):
    annotations, clips, joints_3d = data
    for space in (None, joints_3d):
        dataset = SequenceDataset(annotations, clips, is_train=True, augmentation=NOTHING, joints_3d=space)
        np.testing.assert_allclose(dataset[0][0].numpy(), annotations.landmarks[:7], rtol=1e-5)


def test_a_sample_depends_on_seed_epoch_and_index_only(data):
    annotations, clips, joints_3d = data
    one, other = (SequenceDataset(annotations, clips, is_train=True, joints_3d=joints_3d, seed=4) for _ in range(2))
    other[0]
    assert_close(one[1][0], other[1][0], equal_nan=True)
    before = one[1][0]
    one.set_epoch(1)
    assert before.shape != one[1][0].shape or not torch.equal(before.nan_to_num(), one[1][0].nan_to_num())


def rng(seed=0):
    return np.random.default_rng(seed)


def test_crops_are_consecutive_frames_and_keep_enough():
    clip = np.arange(20.0)[:, None, None] * np.ones((1, 20, 2))
    lengths = set()
    for seed in range(50):
        times = MotionAugmentation(crop=0.5, speed=0).move(clip, rng(seed))[:, 0, 0]
        assert (np.diff(times) == 1).all()
        lengths.add(len(times))
    assert min(lengths) in (10, 11)
    assert max(lengths) >= 19
    assert len(MotionAugmentation(crop=0.9, speed=0).move(clip[:5], rng())) >= 4
    assert len(MotionAugmentation(crop=0.9, speed=0).move(clip[:2], rng())) == 2


def test_speed_changes_within_the_clip_only():
    clip = np.arange(20.0)[:, None, None] * np.ones((1, 20, 2))
    for seed in range(20):
        times = MotionAugmentation(crop=0, speed=0.5).move(clip, rng(seed))[:, 0, 0]
        assert times[0] == 0
        assert times[-1] == pytest.approx(19)
        steps = np.diff(times)
        assert 0.45 < steps.min() < steps.max() < 1.55
    assert steps.max() - steps.min() > 0.01


def test_turning_is_about_the_vertical_through_the_person(standing):
    augmentation = MotionAugmentation(turn=60, tilt=0, build=0)
    turned = augmentation.turn_in_space(standing, rng(), KINECT20)
    np.testing.assert_allclose(turned[..., 1], standing[..., 1])
    np.testing.assert_allclose(turned.mean(axis=(0, 1)), standing.mean(axis=(0, 1)))
    assert np.abs(turned[..., 0] - standing[..., 0]).max() > 0.05
    distances = [np.linalg.norm(x[0, :, None] - x[0, None], axis=-1) for x in (turned, standing)]
    np.testing.assert_allclose(*distances, atol=1e-12)


def test_another_build_changes_limb_lengths_equally_on_both_sides(standing):
    built = MotionAugmentation(turn=0, tilt=0, build=0.2).turn_in_space(standing, rng(), KINECT20)
    ratios = {}
    for inner, outer in KINECT20.limb_indices:
        before, after = (np.linalg.norm(x[:, outer] - x[:, inner], axis=-1) for x in (standing, built))
        np.testing.assert_allclose(after / before, (after / before)[0])
        ratios[KINECT20.names[outer]] = (after / before)[0]
    assert 0.8 <= min(ratios.values()) < 0.97
    assert 1.03 < max(ratios.values()) <= 1.2
    assert ratios["left_elbow"] == pytest.approx(ratios["right_elbow"])


def test_noise_is_in_torsos_and_some_joints_drop_out(data):
    landmarks = data[0].landmarks[:7]
    torso = np.median(np.linalg.norm(landmarks[:, 4] - landmarks[:, 13], axis=-1))
    noisy = MotionAugmentation(scale=0, noise=0.1, drop=0).blur(landmarks, rng(), KINECT20)
    assert (noisy - landmarks).std() == pytest.approx(0.1 * torso, rel=0.15)
    dropped = np.isnan(MotionAugmentation(drop=0.3).blur(landmarks, rng(), KINECT20)).any(axis=-1)
    assert (dropped == dropped[0]).all()
    assert 2 <= dropped[0].sum() <= 10


def test_tilting_and_stretching_change_heights_and_widths(data, standing):
    tilted = MotionAugmentation(turn=0, tilt=30, build=0).turn_in_space(standing, rng(), KINECT20)
    np.testing.assert_allclose(tilted[..., 0], standing[..., 0])
    assert np.abs(tilted[..., 1] - standing[..., 1]).max() > 0.01
    landmarks = data[0].landmarks[:7]
    stretched = MotionAugmentation(scale=0.3, noise=0, drop=0).blur(landmarks, rng(), KINECT20)
    ratios = (stretched / landmarks).reshape(-1, 2)
    np.testing.assert_allclose(ratios, np.broadcast_to(ratios[0], ratios.shape))
    assert abs(ratios[0] - 1).max() > 0.02
    assert ratios[0, 0] != pytest.approx(ratios[0, 1], abs=1e-3)


def test_a_missing_3d_joint_affects_no_other(standing):
    standing[:, KINECT20.index("spine")] = np.nan
    turned = MotionAugmentation(build=0.2).turn_in_space(standing, rng(), KINECT20)
    assert np.isnan(turned).any(axis=-1).sum(axis=1).tolist() == [1] * 12
    nothing = np.full_like(standing, np.nan)
    assert np.isnan(MotionAugmentation().turn_in_space(nothing, rng(), KINECT20)).all()


def test_mirroring_swaps_left_and_right(data):
    landmarks = data[0].landmarks[:7]
    mirrored = MotionAugmentation(scale=0, noise=0, drop=0, mirror=1).blur(landmarks, rng(), KINECT20)
    left, right = KINECT20.index("left_hand"), KINECT20.index("right_hand")
    np.testing.assert_allclose(mirrored[:, left], landmarks[:, right] * [-1, 1])
    assert MotionAugmentation().mirror == 0


def test_part_of_the_clips_keep_the_landmarks_that_they_have(data):
    annotations, clips, joints_3d = data
    shifted = Annotations(annotations.paths, annotations.landmarks + 1000)  # such as predictions
    half = MotionAugmentation(turn_share=0.5, crop=0, speed=0, scale=0, noise=0, drop=0)
    dataset = SequenceDataset(shifted, clips, is_train=True, augmentation=half, joints_3d=joints_3d)
    kept = 0
    for epoch in range(40):
        dataset.set_epoch(epoch)
        kept += float(dataset[0][0].mean()) > 500
    assert 10 < kept < 30


def test_clips_of_other_actions_and_empty_sets_are_refused(data):
    annotations, clips, _ = data
    with pytest.raises(ValueError, match="the clips show wave, not among the actions sit, stand"):
        SequenceDataset(annotations, clips, ["sit", "stand"])
    with pytest.raises(ValueError, match="the data set is empty"):
        SequenceDataset(annotations, [])


def test_clips_and_labels_of_other_annotations_are_refused(data, pictures):
    annotations, clips, _ = data
    with pytest.raises(ValueError, match="the clip 's' ends in row 11, but there are 9 images"):
        SequenceDataset(annotations.select(slice(0, 9)), clips)
    known = [replace(clips[0], first_image="0.png", last_image="6.png")]
    with pytest.raises(
        ValueError, match=r"'w' has 0\.png in row 0, the annotations have 11\.png: read the clips with these"
    ):
        SequenceDataset(annotations.select(slice(None, None, -1)), known)
    annotations, clips = pictures
    with pytest.raises(ValueError, match="pose_labels have other images"):
        ClipDataset(annotations, clips, pose_labels=annotations.select(slice(None, None, -1)))


def test_3d_joints_are_read_back_by_name(tmp_path, data):
    annotations, _, (points, camera) = data
    assert read_joints_3d(tmp_path / "joints.txt", annotations) is None
    write_joints_3d(tmp_path, dict(zip(annotations.paths, points, strict=True)), camera)
    backwards = annotations.select(slice(None, None, -1))
    read = read_joints_3d(tmp_path / "joints.txt", backwards)
    np.testing.assert_allclose(read.points, points[::-1], atol=1e-4)
    assert read.camera == camera
    others = Annotations([*annotations.paths, "other.png"], np.ones((13, 20, 2)))
    with pytest.raises(AnnotationError, match=r"lacks 1 images of .*other\.png"):
        read_joints_3d(tmp_path / "joints.txt", others)
    with pytest.raises(FileExistsError):
        write_joints_3d(tmp_path, {"other.png": points[0]}, CAMERA)
    assert "other" not in (tmp_path / "joints_3d.txt").read_text()
    text = (tmp_path / "joints_3d.txt").read_text().splitlines()
    text[0] = " ".join([*text[0].split()[:-3], "0", "0", "0"])
    (tmp_path / "joints_3d.txt").write_text("\n".join(["# ours", *text]) + "\n")
    assert np.isnan(read_joints_3d(tmp_path / "joints.txt", annotations).points).sum() == 3
    with open(tmp_path / "joints_3d.txt", "a") as file:
        file.write("x.png 1 2 3\n")
    with pytest.raises(AnnotationError, match="line 14: expected an image name and 60 numbers"):
        read_joints_3d(tmp_path / "joints.txt", annotations)


@pytest.fixture
def pictures(write_image):
    """Nine images with a bright dot at every joint, of a person who walks to the right; two clips."""
    body = np.random.default_rng(1).uniform(20, 70, (20, 2))
    landmarks = {}
    for i in range(9):
        image = np.zeros((90, 140, 3), np.uint8)
        for x, y in body + np.array([4 * i, 0]):
            cv2.circle(image, (round(x), round(y)), 1, (255, 255, 255), -1)
        landmarks[write_image(f"{i}.png", image)] = body + np.array([4 * i, 0])
    annotations = Annotations(list(landmarks), list(landmarks.values()))
    return annotations, [Clip("w", "Ann", "walk", "w", 0, 5), Clip("r", "Bob", "run", "r", 6, 8)]


def to_the_image(tpts, to_image):
    return tpts @ to_image[:, :, :2].mT + to_image[:, None, :, 2]


def test_each_frame_is_cropped_to_the_person_and_maps_back_to_the_image(pictures):
    annotations, clips = pictures
    dataset = ClipDataset(annotations, clips, pose_labels=annotations, inp_res=128)
    frames, label, tpts, to_image = dataset[0]
    assert (frames.shape, tpts.shape, to_image.shape, label) == ((6, 3, 128, 128), (6, 20, 2), (6, 2, 3), 1)
    assert_close(tpts, tpts[:1].expand_as(tpts), atol=1e-4, rtol=0)  # it follows the person: nothing moves in it
    middle = (tpts.amax(dim=(0, 1)) + tpts.amin(dim=(0, 1))) / 2
    assert_close(middle, torch.tensor([15.5, 15.5]), atol=1e-4, rtol=0)
    assert_close(to_the_image(tpts, to_image), torch.from_numpy(annotations.landmarks[:6]).float(), atol=1e-3, rtol=0)
    places = ((tpts + 0.5) * 4 - 0.5).round().long()
    assert frames[torch.arange(6)[:, None], 0, places[..., 1], places[..., 0]].min() > 0.2  # the dots lie under them


def test_a_training_clip_moves_as_one_and_differs_by_epoch(pictures):
    annotations, clips = pictures
    dataset = ClipDataset(annotations, clips, pose_labels=annotations, is_train=True, inp_res=64)
    frames, _, tpts, to_image = dataset[0]
    assert_close(tpts, tpts[:1].expand_as(tpts), atol=1e-4, rtol=0)
    places = ((tpts + 0.5) * 4 - 0.5).round().long().clamp(0, 63)
    under = frames[torch.arange(6)[:, None], :, places[..., 1], places[..., 0]].mean()
    assert under > 3 * frames.mean()  # the dots moved along
    assert_close(to_the_image(tpts, to_image), torch.from_numpy(annotations.landmarks[:6]).float(), atol=1e-3, rtol=0)
    brightest = dataset[0][0].max()
    dataset.set_epoch(1)
    assert not torch.equal(dataset[0][2], tpts)
    assert dataset[0][0].max() != brightest  # other lighting


def test_long_clips_give_evenly_spaced_frames(pictures):
    annotations, clips = pictures
    dataset = ClipDataset(annotations, clips, pose_labels=annotations, inp_res=64, frames=3)
    frames, _, tpts, _ = dataset[0]
    whole = ClipDataset(annotations, clips, pose_labels=annotations, inp_res=64)[0]
    assert_close(tpts, whole[2][[1, 3, 5]])
    assert_close(frames, whole[0][[1, 3, 5]])
    moving = ClipDataset(annotations, clips, pose_labels=annotations, inp_res=64, frames=3, is_train=True,
                         augmentation=Augmentation(0, 0, 0, 0, 0, 0))  # fmt: skip
    starts = set()
    for epoch in range(12):
        moving.set_epoch(epoch)
        starts.add(round(float(moving[0][3][0, 0, 2]), 3))
    assert len(starts) == 2


def test_without_labels_there_is_nothing_to_learn_the_pose_from(pictures):
    annotations, clips = pictures
    assert ClipDataset(annotations, clips, inp_res=64)[0][2].isnan().all()


def test_heatmap_positions_are_those_of_generic(pictures):
    """One coordinate convention: a clip's landmarks in heatmap px are where its heatmaps decode to."""
    annotations, clips = pictures
    tpts = ClipDataset(annotations, clips, pose_labels=annotations, inp_res=128)[1][2]
    decoded, _ = heatmaps_to_landmarks(landmarks_to_heatmaps(tpts, 32))
    assert_close(decoded, tpts, atol=1e-3, rtol=0)


def test_a_batch_is_padded_and_knows_its_lengths(data, pictures):
    annotations, clips, _ = data
    dataset = SequenceDataset(annotations, clips)
    padded, lengths, labels = collate_clips([dataset[0], dataset[1]])
    assert (padded.shape, lengths.tolist(), labels.tolist()) == ((2, 7, 20, 2), [7, 5], [1, 0])
    assert padded[1, 5:].isnan().all()
    assert_close(padded[1, :5], dataset[1][0])
    annotations, clips = pictures
    dataset = ClipDataset(annotations, clips, pose_labels=annotations, inp_res=64)
    padded, lengths, labels, tpts, to_image = collate_clips([dataset[0], dataset[1]])
    assert (padded.shape, lengths.tolist(), tpts.shape) == ((2, 6, 3, 64, 64), [6, 3], (2, 6, 20, 2))
    assert to_image.shape == (2, 6, 2, 3)
    assert padded[1, 3:].abs().max() == 0
    assert tpts[1, 3:].isnan().all()


def test_a_clip_without_any_landmark_is_shown_whole(pictures):
    annotations, clips = pictures
    nothing = Annotations(annotations.paths, np.full((9, 20, 2), np.nan))
    frames, _, tpts, _ = ClipDataset(nothing, clips, pose_labels=annotations, inp_res=140)[0]
    assert frames.shape == (6, 3, 140, 140)
    assert_close(tpts[0], torch.from_numpy(annotations.landmarks[0] + [0, 25]).float() / 4 - 0.375, atol=1e-4, rtol=0)


@pytest.mark.parametrize("seen", [0, 1, 9])
def test_a_frame_with_few_landmarks_is_cropped_like_the_whole_clip(pictures, seen):
    annotations, clips = pictures
    landmarks = annotations.landmarks.copy()
    landmarks[2, seen:] = np.nan
    to_image = ClipDataset(Annotations(annotations.paths, landmarks), clips, inp_res=64)[0][3]
    corners = to_the_image(torch.tensor([[[-0.5, -0.5], [15.5, 15.5]]]), to_image)  # of each frame's square
    clip = annotations.landmarks[:6].reshape(-1, 2)
    middle = torch.from_numpy((clip.min(axis=0) + clip.max(axis=0)) / 2).float()
    assert_close(corners[2].mean(dim=0), middle, atol=1e-3, rtol=0)
    assert corners[2, 0, 0] < corners[1, 0, 0]  # larger, since the person walks
