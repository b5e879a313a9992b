"""The ten actions of UT-Kinect as body movements: each fills a Pose over time.

Every action is written for a right-handed person and runs over t from 0 (start) to 1 (end); `move` varies it
from clip to clip. Lengths are in leg lengths (feet, pelvis) and arm lengths (hands), see `body.Pose`.
"""

from dataclasses import dataclass

import numpy as np
from body import SIDES, mirrored, standing

GRASP, RELEASE = 0.5, 0.55  # when pick_up takes hold of its object, and when throw lets go


@dataclass
class Style:
    """The random variation of one clip.

    size: of the movement, around 1. cycles: of a repeated one, around 1. phase: where in its cycle it
    begins, from 0 to 1. rng: perturbs every key pose slightly.
    """

    size: float
    cycles: float
    phase: float
    rng: np.random.Generator

    def hand(self, x, y, z):
        """(3,) a wrist's position relative to its shoulder, slightly perturbed."""
        return np.array([x, y, z]) + self.rng.normal(0, 0.04, 3)


def move(action, num_frames, rng, left_handed=False):
    """One performance of `action`: its Pose, and the completed share of it (T,), 0 to 1."""
    style = Style(rng.uniform(0.85, 1.15), rng.uniform(0.85, 1.2), rng.uniform(), rng)
    hurry = np.exp(rng.normal(0, 0.12))  # the same action, slower at its start or at its end
    clock = np.linspace(0, 1, num_frames) ** hurry
    pose = standing(num_frames)
    ACTIONS[action](pose, clock, style)
    _stay_alive(pose, clock, rng)
    return (mirrored(pose) if left_handed else pose), clock


def track(t, *keys):
    """A smooth curve through `keys`, pairs (time, value), at the times t (T,); it rests at every key."""
    times = np.array([time for time, _ in keys])
    values = np.array([value for _, value in keys], float)
    i = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(keys) - 2)
    part = np.clip((t - times[i]) / (times[i + 1] - times[i]), 0, 1)
    part = part * part * (3 - 2 * part)
    part = part.reshape(-1, *[1] * (values.ndim - 1))
    return values[i] + part * (values[i + 1] - values[i])


def walk(pose, t, style):
    """Strides along the heading, arms swinging against the legs."""
    step = _stride(pose, t, 0.62 * style.size, 1.35 * style.cycles, style.phase)
    swing = 0.36 * style.size * np.sin(step)
    pose.hands[:, 0, 2] -= swing
    pose.hands[:, 1, 2] += swing
    pose.hands[..., 1] += 0.05 + 0.12 * np.abs(swing)[:, None]
    pose.twist += 0.12 * np.sin(step)


def carry(pose, t, style):
    """Strides with both hands in front of the belly, around a parcel."""
    _stride(pose, t, 0.48 * style.size, 1.35 * style.cycles, style.phase)
    pose.hands[:] = _both(style.hand(-0.06, -0.48, 0.52))
    pose.elbows[:] = _both((0.6, -0.5, -0.8))
    pose.lean -= 0.06


def sit_down(pose, t, style):
    """From standing onto a stool: bend forward, go down and back, come upright; hands end on the thighs."""
    _sit(pose, track(t, (0.08, 0), (0.85, 1)), style)


def stand_up(pose, t, style):
    """From a stool to standing."""
    _sit(pose, track(t, (0.10, 1), (0.90, 0)), style)


def pick_up(pose, t, style):
    """Down to the floor, right hand to an object in front of the feet, up again with it."""
    down = track(t, (0.04, 0), (GRASP, 1), (0.96, 0))
    crouch = style.rng.uniform(0.34, 0.50)  # some bend the knees, others the back
    pose.pelvis += down[:, None] * np.array([0, -crouch, -0.22])
    pose.lean += (1.38 - 0.9 * crouch) * down
    pose.bend += 0.45 * down
    rest, held = pose.hands[0, 1].copy(), style.hand(-0.15, -0.72, 0.35)
    pose.hands[:, 1] = track(t, (0.04, rest), (GRASP, style.hand(0.12, -1.0, 0.25)), (1, held))
    pose.hands[:, 0] = track(t, (0.04, rest * _MIRROR), (GRASP, style.hand(0.1, -0.85, 0.35)), (1, rest * _MIRROR))
    pose.feet[:, 0, 2] += 0.08
    pose.feet[:, 1, 2] -= 0.08


