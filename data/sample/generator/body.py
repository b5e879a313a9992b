"""A 3D body model: its proportions, and its 20 joints for a pose.

Axes, of the person and of the world: x to the person's left, y up, z forward (right-handed); metres, radians.
The floor is y = 0. Arrays over time have T first; in arrays of both sides the left comes first.
"""

from dataclasses import dataclass

import numpy as np

JOINTS = (
    "hip_center", "spine", "shoulder_center", "head",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hand", "right_hand",
    "left_hip", "right_hip", "left_knee", "right_knee",
    "left_ankle", "right_ankle", "left_foot", "right_foot",
)  # fmt: skip
SIDES = np.array([1.0, -1.0])  # the sign of x on the left and on the right


@dataclass(frozen=True)
class Body:
    """Lengths of one person in metres; `girth` scales the thickness of every part.

    hips, shoulders: half the distance between the two joints. ankle: its height above the sole.
    """

    stature: float
    girth: float
    hips: float
    shoulders: float
    lower_spine: float
    upper_spine: float
    neck: float
    upper_arm: float
    forearm: float
    palm: float
    thigh: float
    shin: float
    ankle: float
    foot: float

    @property
    def arm(self):
        """Shoulder to wrist."""
        return self.upper_arm + self.forearm

    @property
    def leg(self):
        """Hip to ankle."""
        return self.thigh + self.shin


def draw_body(rng, stature=(1.52, 1.93), girth=(0.90, 1.18)):
    """A person with random stature, build and proportions (fractions of the stature as in adults)."""
    stature = rng.uniform(*stature)
    trunk, legs, arms = 1 + rng.uniform(-0.04, 0.04, 3)
    fractions = {
        "hips": 0.050 * rng.uniform(0.92, 1.12),
        "shoulders": 0.103 * rng.uniform(0.90, 1.10),
        "lower_spine": 0.115 * trunk,
        "upper_spine": 0.155 * trunk,
        "neck": 0.105 * trunk,
        "upper_arm": 0.172 * arms,
        "forearm": 0.146 * arms,
        "palm": 0.048 * arms,
        "thigh": 0.242 * legs,
        "shin": 0.242 * legs,
        "ankle": 0.043,
        "foot": 0.095 * rng.uniform(0.95, 1.08),
    }
    lengths = {name: stature * fraction for name, fraction in fractions.items()}
    return Body(stature=stature, girth=rng.uniform(*girth), **lengths)


@dataclass
class Pose:
    """T frames of a movement, independent of body size.

    pelvis: (T, 3) offset of the hip centre from its position when standing, in leg lengths.
    feet: (T, 2, 3) the same for the two ankles. knees: (T, 2, 3) the direction in which each knee points.
    toes, turnout: (T, 2) how far each foot points down, and outwards, radians.
    lean, bend: (T,) forward pitch of the whole trunk, and of the chest beyond it.
    sway: (T,) trunk to the right. twist: (T,) chest turned to the left. nod, look: (T,) head down, to the
        left.
    hands: (T, 2, 3) from each shoulder to its wrist in arm lengths; turned with the chest's twist, but not with its
        lean, so a loose arm hangs straight down. A hand out of reach is moved to where the arm ends.
    elbows: (T, 2, 3) the direction in which each elbow points.
    """

    pelvis: np.ndarray
    feet: np.ndarray
    knees: np.ndarray
    toes: np.ndarray
    turnout: np.ndarray
    lean: np.ndarray
    bend: np.ndarray
    sway: np.ndarray
    twist: np.ndarray
    nod: np.ndarray
    look: np.ndarray
    hands: np.ndarray
    elbows: np.ndarray


def standing(num_frames):
    """A Pose of `num_frames` equal frames: upright, arms hanging."""
    T = num_frames
    angles = {name: np.zeros(T) for name in ("lean", "bend", "sway", "twist", "nod", "look")}
    hands = np.tile(np.array([[0.13, -0.96, 0.08], [-0.13, -0.96, 0.08]]), (T, 1, 1))
    elbows = np.tile(np.array([[0.5, 0, -1.0], [-0.5, 0, -1.0]]), (T, 1, 1))
    feet, knees = np.zeros((T, 2, 3)), np.tile(both_sides(0.15, 0, 1), (T, 1, 1))
    angles |= {name: np.zeros((T, 2)) for name in ("toes", "turnout")}
    return Pose(pelvis=np.zeros((T, 3)), feet=feet, knees=knees, hands=hands, elbows=elbows, **angles)


def mirrored(pose):
    """The same movement with left and right swapped."""
    flip = np.array([-1.0, 1.0, 1.0])
    return Pose(
        pelvis=pose.pelvis * flip,
        feet=pose.feet[:, ::-1] * flip,
        knees=pose.knees[:, ::-1] * flip,
        toes=pose.toes[:, ::-1],
        turnout=pose.turnout[:, ::-1],
        lean=pose.lean,
        bend=pose.bend,
        sway=-pose.sway,
        twist=-pose.twist,
        nod=pose.nod,
        look=-pose.look,
        hands=pose.hands[:, ::-1] * flip,
        elbows=pose.elbows[:, ::-1] * flip,
    )


