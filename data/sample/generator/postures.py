"""Random postures, from standing to upside down, with every joint inside the limits of a person's."""

from dataclasses import dataclass, replace

import numpy as np
from body import SIDES, Posed, pose_body, rotation, standing, turned
from motions import ACTIONS, move

UP = np.array([0, 1.0, 0])


@dataclass(frozen=True)
class Posture:
    """The range of each angle, radians.

    hip, knee, elbow: how far they are bent; the hip counts from the vertical. apart: each leg to its side.
    arm: 0 hangs, π is over the head. lean: of the trunk. pitch, roll: of the whole body, forward and to its right.
    hop: above the floor, metres.
    """

    hip: tuple[float, float] = (-0.15, 0.3)
    knee: tuple[float, float] = (0.0, 0.35)
    apart: tuple[float, float] = (-0.02, 0.25)
    lean: tuple[float, float] = (-0.15, 0.25)
    arm: tuple[float, float] = (0.0, 1.3)
    elbow: tuple[float, float] = (0.0, 1.9)
    pitch: tuple[float, float] = (-0.05, 0.05)
    roll: tuple[float, float] = (-0.05, 0.05)
    hop: float = 0.0


STAND, ANY_ARM = Posture(), (0.0, 3.1)
LIE = Posture(hip=(-0.2, 1.4), knee=(0, 1.8), arm=ANY_ARM, apart=(0, 0.5))
POSTURES = (  # each as often as its number says
    (3, STAND),
    (2, replace(STAND, arm=ANY_ARM, elbow=(0, 2.4))),
    (2, replace(STAND, arm=(2.2, 3.1), elbow=(0, 1.5))),  # arms over the head
    (4, Posture(hip=(-0.7, 1.2), knee=(0, 1.7), lean=(-0.1, 0.6), arm=(0.1, 1.8), elbow=(0.2, 2.2))),  # a runner
    (2, Posture(hip=(-0.3, 0.9), knee=(0, 1.2), apart=(0.15, 0.8), lean=(-0.2, 0.8), arm=ANY_ARM)),  # a lunge
    (3, Posture(hip=(0.9, 2.1), knee=(1.2, 2.4), apart=(0, 0.6), lean=(0.1, 0.9), arm=(0.3, 2.6))),  # crouching
    (3, Posture(hip=(1.2, 1.8), knee=(0.9, 1.9), lean=(-0.3, 0.5), arm=(0.1, 1.5))),  # on a seat
    (2, Posture(hip=(1.1, 2.0), knee=(0, 1.8), apart=(0, 0.7), lean=(-0.5, 0.6), arm=ANY_ARM)),  # on the floor
    (3, Posture(hip=(-0.1, 0.4), knee=(0, 0.6), lean=(0.7, 1.6), arm=(0.2, 2.6), elbow=(0, 1.5))),  # bending
    (2, Posture(hip=(-0.6, 2.0), knee=(0, 1.0), apart=(0, 0.9), lean=(-0.4, 0.4), arm=ANY_ARM)),  # a kick
    (3, Posture(hip=(-0.5, 1.7), knee=(0, 2.2), apart=(0, 0.8), lean=(-0.3, 0.6), arm=ANY_ARM, hop=0.9)),  # a jump
    (1, replace(LIE, pitch=(-1.8, -1.3))),  # on the back
    (1, replace(LIE, pitch=(1.3, 1.8), hip=(-0.4, 0.3))),  # on the belly
    (1, replace(LIE, roll=(1.2, 1.8))),  # on the right side
    (1, replace(LIE, roll=(-1.8, -1.2))),
    (1, Posture(hip=(-0.5, 0.8), arm=(2.5, 3.1), elbow=(0, 0.6), apart=(0, 0.7), pitch=(2.6, 3.6))),  # a handstand
    (1, Posture(arm=(1.6, 3.0), elbow=(0, 0.4), apart=(0.2, 0.9), roll=(0.8, 5.5))),  # a cartwheel
    (2, Posture(hip=(-0.5, 2.0), knee=(0, 2.3), apart=(0, 0.7), lean=(-0.5, 1.0), arm=ANY_ARM, elbow=(0, 2.3),
                pitch=(-3.1, 3.1), roll=(-0.6, 0.6), hop=1.2)),  # any which way, in the air
    (8, None),  # a moment of one of the actions
)  # fmt: skip


def draw_posed(rng, body):
    """`body` in a random posture (body.Posed of one frame), facing anywhere, on the floor or above it."""
    weights = np.array([weight for weight, _ in POSTURES])
    posture = POSTURES[rng.choice(len(POSTURES), p=weights / weights.sum())][1]
    while True:
        posed = draw_moment(rng, body) if posture is None else _draw(rng, body, posture)
        if not is_tangled(body, posed):
            return posed


def draw_moment(rng, body):
    """A moment of a random action."""
    pose, _ = move(rng.choice(list(ACTIONS)), 8, rng, left_handed=rng.random() < 0.5)
    posed, t = pose_body(body, pose, heading=rng.uniform(-np.pi, np.pi)), rng.integers(8)
    parts = (posed.joints, posed.pelvis, posed.chest, posed.head)
    return Posed(*(part[t : t + 1] for part in parts), posed.heading)


