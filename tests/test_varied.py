"""The varied pictures for pretraining: the labels are those of the drawn people, and the seed decides everything."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from pose import read_annotations


@pytest.fixture(scope="module")
def load():
    """Imports a module of data/sample/generator by name."""
    folder = str(Path(__file__).parents[1] / "data" / "sample" / "generator")
    sys.path.insert(0, folder)
    yield importlib.import_module
    sys.path.remove(folder)


def test_every_joint_lies_on_the_drawn_person(load):
    """In any posture, clothes and belongings included."""
    varied, render, scene = load("varied"), load("render"), load("scene")
    for number in range(12):
        rng = np.random.default_rng(number)
        joints, capsules = varied.draw_person(rng)
        points = np.stack([end for c in capsules for end in (c.start, c.end)], 1)
        camera = varied.place_camera(rng, points, np.full(points.shape[1], 0.2), (200, 200))
        (solid,), (boxes,) = render.solids(capsules, camera), render.windows(capsules, camera)
        light = scene.draw_light(rng, camera)
        _, cover, _, corner = render.draw(solid, boxes, render.gather(capsules), camera, light)
        x, y = (np.round(camera.project(joints)[0]).astype(int) - corner).T
        assert (cover[y, x] > 0.5).all()


def test_limbs_keep_their_lengths_and_knees_bend_forward_only(load):
    postures, body = load("postures"), load("body")
    person = body.draw_body(np.random.default_rng(0))
    for number in range(40):
        posed = postures.draw_posed(np.random.default_rng(number), person)
        for side in ("left", "right"):
            hip, knee, ankle, elbow, wrist = (
                posed.joint(f"{side}_{name}")[0] for name in ("hip", "knee", "ankle", "elbow", "wrist")
            )
            assert np.linalg.norm(knee - hip) == pytest.approx(person.thigh)
            assert np.linalg.norm(ankle - knee) == pytest.approx(person.shin)
            assert np.linalg.norm(wrist - elbow) == pytest.approx(person.forearm)
            toes = posed.joint(f"{side}_foot")[0] - ankle
            bent = knee - (hip + ankle) / 2
            assert np.linalg.norm(bent) < 0.08 * person.stature or bent @ toes > 0
        assert posed.joints[..., 1].min() > 0  # above the floor


def test_files_depend_on_the_seed_alone(load, tmp_path):
    varied = load("varied")
    for folder, seed in (("a", 5), ("b", 5), ("other", 6)):
        varied.main(["--out", str(tmp_path / folder), "--count", "3", "--seed", str(seed)])
    a, b, other = (sorted((tmp_path / folder / "images").iterdir()) for folder in ("a", "b", "other"))
    assert [path.read_bytes() for path in a] == [path.read_bytes() for path in b]
    assert not {path.read_bytes() for path in a} & {path.read_bytes() for path in other}
    annotations = read_annotations(tmp_path / "a" / "joints.txt")
    assert (tmp_path / "a" / "joints.txt").read_text() == (tmp_path / "b" / "joints.txt").read_text()
    assert list(annotations) == [path.name for path in a]


def test_joints_outside_the_image_are_not_labelled(load):
    varied = load("varied")
    pictures = [varied.make_picture(1, number) for number in range(30)]
    labelled = np.array([np.isfinite(picture.landmarks).all(1) for picture in pictures])
    assert 0.9 < labelled.mean() < 1
    for picture in pictures:
        inside = np.nan_to_num(picture.landmarks)
        assert (inside >= -0.5).all()
        assert (inside <= np.array(picture.camera.size) - 0.5).all()
    image = varied.draw_picture(pictures[0])
    assert image.shape == (*pictures[0].camera.size[::-1], 3)
    assert image.dtype == np.uint8
