"""Splits that share no person, run folders, and weights on disk."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pose import read_annotations
from pose.annotations import AnnotationError, Annotations, write_annotations
from pose.checkpoints import load_model, load_tensors, save_model, save_tensors
from pose.hourglass import StackedHourglass
from pose.runtime import files
from pose.split import load_split, split_annotations, split_dataset, subjects_of
from pose.training.run_folders import latest_run, new_run


@pytest.fixture
def twenty():
    return Annotations([f"{i}.png" for i in range(20)], np.zeros((20, 1, 2)))


def test_a_split_uses_each_image_once_and_the_requested_share_for_validation(twenty):
    train, valid = split_annotations(twenty, valid_share=0.25)
    assert len(valid) == 5
    assert sorted([*train, *valid]) == sorted(twenty)


def test_a_split_shares_no_person(twenty):
    people = np.array(["Ann", "Bob", "Cem", "Dan", "Eve"] * 4)
    person = dict(zip(twenty, people, strict=True))
    for seed in range(5):
        train, valid = split_annotations(twenty, people, valid_share=0.4, seed=seed)
        assert len(valid) == 8
        assert not {person[path] for path in train} & {person[path] for path in valid}


def test_a_split_depends_on_its_seed_alone(twenty):
    first, again, other = (list(split_annotations(twenty, seed=seed)[1]) for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize("groups", [None, ["Ann"] * 20], ids=["one image", "one person"])
def test_a_split_of_a_single_one_is_refused(twenty, groups):
    annotations = twenty if groups else twenty.select([0])
    with pytest.raises(ValueError, match="at least two groups"):
        split_annotations(annotations, groups)


@pytest.fixture
def own_data(tmp_path):
    """A user's folder: six images of three people (the last image in no clip), joints.txt and clips.csv."""
    (tmp_path / "images").mkdir()
    names = [f"{i}.png" for i in range(7)]
    for name in names:
        (tmp_path / "images" / name).touch()
    write_annotations(tmp_path / "joints.txt", {name: np.ones((20, 2)) for name in names})
    (tmp_path / "clips.csv").write_text(
        "clip,subject,action,first_image,last_image\n"
        "w,Ann,wave,0.png,1.png\nx,Bob,wave,2.png,3.png\ny,Ann,sit,4.png,4.png\nz,Cem,sit,5.png,5.png\n"
    )
    return tmp_path


def test_subjects_come_from_the_clip_that_covers_the_image(own_data):
    annotations = read_annotations(own_data / "joints.txt", own_data / "images")
    subjects = subjects_of(annotations, own_data / "clips.csv", own_data / "images")
    assert subjects.tolist() == ["Ann", "Ann", "Bob", "Bob", "Ann", "Cem", "Cem"]


@pytest.mark.parametrize(
    ("clips", "named"),
    [
        ("clip,subject,action,first_image,last_image\na,Ann,wave,0.png,none.png\n", "line 2: last_image 'none.png'"),
        ("clip,action,first_image,last_image\na,wave,0.png,1.png\n", "line 1: lacks subject"),
        (
            "clip,subject,action,first_image,last_image\na,Ann,wave,1.png,0.png\n",
            "line 2: last_image '0.png' comes before",
        ),
    ],
)
def test_a_fault_in_the_clips_is_named_with_its_line(own_data, clips, named):
    (own_data / "clips.csv").write_text(clips)
    with pytest.raises(ValueError, match=rf"clips\.csv, {named}"):
        split_dataset(own_data / "joints.txt", own_data / "images", own_data / "out")


