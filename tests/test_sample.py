"""The sample data: the committed files are consistent, and the labels are those of the drawn body."""

import csv
import importlib
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose.skeleton import KINECT20

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
SIZE = (320, 240)


@pytest.fixture(scope="module")
def generate():
    """The script data/sample/generator/generate.py as a module, with its siblings importable."""
    folder = str(SAMPLE / "generator")
    sys.path.insert(0, folder)
    yield importlib.import_module("generate")
    sys.path.remove(folder)


@pytest.fixture(scope="module")
def labels():
    """The committed joints.txt: image name → (20, 2), pixels."""
    lines = [line.split() for line in (SAMPLE / "joints.txt").read_text(encoding="utf-8").splitlines()]
    assert all(len(fields) == 41 for fields in lines)
    return {fields[0]: np.array(fields[1:], float).reshape(20, 2) for fields in lines}


@pytest.fixture(scope="module")
def clips():
    """The committed clips.csv: one dictionary for each clip."""
    with open(SAMPLE / "clips.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def some_clips(generate, num_frames=6, seed=5):
    """One clip of each action, by different people."""
    for subject, action in enumerate(generate.ACTIONS, start=1):
        yield generate.make_clip(seed, subject, action, 1, num_frames, SIZE)


def test_joint_order_is_that_of_the_project(generate):
    assert KINECT20.names == importlib.import_module("body").JOINTS


def test_exactly_the_labelled_images_exist(labels):
    assert set(labels) == {path.name for path in (SAMPLE / "images").iterdir()}


def test_images_have_the_size_assumed_by_the_labels(labels):
    for name in list(labels)[::40]:
        assert cv2.imread(str(SAMPLE / "images" / name)).shape == (SIZE[1], SIZE[0], 3)


def test_labels_are_inside_their_images(labels):
    landmarks = np.array(list(labels.values()))
    assert (landmarks > 5).all()
    assert (landmarks < np.array(SIZE) - 6).all()


def test_clips_cover_every_image_once_in_order(labels, clips):
    names, covered = list(labels), []
    for clip in clips:
        first, last = names.index(clip["first_image"]), names.index(clip["last_image"])
        assert last - first == 7
        assert all(name.startswith(clip["clip"] + "_") for name in names[first : last + 1])
        covered += names[first : last + 1]
    assert covered == names
    assert list(clips[0]) == ["clip", "subject", "action", "first_image", "last_image"]


def test_every_subject_performs_every_action(generate, clips):
    seen = [(clip["subject"], clip["action"]) for clip in clips]
    subjects = [f"person_{number:02d}" for number in range(1, 11)]
    assert sorted(seen) == sorted((subject, action) for subject in subjects for action in generate.ACTIONS)


def test_committed_set_is_small():
    files = [*(SAMPLE / "images").iterdir(), SAMPLE / "joints.txt", SAMPLE / "clips.csv"]
    assert sum(path.stat().st_size for path in files) <= 6_000_000


@pytest.mark.parametrize(("subject", "action"), [(1, "walk"), (7, "throw")])
def test_committed_labels_and_images_come_from_the_generator(generate, labels, subject, action):
    clip = generate.make_clip(0, subject, action, 1, 8, SIZE)
    for t, image in enumerate(generate.draw_clip(clip)):
        name = f"person_{subject:02d}_{action}_1_{t:03d}.jpg"
        np.testing.assert_allclose(clip.landmarks[t], labels[name], atol=0.006)  # two decimals are written
        written = cv2.imread(str(SAMPLE / "images" / name))[..., ::-1]
        assert np.abs(written.astype(int) - image).mean() < 4  # JPEG's loss


def test_same_command_same_bytes_and_more_changes_nothing(generate, tmp_path):
    command = ["--frames", "2", "--size", "96", "--subjects", "1", "--seed", "3"]
    generate.main(["--out", str(tmp_path / "a"), *command])
    generate.main(["--out", str(tmp_path / "b"), *command])
    generate.main(["--out", str(tmp_path / "more"), *command, "--clips-per-action", "2"])
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(files) == 22
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    images = [f for f in files if f.suffix == ".jpg"]
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "more" / f).read_bytes() for f in images)
    lines = (tmp_path / "a" / "joints.txt").read_text().splitlines()
    assert set(lines) < set((tmp_path / "more" / "joints.txt").read_text().splitlines())


