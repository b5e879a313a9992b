"""Images of every kind as 8-bit RGB, and the crop of them."""

import cv2
import numpy as np
import pytest
from PIL import Image

from pose.geometry import crop_matrix, transform_landmarks
from pose.images import ImageError, read_image, read_picture, warp

COLORS = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [40, 50, 60]], [[1, 2, 3], [9, 8, 7]]], np.uint8)
GREY = np.array([[0, 50], [100, 255], [3, 4]], np.uint8)


def pillow(mode, array):
    image = Image.fromarray(array)
    return image.convert(mode) if image.mode != mode else image


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (pillow("RGB", COLORS), COLORS),
        (pillow("RGBA", COLORS), COLORS),
        (pillow("L", GREY), np.dstack([GREY] * 3)),
        (pillow("LA", GREY), np.dstack([GREY] * 3)),
        (pillow("1", GREY // 255 * 255), np.dstack([GREY // 255 * 255] * 3)),
        (pillow("I;16", GREY.astype(np.uint16) * 20), np.dstack([GREY] * 3)),
    ],
    ids=["RGB", "RGBA", "grey", "grey with alpha", "black and white", "16 bit"],
)
def test_every_kind_of_image_becomes_8_bit_rgb(tmp_path, image, expected):
    image.save(tmp_path / "image.png")
    read = read_image(tmp_path / "image.png")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, expected)


def test_a_transparent_pixel_keeps_its_colour(tmp_path):
    Image.fromarray(np.dstack([COLORS, np.zeros((3, 2), np.uint8)])).save(tmp_path / "image.png")
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), COLORS)


def test_16_bit_colour_keeps_the_order_of_the_channels(tmp_path):
    cv2.imwrite(str(tmp_path / "image.png"), COLORS[..., ::-1].astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(tmp_path / "image.png"), COLORS)


def test_a_black_depth_map_stays_black(tmp_path):
    Image.fromarray(np.zeros((3, 2), np.uint16)).save(tmp_path / "image.png")
    assert not read_image(tmp_path / "image.png").any()


@pytest.mark.parametrize(
    ("orientation", "turned"),
    [
        (1, COLORS),
        (3, COLORS[::-1, ::-1]),
        (6, np.rot90(COLORS, -1)),
        (8, np.rot90(COLORS)),
        (2, COLORS[:, ::-1]),
    ],
)
def test_a_photograph_is_rotated_according_to_its_exif_tag(tmp_path, orientation, turned):
    exif = Image.Exif()
    exif[0x0112] = orientation
    blocks = Image.fromarray(COLORS.repeat(16, axis=0).repeat(16, axis=1))
    blocks.save(tmp_path / "image.jpg", exif=exif, quality=100, subsampling=0)
    read = read_image(tmp_path / "image.jpg")[8::16, 8::16]
    assert read.shape == turned.shape
    np.testing.assert_allclose(read.astype(int), turned, atol=8)


@pytest.mark.parametrize("name", ["my photo.png", "Çağrı/東.png"])
def test_paths_may_contain_spaces_and_non_ascii_letters(write_image, name):
    np.testing.assert_array_equal(read_image(write_image(name, COLORS)), COLORS)


@pytest.mark.parametrize("content", [b"", b"not an image", None], ids=["empty", "text", "missing"])
def test_a_file_that_is_no_image_is_named_with_what_to_do(tmp_path, content):
    if content is not None:
        (tmp_path / "bad.jpg").write_bytes(content)
    with pytest.raises(ImageError, match=r"bad\.jpg: .*(check the path|replace it or remove)"):
        read_image(tmp_path / "bad.jpg")


def test_a_jpeg_whose_header_is_damaged_is_named_at_any_resolution(tmp_path):
    content = cv2.imencode(".jpg", np.full((300, 400, 3), 90, np.uint8))[1].tobytes()
    for length in (2, 10, 60, 200, 600):
        (tmp_path / "cut.jpg").write_bytes(content[:length])
        with pytest.raises(ImageError, match=r"cut\.jpg: is not an image"):
            read_picture(tmp_path / "cut.jpg", 4)


