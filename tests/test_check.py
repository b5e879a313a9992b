"""The data check: the text of a joints file, the report, and the command line."""

import json
import subprocess
import sys
import time
from collections import Counter
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from pose import KINECT20, AnnotationError, read_annotations
from pose.check import Finding, Report, check_annotations
from pose.check.__main__ import main
from pose.clips import write_clips

SAMPLE = Path(__file__).parents[1] / "data" / "sample"
CLIP = 8  # images of a clip of the sample set


def people(count=160):
    """Names and landmarks (count, 20, 2) of the sample set, whose images are 320 × 240."""
    annotations = read_annotations(SAMPLE / "joints.txt")
    return annotations.paths[:count], annotations.landmarks[:count].copy()


def text_of(names, landmarks):
    """The lines of a joints file."""
    return [f"{name} " + " ".join(f"{v:.2f}" for v in row.ravel()) for name, row in zip(names, landmarks, strict=True)]


@lru_cache(maxsize=1000)
def plain_image(number, size):
    """A PNG file of one colour."""
    return cv2.imencode(".png", np.full((size[1], size[0], 3), (number % 256, number // 256, 0), np.uint8))[1].tobytes()


def write_set(folder, names, landmarks, images=True, clips=True, size=(320, 240)):
    """Writes joints.txt, images of one colour each and clips.csv, eight images per clip; returns joints.txt."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names if images else []):
        (folder / "images" / name).write_bytes(plain_image(number, size))
    if clips:
        starts = range(0, len(names), CLIP)
        rows = [(f"c{i}", f"s{i // CLIP % 2}", f"a{i // CLIP // 2 % 2}", names[i], names[i + CLIP - 1]) for i in starts]
        write_clips(folder / "clips.csv", rows)
    joints = folder / "joints.txt"
    joints.write_text("\n".join(text_of(names, landmarks)) + "\n", encoding="utf-8")
    return joints


def found(report, least="warning"):
    """The number of findings of each (level, kind), except notes."""
    levels = ("error", "warning", "note")
    levels = levels[: levels.index(least) + 1]
    return Counter((one.level, one.kind) for one in report.findings if one.level in levels)


@pytest.fixture
def check_text(tmp_path):
    """Writes lines (or bytes) as a joints file and checks it, without images."""

    def check(*lines):
        content = lines[0] if isinstance(lines[0], bytes) else "\n".join(lines).encode()
        (tmp_path / "joints.txt").write_bytes(content)
        return check_annotations(tmp_path / "joints.txt")

    return check


def test_the_sample_set_has_no_findings():
    report = check_annotations(SAMPLE / "joints.txt", SAMPLE / "images")
    assert report.findings == []
    assert report.ok
    assert str(report).endswith("joints.txt: 800 images; 0 errors, 0 warnings, 0 notes")


NUMBERS = [f"{v}.5" for v in range(1, 41)]
LINES = {
    "too few": (" ".join(["c.png", *NUMBERS[:-1]]), "count", "39 numbers after the name instead of 40"),
    "too few after a name with blanks": (" ".join(["my photo.png", *NUMBERS[:-1]]), "count", "39 numbers"),
    "too many": (" ".join(["c.png", *NUMBERS, "7"]), "count", "41 numbers"),
    "a third number per joint": (" ".join(["c.png", *NUMBERS, *NUMBERS[:20]]), "count", "60 numbers"),
    "commas everywhere": (",".join(["c.png", *NUMBERS]).replace(".5", ",5"), "count", "80 numbers"),
    "only a name": ("c.png", "count", "has 0 numbers"),
    "no name": ("," + ",".join(NUMBERS), "count", "has no image name before its 40 numbers"),
    "not a number": (" ".join(["c.png", *NUMBERS[:5], "1.o5", *NUMBERS[6:]]), "number", "'1.o5' is not a number"),
    "infinite": (" ".join(["c.png", *NUMBERS[:5], "inf", *NUMBERS[6:]]), "infinite", "infinite"),
    "half a joint": (" ".join(["c.png", *NUMBERS[:5], "nan", *NUMBERS[6:]]), "half", "only one of x and y"),
    "a header": (" ".join(["c.png", *(f"{a}{i}" for i in range(20) for a in "xy")]), "header", "words, not numbers"),
    "a name twice": (" ".join(["./a.png", *NUMBERS[1:], "3"]), "duplicate", "is already on line 1"),
    "outside of the folder": (" ".join(["../c.png", *NUMBERS[1:], "3"]), "name", "leaves the image folder"),
    "semicolons": (";".join(["c.png", *NUMBERS[1:], "3"]), "separators", "semicolons"),
    "commas": (", ".join(["c.png", *NUMBERS[1:], "3"]), "separators", "commas between"),
    "decimal commas": (" ".join(["c.png", *NUMBERS[1:], "3"]).replace(".5", ",5"), "separators", "decimal points"),
    "pairs": ("c.png " + " ".join(f"{i},{i}.5" for i in range(1, 21)), "separators", "several kinds"),
}


@pytest.mark.parametrize(("wrong", "kind", "message"), LINES.values(), ids=LINES.keys())
def test_a_fault_of_one_line_is_found_and_no_other(check_text, wrong, kind, message):
    report = check_text(" ".join(["a.png", *NUMBERS]), " ".join(["b.png", *NUMBERS[2:], "7", "8"]), wrong)
    (finding,) = report.findings
    assert (finding.level, finding.kind, finding.line) == ("error", kind, 3)
    assert message in finding.what
    assert finding.todo
    assert not report.ok


@pytest.mark.parametrize("wrong", [line for line, _, _ in LINES.values()], ids=LINES.keys())
def test_a_line_with_an_error_is_refused_by_the_reader_in_the_same_words(check_text, tmp_path, wrong):
    report = check_text(" ".join(["a.png", *NUMBERS]), wrong, " ".join(["b.png", *NUMBERS]))
    with pytest.raises(AnnotationError) as raised:
        read_annotations(tmp_path / "joints.txt")
    assert raised.value.faults == [error.message for error in report.errors]


def test_joints_in_another_order_are_an_error_of_the_whole_file(check_text, tmp_path):
    report = check_text(f"# joints: {' '.join(KINECT20.names[::-1])}", " ".join(["a.png", *NUMBERS]))
    assert [(one.kind, one.line) for one in report.errors] == [("skeleton", None)]
    with pytest.raises(ValueError, match="concerns the whole file"):
        report.write_without_errors(tmp_path / "good.txt")


def test_the_joint_of_half_a_label_is_named(check_text):
    report = check_text(LINES["half a joint"][0])
    assert [(one.joint, one.image) for one in report.errors] == [("shoulder_center", "c.png")]


STYLES = {
    "semicolons": lambda line: line.replace(" ", ";"),
    "semicolons and decimal commas": lambda line: line.replace(".", ",").replace(" ", ";").replace(",jpg", ".jpg"),
    "commas": lambda line: line.replace(" ", ","),
    "commas and blanks, one at the end": lambda line: line.replace(" ", ", ") + ",",
    "decimal commas": lambda line: line.replace(".", ",").replace(",jpg", ".jpg"),
}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES.keys())
def test_other_separators_are_one_finding_and_the_numbers_are_parsed(tmp_path, style):
    names, landmarks = people(80)
    landmarks[40, 3] = 5000, 100  # a head far away
    joints = write_set(tmp_path, names, landmarks)
    joints.write_text("\n".join(map(style, text_of(names, landmarks))), encoding="utf-8")
    report = check_annotations(joints, tmp_path / "images")
    whole, *others = [one for one in report.findings if one.kind == "separators"]
    assert (whole.level, whole.line, others) == ("error", None, [])
    assert "(lines: 80)" in whole.what
    assert ("outside", 41, "head") in {(one.kind, one.line, one.joint) for one in report.errors}
    np.testing.assert_allclose(report.tables[0].landmarks[0], landmarks[0], atol=0.01)


def test_an_empty_spreadsheet_cell_is_no_label(check_text):
    cells = [*NUMBERS[:6], "", "", *NUMBERS[8:]]
    report = check_text(";".join(["a.png", *cells]))
    assert found(report) == {("error", "separators"): 1}
    assert np.isnan(report.tables[0].landmarks[0, 3]).all()


def test_the_same_wrong_count_on_all_lines_is_one_finding(check_text):
    lines = [" ".join([f"{i}.png", *NUMBERS, *NUMBERS[:20]]) for i in range(50)]
    report = check_text(*lines)
    assert found(report) == {("error", "count"): 1}
    assert "third number" in report.errors[0].todo


GOOD = " ".join(["a.png", *NUMBERS])
HARMLESS = {
    "windows line endings": (f"{GOOD}\r\n", "line-ends"),
    "old Mac line endings": (f"# made by hand\r{GOOD}\r", "line-ends"),
    "a byte order mark": (f"\ufeff{GOOD}", "encoding"),
    "tabs": (GOOD.replace(" ", "\t"), "tabs"),
}


@pytest.mark.parametrize(("text", "kind"), HARMLESS.values(), ids=HARMLESS.keys())
def test_what_is_harmless_is_a_note(check_text, text, kind):
    report = check_text(text.encode())
    assert [(one.level, one.kind) for one in report.findings] == [("note", kind)]
    assert report.ok
    assert report.tables[0].names == ["a.png"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_an_error_but_read_anyway(check_text, encoding):
    report = check_text(f"{GOOD}\r\nü{GOOD}\r\n".encode(encoding))
    assert found(report)["error", "encoding"] == 1
    assert not found(report).keys() - {("error", "encoding"), ("warning", "same-labels")}
    assert len(report.tables[0]) == 2
    assert report.tables[0].names == ["a.png", "üa.png"]


def test_a_name_that_is_not_utf_8_is_a_warning(check_text):
    report = check_text(f"caf\xe9{GOOD}".encode("latin-1"))
    assert found(report) == {("warning", "encoding"): 1}


@pytest.mark.parametrize(("other", "how"), [("A.PNG", "case"), ("o\u0308.png", "Unicode form")])
def test_names_that_differ_in_case_or_unicode_form_alone(check_text, other, how):
    first = "\u00f6.png" if how != "case" else "a.png"
    report = check_text(" ".join([first, *NUMBERS]), " ".join([other, *NUMBERS[1:], "3"]))
    (finding,) = report.findings
    assert (finding.level, finding.kind, finding.line) == ("warning", "name-form", 2)
    assert f"in {how} alone" in finding.what


@pytest.mark.parametrize("content", ["", "# nothing\n\n", "\0" * 4000], ids=["empty", "comments", "zeros"])
def test_a_file_without_an_image_is_an_error(check_text, content):
    assert not check_text(content.encode()).ok


def test_no_bytes_make_the_check_fail(tmp_path):
    rng = np.random.default_rng(0)
    joints = write_set(tmp_path, *people(16))
    good = joints.read_bytes()
    for _ in range(30):
        content = bytearray(good)
        for place in rng.integers(0, len(good), 40):
            content[place] = rng.integers(256)
        joints.write_bytes(bytes(content[: rng.integers(len(good))]))
        report = check_annotations(joints, tmp_path / "images")
        assert str(report)
        report.write_json(tmp_path / "findings.json")


@pytest.mark.parametrize("missing", ["joints", "images", "valid", "clips"])
def test_a_missing_file_or_folder_is_the_one_thing_that_raises(tmp_path, missing):
    joints = write_set(tmp_path, *people(16))
    given = {"joints": joints, "images": tmp_path / "images", "valid": None, "clips": None}
    given[missing] = tmp_path / "none.txt"
    with pytest.raises(FileNotFoundError, match=r"none\.txt: there is no such"):
        check_annotations(*given.values())


HOSTILE = "<script>alert(1)</script>$x_$\\frac{\x1b[31m\udce9.png"


def hostile_report(joints):
    """A report with one finding about an image with a hostile name."""
    report = check_annotations(joints)
    report.tables[0].names[3] = HOSTILE
    finding = report.tables[0].finding("error", "outside", f"'{HOSTILE}' & more", "…", 3, "head")
    return Report([finding], report.tables)


def test_a_notebook_shows_file_contents_as_text(tmp_path):
    html = hostile_report(write_set(tmp_path, *people(16)))._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    html.encode("utf-8")  # no lone surrogate is left


def test_a_hostile_clips_file_is_escaped(tmp_path):
    joints = write_set(tmp_path, *people(16))
    with open(tmp_path / "clips.csv", "a", encoding="utf-8") as file:
        file.write("<img src=x onerror=alert(1)>,s1,a1,none.png,none.png\nx,s,<b>,no,no\n")
    html = check_annotations(joints)._repr_html_()
    assert "<img" not in html
    assert "<b>" not in html


def test_a_terminal_shows_neither_controls_nor_lone_surrogates(tmp_path):
    text = str(hostile_report(write_set(tmp_path, *people(16))))
    text.encode("utf-8")
    assert "\x1b" not in text
    assert r"\x1b[31m" in text


def test_the_text_has_a_few_of_each_kind_and_a_summary_at_the_end(tmp_path):
    names, landmarks = people(160)
    landmarks[:20, 3] += 1000
    report = check_annotations(write_set(tmp_path, names, landmarks), tmp_path / "images")
    lines = str(report).splitlines()
    assert "ERROR outside (20) in joints.txt" in lines
    assert "    … and 15 more" in lines
    assert lines[-1] == report.summary
    assert "160 images; " in lines[-1]


def test_the_json_file_has_everything_in_ascii(tmp_path):
    hostile_report(write_set(tmp_path, *people(16))).write_json(tmp_path / "out" / "findings.json")
    text = (tmp_path / "out" / "findings.json").read_text(encoding="ascii")
    content = json.loads(text)
    assert content["ok"] is False
    assert content["counts"] == {"error": 1, "warning": 0, "note": 0}
    assert content["counts_by_kind"] == {"error outside": 1}
    assert content["files"] == [{"file": str(tmp_path / "joints.txt"), "lines": 16, "images_read": 0}]
    (finding,) = content["findings"]
    assert (finding["image"], finding["line"], finding["joint"]) == (HOSTILE, 4, "head")


def test_findings_cannot_be_changed_and_come_errors_first():
    note, error = Finding("note", "a", "b", "c"), Finding("error", "z", "b", "c")
    report = Report([note, error])
    assert report.findings == [error, note]
    assert report.errors == [error]
    with pytest.raises(AttributeError):
        note.level = "error"


def test_the_command_line_returns_0_or_1_and_writes_its_files(tmp_path, capsys):
    joints = write_set(tmp_path, *people(16))
    arguments = ["--joints", str(joints), "--images", str(tmp_path / "images")]
    assert main(arguments) == 0
    joints.write_text(joints.read_text().replace(" ", ";"))
    assert main([*arguments, "--out", str(tmp_path / "out")]) == 1
    assert "ERROR separators" in capsys.readouterr().out
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"findings.json", "summary.png", "worst.png"}


def test_the_command_line_says_in_one_line_why_it_cannot_run(tmp_path):
    command = [sys.executable, "-m", "pose.check", "--joints", str(tmp_path / "none.txt")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=SAMPLE.parents[1], check=False)
    assert done.returncode == 2
    assert done.stderr == f"{tmp_path / 'none.txt'}: there is no such joints file; check the path\n"
    assert len(KINECT20) == 20


def test_empty_trailing_columns_do_not_shift_the_numbers(check_text):
    numbers = [f"{number}" for number in range(3, 41)]
    report = check_text("\n".join(f"{name}.png;;;{';'.join(numbers)};;" for name in "abc"))
    assert found(report)["error", "separators"] == 1
    assert report.tables[0].names == ["a.png", "b.png", "c.png"]
    assert np.isnan(report.tables[0].landmarks[:, 0]).all()
    assert report.tables[0].landmarks[0, 1].tolist() == [3, 4]


def test_quoted_cells_and_empty_cells_between_tabs_are_parsed(check_text):
    quoted = ",".join(f'"{field}"' for field in ["a.png", *range(1, 41)])
    tabs = "\t".join(["b.png", "", "", *map(str, range(3, 41))])
    report = check_text(f"{quoted}\n{tabs}\n")
    assert report.tables[0].names == ["a.png", "b.png"]
    assert report.tables[0].landmarks[0, 0].tolist() == [1, 2]
    assert report.tables[0].landmarks[1, 1].tolist() == [3, 4]


def test_a_name_of_any_length_and_any_way_to_write_a_path(tmp_path, monkeypatch):
    _, landmarks = people(2)
    write_set(tmp_path, ["x" * 300, "y" * 300], landmarks, images=False, clips=False)
    assert found(check_annotations(tmp_path / "joints.txt", tmp_path / "images"))["error", "folder"] == 1
    monkeypatch.chdir(tmp_path)
    (tmp_path / "c.csv").write_text("clip,subject,action\n")
    assert found(check_annotations("joints.txt", clips_csv="./c.csv"))["error", "clip"] == 1


def test_lines_of_any_length_are_checked_fast(check_text):
    started = time.perf_counter()
    check_text(f"a.png {'1' * 50_000}x\n" + "b.png" + ";1" * 39 + ";" * 16_000)
    assert time.perf_counter() - started < 5
