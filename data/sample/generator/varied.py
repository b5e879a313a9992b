"""Draws pictures for pretraining, as different as possible: `images/` and `joints.txt`.

    python data/sample/generator/varied.py --out DIR --count 3000 --seed 1000

Every picture shows another person: build, clothes, posture (postures.py), camera, light, surroundings and other people
are random, and so are noise, blur and JPEG quality. Not one of them is in data/sample. Picture i depends on the seed
and on i only. Joints behind something are labelled as well, those outside the image are not. About 30 pictures a second
on one core.
"""

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from body import draw_body
from camera import place_camera
from generate import label_line, write_image
from person import HAIR, SKIN, Capsule, Look, Material, draw_colour, draw_outfit, person_capsules
from postures import draw_posed
from render import draw, gather, solids, windows
from scene import draw_light, draw_shadow
from surroundings import draw_surroundings, fractal, photograph, put_shape

VARIED = 20001  # keeps these random numbers apart from those of generate.py, whatever the seed


@dataclass
class Picture:
    """Everything that is drawn in one picture.

    landmarks: (20, 2) in the image, x then y, pixels; NaN outside. capsules: list of person.Capsule of one frame, the
    labelled person's first. box: (4,) left, top, right, bottom of that person, pixels. rng: for the remaining choices.
    """

    landmarks: np.ndarray
    capsules: list
    camera: object
    box: np.ndarray
    rng: np.random.Generator


def make_picture(seed, number, size=256):
    """Decides what picture `number` shows, without drawing it. size: its mean width and height, pixels."""
    rng = np.random.default_rng([VARIED, seed, number])
    size = tuple(int(side) for side in rng.uniform(0.85, 1.15, 2) * size)
    joints, capsules = draw_person(rng)
    points = np.stack([end for c in capsules for end in (c.start, c.end)], 1)
    radii = np.array([radius * max(c.width, 1) for c in capsules for radius in c.radii])
    views = {"focal": (0.8, 2.5), "eye_height": (0.15, 3.2), "roll": 0.12, "fill": (0.6, 1.25)}
    camera = place_camera(rng, points, radii, size, **views)
    if rng.random() < 0.3:
        for _ in range(rng.integers(1, 4)):
            capsules += _bystander(rng, camera, joints)
    landmarks = camera.project(joints)[0]
    box = np.concatenate([landmarks.min(0), landmarks.max(0)])
    outside = ((landmarks < -0.5) | (landmarks > np.array(size) - 0.5)).any(1)
    return Picture(np.where(outside[:, None], np.nan, landmarks), capsules, camera, box, rng)


def draw_picture(picture):
    """Draws a Picture: (h, w, 3) RGB uint8."""
    rng, camera, capsules = picture.rng, picture.camera, picture.capsules
    light = draw_light(rng, camera, front=(-1.0, 1.0), strength=(0.1, 0.9), ambient=(0.3, 0.8), tint=0.15)
    room, is_floor = draw_surroundings(rng, camera)
    room = room * (0.35 + 0.65 * (light.ambient + 0.7 * light.strength)) * light.tint
    image = draw_shadow(room, is_floor, capsules, camera, light, 0)
    (scene,), (boxes,) = solids(capsules, camera), windows(capsules, camera)
    colour, cover, _, (x, y) = draw(scene, boxes, gather(capsules), camera, light)
    part = image[y : y + len(cover), x : x + cover.shape[1]]
    folds = 1 + fractal(rng, cover.shape[::-1], rng.uniform(0, 0.25))  # in the clothes, and dirt
    part *= 1 - cover[..., None]
    part += colour * folds[..., None]
    extent = picture.box[2:] - picture.box[:2]
    if rng.random() < 0.3:
        for _ in range(rng.integers(1, 4)):  # something before the person
            where = rng.uniform(picture.box[:2], picture.box[2:])
            put_shape(rng, image, where, extent.max() * rng.uniform(0.04, 0.18))
    return photograph(rng, image)


def draw_person(rng):
    """A random person: its joints (1, 20, 3) in the world, metres, and its list of Capsules."""
    body = draw_body(rng, stature=(1.25, 2.0), girth=(0.8, 1.4))
    lengths = ("hips", "shoulders", "lower_spine", "upper_spine", "neck", "foot")
    body = replace(body, **{name: getattr(body, name) * rng.uniform(0.92, 1.08) for name in lengths})
    legs, arms = rng.uniform(0.93, 1.07, 2)
    scaled = {"thigh": legs, "shin": legs, "upper_arm": arms, "forearm": arms, "palm": arms}
    body = replace(body, **{name: getattr(body, name) * scale for name, scale in scaled.items()})
    posed, look, outfit = draw_posed(rng, body), _look(rng), _outfit(rng)
    if rng.random() < 0.1:  # a bare chest
        outfit.shirt, outfit.sleeve = Material(look.skin), 2.0
    capsules = person_capsules(body, posed, look, outfit)
    return posed.joints, capsules + _belongings(rng, body, posed)


def _look(rng):
    """Any skin between the palette's, any hair, dyed or none."""
    one, other = SKIN[rng.integers(len(SKIN), size=2)]
    skin = (one + rng.random() * (other - one)) * rng.uniform(0.85, 1.05)
    hair = HAIR[rng.integers(len(HAIR))] * rng.uniform(0.5, 1.3)
    kind = rng.random()
    if kind < 0.25:
        hair = draw_colour(rng) if kind < 0.15 else skin  # dyed, or a cap; or bald
    return Look(skin, np.clip(hair, 0, 1), bool(rng.random() < 0.4), False)


