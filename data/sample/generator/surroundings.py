"""What is around the varied people, and what their camera does to the picture."""

import cv2
import numpy as np
from person import draw_colour
from scene import draw_room


def fractal(rng, size, strength):
    """Noise of all scales, (h, w) float32 around 0 with deviation `strength`; size: (width, height)."""
    total, rough = np.zeros(size[::-1], np.float32), rng.uniform(0.4, 1.0)
    for cells in (3, 7, 17, 41, 97):
        grid = rng.standard_normal((cells, cells), np.float32) * np.float32((3 / cells) ** rough)
        total += cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC if cells < 20 else cv2.INTER_LINEAR)
    return total * np.float32(strength / total.std())


def draw_surroundings(rng, camera):
    """A room, a street or a field with clutter, as `scene.draw_room`: (h, w, 3) RGB, and (h, w) bool, the floor."""
    is_outside = rng.random() < 0.45
    room, is_floor = draw_room(rng, camera, behind=(6.0, 40.0) if is_outside else (0.7, 4.0))
    width, height = camera.size
    if is_outside and rng.random() < 0.8:  # a sky, or a hedge
        top, bottom = (0.2 + 0.8 * draw_colour(rng) for _ in range(2))
        shade = np.linspace(0, 1, height, dtype=np.float32)[:, None, None] ** rng.uniform(0.5, 2)
        sky = np.broadcast_to((1 - shade) * top + shade * bottom, room.shape)
        room = np.where(is_floor[..., None], room, sky).astype(np.float32)
    for _ in range(rng.choice([0, 3, 8, 20], p=(0.3, 0.3, 0.25, 0.15))):
        put_shape(rng, room, rng.uniform((0, 0), camera.size), width * rng.uniform(0.03, 0.25))
    tone = 1 + fractal(rng, camera.size, rng.uniform(0.02, 0.35))
    if rng.random() < 0.2:
        hues = [fractal(rng, camera.size, rng.uniform(0.02, 0.10)) for _ in range(3)]
        room = room + np.stack(hues, -1)
    return np.clip(room * tone[..., None], 0, 1).astype(np.float32), is_floor


def put_shape(rng, image, where, radius):
    """Paints one textured thing into `image` (h, w, 3): an ellipse, a bar, a box or something jagged.

    where: (2,) x then y of its middle, radius: its size, pixels.
    """
    mask, kind = np.zeros(image.shape[:2], np.uint8), rng.integers(4)
    angle = float(rng.uniform(0, 180) if rng.random() < 0.5 else rng.choice([0, 90]))
    long, short = radius * rng.uniform(1, 3), radius * rng.uniform(0.15, 1)
    where = np.array(where, float)
    if kind == 0:
        cv2.ellipse(mask, (where.tolist(), (2 * long, 2 * short), angle), 255, -1, cv2.LINE_AA)
    elif kind < 3:
        corners = cv2.boxPoints((where.tolist(), (2 * long, (0.5 if kind == 1 else 2) * short), angle))
        cv2.fillConvexPoly(mask, np.round(corners).astype(int), 255, cv2.LINE_AA)
    else:
        turns = np.sort(rng.uniform(0, 2 * np.pi, 9))
        rim = where + radius * rng.uniform(0.4, 1.4, (9, 1)) * np.stack([np.cos(turns), np.sin(turns)], 1)
        cv2.fillPoly(mask, [np.round(rim).astype(int)], 255, cv2.LINE_AA)
    x, y, width, height = cv2.boundingRect(mask)
    if not width:
        return  # it is outside the image
    inside = np.s_[y : y + height, x : x + width]
    cover = np.float32(1 / 255) * mask[inside][..., None]
    texture = 1 + fractal(rng, (width, height), rng.uniform(0, 0.35))
    colours = np.stack([draw_colour(rng), draw_colour(rng)]).astype(np.float32)
    lines = rng.uniform(0, 0.5) if rng.random() < 0.3 else 0  # a grid, a fence, a shelf
    waves = np.sin(lines * np.arange(width)) * np.cos(lines * rng.random() * np.arange(height))[:, None]
    pick = (waves > 0.5).astype(int)
    image[inside] += cover * (colours[pick] * texture[..., None] - image[inside])


def photograph(rng, image):
    """The picture that a camera takes of `image` (h, w, 3), RGB from 0 to 1: (h, w, 3) uint8."""
    image = cv2.GaussianBlur(image, None, rng.choice([0.3, 0.6, 1.0, 1.5], p=(0.4, 0.3, 0.2, 0.1)))
    if rng.random() < 0.15:  # motion blur
        steps = np.linspace(-1, 1, 15)[:, None] * rng.uniform(1, 3.5) * _direction(rng)
        kernel = np.zeros((9, 9), np.float32)
        np.add.at(kernel, tuple(np.round(4 + steps).astype(int).T), 1 / 15)
        image = cv2.filter2D(image, -1, kernel)
    exposure = np.clip(rng.uniform(0.25, 0.6) / image.mean(), 0.6, 3)
    image = np.clip(image * exposure * (1 + rng.normal(0, 0.06, 3)), 0, 1).astype(np.float32)
    image = image ** np.float32(rng.uniform(0.75, 1.25))
    image = image.mean() + rng.uniform(0.7, 1.15) * (image - image.mean())
    if rng.random() < 0.08:
        image = np.repeat(image.mean(-1, keepdims=True), 3, 2)
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.choice([0.005, 0.015, 0.04]))
    return (np.clip(image + noise, 0, 1) * 255 + 0.5).astype(np.uint8)


def _direction(rng):
    angle = rng.uniform(0, np.pi)
    return np.array([np.sin(angle), np.cos(angle)])