def test_another_seed_is_another_person(generate):
    a, b = (generate.make_clip(seed, 1, "walk", 1, 4, SIZE) for seed in (0, 1))
    assert np.abs(a.landmarks - b.landmarks).max() > 10
    shins = [np.linalg.norm(clip.joints[0, 14] - clip.joints[0, 16]) for clip in (a, b)]
    assert abs(shins[0] - shins[1]) > 1e-3  # another body, too


def test_a_data_set_is_never_overwritten(generate, tmp_path):
    (tmp_path / "joints.txt").write_text("mine")
    with pytest.raises(SystemExit, match="choose another --out"):
        generate.main(["--out", str(tmp_path)])
    assert (tmp_path / "joints.txt").read_text() == "mine"


def test_every_label_lies_on_the_drawn_body(generate):
    render, scene = importlib.import_module("render"), importlib.import_module("scene")
    for clip in some_clips(generate):
        people = [c for c in clip.capsules if c.is_person]
        boxes, paints = render.windows(people, clip.camera), render.gather(people)
        light = scene.draw_light(clip.rng, clip.camera)
        for t, solid in enumerate(render.solids(people, clip.camera)):
            _, cover, _, corner = render.draw(solid, boxes[t], paints, clip.camera, light)
            x, y = (np.round(clip.landmarks[t]).astype(int) - corner).T
            assert (cover[y, x] > 0.5).all()


def test_a_ball_is_drawn_where_the_camera_projects_it(generate):
    """A pixel's centre is its integer coordinate, in the drawing as in the labels."""
    render, person = importlib.import_module("render"), importlib.import_module("person")
    clip = generate.make_clip(0, 1, "wave", 1, 1, SIZE)
    middle = clip.joints[:, 0]
    ball = person.Capsule(
        middle,
        middle + np.array([0, 1e-4, 0]),
        (0.1, 0.1),
        np.array([[0, 0, 1.0]]),
        person.Material(np.ones(3)),
    )
    light = importlib.import_module("scene").draw_light(clip.rng, clip.camera)
    paints, boxes = render.gather([ball]), render.windows([ball], clip.camera)
    (solid,) = render.solids([ball], clip.camera)
    _, cover, _, corner = render.draw(solid, boxes[0], paints, clip.camera, light)
    y, x = np.mgrid[: cover.shape[0], : cover.shape[1]]
    center = np.array([(x * cover).sum(), (y * cover).sum()]) / cover.sum() + corner
    np.testing.assert_allclose(center, clip.landmarks[0, 0], atol=0.1)
    depth = clip.camera.to_camera(middle)[0, 2]
    assert np.sqrt(cover.sum() / np.pi) == pytest.approx(clip.camera.focal * 0.1 / depth, rel=0.02)


