"""Several people in one picture, from the joints file to the sample, the split, the clips and the drawings."""

import numpy as np
import pytest

import har
import pose
from har.prediction import _predict, boxes_of_several
from pose.check import check_annotations
from pose.clips import read_clips
from pose.people import image_file, person_key, person_number


def numbers(x):
    """20 joints of a person around x."""
    return " ".join(f"{x + 3 * (i % 4)} {20 + 8 * i}" for i in range(20))


@pytest.fixture
def pair(tmp_path):
    """Four pictures of two people each, who stand at 60 and at 140 px; returns (joints file, image folder)."""
    import cv2

    images = tmp_path / "images"
    images.mkdir()
    lines = []
    for i in range(4):
        picture = np.zeros((200, 200, 3), np.uint8)
        picture[:, :100] = 50 + i
        cv2.imwrite(str(images / f"f{i}.png"), picture)
        lines += [f"f{i}.png {numbers(60 + i)}", f"f{i}.png#2 {numbers(140 + i)}"]
    (tmp_path / "joints.txt").write_text("\n".join(lines))
    return tmp_path / "joints.txt", images


def test_the_number_is_of_the_person_unless_a_file_has_that_name(tmp_path):
    assert (image_file("a/b.jpg#2"), person_number("a/b.jpg#2")) == ("a/b.jpg", 2)
    assert (image_file("a/b.jpg"), person_number("a/b.jpg")) == ("a/b.jpg", 1)
    assert [image_file(name) for name in ("b#0", "b#1", "b#x", "#3")] == ["b#0", "b#1", "b#x", "#3"]
    assert (person_key("b.jpg", 1), person_key("b.jpg", 3)) == ("b.jpg", "b.jpg#3")
    file = tmp_path / "really.png#2"
    file.touch()
    assert (image_file(str(file)), person_number(str(file))) == (str(file), 1)


def test_each_person_is_a_sample_of_the_same_file(pair):
    annotations = pose.read_annotations(*pair)
    assert len(annotations) == 8
    first, second = (pose.Generic(annotations, is_train=False)[row][2] for row in (0, 1))
    assert first["img_paths"] == second["img_paths"] == str(pair[1] / "f0.png")
    assert (first["center"][0], second["center"][0]) == (64.5, 144.5)


def test_a_missing_picture_is_named_without_the_number(pair):
    (pair[1] / "f2.png").unlink()
    with pytest.raises(pose.AnnotationError, match=r"line 6: there is no image \S+f2.png;"):
        pose.read_annotations(*pair)


def test_a_name_twice_is_advised_to_be_numbered(pair):
    pair[0].write_text(pair[0].read_text().replace("#2", ""))
    with pytest.raises(pose.AnnotationError, match=r"write f0.png#2 if it is another person"):
        pose.read_annotations(*pair)


@pytest.mark.parametrize("seed", range(6))
def test_people_of_one_picture_stay_on_one_side(pair, seed):
    annotations = pose.read_annotations(*pair)
    train, valid = pose.split_annotations(annotations, valid_share=0.5, seed=seed)
    assert {image_file(path) for path in train.paths}.isdisjoint(image_file(path) for path in valid.paths)
    assert (len(train), len(valid)) == (4, 4)


def test_subjects_who_meet_in_a_picture_stay_on_one_side(pair):
    annotations = pose.read_annotations(*pair)
    groups = ["ann", "bob", "cid", "bob", "dan", "eve", "dan", "eve"]  # ann and cid both meet bob
    train, valid = pose.split_annotations(annotations, groups, valid_share=0.5)
    assert {frozenset(path[-8:-2] for path in part.paths) for part in (train, valid)} == {
        frozenset(annotations.paths[row][-8:-2] for row in rows) for rows in (range(4), range(4, 8))
    }
    with pytest.raises(pose.PoseError, match="share no picture"):
        pose.split_annotations(annotations, ["ann", "bob"] * 4, valid_share=0.5)


def clips_of(pair, *lines):
    path = pair[0].with_name("clips.csv")
    path.write_text("\n".join(["clip,subject,action,first_image,last_image", *lines]))
    return read_clips(path, pose.read_annotations(*pair), pair[1])


