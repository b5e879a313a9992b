"""The data check: image files."""

import builtins
import io
import os
import struct
import unicodedata
import zlib

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image
from test_check import found, people, write_set

from pose.check import check_annotations

ROW = 5  # the image that is damaged


@pytest.fixture
def check(tmp_path):
    """Writes 16 lines and images, replaces the bytes of one image and checks; returns the findings about it."""

    def check(content):
        names, landmarks = people(16)
        joints = write_set(tmp_path, names, landmarks)
        (tmp_path / "images" / names[ROW]).write_bytes(content)
        report = check_annotations(joints, tmp_path / "images")
        assert {one.line for one in report.findings} <= {ROW + 1}
        return report

    return check


def noise(number=0, size=(240, 320)):
    """An image of noise."""
    return Image.fromarray(np.random.default_rng(number).integers(0, 256, (*size, 3), dtype=np.uint8))


def encoded(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png_header(width, height):
    """The beginning of a PNG file of that size."""
    content = b"\x89PNG\r\n\x1a\n"
    for chunk in (b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0), b"IDAT" + zlib.compress(b"")):
        content += struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return content


def frames(kind):
    return encoded(noise(), kind, save_all=True, append_images=[noise(1), noise(2)])


BAD = {
    "empty": (b"", "empty-file", "0 bytes"),
    "text": (b"this is no image\n" * 9, "unreadable", "not an image"),
    "cut JPEG": (encoded(noise(), "JPEG")[:9000], "truncated", "is cut off"),
    "cut PNG": (encoded(noise(), "PNG")[:9000], "truncated", "is cut off"),
    "damaged PNG": (encoded(noise(), "PNG").replace(b"IDAT", b"IDAT9", 1), "truncated", "is damaged"),
    "one pixel": (encoded(noise(size=(1, 1)), "PNG"), "small", "1 × 1 px"),
    "20,000 × 20,000": (png_header(20000, 20000), "large", "400,000,000 pixels"),
    "a little too large": (png_header(12000, 12000), "large", "12000 × 12000"),
}


@pytest.mark.parametrize(("content", "kind", "message"), BAD.values(), ids=BAD.keys())
def test_an_image_that_cannot_be_used_is_an_error(check, content, kind, message):
    report = check(content)
    assert message in next(one.what for one in report.errors if one.kind == kind)
    assert {one.kind for one in report.errors} <= {kind, "outside"}  # of one pixel


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "PNG"])
def test_an_image_of_several_frames_is_a_warning(check, kind):
    report = check(frames(kind))
    assert found(report) == {("warning", "frames"): 1}
    assert "contains 3 frames" in report.findings[0].what


def test_exif_rotation_is_a_note_and_the_size_is_that_of_the_displayed_image(check):
    exif = Image.Exif()
    exif[0x0112] = 6
    report = check(encoded(noise(size=(320, 240)), "JPEG", exif=exif))
    assert found(report, "note") == {("note", "rotation"): 1}
    assert report.tables[0].sizes[ROW].tolist() == [320, 240]


@pytest.mark.parametrize("kind", ["BMP", "WEBP", "TIFF", "PPM"])
def test_other_kinds_of_images_are_fine(check, kind):
    report = check(encoded(noise(), kind))
    assert report.findings == []
    assert report.tables[0].sizes[ROW].tolist() == [320, 240]


def test_a_missing_image_is_an_error_and_the_others_are_read(tmp_path):
    names, landmarks = people(16)
    joints = write_set(tmp_path, names, landmarks)
    os.remove(tmp_path / "images" / names[ROW])
    report = check_annotations(joints, tmp_path / "images")
    assert found(report) == {("error", "missing"): 1}
    assert report.errors[0].line == ROW + 1
    assert report.tables[0].known.sum() == 15


@pytest.mark.parametrize("change", [str.upper, lambda name: unicodedata.normalize("NFD", name)], ids=["case", "form"])
def test_a_name_that_exists_in_another_form_is_said(tmp_path, change):
    names, landmarks = people(16)
    names[ROW] = "Çäğrü.jpg"
    joints = write_set(tmp_path, names, landmarks, clips=False)
    os.rename(tmp_path / "images" / names[ROW], tmp_path / "images" / change(names[ROW]))
    (error,) = check_annotations(joints, tmp_path / "images").errors
    assert (error.kind, error.line) == ("missing", ROW + 1)
    assert change(names[ROW]) in error.what


def test_the_wrong_folder_is_one_finding_that_says_the_right_one(tmp_path):
    joints = write_set(tmp_path, *people(80))
    for wrong in (tmp_path, tmp_path / "images" / "other"):
        wrong.mkdir(exist_ok=True)
        report = check_annotations(joints, wrong)
        assert found(report) == {("error", "folder"): 1}
        assert str(tmp_path / "images") in report.errors[0].todo


def test_copies_are_found_by_content(tmp_path):
    names, landmarks = people(16)
    joints = write_set(tmp_path, names, landmarks)
    content = (tmp_path / "images" / names[3]).read_bytes()
    for row in (9, 12):
        (tmp_path / "images" / names[row]).write_bytes(content)
    report = check_annotations(joints, tmp_path / "images")
    assert found(report) == {("warning", "copy"): 1}
    assert report.findings[0].line == 4
    assert f"{names[9]} (line 10), {names[12]} (line 13)" in report.findings[0].what


def test_no_bytes_of_an_image_make_the_check_fail(tmp_path):
    rng = np.random.default_rng(0)
    names, landmarks = people(48)
    joints = write_set(tmp_path, names, landmarks)
    for row, name in enumerate(names):
        kind = ("JPEG", "PNG", "GIF", "TIFF", "BMP", "WEBP")[row % 6]
        content = bytearray(encoded(noise(row, (60, 80)), kind))
        for place in rng.integers(0, min(len(content), 400), 12):
            content[place] = rng.integers(256)
        (tmp_path / "images" / name).write_bytes(bytes(content))
    assert str(check_annotations(joints, tmp_path / "images"))


def test_a_link_that_leads_out_of_the_folder_is_an_error_and_not_followed(tmp_path):
    names, landmarks = people(16)
    joints, image = write_set(tmp_path, names, landmarks), tmp_path / "images" / names[ROW]
    image.rename(tmp_path / "elsewhere.jpg")
    image.symlink_to(tmp_path / "elsewhere.jpg")
    report = check_annotations(joints, tmp_path / "images")
    assert [(one.kind, one.line) for one in report.errors] == [("name", ROW + 1)]
    assert "leads out of the image folder through a link" in report.errors[0].what
    assert not report.tables[0].known[ROW]


def test_postscript_under_another_name_starts_no_interpreter(check, monkeypatch):
    def started(*_):
        raise AssertionError("an interpreter was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", started)
    report = check(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 90 90\n%%EndComments\nshowpage\n")
    assert [one.kind for one in report.errors] == ["unreadable"]


def test_an_image_that_may_not_be_read_does_not_end_the_check(tmp_path, monkeypatch):
    names, landmarks = people(16)
    joints = write_set(tmp_path, names, landmarks)
    (tmp_path / "images" / names[3]).write_bytes((tmp_path / "images" / names[2]).read_bytes())
    refused = str(tmp_path / "images" / names[3])
    opened = builtins.open

    def open_or_refuse(path, *more, **options):
        if str(path) == refused:
            raise PermissionError(13, "Permission denied", refused)
        return opened(path, *more, **options)

    monkeypatch.setattr(builtins, "open", open_or_refuse)
    report = check_annotations(joints, tmp_path / "images")
    assert [(one.line, one.kind) for one in report.errors] == [(4, "unreadable")]
