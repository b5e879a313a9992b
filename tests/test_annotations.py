"""joints.txt: what it may contain, how faults are reported, and writing it back."""

import numpy as np
import pytest

from pose.annotations import AnnotationError, Annotations, as_annotations, read_annotations, write_annotations
from pose.skeleton import KINECT20, Skeleton

NUMBERS = [f"{v}.5" for v in range(1, 41)]  # 1.5 2.5 … 40.5


def line(name, **changed):
    """A joints line with some of its 40 fields changed: line("a.png", _0="nan")."""
    fields = list(NUMBERS)
    for position, value in changed.items():
        fields[int(position[1:])] = value
    return " ".join([name, *fields])


@pytest.fixture
def folder(tmp_path):
    """A folder with images/a.png, images/b.png and an image outside of it."""
    (tmp_path / "images" / "deep").mkdir(parents=True)
    (tmp_path / "outside.png").touch()
    for name in ("a.png", "b.png", "my photo 1.png", "deep/Çağrı 東.png"):
        (tmp_path / "images" / name).touch()
    return tmp_path


@pytest.fixture
def read(folder):
    """Writes the lines (or bytes) as a joints file and reads it."""

    def read(*lines):
        text = lines[0] if isinstance(lines[0], bytes) else "\n".join(lines).encode()
        (folder / "joints.txt").write_bytes(text)
        return read_annotations(folder / "joints.txt", folder / "images")

    return read


def test_a_file_is_a_dictionary_of_image_paths_and_twenty_pairs(read, folder):
    annotations = read(line("b.png"), line("a.png"))
    assert list(annotations) == [str(folder / "images/b.png"), str(folder / "images/a.png")]
    landmarks = annotations[str(folder / "images/a.png")]
    assert landmarks == [(x + 0.5, x + 1.5) for x in range(1, 41, 2)]
    assert len(annotations) == 2
    assert "nowhere.png" not in annotations


@pytest.mark.parametrize("name", ["my photo 1.png", "deep/Çağrı 東.png"])
def test_names_may_contain_spaces_folders_and_non_ascii_letters(read, folder, name):
    assert list(read(line(name))) == [str(folder / "images" / name)]


@pytest.mark.parametrize("separator", ["  ", "\t", " \t "])
def test_any_white_space_separates(read, separator):
    assert len(read(separator.join(["a.png", *NUMBERS]) + separator)) == 1


@pytest.mark.parametrize(
    "text",
    [
        f"# made by hand\n\n  \n{line('a.png')}\n# end\n",
        f"\ufeff{line('a.png')}",
        f"{line('a.png')}\r\n\r\n",
        f"\ufeff# comment\r\n{line('a.png')}",
    ],
    ids=["comments and blank lines", "byte order mark", "windows line endings", "mark before a comment"],
)
def test_comments_blank_lines_and_windows_files_are_read(read, folder, text):
    assert list(read(text.encode())) == [str(folder / "images/a.png")]


@pytest.mark.parametrize("fields", [("nan", "nan"), ("0", "0"), ("0.0", "-0.000"), ("NaN", "NAN")])
def test_nan_nan_and_0_0_are_not_labelled(read, fields):
    (landmarks,) = read(line("a.png", _2=fields[0], _3=fields[1])).values()
    assert np.isnan(landmarks[1]).all()
    assert np.isfinite(landmarks[0] + landmarks[2]).all()


def test_a_single_zero_is_a_coordinate(read):
    (landmarks,) = read(line("a.png", _2="0")).values()
    assert landmarks[1] == (0, 4.5)


FAULTS = {
    "too few": (" ".join(["a.png", *NUMBERS[:-1]]), r"39 numbers after the name instead of 40; add the missing"),
    "only a name": ("a.png", r"0 numbers after the name instead of 40"),
    "too many": (" ".join(["a.png", *NUMBERS, "7"]), r"41 numbers after the name instead of 40; .*another skeleton"),
    "not a number": (line("a.png", _7="1.o5"), r"'1.o5' is not a number; write pixels with a decimal point"),
    "decimal comma": (line("a.png", _7="1,5"), r"has commas for decimal points; write .* decimal points"),
    "far away": (line("a.png", _7="1e7"), r"head: lies at 7\.5, 1e\+07; correct the number"),
    "infinite": (line("a.png", _7="inf"), r"infinite; write pixels"),
    "half a joint": (line("a.png", _7="nan"), r"only one of x and y; write both"),
    "no such image": (line("c.png"), r"no image .*c\.png; correct the name, add the image or remove"),
    "a folder": (line("deep"), r"no image .*deep"),
    "a name twice": (line("b.png"), r"'b.png' is already on line 2; keep one"),
    "the same otherwise written": (line("./b.png"), r"is already on line 2"),
    "up": (line("../outside.png"), r"leaves the image folder; write names relative"),
    "up from below": (line("deep/../../outside.png"), r"leaves the image folder"),
    "absolute": (line("/etc/hosts"), r"leaves the image folder"),
    "drive": (line("C:/a.png"), r"leaves the image folder"),
    "backslash": (line("..\\outside.png"), r"leaves the image folder"),
}