def test_a_clip_takes_the_lines_of_one_person(pair):
    one, two = clips_of(pair, "a,ann,wave,f0.png,f3.png", "b,bob,wave,f1.png#2,f3.png#2")
    assert (one.rows.tolist(), two.rows.tolist()) == ([0, 2, 4, 6], [3, 5, 7])
    assert (len(one), len(two)) == (4, 3)
    data = har.SequenceDataset(pose.read_annotations(*pair), [one, two])
    assert data[1][0].shape == (3, 20, 2)
    assert data[1][0][0, 0, 0] == 141  # of the second person in f1.png


def test_clips_of_one_person_must_not_overlap_nor_change_to_another(pair):
    with pytest.raises(pose.clips.ClipError, match=r"shares 2 image\(s\) with 'a'"):
        clips_of(pair, "a,ann,wave,f0.png,f2.png", "b,ann,wave,f1.png,f3.png")
    with pytest.raises(pose.clips.ClipError, match="a clip shows one person"):
        clips_of(pair, "a,ann,wave,f0.png,f2.png#2")


def test_the_check_knows_that_people_of_one_picture_belong_together(pair):
    lines = pair[0].read_text().splitlines()
    valid = pair[0].with_name("valid.txt")
    pair[0].write_text("\n".join(lines[::2]))
    valid.write_text("\n".join(lines[1::2]))
    report = check_annotations(pair[0], pair[1], valid)
    assert [one.line for one in report.findings if one.kind == "shared-image"] == [1, 2, 3, 4]
    assert not [one for one in check_annotations(pair[0], pair[1]).findings if one.level == "error"]


def test_all_people_are_drawn_on_the_same_picture(pair, tmp_path):
    annotations = pose.read_annotations(*pair).select([0, 1])
    drawn = [
        pose.Prediction(np.array(annotations[path]), np.ones(20, np.float32), np.zeros(2), 1.0, path)
        for path in annotations
    ]
    (path,) = pose.draw_predictions(tmp_path / "drawn", drawn, pair[1])
    picture = pose.read_image(path).astype(int)
    changed = np.abs(picture - pose.read_image(pair[1] / "f0.png")).sum(axis=2) > 100
    assert changed[:, 50:80].any()
    assert changed[:, 130:160].any()
    assert not changed[:, :40].any()
    with pytest.raises(pose.PoseError, match="which person is meant"):
        pose.Predictor(pose.hg1()).predict(list(annotations))


def test_the_check_follows_each_person_of_a_film(tmp_path):
    """A hand that jumps for one frame is found although the lines of two people alternate."""
    body, lines = pose.read_annotations(pose.SAMPLE / "joints.txt").landmarks[0], []
    for i in range(12):
        for person, x in (("", 0), ("#2", 300)):
            landmarks = body + np.array([x + i, 0])
            if (i, person) == (6, "#2"):
                landmarks[pose.KINECT20.index("right_hand")] += 200
            lines.append(f"f_{i:03}.jpg{person} " + " ".join(f"{value:.1f}" for value in landmarks.ravel()))
    (tmp_path / "joints.txt").write_text("\n".join(lines))
    jumps = [one for one in check_annotations(tmp_path / "joints.txt").findings if one.kind == "jump"]
    assert [(one.image, one.joint) for one in jumps] == [("f_006.jpg#2", "right_hand")]


def test_people_of_one_picture_are_looked_for_where_they_are_labelled(pair):
    annotations = pose.read_annotations(*pair).select([0, 1, 2])  # f0.png, f0.png#2, f1.png

    class Middle:
        """A predictor that finds everybody in the middle of the box."""

        def predict(self, images, boxes=None):
            boxes = boxes or [(0, 0, 200, 200)] * len(images)
            middles = [np.full((20, 2), (box[0] + box[2]) / 2) for box in boxes]
            sure, nowhere = np.ones(20, np.float32), np.zeros(2)
            return [
                pose.Prediction(middle, sure, nowhere, 1.0, path) for middle, path in zip(middles, images, strict=True)
            ]

    boxes = boxes_of_several(annotations)
    found = _predict(Middle(), annotations.paths, boxes)["landmarks"][:, 0, 0].tolist()
    assert found == [64.5, 144.5, 100.0]  # f1.png shows one of these people only: looked for in the whole image
