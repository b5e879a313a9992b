"""DeepLabCut's and SLEAP's files, and what is written: COCO and the tidy table."""

import json

import formats_samples as samples
import numpy as np
import pytest

import pose
from pose.runtime.errors import DataError, ExistsError

h5py = pytest.importorskip("h5py")
HEADER = "scorer,net,net,net\nbodyparts,head,head,head\ncoords,x,y,likelihood\n"


def test_deeplabcut_has_paths_in_one_column_or_three(tmp_path):
    path = tmp_path / "labels.csv"
    one = samples.DEEPLABCUT.replace(",,,", ",", 4).replace("labeled-data,film,a", r"labeled-data\film\a")
    path.write_text(one)
    assert pose.read_deeplabcut(path).paths == ["labeled-data/film/a.jpg", "labeled-data/film/a.jpg#2"]


def test_predictions_of_deeplabcut_are_named_by_film_and_frame(tmp_path, capsys):
    path = tmp_path / "walkDLC_resnet50_mineJan1shuffle1_1000.csv"
    path.write_text(f"{HEADER}0,10,20,0.9\n1,11,21,0.1\n2,,,\n")
    found = pose.read_deeplabcut(path, min_confidence=0.6)
    assert found.paths == ["walk/frame_000000.jpg"]
    assert found.landmarks[0, pose.KINECT20.index("head")].tolist() == [10, 20]
    assert "left out: joints less certain than 0.6: 1" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [("a,b\n", "rows scorer, bodyparts and coords"), (HEADER.replace(",y", ",z"), "lacks the column x or y"),
     (f"{HEADER}0,1,2,0.5\n1,one,2,0.5\n", r"line 5: .*'one'"), (f"{HEADER}0,1,2,3,4\n", "line 4")],
)  # fmt: skip
def test_faults_of_deeplabcut_are_reported_with_their_line(tmp_path, content, message):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(DataError, match=message):
        pose.read_deeplabcut(tmp_path / "a.csv")


def write_pandas(path, kind=b"frame"):
    """A table as pandas writes it: two levels of paths, one joint."""
    levels = {"block0_items": [("scorer", ["me"], [0, 0]), ("bodyparts", ["head"], [0, 0]), ("coords", "xy", [0, 1])],
              "axis1": [("N.", ["film"], [0, 0]), ("N.", ["a.png", "b.png"], [1, 0])]}  # fmt: skip
    with h5py.File(path, "w") as file:
        table = file.create_group("df_with_missing")
        table.attrs["pandas_type"] = np.bytes_(kind)
        for axis, of_axis in levels.items():
            table.attrs[f"{axis}_nlevels"] = len(of_axis)
            for k, (name, names, labels) in enumerate(of_axis):
                table[f"{axis}_level{k}"], table[f"{axis}_label{k}"] = np.array([*names], "S"), np.array(labels, "i1")
                table[f"{axis}_level{k}"].attrs["name"] = np.bytes_(name)
        table["block0_values"] = [[10.0, 20.0], [np.nan, np.nan]]
    return path


def test_labels_of_deeplabcut_in_h5(tmp_path):
    found = pose.read_deeplabcut(write_pandas(tmp_path / "CollectedData_me.h5"), skeleton=None)
    assert found.paths == ["film/b.png"]
    assert found["film/b.png"] == [(10, 20)]


def test_pickles_in_h5_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"pickled, which could run code; read the CSV file"):
        pose.read_deeplabcut(write_pandas(tmp_path / "predictions.h5", b"frame_table"))


def test_sleap_has_people_by_track_and_frames_by_film(tmp_path):
    found = pose.read_sleap(samples.write_slp(tmp_path / "labels.slp", tracks=(1, 0)), skeleton=None)
    assert found.paths == ["walk/frame_000012.jpg#2", "walk/frame_000012.jpg"]
    assert found.skeleton.names == ("left_wrist", "head", "nose")
    assert found.skeleton.limbs == (("left_wrist", "head"), ("head", "nose"))
    np.testing.assert_array_equal(found.landmarks[0], [[1, 2], [np.nan] * 2, [np.nan] * 2])  # one is not visible
    np.testing.assert_array_equal(found.landmarks[1], [[np.nan] * 2, [10, 20], [np.nan] * 2])


def test_sleap_counted_from_the_corner_before_version_1_1(tmp_path):
    found = pose.read_sleap(samples.write_slp(tmp_path / "labels.slp", version=1.0), skeleton=None)
    assert found.landmarks[0, 0].tolist() == [0.5, 1.5]


def test_predictions_of_sleap_are_counted_or_read(tmp_path, capsys):
    path = samples.write_slp(tmp_path / "labels.slp", tracks=(-1, -1), kinds=(0, 1))
    assert len(pose.read_sleap(path)) == 1
    assert "left out: predictions: 1" in capsys.readouterr().out
    path = samples.write_slp(tmp_path / "predicted.slp", version=1.0, tracks=(-1, -1), kinds=(1, 1))
    found = pose.read_sleap(path, skeleton=None, predicted=True)
    assert found.landmarks[0, 0].tolist() == [1, 2]  # a model's were centred already