@dataclass
class Posed:
    """A body in T frames, in world coordinates.

    joints: (T, 20, 3) in the order of JOINTS, metres.
    pelvis, chest, head: (T, 3, 3) rotations whose columns are that part's left, up and forward.
    heading: (3, 3) the same for the floor the person stands on.
    """

    joints: np.ndarray
    pelvis: np.ndarray
    chest: np.ndarray
    head: np.ndarray
    heading: np.ndarray

    def joint(self, name):
        """(T, 3) the path of one joint."""
        return self.joints[:, JOINTS.index(name)]


def pose_body(body, pose, heading=0.0):
    """Puts `body` into `pose`, turned by `heading` to its left. Returns Posed.

    Trunk and head follow from their angles; arms and legs are bent so that wrists and ankles reach their
    targets.
    """
    pelvis = rotation("z", pose.sway) @ rotation("x", pose.lean)
    waist = rotation("z", pose.sway) @ rotation("y", pose.twist / 2) @ rotation("x", pose.lean + pose.bend / 2)
    facing = rotation("z", pose.sway) @ rotation("y", pose.twist)
    chest = facing @ rotation("x", pose.lean + pose.bend)
    head = facing @ rotation("y", pose.look) @ rotation("x", 0.6 * (pose.lean + pose.bend) + pose.nod)

    ankles = body.leg * pose.feet + both_sides(1.15 * body.hips, body.ankle, 0)
    hips = np.swapaxes(pelvis @ both_sides(body.hips, -0.02 * body.stature, 0).T, 1, 2)
    hip_center = _supported(body, pose, hips, ankles)
    hips = hips + hip_center[:, None]
    knees, ankles = bend_limb(hips, ankles, body.thigh, body.shin, pole=pose.knees)
    down = pose.toes[..., None] + 0.2  # a foot slopes from the ankle to the toes
    out = pose.turnout[..., None]
    aside = SIDES[:, None] * (0.12 + np.cos(down) * np.sin(out))
    toes = ankles + body.foot * np.concatenate([aside, -np.sin(down), np.cos(down) * np.cos(out)], -1)

    spine = hip_center + body.lower_spine * waist[..., 1]
    neck = spine + body.upper_spine * chest[..., 1]
    crown = neck + body.neck * (0.98 * head[..., 1] + 0.2 * head[..., 2])
    shoulders = neck[:, None] + np.swapaxes(chest @ both_sides(body.shoulders, -0.02 * body.stature, 0).T, 1, 2)
    targets = shoulders + body.arm * np.einsum("tij,tsj->tsi", rotation("y", pose.twist), pose.hands)
    elbows, wrists = bend_limb(shoulders, targets, body.upper_arm, body.forearm, pose.elbows)
    hands = wrists + body.palm * _unit(wrists - elbows)

    trunk = np.stack([hip_center, spine, neck, crown], 1)
    limbs = [shoulders, elbows, wrists, hands, hips, knees, ankles, toes]
    turn = rotation("y", heading)
    joints = np.concatenate([trunk, *limbs], 1) @ turn.T
    return Posed(joints, turn @ pelvis, turn @ chest, turn @ head, turn)


def turned(posed, turn):
    """`posed` turned about its hip centre by the rotation `turn` (3, 3): tilted, lying, upside down."""
    hip_center = posed.joint("hip_center")[:, None]
    joints = (posed.joints - hip_center) @ turn.T + hip_center
    return Posed(joints, turn @ posed.pelvis, turn @ posed.chest, turn @ posed.head, turn @ posed.heading)


def bend_limb(root, target, upper, lower, pole):
    """Two bones of lengths `upper` and `lower` from `root` towards `target`, bent towards `pole`.

    root, target, pole: (..., 3). Returns the joint between the bones and the end, (..., 3) each; the end is
    the target if within reach, else the nearest reachable point on the same line.
    """
    axis = target - root
    reach = np.linalg.norm(axis, axis=-1, keepdims=True)
    axis = axis / reach
    reach = np.clip(reach, 1.05 * abs(upper - lower) + 0.1 * upper, 0.999 * (upper + lower))
    along = (upper**2 - lower**2 + reach**2) / (2 * reach)  # law of cosines
    side = _unit(pole - (pole * axis).sum(-1, keepdims=True) * axis)
    middle = root + along * axis + np.sqrt(np.maximum(upper**2 - along**2, 0)) * side
    return middle, root + reach * axis


def rotation(axis, angle):
    """Rotation about "x", "y" or "z" by `angle` (any shape S, radians), shape S + (3, 3)."""
    angle = np.asarray(angle, float)
    i = "xyz".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., i, i] = 1
    matrix[..., j, j] = matrix[..., k, k] = np.cos(angle)
    matrix[..., k, j] = np.sin(angle)
    matrix[..., j, k] = -np.sin(angle)
    return matrix


def both_sides(x, y, z):
    """(2, 3) the point (x, y, z) of the left side and its mirror image on the right."""
    return np.array([[x, y, z], [-x, y, z]], float)


def _supported(body, pose, hips, ankles):
    """(T, 3) the hip centre: as the pose asks, but low enough that both ankles can be reached."""
    center = body.leg * pose.pelvis
    upright = body.ankle + 0.99 * body.leg + 0.02 * body.stature
    across = (center[:, None] + hips - ankles)[..., [0, 2]]
    rise = np.sqrt(np.maximum((0.995 * body.leg) ** 2 - (across**2).sum(-1), 0))
    highest = (ankles[..., 1] + rise - hips[..., 1]).min(1)
    center[:, 1] = np.minimum(center[:, 1] + upright, highest)
    return center


def _unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
