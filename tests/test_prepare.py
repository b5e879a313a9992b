"""The prepare scripts: on tiny hand-made official files, and on real ones if POSE_DATA has them."""

import csv
import importlib.util
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.io import savemat

import har
from har.joints_3d import Camera, load_camera
from pose.annotations import read_annotations, write_annotations
from pose.skeleton import KINECT20

DATA = Path(__file__).resolve().parents[1] / "data"


def load_script(name):
    spec = importlib.util.spec_from_file_location(f"prepare_{name}", DATA / name / "prepare.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


utd_mhad, lsp, utkinect = load_script("utd_mhad"), load_script("lsp"), load_script("utkinect")
penn_action = load_script("penn_action")


def landmarks_of(out):
    """{image name: (20, 2)} of a prepared folder."""
    annotations = read_annotations(out / "joints.txt", out / "images" if (out / "images").exists() else None)
    return {path.removeprefix(f"{out}/images/"): np.array(points) for path, points in annotations.items()}


def joint(landmarks, name):
    return landmarks[..., KINECT20.index(name), :]


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


@pytest.fixture
def raw(tmp_path):
    return tmp_path / "raw"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


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


# LSP Extended, hand-made.

LSP_ORDER = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist",
    "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist", "shoulder_center", "head",
)  # fmt: skip


def write_lsp(raw):
    """Four rows: image 1 has all 14 labels, 2 is absent, 3 has no label, 4 lacks its head."""
    joints = np.zeros((14, 3, 4))
    joints[:, 0] = 10 * np.arange(14)[:, None] + 0.25
    joints[:, 1] = 100 + np.arange(14)[:, None]
    joints[:, 2] = [1, 1, 0, 1]
    joints[13, :, 3] = [-20.5, -3.5, 0]
    (raw / "images").mkdir(parents=True)
    savemat(raw / "joints.mat", {"joints": joints})
    for number in (1, 3, 4):
        cv2.imwrite(str(raw / "images" / f"im{number:05d}.jpg"), np.full((120, 160, 3), 50, np.uint8))


def test_lsp_reorders_by_name_and_leaves_the_others_unlabelled(raw, out):
    write_lsp(raw)
    lsp.prepare(raw, out)
    landmarks = landmarks_of(out)["im00001.jpg"]
    for i, name in enumerate(LSP_ORDER):
        np.testing.assert_allclose(joint(landmarks, name), [10 * i + 0.25, 100 + i])
    lacking = {name for name, point in zip(KINECT20.names, landmarks, strict=True) if np.isnan(point).all()}
    assert lacking == {"hip_center", "spine", "left_hand", "right_hand", "left_foot", "right_foot"}


def test_lsp_flag_0_is_unlabelled(raw, out):
    write_lsp(raw)
    lsp.prepare(raw, out)
    landmarks = landmarks_of(out)["im00004.jpg"]
    assert np.isnan(joint(landmarks, "head")).all()
    assert np.isfinite(landmarks).all(axis=1).sum() == 13


def test_lsp_skips_and_counts_images(raw, out, capsys):
    write_lsp(raw)
    lsp.main(["--raw", str(raw), "--out", str(out)])
    assert list(landmarks_of(out)) == ["im00001.jpg", "im00004.jpg"]
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    for line in ("images 10000 2", "joints 123213 27", f"{lsp.ABSENT} 1", f"{lsp.UNLABELLED} 1"):
        assert line.split() in table


def test_lsp_images_are_the_official_ones(raw, out):
    write_lsp(raw)
    lsp.prepare(raw, out)
    assert sorted(path.name for path in (out / "images").iterdir()) == ["im00001.jpg", "im00004.jpg"]
    for path in (out / "images").iterdir():
        assert path.read_bytes() == (raw / "images" / path.name).read_bytes()


def test_lsp_refuses_another_joints_file(raw, out, capsys):
    write_lsp(raw)
    savemat(raw / "joints.mat", {"joints": np.zeros((3, 14, 4))})
    with pytest.raises(SystemExit):
        lsp.main(["--raw", str(raw), "--out", str(out)])
    assert "(3, 14, 4), expected 14×3×N" in capsys.readouterr().err


# Penn Action, hand-made. Joint i is at (10·i + frame, 100 + i), frames count from 1.


def write_penn(raw, name="0007", frames=3):
    x = 10.0 * np.arange(13) + np.arange(1, frames + 1)[:, None]
    y = np.broadcast_to(100.0 + np.arange(13), (frames, 13)).copy()
    visibility = np.ones((frames, 13), np.uint8)
    x[1, 5] = y[1, 5] = 2 / 3  # not labelled: (1, 1) of a film three halves as large
    x[2, 6], y[2, 6] = 1.0, 1.5  # labelled, and hidden
    visibility[1, 5] = visibility[2, 6] = 0
    (raw / "labels").mkdir(parents=True, exist_ok=True)
    film = {"x": x, "y": y, "visibility": visibility, "action": "tennis_serve"}
    savemat(raw / "labels" / f"{name}.mat", film)


