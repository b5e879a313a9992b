"""The scene around the person: lighting, floor and wall with objects on them, shadow and sensor noise."""

from dataclasses import dataclass

import cv2
import numpy as np
from body import rotation
from person import draw_colour

METRE = 32  # texture pixels per metre of floor or wall


@dataclass
class Light:
    """A lamp and the ambient light of the room.

    direction: (3,) towards the lamp, camera axes; world: the same, world axes. up: (3,) the world's up,
    camera axes. strength, ambient: of the lamp and of the ambient light. tint: (3,) RGB colour of both.
    """

    direction: np.ndarray
    up: np.ndarray
    world: np.ndarray
    strength: float
    ambient: float
    tint: np.ndarray


def draw_light(rng, camera, front=(0.1, 1.0), strength=(0.35, 0.75), ambient=(0.45, 0.75), tint=0.07):
    """A lamp somewhere above the person, and on the camera's side if `front` is positive."""
    world = np.array([rng.uniform(-0.9, 0.9), rng.uniform(0.7, 1.6), rng.uniform(*front)])
    world /= np.linalg.norm(world)
    strength, ambient = rng.uniform(*strength), rng.uniform(*ambient)
    tint = 1 + rng.uniform(-tint, tint) * np.array([1, 0, -1])
    as_seen = [(camera.axes @ v).astype(np.float32) for v in (world, np.array([0, 1.0, 0]))]
    return Light(as_seen[0], as_seen[1], world, strength, ambient, tint.astype(np.float32))


def draw_room(rng, camera, behind=(1.3, 3.0)):
    """The empty room as the camera sees it, and its floor: (h, w, 3) RGB from 0 to 1, and (h, w) bool.

    behind: the wall's distance behind the person, metres.
    """
    x, y = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in camera.size))
    rays = np.stack([x - camera.center[0], y - camera.center[1], np.full_like(x, camera.focal)], -1)
    rays = (rays / np.float32(camera.focal)) @ camera.axes.astype(np.float32)
    turn = rotation("y", rng.uniform(-0.4, 0.4)).astype(np.float32)
    behind = rng.uniform(*behind)
    with np.errstate(divide="ignore", invalid="ignore"):
        to_floor = np.where(rays[..., 1] < 0, -camera.position[1] / rays[..., 1], np.inf)
        away = rays @ turn[:, 2]
        to_wall = np.where(away < 0, -(behind + camera.position @ turn[:, 2]) / away, np.inf)
    is_floor = to_floor < to_wall
    distance = np.minimum(np.minimum(to_floor, to_wall), 50).astype(np.float32)
    hit = camera.position.astype(np.float32) + rays * distance[..., None]
    ways = np.stack([hit @ turn[:, 0] + 6, np.where(is_floor, hit @ turn[:, 2] + 3, hit[..., 1])], -1)
    position = METRE * ways
    room = np.where(is_floor[..., None], _lay(_floor(rng), position), _lay(_wall(rng), position))
    to_right, to_top = x / camera.size[0] - 0.5, 0.5 - y / camera.size[1]
    fall_off = 1 + rng.uniform(-0.22, 0.22) * to_right + rng.uniform(0, 0.2) * to_top
    return cv2.GaussianBlur(room, None, rng.uniform(0.4, 1.0)) * fall_off[..., None], is_floor


