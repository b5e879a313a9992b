"""The data check: labels, of single lines, of whole files, and of neighbouring frames."""

import numpy as np
import pytest
from test_check import CLIP, found, people, write_set

from pose import KINECT20
from pose.check import check_annotations
from pose.check.systematic import ORDERS
from pose.clips import write_clips

ROW = 67  # in the middle of a clip in which a person stands and waves
WIDTH, HEIGHT = 320, 240
MIXED = np.random.default_rng(0).permutation(160)  # so that no line continues the one before it


@pytest.fixture
def check(tmp_path):
    """Writes a set whose landmarks are changed by a function, and checks it."""

    def check(change, clips=True, images=True, size=(WIDTH, HEIGHT), count=160):
        names, landmarks = people(count)
        changed = change(landmarks)
        joints = write_set(tmp_path, names, landmarks if changed is None else changed, images, clips, size)
        return check_annotations(joints, tmp_path / "images" if images else None)

    return check


def at(kind, report):
    """The (level, line, joint) of a report's findings of one kind."""
    return [(one.level, one.line, one.joint) for one in report.findings if one.kind == kind]


@pytest.mark.parametrize(("place", "level"), [(1.0, "note"), (30.0, "warning"), (400.0, "error")])
def test_a_joint_outside_of_the_image_by_how_far_it_is(check, place, level):
    def change(landmarks):
        landmarks[ROW, 9] = WIDTH - 0.5 + place, 50

    report = check(change)
    assert at("outside", report) == [(level, ROW + 1, "right_wrist")]
    assert f"lies {place:.1f} px outside the image (320 × 240)" in str(report)


def test_a_coordinate_that_no_image_has_is_an_error_without_images_too(check):
    def change(landmarks):
        landmarks[ROW, 9, 0] = 1e300

    assert at("outside", check(change, images=False)) == [("error", ROW + 1, "right_wrist")]


def test_all_joints_in_one_place_is_an_error_and_four_of_them_a_warning(check):
    def change(landmarks):
        landmarks[ROW] = 100, 90
        landmarks[ROW + 20, 8:12] = 5

    report = check(change)
    assert at("one-place", report) == [("error", ROW + 1, ""), ("warning", ROW + 21, "")]


def test_a_line_without_any_label_is_a_warning(check):
    def change(landmarks):
        landmarks[ROW] = np.nan

    assert found(check(change)) == {("warning", "unlabelled"): 1}


def test_a_joint_that_most_lines_lack_is_a_warning_and_one_that_all_lack_a_note(check):
    def change(landmarks):
        landmarks[:, 10] = np.nan
        landmarks[10:, 1] = np.nan

    assert at("joint-missing", check(change)) == [("warning", None, "spine"), ("note", None, "left_hand")]


def test_the_same_labels_on_another_image_are_a_warning(check):
    def change(landmarks):
        landmarks[ROW + 40] = landmarks[ROW]

    assert at("same-labels", check(change)) == [("warning", ROW + 41, "")]


@pytest.mark.parametrize("joint", ["right_wrist", "head", "left_knee", "left_shoulder"])
def test_a_limb_of_impossible_length_names_the_joint_that_is_off(check, joint):
    def change(landmarks):
        landmarks[ROW, KINECT20.index(joint)] += (90, 10)  # 1.8 torsos
        return landmarks[MIXED]

    ((_, line, named),) = at("limb", check(change, clips=False, images=False))
    assert (MIXED[line - 1], named) == (ROW, joint)


WHOLE = {
    **{name: (lambda p, order=order: p[:, [KINECT20.index(j) for j in order]], "order", name)
       for name, order in ORDERS.items()},
    "any order": (lambda p: p[:, np.random.default_rng(3).permutation(20)], "order", "another order"),
    "x and y": (lambda p: p[..., ::-1], "axes", "x and y are swapped"),
    "y upwards": (lambda p: p * [1, -1] + [0, HEIGHT - 1], "axes", "y is counted upwards"),
    "shares": (lambda p: p / [WIDTH, HEIGHT], "scale", "go from 0 to 1"),
    "larger images": (lambda p: p * 2, "image-size", "of the width"),
    "cut images": (lambda p: p - [150, 60], "image-size", "of the width"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "kind", "message"), WHOLE.values(), ids=WHOLE.keys())
def test_what_is_wrong_with_all_lines_is_a_single_error(check, change, kind, message):
    report = check(change)
    (finding,) = [one for one in report.findings if one.level != "note"]
    assert (finding.level, finding.kind, finding.line) == ("error", kind, None)
    assert message in finding.what


def test_labels_of_smaller_images_are_a_warning(check):
    assert found(check(lambda landmarks: landmarks / 2)) == {("warning", "image-size"): 1}


@pytest.mark.parametrize("name", ORDERS)
def test_what_a_wrong_order_hides_is_still_found(check, name):
    def change(landmarks):
        landmarks[ROW] = 100, 90
        return landmarks[:, [KINECT20.index(joint) for joint in ORDERS[name]]]

    assert found(check(change)) == {("error", "order"): 1, ("error", "one-place"): 1}


def exchange(landmarks, rows, way):
    landmarks[rows] = landmarks[rows][:, KINECT20.mirrored] if way == "sides" else landmarks[rows][..., ::-1]


@pytest.mark.parametrize("way", ["sides", "axes"])
@pytest.mark.parametrize("rows", [[ROW], [ROW - 1, ROW], [CLIP * 7], [CLIP * 9 - 1]], ids=str)
def test_swapped_labels_are_found_from_neighbouring_frames(check, way, rows):
    report = check(lambda landmarks: exchange(landmarks, rows, way))
    assert at(way, report) == [("error", row + 1, "") for row in rows]
    assert found(report) == {("error", way): len(rows)}