def test_tracks_of_sleap(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["tracks"] = np.stack([np.full((2, 1, 3), np.nan), np.arange(6.0).reshape(2, 1, 3)])  # track, xy, joint, t
        file["node_names"], file["edge_inds"] = [b"head"], np.zeros((0, 2), int)
        file["video_path"] = "D:/films/walk.mp4"
    found = pose.read_sleap(tmp_path / "a.h5")
    assert found.paths == [f"walk/frame_00000{frame}.jpg#2" for frame in range(3)]
    assert found.landmarks[:, pose.KINECT20.index("head")].tolist() == [[0, 3], [1, 4], [2, 5]]


def test_an_array_in_another_file_or_of_any_size_is_refused(tmp_path):
    path = samples.write_slp(tmp_path / "labels.slp")
    with h5py.File(path, "a") as file:
        del file["points"]
        file["points"] = h5py.ExternalLink("other.h5", "points")
    with pytest.raises(DataError, match="'points' lies in another file"):
        pose.read_sleap(path)
    with h5py.File(path, "a") as file:
        del file["points"]
        file.create_dataset("points", (2**31,), "f8", chunks=True)
    with pytest.raises(DataError, match=r"has more than 1\.1 GB"):
        pose.read_sleap(path)


def test_a_damaged_h5_file_is_reported(tmp_path):
    content = samples.write_slp(tmp_path / "labels.slp").read_bytes()
    rng = np.random.default_rng(0)
    for length in range(0, len(content), 1500):
        damaged = np.frombuffer(content, np.uint8).copy()
        damaged[rng.integers(8, len(content), 20)] = rng.integers(0, 256, 20)
        for part in (content[:length], damaged.tobytes()):
            (tmp_path / "damaged.slp").write_bytes(part)
            try:
                pose.read_sleap(tmp_path / "damaged.slp")
            except pose.PoseError as error:
                assert "damaged.slp" in str(error)  # noqa: PT017 (some damage does no harm)


@pytest.fixture
def two_people(tiny_annotations):
    """The tiny annotations, with a second person, of whom one joint is labelled, in the first image."""
    second = np.full((1, 20, 2), np.nan)
    second[0, 3] = 12.3456, 7.8901
    paths = [*tiny_annotations.paths, f"{tiny_annotations.paths[0]}#2"]
    return pose.Annotations(paths, np.concatenate([tiny_annotations.landmarks, second]))


def test_coco_comes_back(tmp_path, two_people):
    path = tmp_path / "coco.json"
    pose.write_coco(path, two_people, tmp_path / "images")
    again = pose.read_coco(path, tmp_path / "images")
    assert again.paths == two_people.paths
    np.testing.assert_allclose(again.landmarks, two_people.landmarks, atol=1e-3)
    content = json.loads(path.read_text())
    assert content["images"][1] == {"id": 2, "file_name": "1.png", "width": 71, "height": 90}
    last = content["annotations"][-1]
    assert (last["image_id"], last["num_keypoints"], last["area"]) == (1, 1, 1)
    assert last["bbox"] == [11.846, 7.39, 1, 1]  # the pixel around the only joint
    assert last["keypoints"][:12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 12.346, 7.89, 2]
    assert content["categories"][0]["skeleton"][0] == [1, 2]  # from 1


def test_the_tidy_table_comes_back(tmp_path, two_people):
    path = tmp_path / "landmarks.csv"
    pose.write_csv(path, two_people, times=[0, 0.04, 0.08, 0.12], image_dir=tmp_path / "images")
    again = pose.read_csv(path, tmp_path / "images")
    assert again.paths == two_people.paths
    np.testing.assert_allclose(again.landmarks, two_people.landmarks, atol=1e-3)
    lines = path.read_text().splitlines()
    assert lines[0] == "frame,time,image,person,joint,x,y,confidence"
    assert lines[81:85] == [
        "0,0.000,0.png,2,hip_center,,,", "0,0.000,0.png,2,spine,,,", "0,0.000,0.png,2,shoulder_center,,,",
        "0,0.000,0.png,2,head,12.346,7.890,",
    ]  # fmt: skip


def test_the_tidy_table_of_predictions(tmp_path):
    skeleton = pose.Skeleton(("head", "nose"), limbs=())
    of = [(None, 1), ("a.jpg", 2), ("a.jpg", 3), (None, 4)]
    found = [
        pose.Prediction(np.array([[x, 5.0], [np.nan] * 2]), np.array([0.5, 0.25]), np.zeros(2), 1.0, path, skeleton)
        for path, x in of
    ]
    pose.write_csv(tmp_path / "a.csv", found)
    assert (tmp_path / "a.csv").read_text().splitlines()[1:] == [
        "0,,,1,head,1.000,5.000,0.500", "0,,,1,nose,,,0.250",
        "1,,a.jpg,1,head,2.000,5.000,0.500", "1,,a.jpg,1,nose,,,0.250",
        "1,,a.jpg,2,head,3.000,5.000,0.500", "1,,a.jpg,2,nose,,,0.250",
        "2,,,1,head,4.000,5.000,0.500", "2,,,1,nose,,,0.250",
    ]  # fmt: skip


@pytest.mark.parametrize("write", [pose.write_coco, pose.write_csv])
def test_nothing_is_overwritten_unless_asked(tmp_path, tiny_annotations, write):
    (tmp_path / "a").touch()
    with pytest.raises(ExistsError, match="overwrite=True"):
        write(tmp_path / "a", tiny_annotations)
    write(tmp_path / "a", tiny_annotations, overwrite=True)
    assert (tmp_path / "a").stat().st_size


def test_there_is_a_time_for_each_frame(tmp_path, two_people):
    with pytest.raises(DataError, match="got 5 times for 4 frames"):
        pose.write_csv(tmp_path / "a.csv", two_people, times=range(5))
