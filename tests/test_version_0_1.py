"""Checkpoints of version 0.1 can be loaded, with their joints, sizes, actions and windows."""

import pytest
import torch
from torch.testing import assert_close

import har
from pose import KINECT20, MPII16, Predictor, StackedHourglass, TrainConfig, fit, load_model
from pose.checkpoints import load_tensors, save_tensors

SETTINGS = {"num_stacks": 1, "num_joints": 20, "channels": 16, "loss": "cross_entropy", "sigma": 1.5}
HEAD = {"num_actions": 2, "num_joints": 20, "hidden": 4, "layers": 1, "bidirectional": True, "pooling": "mean",
        "bones": False, "velocities": True, "frames": 6, "dropout": 0.5}  # fmt: skip
SKELETON = {"names": list(KINECT20.names), "limbs": [list(limb) for limb in KINECT20.limbs],
            "torso": ["left_shoulder", "right_hip"]}  # fmt: skip


def old_weights(model, prefix=""):
    """{name: tensor} as version 0.1 named and typed them; the spine had no label in training."""
    tensors = model.state_dict()
    learnt = tensors.pop(f"{prefix}trained_joints").float()
    learnt[1] = 0
    return tensors | {f"{prefix}learnt": learnt}


def test_a_hourglass(tmp_path):
    model = StackedHourglass(**SETTINGS).eval()
    about = {"kind": "hourglass", "settings": SETTINGS, "joints": list(KINECT20.names), "config": {"inp_res": 64}}
    save_tensors(tmp_path / "old.safetensors", old_weights(model), about)
    loaded = load_model(tmp_path / "old.safetensors")
    assert (loaded.skeleton, loaded.inp_res, loaded.sigma) == (KINECT20, 64, 1.5)
    assert loaded.trained_joints.tolist() == [True, False] + [True] * 18
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = model(images)[-1]
        expected[:, 1] = 0
        assert_close(loaded(images)[-1], expected, atol=1e-5, rtol=1e-4)
    assert Predictor(loaded).inp_res == 64


def test_a_hourglass_of_other_joints(tmp_path):
    model = StackedHourglass(**SETTINGS | {"num_joints": 16})
    about = {"kind": "hourglass", "settings": SETTINGS | {"num_joints": 16}, "joints": list(MPII16.names)}
    save_tensors(tmp_path / "old.safetensors", old_weights(model), about)
    loaded = load_model(tmp_path / "old.safetensors")
    assert loaded.skeleton.names == MPII16.names
    assert loaded.inp_res is None


def test_a_recogniser(tmp_path):
    head = har.ActivityHead(**HEAD).eval()
    about = {"kind": "activity head", "actions": ["sit", "wave"], "settings": HEAD, "skeleton": SKELETON, "window": 9}
    save_tensors(tmp_path / "old.safetensors", head.state_dict(), about)
    loaded = har.load_model(tmp_path / "old.safetensors")
    assert (loaded.actions, loaded.window, loaded.skeleton) == (["sit", "wave"], 9, KINECT20)
    landmarks, lengths = torch.rand(2, 5, 20, 2), torch.tensor([5, 3])
    with torch.no_grad():
        assert_close(loaded(landmarks, lengths), head(landmarks, lengths))


def test_a_hourglass_with_an_lstm(tmp_path):
    model = har.HourglassLSTM(StackedHourglass(**SETTINGS), har.ActivityHead(**HEAD))
    about = {"kind": "hourglass with LSTM", "actions": ["sit", "wave"], "settings": HEAD, "skeleton": SKELETON,
             "window": 9, "inp_res": 64, "pose_settings": SETTINGS, "keep_statistics": False}  # fmt: skip
    save_tensors(tmp_path / "old.safetensors", old_weights(model, "pose_model."), about)
    loaded = har.load_model(tmp_path / "old.safetensors")
    assert (loaded.actions, loaded.window, loaded.pose_model.inp_res) == (["sit", "wave"], 9, 64)
    assert har.SlidingWindow(loaded).window == 9


def test_a_training_is_not_resumed(tiny_annotations, tmp_path):
    config = TrainConfig(inp_res=64, channels=16, batch_size=2, epochs=1, bf16=False)
    data = [config.build_dataset(tiny_annotations, is_train) for is_train in (True, False)]
    fit(config.build_model(), *data, config, tmp_path)
    tensors, about = load_tensors(tmp_path / "last.safetensors")
    old = {name.replace("trained_joints", "learnt"): tensor for name, tensor in tensors.items()}
    save_tensors(tmp_path / "last.safetensors", old, about)
    with pytest.raises(ValueError, match=r"is from version 0\.1, whose trainings cannot be resumed"):
        fit(config.build_model(), *data, config, tmp_path, resume=True)


def test_what_version_0_2_no_longer_has_is_named(tmp_path):
    head = har.ActivityHead(**HEAD)
    about = {"kind": "activity head", "actions": ["sit", "wave"], "settings": HEAD | {"frames": 0}}
    save_tensors(tmp_path / "old.safetensors", head.state_dict(), about | {"skeleton": SKELETON, "window": 9})
    with pytest.raises(ValueError, match="frames must be from 2 to 4096, not 0"):
        har.load_model(tmp_path / "old.safetensors")
