"""Each tool's labels arrive at the right joint of the right person, in this project's pixels."""

import json

import formats_samples as samples
import numpy as np
import pytest

import pose
from pose.runtime.errors import DataError, MissingError

TOOLS = ["coco", "cvat", "labelme", "label_studio", "deeplabcut", "openpose", "mpii_json"]
LEFT_WRIST, HEAD = pose.KINECT20.index("left_wrist"), pose.KINECT20.index("head")


def read(path, tool, **options):
    return getattr(pose, f"read_{tool}")(path, **options)


def labelled(annotations):
    """{key: {joint: (x, y)}} of what is labelled."""
    return {
        key: {name: xy for name, xy in zip(annotations.skeleton.names, points, strict=True) if xy[0] == xy[0]}
        for key, points in annotations.items()
    }


@pytest.mark.parametrize("tool", TOOLS)
def test_two_people_of_one_image(tmp_path, tool):
    found = labelled(read(samples.write_sample(tmp_path, tool), tool))
    image = "labeled-data/film/a.jpg" if tool == "deeplabcut" else "a.jpg"
    second = {"shoulder_center": (8, 9)} if tool == "openpose" else {"head": (10, 20)}
    assert found == {image: {"left_wrist": (1, 2)}, f"{image}#2": second}


@pytest.mark.parametrize("tool", [*samples.JSON])
def test_any_value_that_is_something_else_is_reported_by_file(tmp_path, tool):
    path = samples.write_sample(tmp_path, tool)
    for changed in with_one_value_changed(samples.JSON[tool]):
        path.write_text(json.dumps(changed), encoding="utf-8")
        try:
            read(path, tool)
        except DataError as error:
            assert str(path) in str(error)  # noqa: PT017 (some changes do no harm)


def with_one_value_changed(content):
    """Copies of JSON content, each with one value replaced."""
    yield from (None, 5, "text", [], {}, 10**400, float("nan"))
    items = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in items:
        for changed in with_one_value_changed(value):
            if isinstance(content, dict):
                yield {**content, key: changed}
            else:
                yield [*content[:key], changed, *content[key + 1 :]]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_file_that_is_cut_off_is_reported(tmp_path, tool):
    path = samples.write_sample(tmp_path, tool)
    content = path.read_bytes()
    for length in range(0, len(content) - 3, 7):
        path.write_bytes(content[:length])
        try:
            read(path, tool)
        except DataError:
            continue
        assert tool == "deeplabcut"  # a table may end anywhere
    with pytest.raises(MissingError):
        read(tmp_path / "none", tool)


def test_coco_keeps_its_own_joints_and_limbs(tmp_path):
    found = pose.read_coco(samples.write_sample(tmp_path, "coco"), skeleton=None)
    assert found.skeleton.names == ("left_wrist", "head", "nose")
    assert found.skeleton.limbs == (("left_wrist", "head"),)
    assert found.landmarks[0, 2].tolist() == [5, 6]


def test_cvat_keeps_its_joints_in_the_order_of_the_skeleton(tmp_path):
    found = pose.read_cvat(samples.write_sample(tmp_path, "cvat"), skeleton=None)
    assert found.skeleton.names == ("head", "left_wrist")
    assert found.skeleton.limbs == (("head", "left_wrist"),)


def test_tracks_of_cvat_are_named_by_film_and_frame(tmp_path):
    path = tmp_path / "annotations.xml"
    points = '<points label="head" outside="0" points="10.5,20.5"/>'
    path.write_text(
        '<annotations><meta><source>walk.mp4</source></meta><track id="0" label="person">'
        f'<skeleton frame="3">{points}</skeleton><skeleton frame="4">{points.replace("=.0", "")}</skeleton></track>'
        f'<track id="1" label="person"><skeleton frame="4">{points}</skeleton></track>'
        '<track id="2" label="nose"><points frame="4" outside="0" points="1,1"/></track>'
        '<track id="3" label="head"><points frame="4" outside="1" points="1,1"/></track></annotations>'
    )
    found = pose.read_cvat(path, mapping={"nose": "spine"})
    walk = "walk/frame_000004.jpg"
    assert found.paths == ["walk/frame_000003.jpg", walk, f"{walk}#2", f"{walk}#3"]
    assert labelled(found)[f"{walk}#3"] == {"spine": (0.5, 0.5)}
    assert pose.read_cvat(path, frame_name="{frame}.png").paths[0] == "3.png"
    with pytest.raises(DataError, match="is not a template"):
        pose.read_cvat(path, frame_name="{film}.png")