XMP = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>"""


@pytest.mark.parametrize("about", [{"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0\0\0\0\0"},
                                   {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x02\x36\0\0\0\0\0\0\0"},
                                   {"exif": b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12"},
                                   {"xmp": XMP}], ids=["beyond 8", "a letter", "cut off", "not EXIF"])  # fmt: skip
def test_an_orientation_that_opencv_ignores_is_ignored(tmp_path, about):
    Image.new("RGB", (400, 304)).save(tmp_path / "odd.jpg", **about)
    assert read_picture(tmp_path / "odd.jpg", 4)[1:3] == read_image(tmp_path / "odd.jpg").shape[1::-1] == (400, 304)


def dot(height, width, x, y, sigma):
    """A white Gaussian dot on black at the sub-pixel position (x, y), (H, W, 3) uint8."""
    row, column = np.arange(height)[:, None], np.arange(width)[None]
    bright = 255 * np.exp(-((row - y) ** 2 + (column - x) ** 2) / (2 * sigma**2))
    return np.repeat(bright.round().astype(np.uint8)[..., None], 3, axis=2)


def centroid(channel):
    weights = channel.astype(np.float64)
    row, column = np.indices(weights.shape)
    return np.array([(column * weights).sum(), (row * weights).sum()]) / weights.sum()


@pytest.mark.parametrize("rot", [0, 30, -90])
@pytest.mark.parametrize("side", [64, 150, 400, 1000], ids=lambda side: f"a crop of {side} px")
def test_the_image_goes_where_the_matrix_says(side, rot):
    x, y = 611.3, 540.8
    image = dot(1000, 1100, x, y, sigma=side / 25)
    matrix = crop_matrix((x - 0.1 * side, y + 0.13 * side), side / 200, rot, 128)
    ((u, v),) = transform_landmarks([[x, y]], matrix)
    np.testing.assert_allclose(centroid(warp(image, matrix, 128)[..., 0]), [u, v], atol=0.03)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize(("width", "height"), [(1104, 1000), (1103, 1001)], ids=["whole squares", "cut squares"])
@pytest.mark.parametrize("shrink", [2, 5, 11, 30])
def test_a_jpeg_read_at_lower_resolution_keeps_positions(tmp_path, shrink, width, height, orientation):
    x, y = 611.3, 540.8
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = {1: 0, 3: 2, 6: 1, 8: 3}[orientation]  # quarter rotations that the tag undoes
    image = np.rot90(dot(height, width, x, y, sigma=2.5 * shrink), turned)
    Image.fromarray(image).save(tmp_path / "image.jpg", exif=exif, quality=95)
    picture = read_picture(tmp_path / "image.jpg", shrink)
    assert (picture.width, picture.height) == (width, height)
    assert picture.step == 2 ** int(np.log2(shrink / 0.8))
    assert picture.pixels.shape == (-(-height // picture.step), -(-width // picture.step), 3)
    matrix = crop_matrix((x + 7, y - 5), 32 * shrink / 200, 20, 32)
    ((u, v),) = transform_landmarks([[x, y]], matrix)
    np.testing.assert_allclose(centroid(picture.crop(matrix, 32)[..., 0]), [u, v], atol=0.05)


def test_lower_resolution_looks_the_same(pose_data):
    photographs = sorted((pose_data / "lspet" / "images").glob("*.jpg"))[:20]
    differences = []
    for path in photographs:
        full = read_picture(path)
        matrix = crop_matrix((full.width / 2, full.height / 2), full.height / 200, 0, 48)
        less = read_picture(path, full.height / 48)
        assert less.step >= 2
        differences.append(np.abs(full.crop(matrix, 48).astype(int) - less.crop(matrix, 48)).mean())
    assert np.mean(differences) < 4  # of 255


def test_a_part_of_a_picture_gives_the_same_crop(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (700, 900, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "noise.jpg"), noise)
    for shrink in (1, 2.2, 4.5):
        picture = read_picture(tmp_path / "noise.jpg", shrink)
        part = picture.part((500, 400), 400)
        assert part.pixels.size < 0.5 * picture.pixels.size
        for rot, side in ((0, 400), (30, 280), (0, 100)):
            matrix = crop_matrix((500, 400), side / 200, rot, 64)
            np.testing.assert_array_equal(part.crop(matrix, 64), picture.crop(matrix, 64))


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_giant_crop_of_a_small_image_is_black_except_for_one_pixel(tmp_path, suffix):
    cv2.imwrite(str(tmp_path / f"white.{suffix}"), np.full((70, 90, 3), 255, np.uint8))
    matrix = crop_matrix((45, 35), 1e7, 0, 64)
    picture = read_picture(tmp_path / f"white.{suffix}", 1e9)
    assert picture.pixels.shape == (1, 1, 3)
    for crop in (picture.crop(matrix, 64), warp(read_image(tmp_path / f"white.{suffix}"), matrix, 64)):
        assert np.count_nonzero(crop) <= 12


def test_what_lies_outside_the_image_is_black():
    crop = warp(np.full((20, 20, 3), 200, np.uint8), crop_matrix((0, 0), 0.1, 0, 64), 64)
    assert not crop[:28, :28].any()  # one image pixel is 3.2 crop pixels
    assert (crop[34:, 34:] == 200).all()


def test_a_fine_pattern_is_averaged_and_leaves_no_moire():
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, ::3] = 255
    crop = warp(stripes, crop_matrix((255.5, 255.5), 512 / 200, 0, 64), 64)
    # Two or three of eight columns are white; two samples in eight would give 0 or 127.
    np.testing.assert_allclose(crop[2:-2, 2:-2].astype(int), 255 / 3, atol=25)


def test_a_twelve_megapixel_photograph_is_read_and_cropped(tmp_path):
    photograph = np.zeros((3000, 4000, 3), np.uint8)
    photograph[1400:1600, 2900:3100] = 255  # 200 × 200 px around (2999.5, 1499.5)
    (tmp_path / "large.jpg").write_bytes(cv2.imencode(".jpg", photograph)[1].tobytes())
    crop = warp(read_image(tmp_path / "large.jpg"), crop_matrix((2999.5, 1499.5), 4, 0, 64), 64)
    assert (crop[25:39, 25:39] > 250).all()
    assert not crop[:20].any()
    assert not crop[:, :20].any()


def test_real_photographs_are_read_and_cropped(pose_data):
    photographs = sorted((pose_data / "lspet" / "images").glob("*.jpg"))[:5]
    assert photographs
    for path in photographs:
        image = read_image(path)
        height, width = image.shape[:2]
        crop = warp(image, crop_matrix((width / 2, height / 2), min(height, width) / 200, 20, 64), 64)
        assert image.dtype == crop.dtype == np.uint8
        assert crop[16:48, 16:48].std() > 1


def test_bytes_after_the_end_of_a_png_do_not_matter(tmp_path, write_image):
    path = write_image("a.png", np.full((20, 30, 3), 7, np.uint8))
    with open(path, "ab") as file:
        file.write(b"what some program left here")
    assert (read_image(path) == 7).all()