@pytest.mark.parametrize(("wrong", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_a_fault_says_file_line_what_is_wrong_and_what_to_do(read, wrong, message):
    with pytest.raises(AnnotationError, match=rf"joints\.txt, line 3: .*{message}") as raised:
        read("# header", line("b.png"), wrong)
    assert len(raised.value.faults) == 1


def test_all_faults_are_reported_together(read):
    wrong = [fault for fault, _ in FAULTS.values()]
    with pytest.raises(AnnotationError) as raised:
        read("# header", line("b.png"), *wrong)
    lines = [int(fault.split("line ")[1].split(":")[0]) for fault in raised.value.faults]
    assert lines == list(range(3, 3 + len(wrong)))
    assert all(fault in str(raised.value) for fault in raised.value.faults)


def test_very_many_faults_are_counted_and_only_the_first_shown(read):
    with pytest.raises(AnnotationError, match=r"^100 fault") as raised:
        read(line("b.png"), *(line(f"{i}.png") for i in range(100)))
    assert len(raised.value.faults) == 100
    assert str(raised.value).count("there is no image") == 20
    assert "\n… and 80 more\n" in str(raised.value)


def test_the_wrong_image_folder_is_one_fault(read):
    with pytest.raises(AnnotationError, match=r"none of its 100 images is in .*; is that the right folder") as raised:
        read(*(line(f"{i}.png") for i in range(100)))
    assert len(raised.value.faults) == 1


def test_a_name_that_is_not_utf8_is_a_fault_not_a_crash(read):
    with pytest.raises(AnnotationError, match="line 1: there is no image"):
        read(line("caf\xe9.png").encode("latin-1"))


def test_a_file_without_any_image_is_a_fault(read):
    with pytest.raises(AnnotationError, match="contains no image"):
        read("# nothing\n")


@pytest.mark.parametrize(("joints", "images"), [("none.txt", "images"), ("joints.txt", "none")])
def test_a_missing_file_or_folder_is_named(folder, joints, images):
    (folder / "joints.txt").write_text(line("a.png"))
    with pytest.raises(FileNotFoundError, match=r"none.*check the path"):
        read_annotations(folder / joints, folder / images)


def test_another_number_of_joints_can_be_read(folder):
    (folder / "joints.txt").write_text("a.png 1 2 3 4")
    two = Skeleton(("head", "spine"), limbs=())
    annotations = read_annotations(folder / "joints.txt", folder / "images", two)
    assert annotations.landmarks.tolist() == [[[1, 2], [3, 4]]]


OTHER = Skeleton(KINECT20.names[::-1], limbs=())


def test_a_non_default_joint_order_is_named_in_the_file_and_never_read_as_the_default(folder):
    landmarks = np.arange(40.0).reshape(1, 20, 2) + 1
    write_annotations(folder / "other.txt", Annotations(["a.png"], landmarks, skeleton=OTHER))
    assert (folder / "other.txt").read_text().startswith("# joints: right_foot left_foot ")
    back = read_annotations(folder / "other.txt", folder / "images", OTHER)
    np.testing.assert_array_equal(back.landmarks, landmarks)
    refused = r"other\.txt: line 1 names the joints right_foot, .*; pass the skeleton="
    with pytest.raises(AnnotationError, match=refused):
        read_annotations(folder / "other.txt")
    write_annotations(folder / "again.txt", back, folder / "images")
    assert (folder / "again.txt").read_bytes() == (folder / "other.txt").read_bytes()


def test_a_file_of_the_default_order_or_of_joints_without_names_names_none(folder):
    two = Skeleton(("left hand", "right hand"), limbs=())
    write_annotations(folder / "default.txt", {"a.png": np.ones((20, 2))})
    write_annotations(folder / "nameless.txt", {"a.png": np.ones((2, 2))})
    assert not any("#" in (folder / name).read_text() for name in ("default.txt", "nameless.txt"))
    assert read_annotations(folder / "nameless.txt", skeleton=two).skeleton is two
    write_annotations(folder / "named.txt", read_annotations(folder / "nameless.txt", skeleton=two))
    assert len(read_annotations(folder / "named.txt", skeleton=two)) == 1


def test_a_file_may_name_the_joints_that_it_is_read_with(read):
    assert len(read(f"# joints:  {' '.join(KINECT20.names)} ", line("a.png"))) == 1
    with pytest.raises(AnnotationError, match=r"1 fault.*\n.*line 2 names the joints head, which"):
        read(line("a.png"), "# joints: head", line("b.png"))


def test_numbers_are_those_of_float_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(0)
    forms = ("{:.3f}", "{:.17g}", "{!r}", "{:e}", "{:.40f}", "+{:g}", "00{:.1f}")
    values = rng.uniform(0.1, 9, (900, 40)).tolist()
    numbers = [[rng.choice(forms).format(value) for value in row] for row in values]
    for row in numbers[::3]:
        row[6:8] = "nan", "NaN"
    (tmp_path / "joints.txt").write_text("\n".join(f"{i}.png {' '.join(row)}" for i, row in enumerate(numbers)))
    read = read_annotations(tmp_path / "joints.txt").landmarks
    np.testing.assert_array_equal(read.reshape(900, 40), [[float(text) for text in row] for row in numbers])


def test_what_is_written_is_read_back(folder):
    rng = np.random.default_rng(0)
    written = {}
    for name in ("b.png", "my photo 1.png", "deep/Çağrı 東.png"):
        written[str(folder / "images" / name)] = rng.uniform(-20, 3000, (20, 2))
        written[str(folder / "images" / name)][3] = np.nan
    write_annotations(folder / "out" / "j.txt", written, folder / "images")
    back = read_annotations(folder / "out" / "j.txt", folder / "images")
    assert list(back) == list(written)
    np.testing.assert_allclose(back.landmarks, list(written.values()), atol=1e-3)


def test_an_existing_file_is_not_overwritten_unless_asked(folder):
    target = folder / "mine.txt"
    target.write_text("precious")
    labels = {"a.png": [(1, 2)]}
    with pytest.raises(FileExistsError, match=r"mine\.txt already exists; choose another name"):
        write_annotations(target, labels)
    assert target.read_text() == "precious"
    write_annotations(target, labels, overwrite=True)
    assert target.read_text() == "a.png 1.000 2.000\n"


@pytest.mark.parametrize("name", ["#1.png", " a.png", "a\nb.png", "a\0.png"])
def test_a_name_that_could_not_be_read_back_is_not_written(tmp_path, name):
    with pytest.raises(ValueError, match="cannot be the name of an image in a joints file; rename"):
        write_annotations(tmp_path / "j.txt", {name: [(1, 2)]})
    assert not (tmp_path / "j.txt").exists()


def test_rows_are_selected_by_number_and_by_mask():
    annotations = Annotations("abc", np.arange(6).reshape(3, 1, 2))
    assert dict(annotations.select([2, 0])) == {"c": [(4, 5)], "a": [(0, 1)]}
    assert dict(annotations.select(np.array([False, True, False]))) == {"b": [(2, 3)]}


def test_a_plain_dictionary_must_have_one_joint_count():
    assert as_annotations({"a": [(1, 2)], "b": [(3, 4)]}).landmarks.shape == (2, 1, 2)
    with pytest.raises(ValueError, match=r"same K joints, found \[\(1, 2\), \(2, 2\)\]"):
        as_annotations({"a": [(1, 2)], "b": [(1, 2), (3, 4)]})


def test_landmarks_are_read_without_images(tmp_path):
    (tmp_path / "joints.txt").write_text(line("s01_e01/colorImg4.jpg") + "\n")
    annotations = read_annotations(tmp_path / "joints.txt")
    assert annotations.paths == ["s01_e01/colorImg4.jpg"]
    (tmp_path / "joints.txt").write_text(line("../4.jpg") + "\n")
    with pytest.raises(AnnotationError, match="leaves the image folder"):
        read_annotations(tmp_path / "joints.txt")


def test_a_file_of_all_kinds_of_lines_is_read_like_its_single_lines(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.uniform(-5, 700, (1200, 40)).round(3)
    lines = [f"{i}.jpg " + " ".join(map(str, row)) for i, row in enumerate(values)]
    lines[700] = "a name with spaces.jpg\t" + "  ".join(map(str, values[700]))  # among many plain lines
    (tmp_path / "joints.txt").write_text("\n".join(lines))
    annotations = read_annotations(tmp_path / "joints.txt")
    np.testing.assert_array_equal(annotations.landmarks, values.reshape(1200, 20, 2))
    assert annotations.paths[699:702] == ["699.jpg", "a name with spaces.jpg", "701.jpg"]
    lines[1100] += " 7"
    (tmp_path / "joints.txt").write_text("\n".join(lines))
    with pytest.raises(AnnotationError, match=r"1 fault.*\n.*line 1101: .*41 numbers"):
        read_annotations(tmp_path / "joints.txt")