@pytest.mark.parametrize("seed", range(3))
def test_what_was_prepared_is_found_again_and_shares_no_subject(own_data, seed):
    train, valid, *source = split_dataset(own_data / "joints.txt", own_data / "images", own_data / "out", 0.4, seed)
    ann = {str(own_data / "images" / name) for name in ("0.png", "1.png", "4.png")}
    assert ann <= set(train) or ann <= set(valid)
    assert len(train) + len(valid) == 7
    again_train, again_valid, *again_source = load_split(own_data / "out")
    assert again_source == source
    for part, again in ((train, again_train), (valid, again_valid)):
        assert list(again) == list(part)
        np.testing.assert_array_equal(again.landmarks, part.landmarks)


def test_what_was_prepared_names_the_lines_of_the_users_own_file(own_data):
    split_dataset(own_data / "joints.txt", own_data / "images", own_data / "out")
    valid = load_split(own_data / "out").valid
    lines = (own_data / "joints.txt").read_text().splitlines()
    for row, path in enumerate(valid.paths):
        file, _, line = valid.place(row).rpartition(", line ")
        assert file == str((own_data / "joints.txt").resolve())
        assert lines[int(line) - 1].startswith(Path(path).name)
    (own_data / "joints.txt").write_text("broken")
    assert load_split(own_data / "out").valid.place(0).startswith(str(own_data / "out" / "valid.txt"))


def test_without_clips_the_split_is_by_image(own_data):
    (own_data / "clips.csv").unlink()
    train, valid, *_ = split_dataset(own_data / "joints.txt", own_data / "images", own_data / "out", valid_share=2 / 7)
    assert (len(train), len(valid)) == (5, 2)


def test_the_image_folder_is_kept_whatever_the_working_directory(own_data, monkeypatch):
    monkeypatch.chdir(own_data)
    split_dataset("joints.txt", "images", "out")
    monkeypatch.chdir(own_data.parent)
    train = load_split(own_data / "out").train
    assert all(path.startswith(str(own_data.resolve())) for path in train)


def test_without_a_split_the_sample_is_used(own_data, monkeypatch):
    monkeypatch.setattr(sys.modules["pose.split"], "SAMPLE", own_data)
    train, valid, *_ = load_split(own_data / "new" / "out")
    assert len(train) + len(valid) == 7
    assert json.loads((own_data / "new/out/source.json").read_text())["image_dir"] == str(own_data / "images")


def test_the_joints_file_itself_is_not_overwritten(own_data):
    (own_data / "joints.txt").rename(own_data / "train.txt")
    before = (own_data / "train.txt").read_bytes()
    with pytest.raises(ValueError, match="choose another out_dir"):
        split_dataset(own_data / "train.txt", own_data / "images", own_data)
    assert (own_data / "train.txt").read_bytes() == before


def test_data_that_cannot_be_read_are_not_replaced_by_earlier_data(own_data):
    split_dataset(own_data / "joints.txt", own_data / "images", own_data / "out")
    (own_data / "joints.txt").write_text("0.png 1 2 3\n")
    with pytest.raises(AnnotationError):
        split_dataset(own_data / "joints.txt", own_data / "images", own_data / "out")
    with pytest.raises(FileNotFoundError, match="could not be read when it was split"):
        load_split(own_data / "out")


def test_a_users_own_split_is_not_overwritten(own_data):
    (own_data / "out").mkdir()
    (own_data / "out" / "train.txt").write_text("mine")
    with pytest.raises(ValueError, match="choose another out_dir"):
        split_dataset(own_data / "joints.txt", own_data / "images", own_data / "out")
    assert (own_data / "out" / "train.txt").read_text() == "mine"


def test_each_training_gets_a_folder_of_its_own(tmp_path):
    assert new_run(tmp_path) == tmp_path / "pose_001"
    for name in ("pose_007", "activity_009", "pose_old"):
        (tmp_path / name).mkdir()
    assert new_run(tmp_path) == tmp_path / "pose_008"
    assert new_run(tmp_path, "activity") == tmp_path / "activity_010"
    assert (tmp_path / "pose_008").is_dir()


