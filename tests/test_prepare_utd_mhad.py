"""The prepare script of UTD-MHAD: on tiny hand-made official files, and on real ones if POSE_DATA has them."""

import csv
import json

import cv2
import numpy as np
import pytest
from prepare_scripts import joint, landmarks_of, link, load_script, real
from scipy.io import savemat

utd_mhad = load_script("utd_mhad")

# UTD-MHAD, hand-made. Joint i of the official order stands at x = i/10 m and rises 0.04 m per frame, 2.8563 m
# away: at that distance a metre is 100 px, so in skeleton frame t it is at u = 160 + 10·i, v = 120 − 4·t.

U = {
    "head": 160, "shoulder_center": 170, "spine": 180, "hip_center": 190,
    "left_shoulder": 200, "left_elbow": 210, "left_wrist": 220, "left_hand": 230,
    "right_shoulder": 240, "right_elbow": 250, "right_wrist": 260, "right_hand": 270,
    "left_hip": 280, "left_knee": 290, "left_ankle": 300, "left_foot": 310,
    "right_hip": 320, "right_knee": 330, "right_ankle": 340, "right_foot": 350,
}  # fmt: skip


def write_clip(raw, name="a1_s1_t1", depth_frames=4, skeleton_frames=4, empty=()):
    skeleton = np.empty((20, 3, skeleton_frames))
    skeleton[:, 0] = np.arange(20)[:, None] / 10
    skeleton[:, 1] = 0.04 * np.arange(skeleton_frames)
    skeleton[:, 2] = 2.8563
    depth = np.zeros((240, 320, depth_frames), np.uint16)
    depth[100:110, 150:160] = 2500
    depth[..., list(empty)] = 0
    for folder, key, value in (("Depth", "d_depth", depth), ("Skeleton", "d_skel", skeleton)):
        (raw / folder).mkdir(parents=True, exist_ok=True)
        savemat(raw / folder / f"{name}_{folder.lower()}.mat", {key: value}, do_compression=True)


def test_utd_mhad_reorders_by_name_projects_and_shifts_in_time(raw, out):
    write_clip(raw)
    utd_mhad.prepare(raw, out)
    landmarks = landmarks_of(out)
    assert list(landmarks) == ["a1_s1_t1_f002.png", "a1_s1_t1_f003.png"]
    for name, u in U.items():
        # depth frames 2 and 3 show skeletons 0.25 and 1.25; what is outside the image stays there
        np.testing.assert_allclose(joint(landmarks["a1_s1_t1_f002.png"], name), [u, 119], atol=1e-3)
        np.testing.assert_allclose(joint(landmarks["a1_s1_t1_f003.png"], name), [u, 115], atol=1e-3)


def test_utd_mhad_without_shift_takes_every_skeleton_as_it_is(raw, out):
    write_clip(raw)
    utd_mhad.prepare(raw, out, shift=0)
    v = [points[0, 1] for points in landmarks_of(out).values()]
    np.testing.assert_allclose(v, [120, 116, 112, 108], atol=1e-3)


def test_utd_mhad_skips_and_counts_frames(raw, out):
    write_clip(raw, depth_frames=7, skeleton_frames=4, empty=[3])
    counts, skipped = utd_mhad.prepare(raw, out)
    # skeleton times are t − 1.75: 0 and 1 are too early, 3 is empty, 5 and 6 come after skeleton 3
    assert list(landmarks_of(out)) == ["a1_s1_t1_f002.png", "a1_s1_t1_f004.png"]
    assert (counts[utd_mhad.BEFORE], counts[utd_mhad.EMPTY], counts[utd_mhad.AFTER]) == (2, 1, 2)
    assert counts[utd_mhad.UNEVEN] == 1
    assert skipped == []