def _draw(rng, body, posture):
    pose = standing(1)
    pose.lean[:], pose.bend[:] = rng.uniform(*posture.lean) * np.array([0.7, 0.3])
    pose.sway[:], pose.twist[:], pose.nod[:] = rng.normal(0, (0.12, 0.25, 0.25))
    pose.look[:] = rng.uniform(-0.8, 0.8)
    _bend_legs(rng, pose, posture)
    _bend_arms(rng, pose, posture)
    turn = rotation("y", rng.uniform(-np.pi, np.pi))
    turn = turn @ rotation("x", rng.uniform(*posture.pitch)) @ rotation("z", rng.uniform(*posture.roll))
    posed = turned(pose_body(body, pose), turn)
    # The lowest joint rests on the floor; the flesh of a foot or a hand is thinner than that of a shoulder or a knee.
    thick = body.stature * np.array([0.07, 0.07, 0.06, 0.06, *[0.04] * 8, *[0.06] * 2, *[0.04] * 4, *[0.02] * 2])
    posed.joints[..., 1] -= (posed.joints[..., 1] - thick).min() - posture.hop * rng.random()
    return posed


def _bend_legs(rng, pose, posture):
    """Sets feet, knees, toes and turnout from the angles of hip, knee and ankle."""
    hip = np.clip(_pair(rng, posture.hip), -0.5 - pose.lean, 2.3 - pose.lean)
    knee, apart = _pair(rng, posture.knee), _pair(rng, posture.apart)
    turnout, point = _pair(rng, (-0.15, 0.6)), _pair(rng, (-0.2, 0.6))
    thigh = rotation("z", SIDES * apart) @ rotation("x", -hip) @ rotation("y", SIDES * turnout)  # (2, 3, 3)
    shin = thigh @ rotation("x", knee)
    toes = (shin @ rotation("x", point))[..., 2]
    pose.feet[0] = UP - (thigh[..., 1] + shin[..., 1]) / 2
    pose.knees[0] = thigh[..., 2]
    pose.toes[0] = -np.arcsin(np.clip(toes[:, 1], -1, 1)) - 0.2  # pose_body adds the slope of a standing foot
    pose.turnout[0] = np.arctan2(SIDES * toes[:, 0], toes[:, 2])


def _bend_arms(rng, pose, posture):
    """Sets hands and elbows from the angles of shoulder and elbow."""
    arm, elbow, aside = _pair(rng, posture.arm), _pair(rng, posture.elbow), _pair(rng, (-0.4, 1.8))
    inward = _pair(rng, (-0.4, 1.5)) + aside * (1 + np.cos(arm)) / 2  # a hanging arm's elbow points back
    upper = rotation("y", SIDES * aside) @ rotation("x", -arm) @ rotation("y", -SIDES * inward)
    fore = upper @ rotation("x", -elbow)
    lean = rotation("x", pose.lean + pose.bend)  # (1, 3, 3)
    facing = rotation("z", pose.sway) @ rotation("y", pose.twist)
    hands = -(0.54 * upper[..., 1] + 0.46 * fore[..., 1]) @ lean[0].T
    pose.hands[0] = hands @ (rotation("y", -pose.twist) @ facing)[0].T
    pose.elbows[0] = -upper[..., 2] @ (facing @ lean)[0].T


def _pair(rng, limits):
    """(2,) the angle on the left and on the right: anything from nearly equal to independent."""
    one, other, share = rng.uniform(*limits), rng.uniform(*limits), rng.random()
    pair = np.array([one, share * one + (1 - share) * other])
    return pair if rng.random() < 0.5 else pair[::-1]


def is_tangled(body, posed):
    """Whether a limb runs through the trunk, the head or another limb, or the person through the floor."""
    at = {name: posed.joint(name)[0] for name in ("hip_center", "shoulder_center", "head")}
    elbows, wrists, hands, knees, ankles = (posed.joints[0, i : i + 2] for i in (6, 8, 10, 14, 16))
    middle = (elbows + wrists) / 2
    trunk = _distance(np.concatenate([elbows, middle, wrists, hands, ankles]), at["hip_center"], at["shoulder_center"])
    head = np.linalg.norm(np.concatenate([elbows, middle, wrists, hands, knees, ankles]) - at["head"], axis=-1)
    legs = [_distance(np.concatenate([wrists, hands]), posed.joints[0, i], posed.joints[0, i + 2]) for i in (12, 13)]
    legs += [_distance(ankles[1 - i : 2 - i], knees[i], ankles[i]) for i in (0, 1)]
    legs += [np.linalg.norm(knees[:1] - knees[1:], axis=-1)]
    h = body.stature
    return trunk.min() < 0.085 * h or head.min() < 0.075 * h or min(map(np.min, legs)) < 0.05 * h


def _distance(points, start, end):
    """(P,) from the points (P, 3) to the segment from start to end, (3,) each."""
    along = end - start
    share = np.clip((points - start) @ along / (along @ along), 0, 1)
    return np.linalg.norm(points - start - share[:, None] * along, axis=-1)