def test_the_latest_run_is_the_last_one_with_weights(tmp_path):
    assert latest_run(tmp_path) is None
    for name in ("pose_001", "pose_002", "pose_003"):
        (tmp_path / name).mkdir()
    assert latest_run(tmp_path) is None
    for name in ("pose_001", "pose_002"):
        (tmp_path / name / "best.safetensors").touch()
    assert latest_run(tmp_path) == tmp_path / "pose_002"


@pytest.fixture
def model():
    torch.manual_seed(0)
    return StackedHourglass(2, 20, channels=16, loss="mse", sigma=1.5)


def test_a_saved_model_computes_the_same_and_keeps_its_metadata(tmp_path, model):
    images = torch.rand(2, 3, 64, 64)
    model.train()(images)  # moves the batch norm's statistics, which belong to the model too
    save_model(tmp_path / "deep" / "best.safetensors", model, config={"inp_res": 64}, scores={"auc": 0.5})
    loaded = load_model(tmp_path / "deep" / "best.safetensors")
    assert not loaded.training
    assert loaded.settings == model.settings
    assert loaded.about["config"] == {"inp_res": 64}
    assert loaded.about["scores"] == {"auc": 0.5}
    assert loaded.skeleton.names[:2] == ("hip_center", "spine")
    for ours, theirs in zip(loaded(images), model.eval()(images), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_an_interrupted_save_leaves_the_old_file_and_nothing_else(tmp_path, model, monkeypatch):
    path = tmp_path / "best.safetensors"
    save_model(path, model, note="old")

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_model(path, model, note="new")
    assert load_model(path).about["note"] == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_tensors_and_metadata_are_read_back(tmp_path):
    tensors = {"a.b": torch.arange(6.0).reshape(2, 3).T, "step": torch.tensor(7)}
    save_tensors(tmp_path / "last.safetensors", tensors, {"history": [{"epoch": 1}], "Ö": None})
    back, about = load_tensors(tmp_path / "last.safetensors")
    assert about == {"history": [{"epoch": 1}], "Ö": None}
    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)


def test_a_missing_checkpoint_says_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"best\.safetensors: .*train one first or check the path"):
        load_model(tmp_path / "best.safetensors")


def test_a_file_that_is_no_pose_checkpoint_is_refused(tmp_path, model):
    path = tmp_path / "best.safetensors"
    save_tensors(path, {"a": torch.zeros(1)}, {"kind": "activity"})
    with pytest.raises(ValueError, match="holds no hourglass but: activity"):
        load_model(path)
    for content in (b"", b"not a checkpoint", b"\x10" + bytes(30)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is not a checkpoint of this project"):
            load_model(path)
    save_model(path, model)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="is not a checkpoint of this project"):
        load_model(path)


def test_images_stay_on_their_side_when_others_are_added(tmp_path):
    (tmp_path / "images").mkdir()
    lines = [f"{i}.png " + "1 2 3 4 " * 10 for i in range(70)]
    for i in range(70):
        (tmp_path / f"images/{i}.png").touch()

    def split(count, **options):
        (tmp_path / "joints.txt").write_text("\n".join(lines[:count]))
        parts = split_dataset(tmp_path / "joints.txt", tmp_path / "images", tmp_path / "split", **options)
        return [set(part.paths) for part in parts[:2]]

    train, valid = split(50)
    more_train, more_valid = split(70)
    assert train < more_train
    assert valid < more_valid
    assert (len(more_train), len(more_valid)) == (56, 14)
    assert split(70) == [more_train, more_valid]
    assert split(70, seed=1) != [more_train, more_valid]  # asked for another split
    # Now it is known who is who, and each was on both sides: split anew.
    clips = ["clip,subject,action,first_image,last_image", "1,ann,walk,0.png,34.png", "2,bob,walk,35.png,69.png"]
    (tmp_path / "clips.csv").write_text("\n".join(clips))
    assert sorted(map(len, split(70, valid_share=0.5))) == [35, 35]