def draw_shadow(room, is_floor, capsules, camera, light, t):
    """The room with the soft shadow that the capsules cast on the floor in frame t."""
    mask = np.zeros(room.shape[:2], np.uint8)
    for c in capsules:
        ends = np.stack([c.start[t], c.end[t]])
        ends = ends - light.world * (ends[:, 1:2] / light.world[1])
        seen, depth = camera.project(ends), camera.to_camera(ends)[:, 2].min()
        if depth > 0.5:
            thickness = max(int(2 * camera.focal * max(c.radii) * max(c.width, c.depth) * 0.8 / depth), 1)
            (x0, y0), (x1, y1) = np.clip(np.round(seen), -2000, 2000).astype(int).tolist()
            cv2.line(mask, (x0, y0), (x1, y1), 255, thickness)
    mask = cv2.blur(cv2.blur(mask, (9, 5)), (9, 5)) * is_floor
    x, y, width, height = cv2.boundingRect(mask)
    inside = np.s_[y : y + height, x : x + width]
    image = room.copy()
    if width:
        dark = cv2.cvtColor(np.ascontiguousarray(mask[inside]), cv2.COLOR_GRAY2RGB)
        image[inside] *= 1 - np.float32(0.5 / 255 * light.strength) * dark
    return image


def draw_noise(rng, size, strength):
    """Sensor noise for the images of one clip, 32 pixels larger than they are: (h, w, 3), grey."""
    noise = rng.standard_normal((size[1] + 32, size[0] + 32, 1), np.float32)
    return np.repeat(np.float32(strength) * noise, 3, 2)


def add_noise(rng, image, noise):
    """`image` (h, w, 3) plus a piece of `noise` (from `draw_noise`) taken from a random position."""
    dy, dx = rng.integers(0, 32, 2)
    return image + noise[dy : dy + image.shape[0], dx : dx + image.shape[1]]


def _lay(texture, position):
    """The texture sampled at `position` (h, w, 2), the texture position of each image pixel."""
    return cv2.remap(texture, position, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def _floor(rng):
    """Boards, tiles or carpet, 12 × 10 m."""
    texture = _clouds(rng, (12, 10), draw_colour(rng, vivid=0.4), 0.10)
    kind, (h, w) = rng.integers(3), texture.shape[:2]
    if kind == 2:  # carpet
        return texture
    wide, long = (int(METRE * rng.uniform(0.3, 0.7)), h) if kind == 0 else (int(METRE * rng.uniform(0.6, 1.0)),) * 2
    texture *= rng.uniform(0.90, 1.06, (h // long + 1, w // wide + 1)).repeat(long, 0).repeat(wide, 1)[:h, :w, None]
    texture[:, ::wide] *= 0.85
    texture[::long] *= 0.85
    return texture.astype(np.float32)


def _wall(rng):
    """A painted wall with a skirting board, doors and pictures, 12 × 6 m; row 0 is at the floor."""
    texture = _clouds(rng, (12, 6), 0.25 + 0.75 * draw_colour(rng, vivid=0.5), 0.06)
    for _ in range(rng.integers(4, 11)):
        width, height = rng.uniform(0.25, 1.3), rng.uniform(0.25, 1.5)
        x, y = (
            rng.uniform(2, 9),
            rng.choice([0.0, rng.uniform(0.5, 2.0)]),
        )  # on the floor, or on the wall
        _rectangle(texture, x, y, width, height, draw_colour(rng))
        if rng.random() < 0.5:
            _rectangle(texture, x + 0.12 * width, y + 0.12 * height, 0.76 * width, 0.76 * height, draw_colour(rng))
    if rng.random() < 0.7:
        texture[:4] = draw_colour(rng)
    return texture


def _rectangle(texture, x, y, width, height, colour):
    (x0, y0), (x1, y1) = (
        (int(METRE * x), int(METRE * y)),
        (int(METRE * (x + width)), int(METRE * (y + height))),
    )
    texture[y0:y1, x0:x1] = colour


def _clouds(rng, metres, colour, strength):
    """A colour with soft spots of two sizes, (h, w, 3)."""
    texture = np.ones((metres[1] * METRE, metres[0] * METRE), np.float32)
    for n in (1, 4):  # spots per metre
        spots = rng.normal(0, strength / n, (metres[1] * n, metres[0] * n)).astype(np.float32)
        texture += cv2.resize(spots, texture.shape[::-1], interpolation=cv2.INTER_CUBIC)
    return texture[..., None] * np.float32(colour)
