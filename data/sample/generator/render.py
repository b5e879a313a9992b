"""Renders capsules: a ray through every subpixel finds the nearest surface, which is then shaded and textured."""

from dataclasses import dataclass

import cv2
import numpy as np
from person import FACE, PRINT

SAMPLES = 2  # rays per pixel in each direction; their mean gives soft edges


@dataclass
class Solids:
    """P capsules in one frame, each in its own coordinates: x to its left, y from its start to its end, z to its front,
    stretched so that its section is round.

    to_local: (P, 3, 3) from camera axes to these. eye: (P, 3) the camera in these. length: (P,).
    radii: (P, 2).
    """

    to_local: np.ndarray
    eye: np.ndarray
    length: np.ndarray
    radii: np.ndarray


def solids(capsules, camera):
    """All `capsules` (a list of person.Capsule) in all T frames, as a list of T Solids."""
    start, end, front = (np.stack([getattr(c, name) for c in capsules], 1) for name in ("start", "end", "forward"))
    start, end, front = camera.to_camera(start), camera.to_camera(end), front @ camera.axes.T
    along = end - start
    length = np.linalg.norm(along, axis=-1)
    y = along / length[..., None]
    z = front - (front * y).sum(-1, keepdims=True) * y
    z /= np.linalg.norm(z, axis=-1, keepdims=True)
    x = np.cross(y, z)  # the part's left: the camera's axes are right-handed, as the world's are
    stretch = np.array([(c.width, 1, c.depth) for c in capsules])
    to_local = np.stack([x, y, z], -2) / stretch[:, :, None]
    eye = -(to_local @ start[..., None])[..., 0]
    radii = np.array([c.radii for c in capsules])
    return [Solids(to_local[t], eye[t], length[t], radii) for t in range(len(length))]


def windows(capsules, camera):
    """(T, P, 4) a box around each capsule: left, top, right, bottom in pixels, the last two exclusive."""
    ends = np.stack([np.stack([c.start, c.end], 1) for c in capsules], 1)  # (T, P, 2, 3)
    reach = np.array([np.multiply(c.radii, max(c.width, c.depth, 1)) for c in capsules])
    depth = camera.to_camera(ends)[..., 2]
    spread = (1.1 * camera.focal * reach / np.maximum(depth - reach, 0.2))[..., None]
    seen = camera.project(ends)
    low, high = np.floor((seen - spread).min(2)), np.ceil((seen + spread).max(2)) + 1
    return np.clip(np.concatenate([low, high], -1), 0, [*camera.size, *camera.size]).astype(int)