def test_entities_in_xml_are_refused(tmp_path):
    (tmp_path / "a.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>')
    with pytest.raises(DataError, match="defines entities"):
        pose.read_cvat(tmp_path / "a.xml")


def test_a_joint_twice_without_groups_is_reported(tmp_path):
    path = tmp_path / "a.json"
    shapes = [{**samples.LABELME["shapes"][1], "group_id": None}] * 2
    path.write_text(json.dumps({"imagePath": "a.jpg", "shapes": shapes}))
    with pytest.raises(DataError, match=r"a\.json: 'head' is there twice; group the points of each person"):
        pose.read_labelme(path)


def test_images_of_labelme_are_named_from_the_folder(tmp_path):
    for folder, name in (("x", "a.jpg"), ("y", "..\\..\\images\\b.jpg")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.json").write_text(json.dumps({**samples.LABELME, "imagePath": name}))
    assert pose.read_labelme(tmp_path).paths == ["x/a.jpg", "x/a.jpg#2", "b.jpg", "b.jpg#2"]


def test_label_studio_names_images_of_a_local_folder_by_their_path(tmp_path):
    (task,) = samples.LABEL_STUDIO
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{**task, "data": {"img": "/data/local-files/?d=my%20films/a.jpg"}}]))
    assert pose.read_label_studio(path).paths[0] == "my films/a.jpg"


def test_openpose_less_certain_joints_are_counted(tmp_path, capsys):
    found = pose.read_openpose(samples.write_sample(tmp_path, "openpose"), min_confidence=0.5, suffix=".png")
    assert labelled(found) == {"a.png": {"left_wrist": (1, 2)}}
    assert "left out: joints less certain than 0.5: 1" in capsys.readouterr().out


def test_what_was_matched_is_printed_and_what_was_not_is_counted(tmp_path, capsys):
    path = samples.write_sample(tmp_path, "coco")
    content = {**samples.COCO, "annotations": [*samples.COCO["annotations"], {"bbox": [1, 2, 3, 4]}]}
    path.write_text(json.dumps(content))
    pose.read_coco(path, skeleton=pose.Skeleton(("head", "left_wrist", "tail"), limbs=()))
    assert capsys.readouterr().out.splitlines() == [
        f"{path}: people: 2, in images: 1",
        "  their joint  our joint        labels",
        "  left_wrist   left_wrist            1",
        "  head         head                  1",
        "  nose         (left out)            1",
        "  ours that stay empty: tail",
        "  left out: annotations without keypoints: 1",
    ]


def test_a_mapping_wins_over_the_names(tmp_path):
    path = samples.write_sample(tmp_path, "coco")
    found = labelled(pose.read_coco(path, mapping={"nose": "head", "left_wrist": "left_hand"}))
    assert found == {"a.jpg": {"head": (5, 6), "left_hand": (1, 2)}}
    with pytest.raises(DataError, match="the file has no joint 'Nose'; its joints are: left_wrist, head, nose"):
        pose.read_coco(path, mapping={"Nose": "head"})


def test_images_that_are_not_there_are_counted(tmp_path, capsys):
    path = samples.write_sample(tmp_path, "coco")
    content = {**samples.COCO, "images": [*samples.COCO["images"], {"id": 8, "file_name": "b.jpg"}]}
    content["annotations"] = [*content["annotations"], {**content["annotations"][0], "image_id": 8}]
    path.write_text(json.dumps(content))
    images = tmp_path / "images"
    images.mkdir()
    with pytest.raises(MissingError, match=r"none of the images of .* such as a\.jpg"):
        pose.read_coco(path, images)
    (images / "b.jpg").touch()
    assert pose.read_coco(path, images).paths == [str(images / "b.jpg")]
    assert f"left out: people in images that are not in {images}: 2" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/a.jpg", "C:\\a.jpg", "", "a\0.jpg", "link.jpg"])
def test_no_name_leads_out_of_the_image_folder(tmp_path, name):
    images = tmp_path / "images"
    images.mkdir()
    (tmp_path / "secret.jpg").touch()
    (images / "link.jpg").symlink_to("../secret.jpg")
    content = {**samples.COCO, "images": [{"id": 7, "file_name": name}]}
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"relative to the image folder|leads out of"):
        pose.read_coco(path, images)


def test_a_label_at_zero_is_counted(tmp_path, capsys):
    content = json.loads(json.dumps(samples.COCO))
    content["annotations"][0]["keypoints"][:3] = [0, 0, 2]
    path = tmp_path / "coco.json"
    path.write_text(json.dumps(content))
    assert np.isnan(pose.read_coco(path, skeleton=None).landmarks[0, 0]).all()
    assert "at exactly (0, 0), which means no label here: 1" in capsys.readouterr().out