def test_utd_mhad_writes_clips(raw, out):
    for name in ("a10_s2_t1", "a2_s10_t3", "a27_s1_t4"):
        write_clip(raw, name)
    counts, _ = utd_mhad.prepare(raw, out)
    with open(out / "clips.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["clip", "subject", "action", "first_image", "last_image"]
    assert rows == [
        ["a2_s10_t3", "s10", "right arm swipe to the right", "a2_s10_t3_f002.png", "a2_s10_t3_f003.png"],
        ["a10_s2_t1", "s2", "right hand draw circle (counter clockwise)", "a10_s2_t1_f002.png",
         "a10_s2_t1_f003.png"],
        ["a27_s1_t4", "s1", "squat (two arms stretch out)", "a27_s1_t4_f002.png", "a27_s1_t4_f003.png"],
    ]  # fmt: skip
    assert [counts[key] for key in ("clips", "subjects", "actions", "images")] == [3, 3, 3, 6]
    assert [name[:-9] for name in landmarks_of(out)] == [row[0] for row in rows for _ in range(2)]


def test_utd_mhad_takes_subjects_and_steps(raw, out):
    for name in ("a1_s1_t1", "a1_s2_t1", "a1_s3_t1"):
        write_clip(raw, name, depth_frames=6, skeleton_frames=6)
    utd_mhad.main(["--raw", str(raw), "--out", str(out), "--subjects", "1", "3", "--step", "2"])
    assert list(landmarks_of(out)) == [f"a1_s{s}_t1_f00{t}.png" for s in (1, 3) for t in (2, 4)]


def test_utd_mhad_joints_in_metres_project_to_the_pixels(raw, out):
    write_clip(raw)
    utd_mhad.prepare(raw, out)
    camera = json.loads((out / "camera.json").read_text(encoding="utf-8"))
    assert camera == {
        "fx": 285.63, "fy": 285.63, "cx": 160, "cy": 120, "width": 320, "height": 240, "k1": 0, "k2": 0
    }  # fmt: skip
    name, *numbers = (out / "joints_3d.txt").read_text(encoding="utf-8").splitlines()[0].split()
    points = np.array(numbers, float).reshape(20, 3)
    np.testing.assert_allclose(joint(points, "right_foot"), [1.9, 0.01, 2.8563], atol=1e-4)
    np.testing.assert_allclose(utd_mhad.CAMERA.project(points), landmarks_of(out)[name], atol=0.05)


def test_utd_mhad_names_clips_that_it_cannot_use(raw, out, capsys):
    for name in ("a1_s1_t1", "a1_s1_t2", "a1_s1_t3", "a1_s1_t4", "a2_s1_t1"):
        write_clip(raw, name)
    (raw / "Skeleton" / "a1_s1_t2_skeleton.mat").unlink()
    (raw / "Depth" / "a1_s1_t3_depth.mat").unlink()
    (raw / "Depth" / "a1_s1_t4_depth.mat").write_bytes(b"damaged")
    savemat(raw / "Depth" / "a2_s1_t1_depth.mat", {"d_depth": np.ones((24, 32, 4), np.uint16)})
    utd_mhad.main(["--raw", str(raw), "--out", str(out)])
    table = capsys.readouterr().out
    assert {name[:8] for name in landmarks_of(out)} == {"a1_s1_t1"}
    reasons = [line.strip() for line in table.splitlines() if line.startswith("  a")]
    assert [reason[:8] for reason in reasons] == ["a1_s1_t2", "a1_s1_t3", "a1_s1_t4", "a2_s1_t1"]
    assert "a1_s1_t2_skeleton.mat" in reasons[0]
    assert "a1_s1_t3_depth.mat" in reasons[1]
    assert "(24, 32, 4)" in reasons[3]
    assert ["skipped", "clips", "4"] in [line.split() for line in table.splitlines()]


def test_utd_mhad_stops_if_no_clip_is_usable(raw, out, capsys):
    write_clip(raw, empty=[0, 1, 2, 3])
    with pytest.raises(SystemExit):
        utd_mhad.main(["--raw", str(raw), "--out", str(out)])
    assert "a1_s1_t1: no frame has both" in capsys.readouterr().err
    assert not (out / "joints.txt").exists()


def test_utd_mhad_grey_is_relative_to_the_median_of_the_body():
    depth = np.array([[0, 2500, 2500, 2500], [2500, 2380, 2800, 2494], [1000, 4000, 2500, 0]], np.uint16)
    # the body's median is 2500 mm; 6 mm are one grey value: 2380 is 20 nearer, 2800 is 50 farther
    expected = [[0, 128, 128, 128], [128, 148, 78, 129], [255, 1, 128, 0]]
    np.testing.assert_array_equal(utd_mhad.depth_to_grey(depth), expected)


def test_utd_mhad_image_is_the_grey_depth(raw, out):
    write_clip(raw)
    utd_mhad.prepare(raw, out)
    image = cv2.imread(str(out / "images" / "a1_s1_t1_f002.png"), cv2.IMREAD_UNCHANGED)
    expected = np.zeros((240, 320), np.uint8)
    expected[100:110, 150:160] = 128
    np.testing.assert_array_equal(image, expected)


def test_utd_mhad_joint_that_is_not_in_front_of_the_camera_is_unlabelled():
    points = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 2.8563]])
    np.testing.assert_allclose(utd_mhad.CAMERA.project(points), [[np.nan, np.nan], [210, 70]])


