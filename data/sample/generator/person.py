"""What is drawn: a person and props, built from capsules, with their clothes and colours."""

from dataclasses import dataclass

import numpy as np
from motions import GRASP, RELEASE

SKIN = np.array([[0.95, 0.80, 0.70], [0.87, 0.68, 0.54], [0.74, 0.53, 0.39], [0.55, 0.37, 0.26], [0.36, 0.24, 0.18]])
HAIR = np.array([[0.09, 0.07, 0.06], [0.24, 0.15, 0.09], [0.45, 0.29, 0.15], [0.74, 0.58, 0.32], [0.55, 0.54, 0.53]])
PLAIN, FACE, PRINT = 0, 1, 2


@dataclass
class Material:
    """Colours are (3,) RGB from 0 to 1.

    other: the colour beyond the fraction `cut` of the part's length (bare arm below a sleeve).
    stripes: (along, across), lines per metre in the colour `trim`; zero for none.
    kind: PLAIN, FACE (eyes and mouth at the front) or PRINT (a picture on the chest).
    """

    colour: np.ndarray
    other: np.ndarray | None = None
    cut: float = 9.0
    trim: np.ndarray | None = None
    stripes: tuple[float, float] = (0.0, 0.0)
    kind: int = PLAIN


@dataclass
class Capsule:
    """Two spheres and the cone around both, in T frames.

    start, end: (T, 3) centres in the world, metres. radii: at the start and at the end, metres.
    forward: (T, 3) the direction its front faces. width, depth: stretch of the round section, sideways and to the
    front. is_person: False for props.
    """

    start: np.ndarray
    end: np.ndarray
    radii: tuple[float, float]
    forward: np.ndarray
    material: Material
    width: float = 1.0
    depth: float = 1.0
    is_person: bool = True


@dataclass
class Look:
    """The appearance of a person in all clips, apart from the body."""

    skin: np.ndarray
    hair: np.ndarray
    long_hair: bool
    left_handed: bool


@dataclass
class Outfit:
    """What a person wears in one clip."""

    shirt: Material
    sleeve: float  # where it ends: 1 elbow, 2 wrist
    trousers: Material
    leg: float  # where the trousers end: 1 knee, 2 ankle
    shoes: Material


def draw_look(rng):
    """A random Look."""
    skin = SKIN[rng.integers(len(SKIN))] * rng.uniform(0.93, 1.05)
    return Look(skin, HAIR[rng.integers(len(HAIR))], bool(rng.random() < 0.45), bool(rng.random() < 0.25))


def draw_outfit(rng):
    """A random Outfit. People change clothes between clips, so that a few people look like many."""
    shirt = Material(draw_colour(rng), trim=draw_colour(rng))
    pattern = rng.integers(5)
    if pattern < 3:
        lines = rng.uniform(7, 16)
        shirt.stripes = ((lines, 0), (0, lines), (lines, lines))[pattern]
    elif pattern == 3:
        shirt.kind = PRINT
    trousers = Material(draw_colour(rng, bright=0.65), trim=np.zeros(3))
    sleeve, leg = rng.choice([0.6, 0.7, 2.0, 2.0]), rng.choice([0.85, 2.0, 2.0])
    return Outfit(shirt, sleeve, trousers, leg, Material(draw_colour(rng, bright=0.9)))


def draw_colour(rng, bright=1.0, vivid=0.75):
    """A random colour (3,), with saturation from 0 to `vivid`."""
    hue = 0.5 + 0.5 * np.cos(2 * np.pi * (rng.uniform() + np.array([0, 1 / 3, 2 / 3])))
    value, strength = rng.uniform(0.12, 0.92) * bright, vivid * rng.uniform() ** 0.7
    return value * (1 - strength + strength * hue)


def person_capsules(body, posed, look, outfit):
    """The Capsules of one person in all frames of `posed`."""
    h, g = body.stature, body.stature * body.girth
    left, up, front = (posed.chest[..., i] for i in range(3))
    pelvis_up, pelvis_front, at = posed.pelvis[..., 1], posed.pelvis[..., 2], posed.joint
    skin, shirt, trousers = Material(look.skin), outfit.shirt, outfit.trousers
    belt, bust = at("hip_center") + 0.002 * h * pelvis_up, at("shoulder_center") - 0.048 * h * up
    parts = [
        Capsule(at("left_hip"), at("right_hip"), (0.056 * g, 0.056 * g), pelvis_front, trousers, depth=0.95),
        Capsule(belt, at("spine"), (0.064 * g, 0.060 * g), pelvis_front, _unprinted(shirt), 1.45),
        Capsule(at("spine"), bust, (0.061 * g, 0.062 * g), front, shirt, 1.52),
        Capsule(at("left_shoulder"), at("right_shoulder"), (0.037 * g, 0.037 * g), front, _unprinted(shirt)),
        Capsule(at("shoulder_center"), at("head"), (0.031 * g, 0.029 * g), front, skin),
        *_head(h, posed, look),
    ]
    for side, sign in (("left", 1), ("right", -1)):
        parts += _arm(h, g, side, at, sign * left - 0.3 * front, skin, outfit)
        parts += _leg(h, g, side, at, posed.heading, skin, outfit)
    return parts


def _unprinted(cloth):
    return Material(cloth.colour, trim=cloth.trim, stripes=cloth.stripes)