@pytest.mark.parametrize("radii", [(0.30, 0.12), (0.12, 0.30), (0.2, 0.2), (0.5, 0.1)])
def test_a_capsule_is_the_union_of_the_spheres_between_its_ends(generate, radii):
    """The depth at which rays enter a capsule is the minimum over 4000 spheres along it."""
    render, person = importlib.import_module("render"), importlib.import_module("person")
    camera = importlib.import_module("camera").Camera(np.zeros(3), np.eye(3), 200.0, (0.0, 0.0), SIZE)
    start, end, front = (np.array([v]) for v in ([-0.3, 0.1, 3.0], [0.1, -0.2, 3.2], [0.0, 0.0, -1.0]))
    (solid,) = render.solids([person.Capsule(start, end, radii, front, person.Material(np.ones(3)))], camera)
    x, y = np.linspace(-0.3, 0.3, 41, dtype=np.float32), np.linspace(-0.3, 0.3, 31, dtype=np.float32)[:, None]
    hit = render._ray_capsule(solid, 0, x, y)

    part = np.linspace(0, 1, 4000)[:, None, None]
    rays = np.stack(np.broadcast_arrays(x, y, np.float32(1)), -1).astype(float)
    along, squared = rays @ start[0] + part * (rays @ (end - start)[0]), (rays**2).sum(-1)
    centers, radius = start[0] + part[:, 0] * (end - start)[0], radii[0] + part * (radii[1] - radii[0])
    inside = along**2 - squared * ((centers**2).sum(-1)[:, None, None] - radius**2)
    entry = np.where(inside >= 0, (along - np.sqrt(np.maximum(inside, 0))) / squared, np.inf).min(0)
    both = np.isfinite(entry) & np.isfinite(hit)
    assert both.sum() > 80
    assert (np.isfinite(entry) == np.isfinite(hit)).mean() > 0.997  # grazing rays may go either way
    np.testing.assert_allclose(hit[both], entry[both], atol=4e-3)
    assert np.abs(hit - entry)[both].mean() < 1e-4


def test_left_is_on_the_right_of_the_image_when_the_person_faces_the_camera(generate, monkeypatch):
    monkeypatch.setattr(generate, "_draw_heading", lambda rng: 0.0)
    for subject in (1, 2, 3):
        x = generate.make_clip(0, subject, "carry", 1, 4, SIZE).landmarks[..., 0]
        for joint in ("shoulder", "elbow", "hip"):
            assert (x[:, KINECT20.index(f"left_{joint}")] > x[:, KINECT20.index(f"right_{joint}")]).all()


def test_face_is_seen_from_the_front_and_hair_from_behind(generate, monkeypatch):
    """The pixel of the head's joint has the skin's colour from the front and the hair's from behind."""
    person = importlib.import_module("person")
    look = person.Look(np.array([1, 0, 0]), np.array([0, 0, 1]), long_hair=False, left_handed=False)
    monkeypatch.setattr(generate, "draw_look", lambda rng: look)
    for heading, brighter, darker in ((0.0, 0, 2), (np.pi, 2, 0)):
        monkeypatch.setattr(generate, "_draw_heading", lambda rng, heading=heading: heading)
        clip = generate.make_clip(0, 1, "carry", 1, 1, SIZE)
        (image,) = generate.draw_clip(clip)
        x, y = np.round(clip.landmarks[0, KINECT20.index("head")]).astype(int)
        assert image[y, x, brighter] > int(image[y, x, darker]) + 30


def test_limbs_keep_their_lengths(generate):
    for clip in some_clips(generate):
        a, b = np.array(KINECT20.limb_indices).T
        lengths = np.linalg.norm(clip.joints[:, a] - clip.joints[:, b], axis=-1)  # (T, 19), metres
        np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], lengths.shape), atol=1e-9)


def test_feet_are_on_the_floor(generate):
    feet = [KINECT20.index(f"{side}_foot") for side in ("left", "right")]
    for clip in some_clips(generate, num_frames=30):
        height = clip.joints[:, feet, 1]
        assert height.min() > 0
        assert height.min(1).max() < 0.09  # in every frame one foot is down


def test_a_walker_does_not_slide(generate):
    """The ankle that bears the weight stays in place while the hip moves on."""
    clip = generate.make_clip(0, 1, "walk", 1, 60, SIZE)
    moved = np.linalg.norm(np.diff(clip.joints, axis=0), axis=-1)
    ankles = moved[:, [KINECT20.index("left_ankle"), KINECT20.index("right_ankle")]].min(1)
    assert np.median(ankles) < 0.1 * np.median(moved[:, 0])