# The real set.

REAL_CLIPS = ("a1_s1_t1", "a5_s3_t2", "a15_s2_t1", "a22_s6_t1")  # swipe, throw, tennis swing, jogging


@pytest.fixture(scope="module")
def real_utd_mhad(tmp_path_factory):
    """The official files of four clips with fast movements."""
    source, raw = real("utd_mhad"), tmp_path_factory.mktemp("utd_mhad")
    for clip in REAL_CLIPS:
        for folder in ("Depth", "Skeleton"):
            name = f"{clip}_{folder.lower()}.mat"
            link(source / folder / name, raw / folder / name)
    return raw


def distances_to_body(out):
    """{image name: (20,) px from each joint to the nearest pixel of the body, 0 on it}."""
    distances = {}
    for name, points in landmarks_of(out).items():
        background = (cv2.imread(str(out / "images" / name), cv2.IMREAD_GRAYSCALE) == 0).astype(np.uint8)
        x, y = np.clip(np.rint(points), 0, (319, 239)).astype(int).T
        distances[name] = cv2.distanceTransform(background, cv2.DIST_L2, 5)[y, x]
    return distances


def test_real_utd_mhad_joints_lie_on_the_body_and_best_with_the_default_shift(real_utd_mhad, tmp_path):
    found = {}
    for shift in (-1.75, 0, 1, utd_mhad.SHIFT, 2.5, 3.5):
        utd_mhad.main(["--raw", str(real_utd_mhad), "--out", str(tmp_path / str(shift)), "--shift", str(shift)])
        found[shift] = distances_to_body(tmp_path / str(shift))
    shared = set.intersection(*(set(distances) for distances in found.values()))
    found = {shift: np.array([distances[name] for name in shared]) for shift, distances in found.items()}
    on_body = {shift: (distances == 0).mean() for shift, distances in found.items()}
    away = {shift: distances.mean() for shift, distances in found.items()}
    assert on_body[utd_mhad.SHIFT] >= 0.9
    assert max(on_body, key=on_body.get) == min(away, key=away.get) == utd_mhad.SHIFT


def test_real_utd_mhad_left_is_the_persons_left_in_a_mirrored_image(real_utd_mhad, tmp_path):
    utd_mhad.prepare(real_utd_mhad, tmp_path)
    landmarks = landmarks_of(tmp_path)
    everyone = np.array(list(landmarks.values()))
    for part in ("shoulder", "hip"):
        assert (joint(everyone, f"left_{part}")[:, 0] < joint(everyone, f"right_{part}")[:, 0]).mean() > 0.9
    for clip in REAL_CLIPS[:3]:  # actions of the right arm
        points = np.array([points for name, points in landmarks.items() if name.startswith(clip)])
        left, right = (np.ptp(joint(points, f"{side}_hand"), axis=0).sum() for side in ("left", "right"))
        assert right > left