def _head(h, posed, look):
    left, up, front = (posed.head[..., i] for i in range(3))
    middle, skin, hair = posed.joint("head"), Material(look.skin), Material(look.hair)
    face = Material(look.skin, trim=look.hair, kind=FACE)
    jaw, skull = middle + h * (0.008 * front - 0.026 * up), middle + 0.016 * h * up
    nose = middle + h * (0.052 * front - 0.004 * up)
    crown = skull + h * (0.014 * up - 0.015 * front)
    parts = [
        Capsule(jaw, skull, (0.038 * h, 0.050 * h), front, face, 0.92),
        Capsule(nose, nose - 0.012 * h * up, (0.006 * h, 0.009 * h), front, skin),
        Capsule(crown, crown - 0.012 * h * front, (0.051 * h, 0.049 * h), up, hair, 1.02),
    ]
    if look.long_hair:
        nape = skull - 0.03 * h * front
        tips = nape - h * (0.075 * up + 0.012 * front)
        parts.append(Capsule(nape, tips, (0.042 * h, 0.030 * h), front, hair, 1.3))
    for sign in (1, -1):
        ear = middle + sign * 0.045 * h * left - 0.004 * h * front
        parts.append(Capsule(ear, ear - 0.012 * h * up, (0.010 * h, 0.007 * h), front, skin, 0.6))
    return parts


def _arm(h, g, side, at, outward, skin, outfit):
    shoulder, elbow, wrist, hand = (at(f"{side}_{name}") for name in ("shoulder", "elbow", "wrist", "hand"))
    upper, lower = _sleeve(outfit.shirt, skin.colour, outfit.sleeve)
    thumb = wrist + 0.25 * (hand - wrist)
    inward = np.cross(hand - wrist, outward)
    inward *= np.array(1 if side == "left" else -1) / np.linalg.norm(inward, axis=-1, keepdims=True)
    return [
        Capsule(shoulder, elbow, (0.036 * g, 0.028 * g), outward, upper),
        Capsule(elbow, wrist, (0.028 * g, 0.019 * g), outward, lower),
        Capsule(wrist, hand + 0.25 * (hand - wrist), (0.016 * h, 0.021 * h), outward, skin, 1.3),
        Capsule(thumb, hand + 0.022 * h * inward, (0.009 * h, 0.007 * h), outward, skin),
    ]


def _leg(h, g, side, at, heading, skin, outfit):
    hip, knee, ankle, toe = (at(f"{side}_{name}") for name in ("hip", "knee", "ankle", "foot"))
    upper, lower = _sleeve(outfit.trousers, skin.colour, outfit.leg)
    upward, forward = (np.broadcast_to(heading[:, i], knee.shape) for i in (1, 2))
    heel = ankle - 0.018 * h * upward - 0.15 * (toe - ankle)
    calf = ankle + 0.72 * (knee - ankle) - 0.010 * h * forward
    return [
        Capsule(hip, knee, (0.057 * g, 0.039 * g), forward, upper),
        Capsule(knee, ankle, (0.038 * g, 0.024 * g), forward, lower),
        Capsule(calf, ankle, (0.038 * g, 0.021 * g), forward, lower),
        Capsule(heel, toe + 0.1 * (toe - ankle), (0.023 * h, 0.020 * h), upward, outfit.shoes, 1.25),
    ]


def _sleeve(cloth, skin, end):
    """The materials of a limb's two parts, where the cloth ends at `end`: 1 after the first, 2 after both."""
    upper = Material(cloth.colour, skin, end, cloth.trim, cloth.stripes)
    return upper, (Material(skin) if end <= 1 else _unprinted(cloth))


def things(rng, action, body, posed, clock, hand):
    """The Capsules of an action's props: a stool, a parcel, a ball. hand: "left" or "right"."""
    h, forward = body.stature, np.broadcast_to(posed.heading[:, 2], (len(clock), 3))
    material = Material(draw_colour(rng), trim=draw_colour(rng), stripes=(0, rng.choice([0.0, 3.0])))
    held = posed.joint(f"{hand}_hand")
    if action in ("sit_down", "stand_up"):
        return [_stool(h, posed, forward, material, moment=-1 if action == "sit_down" else 0)]
    if action == "carry":
        middle = (posed.joint("left_hand") + posed.joint("right_hand")) / 2 + 0.02 * forward
        size = rng.uniform(0.035, 0.06) * h
        across = size * posed.heading[:, 0]
        return [Capsule(middle - across, middle + across, (size, size), forward, material, is_person=False)]
    radius = rng.uniform(0.020, 0.028) * h
    if action == "pick_up":
        taken = np.abs(clock - GRASP).argmin()
        place = np.where((np.arange(len(clock)) < taken)[:, None], held[taken], held) + 0.02 * h * forward
        place[:taken, 1] = radius
        return [_ball(place, radius, forward, material)]
    if action == "throw":
        return [_ball(_flight(held, forward, clock), radius, forward, material)]
    return []


def _stool(h, posed, forward, material, moment):
    """A round stool under the hips of the seated person."""
    seat = (posed.joint("left_hip") + posed.joint("right_hip"))[moment] / 2
    edge, top = 0.05, max(seat[1] - 0.055 * h - 0.05, 0.1)
    start = np.tile([seat[0], edge, seat[2]], (len(forward), 1))
    end = np.tile([seat[0], top, seat[2]], (len(forward), 1))
    flat = 0.22 / edge  # a thin capsule stretched sideways: a cushion with round edges
    return Capsule(start, end, (edge, edge), forward, material, flat, flat, is_person=False)


def _ball(place, radius, forward, material):
    return Capsule(place, place + np.array([0, 1e-3, 0]), (radius, radius), forward, material, is_person=False)


def _flight(held, forward, clock):
    """(T, 3) a ball: in the hand until RELEASE, then in the air (the action takes about 2 s)."""
    start = np.abs(clock - RELEASE).argmin()
    seconds = np.maximum(clock - clock[start], 0)[:, None] * 2
    fall = np.array([0, 1.0, 0]) * seconds - np.array([0, 4.9, 0]) * seconds**2
    return np.where(seconds > 0, held[start] + 4 * forward * seconds + fall, held)
