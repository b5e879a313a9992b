"""Real files of the label tools, from their own tests and examples (`formats/` of the public data)."""

import numpy as np
import pytest

import pose
from pose.runtime.errors import DataError

NAN = [np.nan, np.nan]


@pytest.fixture
def formats(pose_data):
    return pose_data / "formats"


def test_coco_val_2017(formats, capsys):
    found = pose.read_coco(formats / "coco" / "test_coco.json", formats / "coco", skeleton=pose.COCO17)
    assert [path.rsplit("/", 1)[1] for path in found.paths] == [
        "000000000785.jpg", "000000040083.jpg", "000000040083.jpg#2"
    ]  # fmt: skip
    assert found.landmarks[0, 0].tolist() == [367, 81]
    assert "not in" in capsys.readouterr().out


def test_coco_of_others(formats):
    found = pose.read_coco(formats / "coco" / "datumaro" / "person_keypoints_val.json", skeleton=None)
    assert found["b.jpg"] == [(1, 2), (3, 4), (2, 3)]
    with pytest.raises(DataError, match="contains no keypoints"):
        pose.read_coco(formats / "coco" / "dagshub" / "annotations.json")


def test_mpii_counts_from_1(formats):
    found = pose.read_mpii_json(formats / "test_mpii.json", skeleton=pose.MPII16)
    assert len(found) == 5
    assert found.landmarks[0, 0].tolist() == [803, 710]
    assert np.isnan(found.landmarks[2, [0, 5]]).all()


def test_openpose(formats):
    found = pose.read_openpose(formats / "openpose", skeleton=pose.BODY25)
    assert found.paths == ["cam01.0030.jpg", "cam01.0030.jpg#2"]
    assert found.landmarks[0, 0].tolist() == [699.795, 542.012]
    assert np.isnan(found.landmarks[0]).any(axis=1).nonzero()[0].tolist() == [3]


def test_labelme_and_label_studio(formats):
    assert pose.read_labelme(formats / "labelme", skeleton=None)["primitives.jpg"] == [(344.5, 173.5)]
    path = formats / "labelstudio" / "excerpt_multi_animal_from_dlc.json"
    found = pose.read_label_studio(path, skeleton=None)  # one joint belongs to an animal, one to none
    assert found.paths == ["img12600.png", "img12600.png#2"]
    np.testing.assert_allclose(found.landmarks[1, 1], [1280 * 0.7506666667 - 0.5, 720 * 0.1327014218 - 0.5])


@pytest.mark.parametrize(
    ("name", "keys", "first"),
    [("train.xml", ["img1.jpg"], (0.5, 1.5)),
     ("skeleton/annotations.xml", ["003.png", "004.png"], (797.01, 449.27)),
     ("pose_grouping.xml", ["000.png", "000.png#2", "000.png#3", "000.png#4", "000.png#5"], (1427.58, 667.38)),
     ("video/annotations.xml", ["t/frame_000010.jpg"], (21.45, 7.5))],
)  # fmt: skip
def test_cvat(formats, name, keys, first):
    found = pose.read_cvat(formats / "cvat" / name, skeleton=None)
    assert found.paths == keys
    labels = found.landmarks[:, 0]
    np.testing.assert_allclose(labels[~np.isnan(labels[:, 0])][0], first)


@pytest.mark.parametrize(
    ("name", "people", "joints"),
    [("dlc_testdata.csv", 3, 3), ("dlc_testdata_v2.csv", 3, 3), ("madlc_testdata.csv", 5, 3),
     ("madlc_testdata_v2.csv", 5, 3), ("maudlc_testdata.csv", 7, 5), ("CollectedData_LM.csv", 7, 5)],
)  # fmt: skip
def test_deeplabcut(formats, name, people, joints):
    found = pose.read_deeplabcut(formats / "dlc" / name, skeleton=None)
    assert found.landmarks.shape == (people, joints, 2)
    assert found["labeled-data/video/img000.png"][:2] == [(0, 1), (2, 3)]
    np.testing.assert_array_equal(found["labeled-data/video/img001.png"][:3], [(12, 13), NAN, (15, 16)])


def test_sleap(formats):
    pytest.importorskip("h5py")
    folder = formats / "sleap"
    found = pose.read_sleap(folder / "small_robot_minimal.slp", skeleton=None)
    assert found.paths == ["small_robot/frame_000000.jpg", "small_robot/frame_000079.jpg"]
    np.testing.assert_allclose(found.landmarks[0], [[316.49, 47.69], [314.10, 135.37]], atol=0.01)
    assert len(pose.read_sleap(folder / "minimal_instance.slp", skeleton=None)) == 2
    tracks = pose.read_sleap(folder / "small_robot.000_small_robot_3_frame.analysis.h5", skeleton=None)
    assert tracks.paths == [f"small_robot_3_frame/frame_00000{k}.jpg" for k in range(3)]
    assert tracks.skeleton.limbs == (("top", "front"), ("top", "rear"), ("front", "rear"))


def test_sleap_before_and_since_its_points_are_centred(formats):
    pytest.importorskip("h5py")
    old, new = (
        pose.read_sleap(formats / "sleap" / f"test_grid_labels.{name}.h5", skeleton=None)
        for name in ("legacy", "midpoint")
    )
    np.testing.assert_array_equal(old.landmarks[0], [[-1, -1], [-0.5, -0.5], [-1, 0]])
    np.testing.assert_array_equal(new.landmarks[0], [[-0.5, -0.5], NAN, [-0.5, 0.5]])  # (0, 0) means no label here
