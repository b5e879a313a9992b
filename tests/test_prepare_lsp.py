"""The prepare script of LSP Extended: on tiny hand-made official files, and on real ones if POSE_DATA has them."""

import cv2
import numpy as np
import pytest
from prepare_scripts import joint, landmarks_of, link, load_script, real
from scipy.io import savemat

from pose.skeleton import KINECT20

lsp = load_script("lsp")

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


# The real set.


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