def test_penn_action_counts_from_0_swaps_the_sides_and_drops_what_is_not_labelled(raw, out):
    write_penn(raw)
    penn_action.prepare(raw, out)
    annotations = read_annotations(out / "joints.txt", skeleton=penn_action.SKELETON)
    assert annotations.paths == [f"0007/{frame:06d}.jpg" for frame in (1, 2, 3)]
    at = penn_action.SKELETON.index
    np.testing.assert_allclose(annotations.landmarks[0, at("head")], [0, 99])
    np.testing.assert_allclose(annotations.landmarks[0, at("right_shoulder")], [10, 100])  # the second joint
    np.testing.assert_allclose(annotations.landmarks[0, at("left_ankle")], [120, 111])  # the last one
    missing = np.argwhere(np.isnan(annotations.landmarks).all(axis=2))
    assert missing.tolist() == [[1, at("right_wrist")]]
    np.testing.assert_allclose(annotations.landmarks[2, at("left_wrist")], [0, 0.5])


def test_penn_action_makes_a_clip_and_a_subject_of_each_film(raw, out, capsys):
    for name in ("0007", "0011", "0002"):
        write_penn(raw, name)
    penn_action.main(["--raw", str(raw), "--out", str(out)])
    clips = har.read_clips(out / "clips.csv", read_annotations(out / "joints.txt", skeleton=penn_action.SKELETON))
    assert [(clip.name, clip.subject, clip.action, clip.recording, len(clip)) for clip in clips] == [
        ("0002", "film 0002", "tennis serve", "0002", 3),
        ("0007", "film 0007", "tennis serve", "0007", 3),
        ("0011", "film 0011", "tennis serve", "0011", 3),
    ]
    table = [line.split() for line in capsys.readouterr().out.splitlines()]
    for line in (["clips", "2326", "3"], ["images", "9"], ["joints", "114"], ["hidden", "3"]):
        assert line in table


def test_penn_action_names_a_damaged_file(raw, out, capsys):
    write_penn(raw)
    (raw / "labels" / "0008.mat").write_bytes(b"MATLAB 5.0 MAT-file, cut off")
    with pytest.raises(SystemExit):
        penn_action.main(["--raw", str(raw), "--out", str(out)])
    assert "0008.mat: cannot be read" in capsys.readouterr().err
    assert not out.exists()


# Several.

SETS = [(utd_mhad, write_clip), (lsp, write_lsp), (penn_action, write_penn)]


@pytest.mark.parametrize(("script", "write"), SETS[:2])
@pytest.mark.parametrize("there", ["joints.txt", "images/mine.png"])
def test_refuses_to_overwrite(script, write, there, raw, out, capsys):
    write(raw)
    (out / there).parent.mkdir(parents=True)
    (out / there).write_text("mine")
    with pytest.raises(SystemExit):
        script.main(["--raw", str(raw), "--out", str(out)])
    message = capsys.readouterr().err
    assert str(out) in message
    assert "pass another --out" in message
    assert [path for path in out.rglob("*") if path.is_file()] == [out / there]
    assert (out / there).read_text() == "mine"


@pytest.mark.parametrize(("script", "write"), SETS)
def test_says_what_it_expected_in_another_folder(script, write, raw, out, capsys):
    raw.mkdir()
    with pytest.raises(SystemExit):
        script.main(["--raw", str(raw), "--out", str(out)])
    message = capsys.readouterr().err
    assert str(raw) in message
    assert "pass another --raw" in message
    assert not out.exists()


# The real sets.


def real(folder):
    if "POSE_DATA" not in os.environ:
        pytest.skip("POSE_DATA is not set: the folder with the real data sets, see data/README.md")
    path = Path(os.environ["POSE_DATA"]).resolve() / folder
    if not path.is_dir():
        pytest.skip(f"POSE_DATA has no folder {folder}")
    return path


