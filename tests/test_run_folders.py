"""Run folders describe their training, and runs can be compared."""

import json

import matplotlib.pyplot as plt
import pytest

import pose
from pose import TrainConfig, compare_runs, fit, load_split, new_run, split_dataset

TINY = {"inp_res": 64, "channels": 16, "batch_size": 2, "epochs": 2, "bf16": False}


@pytest.fixture
def split(tiny_annotations, tmp_path):
    """The split of the four images of `tiny_annotations`, as paths in plain text."""
    return split_dataset(f"{tmp_path}/joints.txt", f"{tmp_path}/images", f"{tmp_path}/split", valid_share=0.5)


def train(split, runs, **changed):
    config, run = TrainConfig(**TINY | changed), new_run(runs)
    data = config.build_dataset(split.train, True), config.build_dataset(split.valid, False)
    fit(config.build_model(split.train.skeleton), *data, config, run)
    return run


def test_a_folder_can_be_cited(split, tmp_path):
    run = train(split, tmp_path / "runs", seed=3)
    about = json.loads((run / "config.json").read_text())
    assert about["seed"] == about["hyperparameters"]["seed"] == 3
    assert about["hyperparameters"]["augmentation"]["rot"] == 30
    assert about["data"]["train"]["samples"] == about["data"]["valid"]["samples"] == 2
    assert about["data"]["train"]["from"][0]["joints_file"] == str(tmp_path / "joints.txt")
    assert about["versions"].keys() == {"kinect-pose", "python", "torch", "torchvision", "numpy", "opencv-python"}
    lines = (run / "scores.txt").read_text().splitlines()
    assert lines[0].split()[0] == "joint"
    assert [line.split()[0] for line in lines[1:21]] == list(pose.KINECT20.names)


def test_a_split_knows_the_runs_that_were_trained_on_it(split, tmp_path):
    run = train(split, tmp_path / "runs")
    assert split.matches(run)
    assert load_split(tmp_path / "split").matches(run)
    other = split_dataset(tmp_path / "joints.txt", tmp_path / "images", tmp_path / "other", valid_share=0.25, seed=1)
    assert not other.matches(run)
    (run / "config.json").unlink()
    assert not split.matches(run)


def test_runs_are_compared_side_by_side(split, tmp_path):
    one = train(split, tmp_path / "runs")
    two = train(split, tmp_path / "runs", learning_rate=0.01, epochs=3)
    new_run(tmp_path / "runs")  # without a finished epoch
    (two / "config.json").write_text("{")
    (tmp_path / "runs" / "pose_007").mkdir()
    (tmp_path / "runs" / "pose_007" / "history.csv").write_text("damaged\n\0")
    compared = compare_runs(f"{tmp_path}/runs")
    assert [row["run"] for row in compared.rows] == [one.name, two.name]
    assert [row["epochs"] for row in compared.rows] == [2, 3]
    assert compared.rows[0]["learning_rate"] == 0.001
    assert compared.rows[1]["learning_rate"] == ""
    assert "valid_auc" in compared.rows[0]
    assert str(compared).splitlines()[1].startswith("pose_001")
    assert compared._repr_html_().count("<tr>") == 3
    figure = compared.plot()
    assert [len(line.get_xdata()) for line in figure.axes[0].lines] == [2, 3]
    plt.close(figure)
    with pytest.raises(ValueError, match="contains no activity training with a finished epoch"):
        compare_runs(tmp_path / "runs", "activity")


def test_a_split_remembers_its_skeleton(tiny_annotations, tmp_path):
    names = pose.Skeleton(pose.KINECT20.names[::-1], limbs=())
    split = split_dataset(tmp_path / "joints.txt", tmp_path / "images", tmp_path / "split", 0.5, skeleton=names)
    assert split.train.skeleton == load_split(tmp_path / "split").valid.skeleton == names
    assert TrainConfig(**TINY).build_model(split.train.skeleton).skeleton == names