def draw(scene, boxes, paints, camera, light):
    """One frame as (colour, cover, index, corner).

    scene: Solids. boxes: (P, 4) from `windows`. paints: from `gather`. light: scene.Light.
    colour: (h, w, 3) RGB from 0 to 1, black where empty. cover: (h, w) from 0 to 1. index: (2h, 2w) the
    capsule that each ray hits, −1 for none. corner: (x, y) of the top left pixel of these arrays in the image.
    """
    left, top = boxes[:, :2].min(0)
    right, bottom = boxes[:, 2:].max(0)
    xs = ((np.arange(left * SAMPLES, right * SAMPLES) + 0.5) / SAMPLES - 0.5 - camera.center[0]) / camera.focal
    ys = ((np.arange(top * SAMPLES, bottom * SAMPLES) + 0.5) / SAMPLES - 0.5 - camera.center[1]) / camera.focal
    xs, ys = xs.astype(np.float32), ys.astype(np.float32)
    depth, index = _nearest(scene, (boxes - [left, top, left, top]) * SAMPLES, xs, ys)

    row, column = np.nonzero(index >= 0)
    z = depth[row, column]
    points = np.stack([xs[column] * z, ys[row] * z, z])
    fine = np.zeros((*index.shape, 3), np.float32)
    fine[row, column] = _shade(scene, index[row, column].astype(np.intp), points, paints, light).T
    size = (right - left, bottom - top)
    colour = cv2.resize(fine, size, interpolation=cv2.INTER_AREA)
    cover = cv2.resize((index >= 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return colour, cover, index, (left, top)


def _nearest(scene, boxes, xs, ys):
    """For each ray the depth (h, w) of the first capsule it hits, and that capsule's index (−1 for none)."""
    depth = np.full((len(ys), len(xs)), np.inf, np.float32)
    index = np.full(depth.shape, -1, np.int16)
    for p, (x0, y0, x1, y1) in enumerate(boxes):
        if x0 >= x1 or y0 >= y1:
            continue
        hit = _ray_capsule(scene, p, xs[x0:x1], ys[y0:y1, None])
        closer = hit < depth[y0:y1, x0:x1]
        np.copyto(depth[y0:y1, x0:x1], hit, where=closer)
        np.copyto(index[y0:y1, x0:x1], p, where=closer)
    return depth, index


def _ray_capsule(scene, p, x, y):
    """Depth (h, w) at which the rays through (x, y, 1) enter capsule p; NaN where they miss it.

    Ray: eye + depth · d. A sphere or a cone is a quadratic equation in depth, its coefficients linear or
    quadratic forms of (x, y, 1). The ray enters the capsule where it first enters one of its two spheres, or the cone
    between them.
    """
    to_local, eye = scene.to_local[p], scene.eye[p]
    length, (ra, rb) = scene.length[p], scene.radii[p]
    gram, linear = (to_local.T @ to_local).astype(np.float32), (to_local.T @ eye).astype(np.float32)
    ax, ay, a1 = to_local[1].astype(np.float32)
    dd = (gram[0, 0] * x + 2 * gram[0, 2]) * x + (2 * gram[0, 1] * x + gram[1, 1] * y + 2 * gram[1, 2]) * y + gram[2, 2]
    de = linear[0] * x + linear[1] * y + linear[2]
    dy = ax * x + ay * y + a1
    ee, ey = float(eye @ eye), float(eye[1])
    with np.errstate(invalid="ignore", divide="ignore"):  # no root: the ray misses
        hit = (-de - np.sqrt(de * de - np.float32(ee - ra * ra) * dd)) / dd
        de_end = de - np.float32(length) * dy
        hit_end = (
            -de_end - np.sqrt(de_end * de_end - np.float32(ee - 2 * length * ey + length**2 - rb * rb) * dd)
        ) / dd
        hit = np.fmin(hit, hit_end)
        taper = (ra - rb) / length
        slant = 1 - taper * taper
        if slant > 0:  # else one sphere is inside the other
            k2 = np.float32(slant) * dd - dy * dy
            k1 = np.float32(slant) * de + np.float32(taper * ra - ey) * dy
            k0 = np.float32(slant * ee - ey * ey + 2 * ey * taper * ra - ra * ra)
            side = (-k1 - np.sqrt(k1 * k1 - k0 * k2)) / k2
            place = np.float32(ey - taper * ra) + side * dy
            between = (place > 0) & (place < np.float32(length * slant))
            hit = np.fmin(hit, np.where(between, side, np.float32(np.nan)))
    return hit


@dataclass
class Paints:
    """The materials (person.Material) of P capsules as arrays.

    palette: (3P, 3) colour, trim and other colour of each, RGB from 0 to 1. stripes: (P, 2). cut, kind: (P,).
    """

    palette: np.ndarray
    stripes: np.ndarray
    cut: np.ndarray
    kind: np.ndarray


def gather(capsules):
    """The Paints of a list of person.Capsule."""
    materials = [c.material for c in capsules]
    palette = [[m.colour if c is None else c for c in (m.colour, m.trim, m.other)] for m in materials]
    stripes, cut, kind = ([getattr(m, name) for m in materials] for name in ("stripes", "cut", "kind"))
    return Paints(np.float32(palette).reshape(-1, 3), np.float32(stripes), np.float32(cut), np.array(kind))


def _shade(scene, index, points, paints, light):
    """(3, N) colours of the surface points (3, N), camera axes, on capsules `index` (N,)."""
    to_local = np.float32(scene.to_local.transpose(1, 2, 0)).take(index, 2)  # (3, 3, N)
    local = (to_local * points).sum(1) + np.float32(scene.eye.T).take(index, 1)
    taper = (scene.radii[:, 0] - scene.radii[:, 1]) / scene.length
    slant, shift = np.maximum(1 - taper * taper, 1e-3), taper * scene.radii[:, 0]
    middle = (local[1] - np.float32(shift).take(index)) * np.float32(1 / slant).take(index)
    normal = local.copy()  # it starts on the axis, at `middle`
    normal[1] -= np.clip(middle, 0, np.float32(scene.length).take(index))
    normal = (to_local * normal[:, None]).sum(0)  # normals transform with the transposed matrix
    normal /= np.sqrt((normal * normal).sum(0))

    lambert = np.maximum(light.direction @ normal, 0)
    sky = 0.5 + 0.5 * light.up @ normal
    facing = -(normal * points).sum(0) / np.sqrt((points * points).sum(0))
    edge = 0.62 + 0.38 * np.sqrt(np.clip(facing, 0, 1))  # dark rims set an arm off from the chest behind it
    bright = (light.ambient * (0.55 + 0.45 * sky) + light.strength * lambert) * edge
    return _surface_colour(scene, index, local, paints) * bright * light.tint[:, None]


def _surface_colour(scene, index, local, paints):
    """(3, N) the paint at local coordinates (3, N)."""
    along = local[1] * np.float32(1 / scene.length).take(index)
    phase = local[1::-1] * paints.stripes.T.take(index, 1)  # (2, N): along, across
    choice = ((phase - np.floor(phase)) > 0.65).any(0).astype(np.intp)  # 0 colour, 1 trim, 2 other
    choice[along > paints.cut.take(index)] = 2
    kind, front = paints.kind.take(index), local[2] > 0
    radius = np.float32(scene.radii[:, 1]).take(index)
    on_chest = (np.abs(local[0]) < 0.55 * radius) & (np.abs(along - 0.55) < 0.35)
    choice[(kind == PRINT) & front & on_chest] = 1
    colour = paints.palette.T.take(3 * index + choice, 1)
    face = np.nonzero((kind == FACE) & front)[0]
    if len(face):
        skin, hair = paints.palette[3 * index[face[0]] + [[0], [1]]][:, 0]
        colour[:, face] = _face_colour(local[:, face] / radius[face], skin, hair)
    return colour


def _face_colour(place, skin, hair):
    """(3, N) eyes, brows and mouth on a head whose skull has radius 1; place: (3, N), y from the jaw up."""
    side, height = np.abs(place[0]), place[1]
    colour = np.repeat(skin[:, None], len(side), 1)
    eye = ((side - 0.42) / 0.20) ** 2 + ((height - 0.62) / 0.13) ** 2 < 1
    colour[:, eye] = 0.9
    colour[:, eye & (np.abs(side - 0.42) < 0.12)] = 0.08
    colour[:, (np.abs(side - 0.42) < 0.26) & (np.abs(height - 0.88) < 0.07)] = hair[:, None]
    colour[:, (side < 0.32) & (np.abs(height + 0.14) < 0.09)] *= np.array([[0.85], [0.45], [0.45]])
    return colour