def throw(pose, t, style):
    """Overarm: the right hand goes behind the head, ahead, and down across; the left foot steps ahead."""
    rest = pose.hands[0, 1].copy()
    back, ahead = style.hand(-0.55, 0.28, -0.35), style.hand(-0.12, 0.50, 0.80)
    across = style.hand(0.30, -0.50, 0.65)
    pose.hands[:, 1] = track(t, (0.02, rest), (0.33, back), (RELEASE, ahead), (0.78, across), (1, across))
    aim = style.hand(0.10, -0.15, 0.85)
    pose.hands[:, 0] = track(
        t, (0.02, rest * _MIRROR), (0.33, aim), (0.78, style.hand(0.3, -0.7, -0.3)), (1, rest * _MIRROR)
    )
    pose.elbows[:, 1] = track(
        t, (0, (-0.5, 0, -1)), (0.33, (-0.8, -0.3, -0.5)), (0.6, (-1, -0.2, 0)), (1, (-0.8, 0, -0.6))
    )
    pose.twist += style.size * track(t, (0.02, 0), (0.33, -0.65), (0.70, 0.55), (1, 0.3))
    pose.lean += track(t, (0.1, 0), (0.33, -0.12), (0.75, 0.30), (1, 0.12))
    step = track(t, (0.15, 0), (0.45, 0.42 * style.size))
    pose.feet[:, 0, 2] += step
    pose.feet[:, 0, 1] += 0.10 * np.sin(np.pi * np.clip((t - 0.15) / 0.3, 0, 1))
    pose.pelvis[:, 2] += 0.55 * step


def push(pose, t, style):
    """Both palms from the chest straight ahead, the body's weight behind them."""
    rest, chest, ahead = pose.hands[0, 0].copy(), style.hand(0.22, -0.25, 0.30), style.hand(0.02, -0.02, 1.0)
    pose.hands[:] = _both(track(t, (0.02, rest), (0.28, chest), (0.58, ahead), (0.80, ahead), (1, chest)))
    pose.elbows[:] = _both((1.0, -0.7, -0.4))
    effort = style.size * track(t, (0.25, 0), (0.58, 1), (0.80, 1), (1, 0.3))
    pose.lean += 0.26 * effort
    pose.pelvis[:, 2] += 0.16 * effort
    pose.feet[:, 0, 2] += 0.24
    pose.feet[:, 1, 2] -= 0.22


def pull(pose, t, style):
    """Both hands reach far ahead, close, and come back to the waist while the body leans away."""
    rest, ahead, waist = pose.hands[0, 0].copy(), style.hand(0.0, -0.18, 1.0), style.hand(0.16, -0.62, 0.12)
    pose.hands[:] = _both(track(t, (0.0, rest), (0.28, ahead), (0.40, ahead), (0.75, waist), (1, waist)))
    pose.elbows[:] = _both((0.7, -0.1, -1.0))
    effort = style.size * track(t, (0.0, 0), (0.28, -0.55), (0.40, -0.55), (0.75, 1), (1, 0.8))
    pose.lean -= 0.26 * effort
    pose.pelvis[:, 2] -= 0.18 * effort
    pose.feet[:, 0, 2] += 0.24
    pose.feet[:, 1, 2] -= 0.20


def wave(pose, t, style):
    """The right hand next to the head, from side to side."""
    raised = track(t, (0.0, 0.1), (0.18, 1), (0.90, 1), (1, 0.7))[:, None]
    swing = np.sin(2 * np.pi * (2.3 * style.cycles * t + style.phase))
    aloft = style.hand(-0.42, 0.36, 0.22) + 0.30 * style.size * swing[:, None] * np.array([1, -0.15, 0])
    pose.hands[:, 1] = (1 - raised) * pose.hands[:, 1] + raised * aloft
    pose.elbows[:, 1] = (-0.9, -0.8, -0.2)
    pose.sway += 0.04 * swing
    pose.look -= 0.1