def link(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(source)


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


@pytest.fixture(scope="module")
def real_lsp(tmp_path_factory):
    """The first 40 images of the real set, prepared: (folder, {image name: (20, 2)})."""
    source, raw, out = real("lspet"), tmp_path_factory.mktemp("lsp"), tmp_path_factory.mktemp("lsp_out")
    link(source / "joints.mat", raw / "joints.mat")
    for path in sorted((source / "images").glob("im*.jpg"))[:40]:
        link(path, raw / "images" / path.name)
    lsp.prepare(raw, out)
    return out, landmarks_of(out)


def test_real_lsp_landmarks_are_inside_their_images(real_lsp):
    out, landmarks = real_lsp
    assert len(landmarks) == 40
    for name, points in landmarks.items():
        height, width = cv2.imread(str(out / "images" / name)).shape[:2]
        labelled = points[np.isfinite(points).all(axis=1)]
        assert (labelled > -2).all()  # px; people clicked, and one head is 1.2 px above its image
        assert (labelled < (width + 1, height + 1)).all()


def test_real_lsp_left_and_right_are_consistent_and_the_persons_own(real_lsp):
    points = np.array(list(real_lsp[1].values()))
    shoulders = (joint(points, "left_shoulder") - joint(points, "right_shoulder"))[:, 0]
    hips = (joint(points, "left_hip") - joint(points, "right_hip"))[:, 0]
    with np.errstate(invalid="ignore"):
        upright = joint(points, "head")[:, 1] < joint(points, "left_hip")[:, 1]
        clear = upright & (np.abs(shoulders) > 10) & (np.abs(hips) > 6)  # px; neither is seen from the side
    assert clear.sum() >= 8
    assert (np.sign(shoulders) == np.sign(hips))[clear].mean() > 0.9
    assert (shoulders > 0)[clear].mean() > 0.5  # most face the camera: their left is on the image's right


def test_real_penn_action_left_is_the_persons_left(tmp_path):
    """People strum, bowl and serve with the right hand, mostly: it is the faster one."""
    raw, out = tmp_path / "raw", tmp_path / "out"
    films = [f"{number:04d}.mat" for number in (*range(1892, 1900), *range(2147, 2160))]
    for name in films:
        if (real("penn_action") / "labels" / name).exists():  # half of them are the official test set
            link(real("penn_action") / "labels" / name, raw / "labels" / name)
    penn_action.prepare(raw, out)
    annotations = read_annotations(out / "joints.txt", skeleton=penn_action.SKELETON)
    faster = []
    for clip in har.read_clips(out / "clips.csv", annotations):
        speeds = np.linalg.norm(np.diff(annotations.landmarks[clip.rows], axis=0), axis=2)
        speeds = np.nan_to_num(speeds)  # a wrist may never be labelled
        left, right = (speeds[:, penn_action.SKELETON.index(f"{side}_wrist")].max() for side in ("left", "right"))
        faster.append(right > left)
    assert len(faster) > 8
    assert np.mean(faster) > 0.6


# UT-Kinect, hand-made and official.


def write_utkinect(raw, labels, recordings=("s01_e01", "s02_e01", "s03_e01"), frames=range(100, 200, 4)):
    """Official-looking files: a person at (0.5, 0, 2) whose joint number j is at y = 0.01·j; labels as text."""
    (raw / "joints").mkdir(parents=True)
    for recording in recordings:
        lines = [f"{f} " + " ".join(f"0.5 {0.01 * j:.2f} 2.0" for j in range(20)) + " " for f in frames]
        (raw / "joints" / f"joints_{recording}.txt").write_text("\n".join([lines[0], *lines]) + "\n")
    (raw / "actionLabel.txt").write_text(labels)


ACTIONS = "walk: 100 120\nsitDown: 120 140\npush: 150 160\n"
LABELS = f"s01_e01\n{ACTIONS}s02_e01\n{ACTIONS}s03_e01\n{ACTIONS}"


def test_utkinect_projects_reorders_and_gives_a_shared_frame_to_the_earlier_clip(raw, out):
    write_utkinect(raw, LABELS)
    counts, changed, findings, fit = utkinect.prepare(raw, out)
    assert (counts["clips"], counts["images"], changed, findings, fit) == (9, 75, [], [], None)
    landmarks = landmarks_of(out)["s01_e01/colorImg100.jpg"]
    np.testing.assert_allclose(landmarks[0], [320 + 531.15 / 4, 240], atol=1e-3)
    elbow = KINECT20.index("left_elbow")  # sixth in the SDK's order
    np.testing.assert_allclose(landmarks[elbow], [320 + 531.15 / 4, 240 - 531.15 * 0.05 / 2], atol=1e-3)
    rows = (out / "clips.csv").read_text().splitlines()
    assert rows[1] == "s01_e01_walk,s01,walk,s01_e01/colorImg100.jpg,s01_e01/colorImg120.jpg"
    assert rows[2] == "s01_e01_sit_down,s01,sit down,s01_e01/colorImg124.jpg,s01_e01/colorImg140.jpg"
    with pytest.raises(FileExistsError):
        utkinect.prepare(raw, out)


@pytest.mark.parametrize(
    ("wrong", "finding", "clips"),
    [
        ("push: NaN NaN", "s01_e01 push nan–nan: is not a range of frames", 8),
        ("push: 160 150", "s01_e01 push 160–150: is not a range of frames", 8),
        ("push: 150 190", "s01_e01 push 150–190: the median clip of this action is 10 long", 9),
        ("push: 130 190", "s01_e01 push 130–190: shares frames with s01_e01 sit down 120–140", 8),
        ("push: 150 900", "s01_e01 push 150–900: leaves the recording, 100–196", 9),
        ("push: 149 151", "s01_e01 push 149–151: contains fewer than two frames of joints", 8),
    ],
)
def test_utkinect_finds_mistakes_by_rule_and_corrects_none_on_its_own(raw, out, wrong, finding, clips):
    write_utkinect(raw, LABELS.replace("push: 150 160", wrong, 1))
    counts, changed, findings, _ = utkinect.prepare(raw, out)
    assert changed == []
    assert finding in findings
    assert counts["clips"] == clips


def test_utkinect_takes_corrections_only_from_the_file(raw, out, tmp_path):
    write_utkinect(raw, LABELS.replace("push: 150 160", "push: 130 190", 1))
    (tmp_path / "corrections.txt").write_text(LABELS)
    counts, changed, findings, _ = utkinect.prepare(raw, out, tmp_path / "corrections.txt")
    assert changed == ["s01_e01 push 130–190 → 150–160"]
    assert (findings, counts["clips"]) == ([], 9)


def test_utkinect_fits_the_camera_to_hand_labelled_images(raw, out, tmp_path):
    rng = np.random.default_rng(0)
    camera = Camera(fx=545, fy=540, cx=311, cy=250, width=640, height=480, k1=-0.05)
    write_utkinect(raw, LABELS)
    path = raw / "joints" / "joints_s01_e01.txt"
    points = rng.uniform([-1, -0.8, 2], [1, 0.8, 4], (25, 20, 3)).round(3)
    frames = range(100, 200, 4)
    np.savetxt(path, np.column_stack([frames, points.reshape(25, 60)]), fmt=["%d"] + ["%.3f"] * 60)
    hand = {
        f"s01_e01/colorImg{f}.jpg": camera.project(p)[utkinect.TO_KINECT20] + rng.normal(0, 0.5, (20, 2))
        for f, p in list(zip(frames, points, strict=True))[:8]
    }
    hand["s01_e01/colorImg100.jpg"][3] += 80
    write_annotations(tmp_path / "hand.txt", hand)
    _, _, _, fit = utkinect.prepare(raw, out, labelled_txt=tmp_path / "hand.txt")
    assert fit.camera.fx == pytest.approx(545, abs=4)
    assert not fit.used[0, 3]
    assert load_camera(out / "camera.json") == fit.camera
    write_annotations(tmp_path / "other.txt", {"x.png": np.ones((20, 2))})
    with pytest.raises(ValueError, match="none of its images is a frame of the set"):
        utkinect.find_camera({}, tmp_path / "other.txt")


def test_utkinect_names_a_damaged_file(raw, out):
    write_utkinect(raw, LABELS)
    with open(raw / "joints" / "joints_s02_e01.txt", "a") as file:
        file.write("104 0.5 0.3")
    with pytest.raises(ValueError, match=r"joints_s02_e01\.txt: is damaged"):
        utkinect.prepare(raw, out)


def test_utkinect_reports_a_line_that_is_no_label(raw, out):
    write_utkinect(raw, LABELS + "jump 3\n")
    with pytest.raises(ValueError, match=r"actionLabel\.txt, line 13: 'jump 3' is neither"):
        utkinect.prepare(raw, out)


def test_official_utkinect_gives_its_199_clips(pose_data, out, capsys):
    raw = pose_data / "utkinect"
    utkinect.main(["--raw", str(raw), "--out", str(out), "--corrections", str(raw / "actionLabel_modified.txt")])
    printed = capsys.readouterr().out
    assert "replaced by the correction file: 7" in printed
    assert "s10_e02 carry nan–nan: is not a range of frames" in printed
    annotations = read_annotations(out / "joints.txt")
    clips = har.read_clips(out / "clips.csv", annotations)
    assert len(clips) == 199
    assert {len({clip.subject for clip in clips}), len({clip.recording for clip in clips}) // 2} == {10}
    space = har.read_joints_3d(out / "joints.txt", annotations)
    np.testing.assert_allclose(space.camera.project(space.points), annotations.landmarks, atol=0.1)


def test_official_utkinect_labels_are_wrong_in_known_places(pose_data, out):
    _, changed, findings, _ = utkinect.prepare(pose_data / "utkinect", out)
    assert changed == []
    for known in (
        "s03_e01 push 2556–3622: shares",
        "s09_e01 push 3266–3390: shares",
        "s01_e02 walk 154–192: the median",
    ):
        assert any(finding.startswith(known) for finding in findings)
