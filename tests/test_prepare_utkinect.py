"""The prepare script of UT-Kinect: on tiny hand-made official files, and on real ones if POSE_DATA has them."""

import numpy as np
import pytest
from prepare_scripts import landmarks_of, load_script

import har
from har.joints_3d import Camera, load_camera
from pose.annotations import read_annotations, write_annotations
from pose.skeleton import KINECT20

utkinect = load_script("utkinect")

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