def clap_hands(pose, t, style):
    """Both hands meet in front of the chest, repeatedly."""
    raised = track(t, (0.0, 0.35), (0.15, 1), (0.92, 1), (1, 0.7))[:, None, None]
    apart = 0.5 + 0.5 * np.cos(2 * np.pi * (2.4 * style.cycles * t + style.phase))
    front = style.hand(-0.19, -0.32, 0.52) + 0.42 * style.size * apart[:, None] * np.array([1, 0, -0.15])
    pose.hands[:] = (1 - raised) * pose.hands + raised * _both(front)
    pose.elbows[:] = _both((1.0, -0.8, -0.3))
    pose.nod += 0.08


ACTIONS = {
    "walk": walk, "sit_down": sit_down, "stand_up": stand_up, "pick_up": pick_up, "carry": carry,
    "throw": throw, "push": push, "pull": pull, "wave": wave, "clap_hands": clap_hands,
}  # fmt: skip

_MIRROR = np.array([-1.0, 1.0, 1.0])


def _both(left):
    """The left hand's position(s) (..., 3) and their mirror image for the right hand, (..., 2, 3)."""
    left = np.asarray(left, float)
    return np.stack([left, left * _MIRROR], -2)


def _stride(pose, t, stance, cycles, phase):
    """Walk `cycles` double steps along the heading; returns the angle of the step cycle (T,), radians.

    A foot is on the floor for 3/5 of a cycle. During that time it stays in place while the pelvis passes over it by
    `stance`; in the rest it swings forward.
    """
    pose.pelvis[:, 2] = stance / 0.6 * cycles * (t - 0.5)
    cycle = cycles * t + phase
    for side in (0, 1):
        p = (cycle + 0.5 * side) % 1
        swing = np.clip((p - 0.6) / 0.4, 0, 1)
        ahead = np.where(p < 0.6, 0.5 - p / 0.6, -0.5 + swing * swing * (3 - 2 * swing))
        pose.feet[:, side, 2] = pose.pelvis[:, 2] + stance * ahead
        pose.toes[:, side] = track(p, (0, -0.25), (0.10, 0), (0.42, 0), (0.62, 0.65), (0.85, 0), (1, -0.25))
        heel = 0.19 * np.maximum(np.sin(pose.toes[:, side]), 0)  # up on the toes, not through the floor
        pose.feet[:, side, 1] = heel + 0.07 * np.sin(np.pi * swing)
    pose.sway += 0.03 * np.sin(2 * np.pi * cycle)
    return 2 * np.pi * (cycle + 0.25)


def _sit(pose, seated, style):
    """`seated` (T,) goes from 0, standing, to 1, sitting."""
    depth = style.rng.uniform(0.46, 0.54)
    pose.pelvis += np.stack([0 * seated, -depth * seated**1.3, -0.44 * seated], -1)
    balance = np.sin(np.pi * seated)
    pose.lean += 0.62 * style.size * balance + 0.05 * seated
    pose.nod -= 0.15 * balance
    thighs = _both(style.hand(0.0, -0.66, 0.50))
    pose.hands += (seated**0.7)[:, None, None] * (thighs - pose.hands)
    pose.feet[..., 0] += 0.05 * SIDES


def _stay_alive(pose, t, rng):
    """Nobody holds still: adds slow, small movements and an individual stance, different in every clip."""
    for angle, size in (
        (pose.sway, 0.02),
        (pose.lean, 0.03),
        (pose.nod, 0.08),
        (pose.look, 0.15),
        (pose.twist, 0.05),
    ):
        wobble = np.sin(2 * np.pi * (rng.uniform(0.4, 1.2) * t + rng.uniform()))
        angle += rng.normal(0, size) + size / 2 * wobble
    pose.feet[..., 0] += rng.uniform(0, 0.09) * SIDES
    pose.hands += rng.normal(0, 0.015, (1, 2, 3))
