"""The data check: clips, training and validation, the figures of a report, and real sets."""

import time
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pytest
from test_check import CLIP, HOSTILE, found, hostile_report, people, text_of, write_set

from pose.check import check_annotations
from pose.check.figures import worst_images


@pytest.fixture
def check_clips(tmp_path):
    """Writes 160 lines and other clips, rows of (clip, subject, action, first, last) with row numbers, and checks."""

    def check(*rows):
        names, landmarks = people(160)
        joints = write_set(tmp_path, names, landmarks, images=False)
        lines = ["clip,subject,action,first_image,last_image"]
        lines += [",".join([*row[:3], *(names[n] if isinstance(n, int) else n for n in row[3:])]) for row in rows]
        (tmp_path / "clips.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
        return check_annotations(joints)

    return check


TWO = [("c1", "s1", "walk", 0, 7), ("c2", "s2", "walk", 8, 15)]
CLIPS = {
    "an image that is not there": (("c3", "s1", "walk", 16, "none.png"), "clip-range", "is not an image of the joints"),
    "backwards": (("c3", "s1", "walk", 23, 16), "clip-range", "comes before first_image"),
    "a single image": (("c3", "s1", "walk", 16, 16), "clip-range", "single image"),
    "overlap": (("c3", "s1", "walk", 4, 7), "clip-overlap", "shares 4 image(s) with 'c1'"),
    "an empty field": (("c3", "", "walk", 16, 23), "clip", "subject is empty"),
    "a name twice": (("c1", "s1", "walk", 16, 23), "clip", "is already on line 2"),
    "an action of one subject": (("c3", "s1", "jump", 16, 23), "lonely-action", "only the subject 's1' performs"),
}


@pytest.mark.parametrize(("row", "kind", "message"), CLIPS.values(), ids=CLIPS.keys())
def test_a_fault_of_a_clip_is_found(check_clips, row, kind, message):
    report = check_clips(*TWO, row)
    assert found(report) == {("error", kind): 1}
    assert report.errors[0].line == 4
    assert message in report.errors[0].what
    assert report.errors[0].todo


def test_a_clips_file_without_clips_or_columns_is_an_error(check_clips, tmp_path):
    assert found(check_clips()) == {("error", "no-clip"): 1}
    (tmp_path / "clips.csv").write_text("a;b\n1;2\n")
    report = check_annotations(tmp_path / "joints.txt")
    assert found(report) == {("error", "clip"): 1}
    assert "lacks clip, subject" in report.errors[0].what


def test_a_clips_file_in_utf_16_is_an_error(check_clips, tmp_path):
    names, landmarks = people(16)
    joints = write_set(tmp_path, names, landmarks)
    (tmp_path / "clips.csv").write_text("clip,subject,action,first_image,last_image", encoding="utf-16")
    assert [(one.level, one.kind) for one in check_annotations(joints).findings] == [("error", "encoding")]


def test_no_bytes_of_a_clips_file_make_the_check_fail(tmp_path):
    rng = np.random.default_rng(0)
    joints = write_set(tmp_path, *people(32), images=False)
    good = (tmp_path / "clips.csv").read_bytes()
    for _ in range(40):
        content = bytearray(good)
        for place in rng.integers(0, len(good), 6):
            content[place] = rng.integers(256)
        (tmp_path / "clips.csv").write_bytes(bytes(content))
        assert str(check_annotations(joints))


def test_actions_with_very_many_and_very_few_clips_are_a_warning(check_clips):
    rows = [(f"c{i}", f"s{i % 2}", "walk" if i < 17 else "jump", 8 * i, 8 * i + 7) for i in range(19)]
    assert found(check_clips(*rows)) == {}
    rows = [(f"c{i}", f"s{i % 2}", "walk" if i < 80 else "jump", 2 * i, 2 * i + 1) for i in range(80)]
    rows += [("j", "s0", "jump", 2 * 79, 159)]
    assert ("warning", "imbalance") in found(check_clips(*rows[:78], ("x", "s0", "jump", 156, 157)))


@pytest.fixture
def check_both(tmp_path):
    """Writes a set of 160 lines, with training and validation rows in separate files, and checks both."""

    def check(train, valid, change=None):
        names, landmarks = people(160)
        write_set(tmp_path, names, landmarks)
        if change:
            change(tmp_path / "images", names)
        lines = text_of(names, landmarks)
        for name, rows in (("train.txt", train), ("valid.txt", valid)):
            (tmp_path / name).write_text("\n".join(lines[row] for row in rows), encoding="utf-8")
        return check_annotations(tmp_path / "train.txt", tmp_path / "images", tmp_path / "valid.txt")

    return check


def rows_of(subject):
    """The rows of one of the two subjects of `write_set`."""
    return [row for row in range(160) if row // CLIP % 2 == subject]


def test_a_good_split_has_no_findings(check_both):
    assert found(check_both(rows_of(0), rows_of(1)), "note") == {}


def test_the_same_image_in_training_and_validation_is_an_error(check_both):
    report = check_both(rows_of(0), [*rows_of(1), 16])
    assert ("error", "shared-image") in found(report)
    error = next(one for one in report.errors if one.kind == "shared-image")
    assert error.line == len(rows_of(1)) + 1
    assert "line 9 of" in error.what


def test_the_same_content_in_training_and_validation_is_an_error(check_both):
    def change(images, names):
        (images / names[rows_of(1)[5]]).write_bytes((images / names[3]).read_bytes())

    report = check_both(rows_of(0), rows_of(1), change)
    assert found(report) == {("error", "shared-image"): 1}
    assert report.errors[0].line == 6
    assert "same content" in report.errors[0].what


def test_a_subject_on_both_sides_is_a_warning(check_both):
    report = check_both(range(80), range(80, 160))
    assert found(report) == {("warning", "shared-subject"): 2}
    assert "the subject 's0' is in training and in validation" in str(report)


@pytest.fixture
def damaged(tmp_path):
    """The report of a set with a joint far away, an image that is no image, and a frame with x and y swapped."""
    names, landmarks = people(80)
    landmarks[20, 3] = 5000, 100
    landmarks[67] = landmarks[67, :, ::-1]
    joints = write_set(tmp_path, names, landmarks)
    (tmp_path / "images" / names[9]).write_text("this is no image")
    return check_annotations(joints, tmp_path / "images")


def test_the_worst_images_alternate_between_kinds(damaged):
    lines = [table.lines[row] for table, row, _ in worst_images(damaged, 3)]
    assert sorted(lines) == [10, 21, 68]


def test_the_contact_sheet_says_line_and_what_and_rings_the_joint(damaged):
    figure = damaged.plot_worst(count=3)
    titles = [ax.get_title().replace("\n", " ") for ax in figure.axes if ax.get_visible()]
    assert len(titles) == 3
    assert any("line 21: head" in title for title in titles)
    unread = next(ax for ax in figure.axes if "line 10" in ax.get_title())
    assert [text.get_text() for text in unread.texts] == ["image not read"]
    head = next(ax for ax in figure.axes if "line 21" in ax.get_title())
    assert any(len(dots.get_facecolors()) == 0 for dots in head.collections)  # a ring
    figure.canvas.draw()
    plt.close(figure)


def test_the_summary_counts_findings_labels_and_people(damaged):
    figure = damaged.plot_summary()
    figure.canvas.draw()
    kinds, labels, people, _ = figure.axes
    assert {text.get_text() for text in kinds.get_yticklabels()} == {"unreadable", "outside", "axes"}
    assert [text.get_text() for text in kinds.texts] == [" 1"] * 3
    assert [bar.get_height() for bar in labels.patches] == [1.0] * 20
    assert len(people.collections[0].get_offsets()) == 79  # one image could not be read
    plt.close(figure)


def test_an_empty_set_has_a_summary(tmp_path):
    (tmp_path / "empty.txt").write_text("# nothing")
    report = check_annotations(tmp_path / "empty.txt")
    summary, worst = report.plot_summary(), report.plot_worst()
    for figure in (summary, worst):
        figure.canvas.draw()
    assert [text.get_text() for text in summary.axes[2].texts] == ["no image of known size"]
    assert [text.get_text() for text in worst.axes[0].texts] == ["no findings\nabout single images"]
    plt.close("all")


def test_hostile_names_are_drawn(tmp_path):
    report = hostile_report(write_set(tmp_path, *people(16)))
    report.findings.append(report.tables[0].finding("error", "limb", "東京 $\\frac$ 😀", "…", 5))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # about characters missing from the font
        figure = report.plot_worst()
        figure.canvas.draw()
    assert HOSTILE[:8] in figure.axes[0].get_title()
    plt.close(figure)


@pytest.mark.parametrize("name", ["utd_mhad", "utkinect", "lspet"])
def test_real_sets_have_hardly_any_errors(pose_data, tmp_path, name):
    names, landmarks = REAL[name](pose_data / name)
    (tmp_path / "joints.txt").write_text("\n".join(text_of(names, landmarks)))
    started = time.perf_counter()
    report = check_annotations(tmp_path / "joints.txt")
    assert time.perf_counter() - started < 30
    lines = {level: {one.line for one in report.findings if one.level == level} for level in ("error", "warning")}
    assert None not in lines["error"] | lines["warning"]  # nothing about the file as a whole
    assert len(lines["error"]) <= 0.01 * len(names)
    assert len(lines["warning"]) <= 0.05 * len(names)


def lspet(folder):
    from scipy.io import loadmat

    ours = ["right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist",
            "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
            "shoulder_center", "head"]  # fmt: skip
    joints = loadmat(folder / "joints.mat")["joints"].transpose(2, 0, 1)
    return _named(ours, np.where(joints[..., 2:] > 0, joints[..., :2], np.nan), "{:05}.jpg")


def utkinect(folder):
    from pose.check.systematic import ORDERS

    frames, names = [], []
    for path in sorted((folder / "joints").glob("*.txt"))[:6]:
        rows = np.loadtxt(path)
        frames.append(rows[:, 1:].reshape(-1, 20, 3))
        names += [f"{path.stem}/{i}.jpg" for i in range(len(rows))]
    return names, _named(next(iter(ORDERS.values())), _seen(np.concatenate(frames), 531, (320, 240)))[1]


def utd_mhad(folder):
    from scipy.io import loadmat

    from pose.check.systematic import ORDERS

    frames, names = [], []
    for path in sorted((folder / "Skeleton").glob("*.mat"))[::10]:
        skeleton = loadmat(path)["d_skel"].transpose(2, 0, 1)
        frames.append(skeleton)
        names += [f"{path.stem}/{i}.png" for i in range(len(skeleton))]
    return names, _named(list(ORDERS.values())[1], _seen(np.concatenate(frames), 286, (160, 120)))[1]


def _seen(points, focal, center):
    return np.stack([center[0] + focal * points[..., 0] / points[..., 2],
                     center[1] - focal * points[..., 1] / points[..., 2]], axis=-1)  # fmt: skip


def _named(order, points, form="{}"):
    from pose import KINECT20

    landmarks = np.full((len(points), 20, 2), np.nan)
    landmarks[:, [KINECT20.index(name) for name in order]] = points
    return [form.format(i) for i in range(len(points))], landmarks


REAL = {"utd_mhad": utd_mhad, "utkinect": utkinect, "lspet": lspet}


def test_a_joints_file_without_the_wrong_lines_has_no_error(tmp_path):
    names, landmarks = people(32)
    landmarks[[3, 5], 5] += 1000
    joints = write_set(tmp_path, names, landmarks)
    joints.write_bytes(b"# by hand\r\n" + joints.read_bytes())
    report = check_annotations(joints, tmp_path / "images")
    assert report.write_without_errors(tmp_path / "good.txt") == 2
    cleaned = check_annotations(tmp_path / "good.txt", tmp_path / "images")
    assert cleaned.ok
    assert cleaned.tables[0].names == [name for row, name in enumerate(names) if row not in (3, 5)]
    with pytest.raises(FileExistsError, match="choose another name"):
        report.write_without_errors(joints)


def test_a_file_that_is_wrong_as_a_whole_is_not_shortened(tmp_path):
    names, landmarks = people(32)
    report = check_annotations(write_set(tmp_path, names, landmarks[:, :, ::-1]), tmp_path / "images")
    with pytest.raises(ValueError, match="concerns the whole file; fix it first"):
        report.write_without_errors(tmp_path / "good.txt")