def _outfit(rng):
    """Clothes of any length, also black and white ones, or all of one cloth."""
    outfit = draw_outfit(rng)
    outfit.sleeve = rng.choice([0.1, 0.5, 1.5, 2.0], p=(0.2, 0.3, 0.1, 0.4))
    outfit.leg = rng.choice([0.25, 0.7, 1.4, 2])
    if rng.random() < 0.25:
        outfit.shirt.colour = np.full(3, rng.choice([0.05, 0.95]))
    if rng.random() < 0.25:
        outfit.trousers.colour = np.full(3, rng.choice([0.04, 0.1, 0.9]))
    if rng.random() < 0.12:
        outfit.trousers = replace(outfit.shirt, kind=outfit.trousers.kind)
    elif rng.random() < 0.3:
        lines = rng.uniform(5, 16)
        outfit.trousers.stripes = ((lines, 0), (0, lines), (lines, lines))[rng.integers(3)]
        outfit.trousers.trim = draw_colour(rng)
    return outfit


def _belongings(rng, body, posed):
    """Now and then a hat, a rucksack, a skirt, or something in a hand."""
    h, capsules = body.stature, []
    up, front, back = posed.head[..., 1], posed.head[..., 2], -posed.chest[..., 2]
    if rng.random() < 0.15:
        brow = posed.joint("head") + h * (0.048 * up - 0.008 * front)
        hat = Material(draw_colour(rng))
        capsules.append(Capsule(brow, brow + 0.03 * h * up, (0.05 * h, 0.035 * h), front, hat, 1.1, 1.15))
        capsules.append(Capsule(brow, brow + 0.07 * h * front, (0.014 * h, 0.008 * h), up, hat, 3))
    if rng.random() < 0.08:
        low, high = (posed.joint(name) + 0.12 * h * back for name in ("spine", "shoulder_center"))
        bag = Material(draw_colour(rng))
        capsules.append(Capsule(low, high - 0.05 * h * posed.chest[..., 1], (0.07 * h, 0.055 * h), back, bag, 1.3))
    knees = (posed.joint("left_knee") + posed.joint("right_knee")) / 2
    apart = np.linalg.norm(posed.joint("left_knee") - posed.joint("right_knee"))
    if rng.random() < 0.2 and apart < 0.25 * h:
        hem = posed.joint("hip_center") + rng.uniform(0.4, 0.9) * (knees - posed.joint("hip_center"))
        wide = 0.06 * h * body.girth
        skirt = Material(draw_colour(rng), trim=draw_colour(rng), stripes=(0, rng.choice([0.0, 9.0])))
        capsules.append(Capsule(posed.joint("hip_center"), hem, (wide, wide * 1.1), posed.pelvis[..., 2], skirt, 1.45))
    if rng.random() < 0.25:
        capsules.append(_held(rng, h, posed.joint(f"{rng.choice(['left', 'right'])}_hand")))
    return capsules


def _held(rng, h, hand):
    """A ball or a stick in a hand."""
    thing = Material(draw_colour(rng))
    way = rng.normal(size=(1, 3))
    way /= np.linalg.norm(way)
    if rng.random() < 0.5:
        radius = rng.uniform(0.03, 0.08) * h
        return Capsule(hand + radius * way, hand + (radius + 1e-3) * way, (radius, radius), way[:, ::-1], thing)
    return Capsule(hand - 0.1 * h * way, hand + rng.uniform(0.1, 0.6) * h * way, (0.012, 0.02), way[:, ::-1], thing)


def _bystander(rng, camera, joints):
    """The Capsules of another person, beside the labelled one or behind."""
    others, capsules = draw_person(rng)
    middle = joints.mean((0, 1))
    depth = camera.to_camera(middle)[2]
    aside = rng.choice([-1, 1]) * rng.uniform(0.45, 1.3) * camera.axes[0] * (1 + 0.2 * depth)
    away = camera.axes[2] * np.array([1, 0, 1]) * rng.uniform(-0.15 * depth, 3.0)
    move = (middle + aside + away - others.mean((0, 1))) * np.array([1, 0, 1])  # along the floor
    return [replace(c, start=c.start + move, end=c.end + move) for c in capsules]


def main(argv=None):
    args = parse(argv)
    if (args.out / "joints.txt").exists():
        raise SystemExit(f"{args.out / 'joints.txt'} already exists: choose another --out, or remove the old data set")
    (args.out / "images").mkdir(parents=True, exist_ok=True)
    cv2.setNumThreads(1)
    lines = []
    for number in range(args.count):
        picture = make_picture(args.seed, number, args.size)
        name = f"varied_{args.seed}_{number:05d}.jpg"
        image = draw_picture(picture)
        write_image(args.out / "images" / name, image, int(picture.rng.uniform(35, 96)))
        lines.append(label_line(name, picture.landmarks))
    (args.out / "joints.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"{args.out}: {len(lines)} images")


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder to create")
    parser.add_argument("--count", type=int, default=3000, help="number of pictures")
    parser.add_argument("--size", type=int, default=256, help="mean width and height of an image in pixels")
    parser.add_argument("--seed", type=int, default=1000)
    return parser.parse_args(argv)


if __name__ == "__main__":
    main()
