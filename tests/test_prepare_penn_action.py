"""The prepare script of Penn Action: on tiny hand-made official files, and on real ones if POSE_DATA has them."""

import numpy as np
import pytest
from prepare_scripts import link, load_script, real
from scipy.io import savemat

import har
from pose.annotations import read_annotations
from pose.skeleton import PENN13

penn_action = load_script("penn_action")

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
    annotations = read_annotations(out / "joints.txt", skeleton=PENN13)
    assert annotations.paths == [f"0007/{frame:06d}.jpg" for frame in (1, 2, 3)]
    at = PENN13.index
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
    clips = har.read_clips(out / "clips.csv", read_annotations(out / "joints.txt", skeleton=PENN13))
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


# The real set.


def test_real_penn_action_left_is_the_persons_left(tmp_path):
    """People strum, bowl and serve with the right hand, mostly: it is the faster one."""
    raw, out = tmp_path / "raw", tmp_path / "out"
    films = [f"{number:04d}.mat" for number in (*range(1892, 1900), *range(2147, 2160))]
    for name in films:
        if (real("penn_action") / "labels" / name).exists():  # half of them are the official test set
            link(real("penn_action") / "labels" / name, raw / "labels" / name)
    penn_action.prepare(raw, out)
    annotations = read_annotations(out / "joints.txt", skeleton=PENN13)
    faster = []
    for clip in har.read_clips(out / "clips.csv", annotations):
        speeds = np.linalg.norm(np.diff(annotations.landmarks[clip.rows], axis=0), axis=2)
        speeds = np.nan_to_num(speeds)  # a wrist may never be labelled
        left, right = (speeds[:, PENN13.index(f"{side}_wrist")].max() for side in ("left", "right"))
        faster.append(right > left)
    assert len(faster) > 8
    assert np.mean(faster) > 0.6