def test_swapped_labels_of_half_a_clip_are_a_warning(check):
    report = check(lambda landmarks: exchange(landmarks, slice(CLIP * 8 + 4, CLIP * 9), "sides"))
    assert found(report) == {("warning", "sides"): 4}


def test_swapped_labels_of_a_single_photograph_are_a_warning_if_nearly_all_others_agree(tmp_path):
    rng = np.random.default_rng(0)
    landmarks = people(1)[1] + rng.uniform(-60, 60, (60, 1, 2)) + rng.normal(0, 1, (60, 20, 2))
    exchange(landmarks, [20], "sides")
    exchange(landmarks, [40], "axes")
    names = [f"{i}.png" for i in range(60)]
    report = check_annotations(write_set(tmp_path, names, landmarks, images=False, clips=False))
    assert at("sides", report) == [("warning", 21, "")]
    assert at("axes", report) == [("warning", 41, "")]


def test_shoulders_against_hips_is_a_warning(check):
    hips = [KINECT20.index(name) for name in ("left_hip", "right_hip")]

    def change(landmarks):
        middle = landmarks[ROW, hips].mean(axis=0)
        landmarks[ROW, hips] = middle - 2 * (landmarks[ROW, hips] - middle)

    assert ("warning", ROW + 1, "") in at("sides", check(change, clips=False, count=80))


def test_x_and_y_are_certainly_swapped_if_only_then_all_joints_lie_inside(check):
    def change(landmarks):
        landmarks[ROW] += (WIDTH - 10 - landmarks[ROW, :, 0].max(), 0)  # at the right edge, beyond the height
        exchange(landmarks, [ROW], "axes")

    assert ("error", ROW + 1, "") in at("axes", check(change, clips=False))


def test_a_joint_that_jumps_for_one_frame_is_an_error(check):
    def change(landmarks):
        landmarks[ROW, 3] += (0, -75)

    assert at("jump", check(change)) == [("error", ROW + 1, "head")]


def test_a_pose_of_another_image_is_one_finding(check):
    def change(landmarks):
        landmarks[ROW] += (90, 0)

    report = check(change)
    assert at("jump", report) == [("error", ROW + 1, "")]


def test_a_joint_that_jumps_and_stays_is_a_warning(check):
    def change(landmarks):
        landmarks[ROW : CLIP * 9, 14] += (130, 0)

    assert at("jump", check(change)) == [("warning", ROW + 1, "left_knee")]


def test_a_pose_that_is_frozen_in_a_film_is_an_error(check):
    def change(landmarks):
        landmarks[CLIP * 5 : CLIP * 5 + 6] = landmarks[CLIP * 5]

    report = check(change)
    assert found(report) == {("error", "frozen"): 1}
    assert "on 6 lines, to line 46" in report.errors[0].what


def test_a_joint_that_is_frozen_while_the_body_moves_is_a_warning(check):
    def change(landmarks):
        landmarks[:CLIP, 9] = landmarks[0, 9]

    report = check(change)
    assert ("warning", 1, "right_wrist") in at("frozen", report)
    assert "on 8 lines, to line 8" in str(report)


def test_a_few_lines_are_not_judged_by_what_is_usual(check):
    assert check(lambda landmarks: landmarks[:, ::-1], count=8).findings == []


def test_without_clips_the_names_show_where_another_film_begins(tmp_path):
    names, landmarks = people(800)
    report = check_annotations(write_set(tmp_path, names, landmarks, images=False, clips=False))
    assert report.findings == []


def test_shares_of_the_image_on_some_lines_only(check):
    def change(landmarks):
        landmarks[[ROW, ROW + 30]] /= [WIDTH, HEIGHT]

    report = check(change)
    assert at("scale", report) == [("error", ROW + 1, ""), ("error", ROW + 31, "")]
    assert found(report) == {("error", "scale"): 2}


def test_shares_from_minus_one_to_one_get_other_advice(check):
    (finding,) = check(lambda landmarks: landmarks / [WIDTH, HEIGHT] * 2 - 1).errors
    assert (finding.kind, finding.line) == ("scale", None)
    assert "from −1 to 1" in finding.what
    assert "(x + 1) / 2" in finding.todo


def test_minus_one_for_no_label_is_a_warning_about_the_file(check):
    def change(landmarks):
        landmarks[::4, 9] = -1

    report = check(change)
    assert found(report) == {("warning", "minus-one"): 1}
    assert "40 joints lie at (-1, -1)" in report.findings[0].what


def test_swapped_sides_of_all_people_are_a_note(check):
    report = check(lambda landmarks: landmarks[:, KINECT20.mirrored])
    assert at("sides", report) == [("note", None, "")]
    assert "the person's left is on the picture's left" in str(report)


def test_a_person_with_other_sides_than_everybody_else_is_a_warning(tmp_path):
    names, landmarks = people(480)  # six people
    landmarks[160:240] = landmarks[160:240, KINECT20.mirrored]
    joints = write_set(tmp_path, names, landmarks, images=False, clips=False)
    rows = [(f"c{i}", f"person {i // 80}", f"a{i // 8 % 10}", names[i], names[i + 7]) for i in range(0, 480, 8)]
    write_clips(tmp_path / "clips.csv", rows)
    findings = [one.what for one in check_annotations(joints).findings if "everybody else" in one.what]
    assert findings == ["left and right of 'person 2' are the opposite of everybody else's"]


def test_standing_still_in_whole_pixels_is_a_warning(check):
    def change(landmarks):
        landmarks[ROW - 3 : ROW + 4] = landmarks[ROW].round()

    assert at("frozen", check(change)) == [("warning", ROW - 2, "")]
