"""Trainings that start from the weights of another network."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset

import pose
from pose import KINECT20, PoseError, Skeleton, TrainConfig, fit, load_model, save_model
from pose.runtime.errors import DataError
from pose.training.hourglass import PoseTask
from pose.training.start import exchange_sides

TINY = TrainConfig(inp_res=64, channels=16, batch_size=4, epochs=1, bf16=False, seed=1)
FACE = Skeleton(("left_wrist", "nose", "right_wrist"), limbs=(), torso=("left_wrist", "right_wrist"))


@pytest.fixture
def checkpoint(tmp_path):
    """A network of the 20 Kinect joints, of which the right foot never had a label."""
    model = replace(TINY, seed=0).build_model()
    model.trained_joints[KINECT20.index("right_foot")] = False
    path = tmp_path / "start.safetensors"
    save_model(path, model)
    return str(path)


def test_joints_are_taken_over_by_name(checkpoint):
    model, other = replace(TINY, start=checkpoint).build_model(FACE), load_model(checkpoint)
    assert (model.start, model.new_joints) == (checkpoint, ("nose",))
    assert model.trained_joints.tolist() == [True, False, True]
    wrist = KINECT20.index("right_wrist")
    assert torch.equal(model.score[0].weight[2], other.score[0].weight[wrist])
    assert torch.equal(model.score[0].weight[1], TINY.build_model(FACE).score[0].weight[1])
    assert torch.equal(model.layer1[0].conv2.weight, other.layer1[0].conv2.weight)


def test_a_joint_that_never_had_a_label_is_new(checkpoint):
    assert replace(TINY, start=checkpoint).build_model().new_joints == ("right_foot",)


def test_several_stacks_are_taken_over(tmp_path):
    two = replace(TINY, num_stacks=2)
    save_model(tmp_path / "two.safetensors", replace(two, seed=0).build_model())
    model = replace(two, start=str(tmp_path / "two.safetensors")).build_model(FACE)
    other = load_model(tmp_path / "two.safetensors")
    wrist = KINECT20.index("left_wrist")
    assert torch.equal(model.score_[0].weight[:, 0], other.score_[0].weight[:, wrist])
    assert torch.equal(model.score[1].bias[0], other.score[1].bias[wrist])


@pytest.mark.parametrize(("name", "value"), [("num_stacks", 2), ("channels", 32), ("loss", "mse")])
def test_weights_that_do_not_fit_are_refused_by_name(checkpoint, name, value):
    with pytest.raises(DataError, match=f"{name}={getattr(TINY, name)!r}, the configuration {value!r}"):
        replace(TINY, start=checkpoint, **{name: value}).build_model()


def test_a_missing_start_is_reported():
    with pytest.raises(PoseError, match="there is no such checkpoint"):
        replace(TINY, start="no/such.safetensors").build_model()


class Labelled(Dataset):
    """Images of noise, labelled with what a network sees in them."""

    def __init__(self, model, exchanged=False):
        self.images = torch.rand((8, 3, 64, 64), generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            self.heatmaps = model.eval()(self.images)[-1]
        if exchanged:
            self.heatmaps = self.heatmaps[:, KINECT20.mirrored]
        self.tpts = torch.from_numpy(np.random.default_rng(0).uniform(2, 14, (8, model.num_joints, 2)))

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        pts = self.tpts[index] * 4 + 1.5
        info = {"index": index, "center": torch.full((2,), 31.5), "scale": 0.32, "rot": 0.0, "pts": pts,
                "tpts": self.tpts[index], "inp_res": 64, "out_res": 16, "img_paths": f"{index}.png"}  # fmt: skip
        return self.images[index], self.heatmaps[index], info


@pytest.mark.parametrize("exchanged", [False, True])
def test_sides_are_exchanged_if_the_images_are_mirrored(checkpoint, tmp_path, capsys, exchanged):
    config = replace(TINY, start=checkpoint, learning_rate=1e-9)
    data = Labelled(config.build_model(), exchanged)
    model = config.build_model()
    fit(model, data, data, config, tmp_path / "run")
    assert ("left and right exchanged" in capsys.readouterr().out) == exchanged
    # At this learning rate the weights stay what they were.
    wrists = [KINECT20.index("left_wrist"), KINECT20.index("right_wrist")]
    expected = load_model(checkpoint).score[0].weight[wrists[::-1] if exchanged else wrists]
    torch.testing.assert_close(model.score[0].weight[wrists], expected, atol=1e-6, rtol=0)


def test_joints_of_one_side_start_from_weights_of_both(checkpoint, tmp_path):
    arm = Skeleton(("right_shoulder", "right_elbow"), limbs=(), torso=("right_shoulder", "right_elbow"))
    config = replace(TINY, start=checkpoint)
    model = config.build_model(arm)
    data = Labelled(model)
    fit(model, data, data, config, tmp_path / "run")
    assert model.new_joints == ()


def test_exchanged_sides_exchange_the_heatmaps(checkpoint):
    model, images = load_model(checkpoint), torch.rand(2, 3, 64, 64)
    model.trained_joints.fill_(True)
    before = model(images)[-1]
    exchange_sides(model)
    torch.testing.assert_close(model(images)[-1], before[:, KINECT20.mirrored])


def test_fit_says_what_it_took_over(checkpoint, tmp_path, capsys):
    config = replace(TINY, start=checkpoint)
    model = config.build_model()
    data = Labelled(load_model(checkpoint))
    fit(model, data, data, config, tmp_path / "run")
    assert "the body and 19 of 20 joints taken over; new: right_foot" in capsys.readouterr().out
    fit(config.build_model(), data, data, config, tmp_path / "run", resume=True)
    assert "taken over" not in capsys.readouterr().out


def test_joints_without_labels_keep_what_they_were_given(checkpoint, tmp_path):
    config = replace(TINY, start=checkpoint)
    model = config.build_model()
    data = Labelled(model)
    data.heatmaps[:, KINECT20.index("left_hand")] = 0
    fit(model, data, data, config, tmp_path / "run")
    assert model.trained_joints[KINECT20.index("left_hand")]


def test_model_and_configuration_must_have_the_same_start(checkpoint, tiny_annotations, tmp_path):
    config = replace(TINY, start=checkpoint)
    data = config.build_dataset(tiny_annotations, True), config.build_dataset(tiny_annotations, False)
    with pytest.raises(DataError, match="the model has start=''"):
        fit(TINY.build_model(), *data, config, tmp_path / "run")


def test_sides_are_compared_at_the_size_of_the_weights(tmp_path, capsys):
    """At twice its size the network is too poor to tell left from right."""
    annotations = pose.read_annotations(pose.SAMPLE / "joints.txt", pose.SAMPLE / "images").select(range(0, 800, 100))
    for exchanged in (False, True):
        if exchanged:
            annotations.landmarks[:] = annotations.landmarks[:, KINECT20.mirrored]
        config = TrainConfig(start="pretrained", inp_res=256, epochs=1, batch_size=8, bf16=False)
        model = config.build_model()
        data = config.build_dataset(annotations, is_train=False)
        PoseTask(model, data, data, config).begin()
        said = capsys.readouterr().out
        assert "for an input of 128 px, not 256" in said
        assert ("left and right exchanged" in said) == exchanged
