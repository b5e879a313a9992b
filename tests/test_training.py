"""Training: it learns, stops, resumes as if never interrupted, and overwrites nothing."""

import csv
import re
import subprocess
import sys
import time
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from pose import (
    KINECT20,
    Augmentation,
    Generic,
    Predictor,
    Skeleton,
    TrainConfig,
    evaluate,
    fit,
    load_model,
    predict_dataset,
    read_annotations,
    write_annotations,
)
from pose.checkpoints import load_tensors
from pose.runtime.errors import LossError
from pose.training.hourglass import PoseTask
from pose.training.loop import rate_at
from pose.training.state import TrainingState

TINY = {"inp_res": 64, "channels": 16, "batch_size": 4, "bf16": False}


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures of a bright dot, the joints on a ring around it. `train.txt` has eight, `valid.txt` four."""
    rng = np.random.default_rng(0)
    angles = np.arange(20) * (2 * np.pi / 20)
    ring = 18 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    landmarks = {}
    for number in range(12):
        x, y = rng.integers(20, 60, 2)
        image = np.zeros((80, 80), np.uint8)
        cv2.circle(image, (int(x), int(y)), 6, 255, -1)
        cv2.imwrite(str(tmp_path / f"{number}.png"), image)
        landmarks[str(tmp_path / f"{number}.png")] = ring + np.array([x, y])
    names = list(landmarks)
    for name, part in (("train", names[:8]), ("valid", names[8:])):
        write_annotations(tmp_path / f"{name}.txt", {path: landmarks[path] for path in part}, tmp_path)
    return tmp_path


def train(folder, run, config, **kwargs):
    """The trained model and its history."""
    train_data, valid_data = (
        config.build_dataset(read_annotations(folder / f"{name}.txt", folder), is_train=name == "train")
        for name in ("train", "valid")
    )
    model = config.build_model()
    return model, fit(model, train_data, valid_data, config, run, **kwargs)


def same_weights(one, two):
    return all(torch.equal(a, b) for a, b in zip(one.values(), two.values(), strict=True))


def without_speed(history):
    return [{name: value for name, value in row.items() if name != "images_per_s"} for row in history]


def test_joints_are_found_where_the_picture_shows_them(folder, tmp_path):
    moved = Augmentation(scale=0, rot=0, shift=0.2, mirror=0, light=0)  # so that no constant answer is right
    config = TrainConfig(**TINY, epochs=60, learning_rate=1e-2, ema_decay=0.9, augmentation=moved)
    model, _ = train(folder, tmp_path / "run", config)
    unseen = config.build_dataset(read_annotations(folder / "valid.txt", folder), is_train=False)
    unseen.centers += [[9, 0], [0, -9], [-9, 0], [0, 9]]  # off center, too
    assert evaluate(model, unseen).summary()["pck@0.2"] > 0.8


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_joints_without_labels_in_training_are_not_predicted(folder, tmp_path, loss):
    config = TrainConfig(**TINY, epochs=1, loss=loss)
    annotations = read_annotations(folder / "train.txt", folder)
    spine = KINECT20.index("spine")
    annotations.landmarks[:, spine] = np.nan
    model = config.build_model()
    valid_data = config.build_dataset(annotations, is_train=False)
    fit(model, config.build_dataset(annotations, is_train=True), valid_data, config, tmp_path / "run")
    landmarks, confidence = predict_dataset(load_model(tmp_path / "run" / "best.safetensors"), valid_data)
    assert np.isnan(landmarks[:, spine]).all()
    assert not confidence[:, spine].any()
    assert np.isfinite(np.delete(landmarks, spine, axis=1)).all()


def test_squared_error_falls(folder, tmp_path):
    _, history = train(folder, tmp_path / "run", TrainConfig(**TINY, epochs=6, loss="mse", learning_rate=1e-2))
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]


def test_history_and_checkpoints_agree(folder, tmp_path):
    seen = []
    config = TrainConfig(**TINY, epochs=3)
    model, history = train(folder, tmp_path / "run", config, on_epoch=lambda rows: seen.append(len(rows)))
    with open(tmp_path / "run" / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert seen == [1, 2, 3]
    assert [float(row["train_loss"]) for row in rows] == [row["train_loss"] for row in history]
    best = load_model(tmp_path / "run" / "best.safetensors")
    assert same_weights(best.state_dict(), model.state_dict())
    assert best.about["scores"]["valid_auc"] == max(row["valid_auc"] for row in history)
    assert best.about["config"]["inp_res"] == 64


def test_an_interrupted_training_ends_like_an_uninterrupted_one(folder, tmp_path):
    def interrupt(history):
        if len(history) == 2:
            raise KeyboardInterrupt

    config = TrainConfig(**TINY, epochs=4)
    whole, history = train(folder, tmp_path / "whole", config)
    with pytest.raises(KeyboardInterrupt):
        train(folder, tmp_path / "parts", config, on_epoch=interrupt)
    parts, resumed = train(folder, tmp_path / "parts", config, resume=True)
    assert same_weights(whole.state_dict(), parts.state_dict())
    assert without_speed(history) == without_speed(resumed)


def test_an_interrupted_first_epoch_changes_nothing_either(folder, tmp_path, monkeypatch):
    config = TrainConfig(**TINY, epochs=1)
    whole, _ = train(folder, tmp_path / "whole", config)
    steps = []

    def interrupt_second(state, step):
        steps.append(step)
        if len(steps) == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(TrainingState, "update_average", interrupt_second)
        with pytest.raises(KeyboardInterrupt):
            train(folder, tmp_path / "parts", config)
    parts, _ = train(folder, tmp_path / "parts", config, resume=True)
    assert same_weights(whole.state_dict(), parts.state_dict())


def test_results_without_a_state_to_resume_are_kept(folder, tmp_path):
    config = TrainConfig(**TINY, epochs=1)
    train(folder, tmp_path / "run", config)
    (tmp_path / "run" / "last.safetensors").unlink()
    for resume in (False, True):
        with pytest.raises(FileExistsError, match="choose another run_dir"):
            train(folder, tmp_path / "run", config, resume=resume)


def epochs_done(run):
    history = run / "history.csv"
    return len(history.read_text().splitlines()) - 1 if history.exists() else 0


def test_a_killed_command_line_training_resumes_exactly(folder, tmp_path):
    def command(run, *more):
        words = [sys.executable, "-m", "pose.training", "--joints", folder / "train.txt", "--images", folder,
                 "--valid-joints", folder / "valid.txt", "--out", run, "--epochs", 12, "--inp-res", 64,
                 "--channels", 16, "--batch-size", 4, "--no-bf16", *more]  # fmt: skip
        return [str(word) for word in words]

    subprocess.run(command(tmp_path / "whole"), check=True, capture_output=True)
    killed = subprocess.Popen(command(tmp_path / "killed"), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while epochs_done(tmp_path / "killed") < 2:
        assert killed.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.005)
    killed.kill()
    killed.wait()
    done = len(load_tensors(tmp_path / "killed" / "last.safetensors")[1]["history"])
    assert 1 <= done < 12
    subprocess.run(command(tmp_path / "killed", "--resume"), check=True, capture_output=True)
    whole, killed = (load_tensors(tmp_path / name / "last.safetensors")[0] for name in ("whole", "killed"))
    assert same_weights(whole, killed)


def test_a_run_is_never_overwritten(folder, tmp_path):
    config = TrainConfig(**TINY, epochs=1)
    train(folder, tmp_path / "run", config)
    before = (tmp_path / "run" / "last.safetensors").read_bytes()
    with pytest.raises(FileExistsError, match="resume=True"):
        train(folder, tmp_path / "run", config)
    with pytest.raises(ValueError, match=r"learning_rate was 0\.001, now 0\.5"):
        train(folder, tmp_path / "run", TrainConfig(**TINY, epochs=1, learning_rate=0.5), resume=True)
    assert (tmp_path / "run" / "last.safetensors").read_bytes() == before


def training_state(folder, config, model=None, run_dir=None):
    data = config.build_dataset(read_annotations(folder / "train.txt", folder), is_train=True)
    return TrainingState(PoseTask(model or config.build_model(), data, data, config), config, run_dir)


def test_early_stopping_stops_after_patience_epochs_without_a_better_one(folder):
    state = training_state(folder, TrainConfig(**TINY, epochs=9, patience=2))
    stopped = []
    for epoch, auc in enumerate([0.1, 0.3, 0.2, 0.29], start=1):
        state.history.append({"epoch": epoch, "valid_auc": auc})
        stopped.append(state.finished)
    assert stopped == [False, False, False, True]


def test_averaged_weights_follow_with_the_decay(folder):
    config = TrainConfig(**TINY, ema_decay=0.75)
    state = training_state(folder, config)
    with torch.no_grad():
        state.model.conv1.bias.fill_(1.0)
        state.average.conv1.bias.fill_(0.0)
    state.update_average(step=0)  # (1 + 0) / (10 + 0): the first step moves it by 0.9
    assert state.average.conv1.bias[0].item() == pytest.approx(0.9)
    state.update_average(step=1000)
    assert state.average.conv1.bias[0].item() == pytest.approx(0.75 * 0.9 + 0.25)


def test_learning_rate_rises_and_falls():
    rates = [rate_at(step, 10, highest=1.0, warmup=0.2) for step in range(10)]
    assert rates[:3] == pytest.approx([0.5, 1.0, 1.0])
    assert rates[6] == pytest.approx(0.5)  # half of the way down the cosine
    assert rates == [*sorted(rates[:2]), *sorted(rates[2:], reverse=True)]


def test_the_seed_fixes_the_weights():
    one, two, other = (TrainConfig(**TINY, seed=seed).build_model().state_dict() for seed in (1, 1, 2))
    assert same_weights(one, two)
    assert not same_weights(one, other)


def test_a_loss_that_is_not_finite_stops_and_says_what_to_do(folder, tmp_path):
    with pytest.raises(LossError, match=r"epoch 1, step 2; no epoch was finished\. Lower learning_rate") as caught:
        train(folder, tmp_path / "run", TrainConfig(**TINY, epochs=3, learning_rate=1e30, warmup=0))
    named = re.findall(r"(\d+)\.png", str(caught.value))
    assert len(set(named)) == TINY["batch_size"]  # the images of that step
    assert {int(number) for number in named} <= set(range(8))


def test_fewer_images_than_a_batch_are_one_batch(folder, tmp_path):
    _, history = train(folder, tmp_path / "run", TrainConfig(**TINY | {"batch_size": 16}, epochs=1))
    assert history[0]["train_loss"] > 0


def test_what_does_not_fit_is_refused_before_training(folder, tmp_path):
    config = TrainConfig(**TINY, epochs=1)
    annotations = read_annotations(folder / "train.txt", folder)
    data = config.build_dataset(annotations, is_train=True), config.build_dataset(annotations, is_train=False)
    with pytest.raises(ValueError, match="the model has loss='mse', the configuration 'cross_entropy'"):
        fit(TrainConfig(**TINY, loss="mse").build_model(), *data, config, tmp_path / "run")
    with pytest.raises(ValueError, match="the model has the joints head, spine; the data have hip_center"):
        fit(config.build_model(Skeleton(("head", "spine"), ())), *data, config, tmp_path / "run")
    with pytest.raises(ValueError, match="build_dataset"):
        fit(config.build_model(), data[0], Generic(annotations, is_train=False), config, tmp_path / "run")
    annotations.landmarks[:, KINECT20.index("right_hip")] = np.nan
    with pytest.raises(ValueError, match="left_shoulder and right_hip"):
        fit(config.build_model(), *data, config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("wrong", [{"inp_res": 100}, {"channels": 33}, {"epochs": 0}, {"batch_size": 0}])
def test_an_impossible_hyperparameter_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainConfig(**wrong)


def test_a_trained_model_can_be_trained_further_at_another_size(folder, tmp_path):
    model, _ = train(folder, tmp_path / "small", TrainConfig(**TINY, epochs=1))
    config = TrainConfig(**TINY | {"inp_res": 128}, epochs=1)
    data = [
        config.build_dataset(read_annotations(folder / "train.txt", folder), is_train) for is_train in (True, False)
    ]
    fit(model, *data, config, tmp_path / "large")
    assert Predictor(model).inp_res == 128


def test_a_loss_whose_step_is_long_gone_is_an_error_without_names(folder):
    losses = torch.tensor([1.0, torch.inf, 1.0])
    error = training_state(folder, TrainConfig(**TINY)).loss_error(losses, {2: ["c.png"]})
    assert "epoch 1, step 2" in str(error)
    assert "c.png" not in str(error)


def test_the_first_error_is_the_one_that_is_reported(folder, tmp_path):
    def spoil(history):
        (tmp_path / "run" / "best.safetensors").write_bytes(b"damaged")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(folder, tmp_path / "run", TrainConfig(**TINY, epochs=2), on_epoch=spoil)


def test_a_run_does_not_resume_with_other_images(folder, tmp_path):
    config = TrainConfig(**TINY, epochs=1)
    train(folder, tmp_path / "run", config)
    (folder / "train.txt").write_text((folder / "valid.txt").read_text())
    with pytest.raises(ValueError, match="data was"):
        train(folder, tmp_path / "run", config, resume=True)


def test_loading_workers_change_nothing(folder, tmp_path):
    one, two = (train(folder, tmp_path / str(n), TrainConfig(**TINY, epochs=1, workers=n))[0] for n in (0, 2))
    assert same_weights(one.state_dict(), two.state_dict())


def test_a_model_that_was_evaluated_first_trains_the_same(folder, tmp_path):
    config = TrainConfig(**TINY, epochs=1)
    data = [config.build_dataset(read_annotations(folder / f"{name}.txt", folder), name == "train")
            for name in ("train", "valid")]  # fmt: skip
    model = config.build_model()
    evaluate(model, data[1])
    fit(model, *data, config, tmp_path / "run")
    assert same_weights(model.state_dict(), train(folder, tmp_path / "other", config)[0].state_dict())


def test_the_optimiser_resumes_in_the_layout_of_the_weights(folder, tmp_path):
    config = TrainConfig(**TINY, epochs=1)
    model, _ = train(folder, tmp_path / "run", config)  # channels last
    state = training_state(folder, config, model, tmp_path / "run")
    state.start(resume=True)
    average = state.optimizer.state[model.conv1.weight]["exp_avg"]
    assert average.stride() == model.conv1.weight.stride() != average.contiguous().stride()


def test_an_augmented_validation_set_is_refused(folder, tmp_path):
    config = TrainConfig(**TINY, epochs=1)
    data = config.build_dataset(read_annotations(folder / "train.txt", folder), is_train=True)
    with pytest.raises(ValueError, match="without augmentation"):
        fit(config.build_model(), data, data, config, tmp_path / "run")


def test_tensorboard_gets_the_history(folder, tmp_path):
    train(folder, tmp_path / "run", TrainConfig(**TINY, epochs=1, tensorboard=True))
    written = b"".join(path.read_bytes() for path in (tmp_path / "run").glob("events.out.tfevents.*"))
    assert b"valid_auc" in written


def test_without_tensorboard_the_message_says_what_to_install(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="pip install tensorboard"):
        train(folder, tmp_path / "run", TrainConfig(**TINY, epochs=1, tensorboard=True))
    assert not (tmp_path / "run").exists()


def test_a_trained_model_knows_its_input_size(folder, tmp_path):
    model, _ = train(folder, tmp_path / "run", TrainConfig(**TINY, epochs=1))
    assert Predictor(model).inp_res == TINY["inp_res"]


def test_workers_cache_and_recomputation_change_no_weight(folder, tmp_path):
    plain = TrainConfig(**TINY, epochs=2)
    train(folder, tmp_path / "plain", plain)
    other = replace(plain, workers=2, cache=str(tmp_path / "cache"), recompute=True)
    train(folder, tmp_path / "other", other)
    one, two = (load_tensors(tmp_path / run / "last.safetensors")[0] for run in ("plain", "other"))
    assert same_weights(one, two)
    assert any((tmp_path / "cache").rglob("*.safetensors"))


def test_a_compiled_training_learns_the_same(folder, tmp_path, monkeypatch):
    compiled, compile_ = [], torch.compile
    # Without code generation, which takes a minute: this tests only that the network can be traced.
    monkeypatch.setattr(
        torch, "compile", lambda module: compiled.append(module) or compile_(module, backend="aot_eager")
    )
    losses = []
    for run, compiles in (("eager", None), ("compiled", True)):
        model, history = train(folder, tmp_path / run, TrainConfig(**TINY, epochs=1, compile=compiles))
        losses.append(history[0]["train_loss"])
    assert compiled == [model]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_compiling_and_recomputing_are_refused_together():
    with pytest.raises(ValueError, match="compile and recompute cannot be combined"):
        TrainConfig(compile=True, recompute=True)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_no_step_waits_for_the_gpu(folder, tmp_path, monkeypatch):
    loss, watches = PoseTask.loss, []

    def watched(*args):
        watches.append(len(watches))
        torch.cuda.set_sync_debug_mode("error")
        try:
            return loss(*args)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(PoseTask, "loss", watched)
    train(folder, tmp_path / "run", TrainConfig(**TINY, epochs=1, compile=False))
    assert watches == [0, 1]  # eight images, four per step
