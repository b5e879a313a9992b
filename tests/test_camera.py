"""The camera: projection to pixels, and its fit to labels, some of them wrong."""

from dataclasses import replace

import numpy as np
import pytest

from har.joints_3d import Camera, fit_camera, load_camera
from pose import KINECT20

PLAIN = Camera(fx=500, fy=510, cx=320, cy=240, width=640, height=480)
NOMINAL = Camera(fx=531.15, fy=531.15, cx=320, cy=240, width=640, height=480)


def test_projection_as_computed_by_hand():
    points = [[0, 0, 2], [1, 0, 2], [0, 1, 2], [1, 1, 0], [1, 1, -1], [np.nan] * 3]
    np.testing.assert_allclose(
        PLAIN.project(points), [[320, 240], [570, 240], [320, -15], [np.nan] * 2, [np.nan] * 2, [np.nan] * 2]
    )
    bent = replace(PLAIN, k1=0.1, k2=0.01)  # at r = 1/2: 1 + 0.1/4 + 0.01/16
    np.testing.assert_allclose(bent.project([1, 0, 2]), [320 + 250 * 1.025625, 240])


def labelled(camera, noise=0.0, seed=0, images=12):
    """Joints of standing people all over the image, and their pixels with Gaussian noise."""
    rng = np.random.default_rng(seed)
    points = rng.uniform([-1.2, -0.9, 2], [1.2, 0.9, 4], (images, 20, 3))
    return points, camera.project(points) + rng.normal(0, noise, (images, 20, 2))


@pytest.mark.parametrize("fx", [545.0, -545.0], ids=["as the Kinect delivers", "mirrored"])
def test_a_camera_is_recovered(fx):
    camera = Camera(fx=fx, fy=540, cx=311, cy=255, width=640, height=480, k1=-0.12, k2=0.05)
    points, pixels = labelled(camera)
    fit = fit_camera(points, pixels, NOMINAL)
    for name in ("fx", "fy", "cx", "cy"):
        assert getattr(fit.camera, name) == pytest.approx(getattr(camera, name), abs=0.01)
    assert (fit.camera.k1, fit.camera.k2) == pytest.approx((camera.k1, camera.k2), abs=1e-3)
    assert fit.used.all()
    assert fit.residuals.max() < 0.01


def test_wrong_labels_are_rejected_and_change_nothing():
    camera = Camera(fx=545, fy=540, cx=311, cy=255, width=640, height=480, k1=-0.1, k2=0.02)
    points, pixels = labelled(camera, noise=1.0)
    clean = fit_camera(points, pixels, NOMINAL).camera
    wrong = np.zeros((12, 20), bool)
    wrong[::3, 4:8] = True
    pixels[wrong] += [90, -60]
    pixels[1, 2] = np.nan
    fit = fit_camera(points, pixels, NOMINAL)
    assert not fit.used[wrong].any()
    assert fit.used[~wrong].mean() > 0.98
    assert np.isnan(fit.residuals[1, 2])
    assert fit.camera.fx == pytest.approx(clean.fx, abs=2)
    assert fit.camera.fx == pytest.approx(545, abs=6)


def test_the_table_has_a_line_per_joint():
    points, pixels = labelled(PLAIN, noise=1.0)
    pixels[0, 3] += 200
    pixels[:, 5] = np.nan
    lines = fit_camera(points, pixels, NOMINAL).table(KINECT20).splitlines()
    assert len(lines) == 22
    head, shoulder = lines[1 + KINECT20.index("head")].split(), lines[1 + KINECT20.index("right_shoulder")].split()
    assert head[:3] == ["head", "11", "1"]
    assert shoulder[:3] == ["right_shoulder", "0", "0"]
    assert lines[-1].startswith("all")


def test_too_few_labels_are_refused():
    points, pixels = labelled(PLAIN)
    pixels[:, 1:] = np.nan
    pixels[9:] = np.nan
    with pytest.raises(ValueError, match="at least 10 labelled joints, got 9"):
        fit_camera(points, pixels, NOMINAL)


def test_a_camera_file_is_read_back_and_another_is_refused(tmp_path):
    PLAIN.save(tmp_path / "camera.json")
    assert load_camera(tmp_path / "camera.json") == PLAIN
    for text in ("{", '{"f": 3}', "[1]"):
        (tmp_path / "camera.json").write_text(text)
        with pytest.raises(ValueError, match=r"camera\.json: is not a camera"):
            load_camera(tmp_path / "camera.json")
