"""Generates a pose and activity data set by drawing people: `images/`, `joints.txt` and `clips.csv`.

    python data/sample/generator/generate.py --out DIR                     # identical to the committed data/sample
    python data/sample/generator/generate.py --out DIR --subjects 40 --clips-per-action 3 --frames 24 --seed 1

Each of the `--subjects` performs the ten actions of UT-Kinect `--clips-per-action` times; `--frames` images are spread
evenly over each clip, from its start to its end. Every clip has its own random numbers, keyed by (seed, subject,
action, take): generating more does not change existing clips. The labels are the joints of the drawn body, projected by
the camera that draws it; occluded joints are labelled too, and all are inside the image.

The same seed gives the same labels everywhere; the bytes of the JPEG files may differ between versions of OpenCV. About
100 images per second on one core.
"""

import argparse
import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from body import draw_body, pose_body
from camera import place_camera
from motions import ACTIONS, move
from person import draw_look, draw_outfit, person_capsules, things
from render import draw, gather, solids, windows
from scene import add_noise, draw_light, draw_noise, draw_room, draw_shadow


@dataclass
class Clip:
    """Everything that is drawn in one clip of T images.

    joints: (T, 20, 3) in the world, metres. landmarks: (T, 20, 2) in the image, x then y, pixels.
    capsules: list of person.Capsule. rng: for the remaining random choices, the room and the noise.
    """

    joints: np.ndarray
    landmarks: np.ndarray
    capsules: list
    camera: object
    rng: np.random.Generator


def make_clip(seed, subject, action, take, num_frames, size):
    """Acts out one clip, without drawing it. subject and take count from 1; size: (width, height), pixels."""
    person = np.random.default_rng([seed, subject])
    body, look = draw_body(person), draw_look(person)
    rng = np.random.default_rng([seed, subject, list(ACTIONS).index(action) + 1, take])
    pose, clock = move(action, num_frames, rng, look.left_handed)
    posed = pose_body(body, pose, heading=_draw_heading(rng))
    people = person_capsules(body, posed, look, draw_outfit(rng))
    props = things(rng, action, body, posed, clock, "left" if look.left_handed else "right")
    points = np.stack([end for c in people for end in (c.start, c.end)], 1)
    radii = np.array([radius * max(c.width, 1) for c in people for radius in c.radii])
    camera = place_camera(rng, points, radii, size)
    return Clip(posed.joints, camera.project(posed.joints), people + props, camera, rng)


def draw_clip(clip):
    """Draws the images of a Clip one by one: yields (h, w, 3) RGB uint8."""
    rng, camera, capsules = clip.rng, clip.camera, clip.capsules
    light = draw_light(rng, camera)
    room, is_floor = draw_room(rng, camera)
    noise = draw_noise(rng, camera.size, rng.uniform(0.002, 0.006))
    room = room * (0.35 + 0.65 * (light.ambient + 0.7 * light.strength)) * light.tint
    paints, boxes = gather(capsules), windows(capsules, camera)
    for t, scene in enumerate(solids(capsules, camera)):
        image = draw_shadow(room, is_floor, capsules, camera, light, t)
        colour, cover, _, (x, y) = draw(scene, boxes[t], paints, camera, light)
        part = image[y : y + len(cover), x : x + cover.shape[1]]
        part *= 1 - cv2.cvtColor(cover, cv2.COLOR_GRAY2RGB)
        part += colour
        yield (np.clip(add_noise(rng, image, noise), 0, 1) * 255 + 0.5).astype(np.uint8)


def _draw_heading(rng):
    """Mostly within 60° of the camera; one clip in twelve is seen from the side or half from behind."""
    if rng.random() < 11 / 12:
        return rng.uniform(-1.05, 1.05)
    return rng.choice([-1, 1]) * rng.uniform(1.05, 2.1)


def main(argv=None):
    args = parse(argv)
    if (args.out / "joints.txt").exists():
        raise SystemExit(f"{args.out / 'joints.txt'} already exists: choose another --out, or remove the old data set")
    (args.out / "images").mkdir(parents=True, exist_ok=True)
    size = (args.size, args.size * 3 // 4)
    lines, clips = [], []
    for subject in range(1, args.subjects + 1):
        for action in ACTIONS:
            for take in range(1, args.clips_per_action + 1):
                person = f"person_{subject:02d}"
                name = f"{person}_{action}_{take}"
                clip = make_clip(args.seed, subject, action, take, args.frames, size)
                names = [f"{name}_{t:03d}.jpg" for t in range(args.frames)]
                for image_name, image in zip(names, draw_clip(clip), strict=True):
                    write_image(args.out / "images" / image_name, image, args.quality)
                lines += [label_line(*labels) for labels in zip(names, clip.landmarks, strict=True)]
                clips.append((name, person, action, names[0], names[-1]))
    (args.out / "joints.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    with open(args.out / "clips.csv", "w", newline="", encoding="utf-8") as file:
        header = ("clip", "subject", "action", "first_image", "last_image")
        csv.writer(file, lineterminator="\n").writerows([header, *clips])
    print(f"{args.out}: {len(lines)} images, {len(clips)} clips, {args.subjects} people, {len(ACTIONS)} actions")


def label_line(image_name, landmarks):
    """A line of joints.txt."""
    return " ".join([image_name, *(f"{value:.2f}" for value in landmarks.ravel())])


def write_image(path, image, quality):
    """Writes an RGB image as JPEG. Raises OSError if that fails."""
    if not cv2.imwrite(
        str(path),
        cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
        [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1],
    ):
        raise OSError(f"cannot write {path}")


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to create")
    parser.add_argument("--subjects", type=int, default=10)
    parser.add_argument("--clips-per-action", type=int, default=1, help="takes of each action by each subject")
    parser.add_argument("--frames", type=int, default=8, help="images in a clip, spread from its start to its end")
    parser.add_argument("--size", type=int, default=320, help="width of an image in pixels; the height is 3/4 of it")
    parser.add_argument("--quality", type=int, default=80, help="of the JPEG files, 0 to 100")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
