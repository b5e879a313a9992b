"""Training the recogniser: it learns, resumes as if never interrupted, and refuses what does not fit."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from har import (
    ActivityHead,
    ClipDataset,
    HarConfig,
    HourglassLSTM,
    MotionAugmentation,
    SequenceDataset,
    evaluate,
    fit,
    load_model,
    save_model,
)
from har.head import Mix
from har.training import HeadTask
from pose import KINECT20, Annotations, Augmentation, Skeleton, StackedHourglass, hg1
from pose import load_model as load_pose
from pose import save_model as save_pose
from pose.clips import Clip
from pose.runtime.errors import LossError

TINY = dict(
    hidden=8,
    frames=6,
    dropout=0.1,
    epochs=40,
    batch_size=6,
    learning_rate=2e-2,
    warmup=0.2,
    ema_decay=0.9,
    label_smoothing=0.0,
    mix=0.0,  # the mean of a hand that goes up and one that goes down is one that rests
)


def moving_people(people, seed=0):
    """Annotations and clips of three actions: a hand that goes up, one that goes down, and one that rests."""
    rng = np.random.default_rng(seed)
    body = rng.uniform(0, 100, (20, 2))
    hand = KINECT20.index("right_hand")
    landmarks, clips, first = [], [], 0
    for person in range(people):
        for action, way in (("up", -1), ("down", 1), ("rest", 0)):
            frames = int(rng.integers(5, 9))
            clip = body + rng.normal(0, 1, (frames, 20, 2)) + rng.uniform(0, 300, 2)
            clip[:, hand, 1] += way * np.linspace(-25, 25, frames)
            landmarks.append(clip)
            clips.append(Clip(f"{person}_{action}", f"p{person}", action, f"r{person}", first, first + frames - 1))
            first += frames
    landmarks = np.concatenate(landmarks)
    return Annotations([f"{i}.png" for i in range(len(landmarks))], landmarks), clips


@pytest.fixture(scope="module")
def data():
    """Training and validation data of the three actions: eight and three people."""
    annotations, clips = moving_people(11)
    augmentation = MotionAugmentation(crop=0.1, speed=0.0, noise=0.01, drop=0.0)
    return (
        SequenceDataset(annotations, clips[:24], is_train=True, augmentation=augmentation),
        SequenceDataset(annotations, clips[24:]),
    )


def test_it_learns_the_movement_not_the_position(data):
    train, valid = data
    head = HarConfig(**TINY).build_head(3)
    history = fit(head, train, valid, HarConfig(**TINY))
    assert len(history) == 40
    assert history[0]["train_loss"] > history[-1]["train_loss"]
    scores = evaluate(head, valid)
    assert scores.accuracy == 1.0
    assert scores.accuracy == history[-1]["valid_accuracy"]


def test_a_training_that_was_interrupted_ends_with_the_same_weights(data, tmp_path):
    train, valid = data
    config = HarConfig(**TINY | {"epochs": 6, "mix": 0.5})
    whole, broken = config.build_head(3), config.build_head(3)
    history = fit(whole, train, valid, config, tmp_path / "whole")

    def stop(history):
        if len(history) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(broken, train, valid, config, tmp_path / "broken", on_epoch=stop)
    fresh = config.build_head(3)
    with pytest.raises(FileExistsError, match="resume=True"):
        fit(fresh, train, valid, config, tmp_path / "broken")
    resumed = fit(fresh, train, valid, config, tmp_path / "broken", resume=True)
    assert resumed == history
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, fresh.state_dict()[name]), name
    assert (tmp_path / "broken" / "history.csv").read_text() == (tmp_path / "whole" / "history.csv").read_text()


def test_labels_are_mixed_in_the_proportion_of_their_clips(data, monkeypatch):
    config = HarConfig(**TINY | {"mix": 1.0, "dropout": 0.0})
    task = HeadTask(config.build_head(3), data[0], None, config)
    mix = Mix(torch.tensor([1, 2, 0, 3, 5, 4]), 0.7)
    monkeypatch.setattr(Mix, "draw", lambda clips: mix)
    batch = next(iter(task.batches(0)))
    loss, logits = task.loss(batch)
    targets = 0.7 * torch.eye(3)[batch[2]] + 0.3 * torch.eye(3)[batch[2][mix.partners]]
    assert_close(loss, -(targets * logits.log_softmax(dim=1)).sum(dim=1).mean())
    assert_close(logits, task.model(batch[0], batch[1], mix))


def test_the_share_of_mixed_batches_is_as_configured(data, monkeypatch):
    drawn = []
    draw = Mix.draw
    monkeypatch.setattr(Mix, "draw", lambda clips: drawn.append(draw(clips)) or drawn[-1])
    for share, batches in ((0.0, 0), (1.0, 8)):
        config = HarConfig(**TINY | {"mix": share, "epochs": 2})
        fit(config.build_head(3), *data, config)
        assert len(drawn) == batches  # of 2 × 4 in training; none in validation
    assert all(0.5 <= mix.share <= 1 for mix in drawn)
    assert len({mix.share for mix in drawn}) == 8


def test_another_configuration_or_other_data_cannot_resume(data, tmp_path):
    train, valid = data
    config = HarConfig(**TINY | {"epochs": 1})
    fit(config.build_head(3), train, valid, config, tmp_path / "run")
    changed = HarConfig(**TINY | {"epochs": 1, "label_smoothing": 0.2})
    with pytest.raises(ValueError, match=r"label_smoothing was 0\.0, now 0\.2"):
        fit(config.build_head(3), train, valid, changed, tmp_path / "run", resume=True)
    fewer = SequenceDataset(train.annotations, train.clips[3:], is_train=True)
    reversed_clips = SequenceDataset(
        train.annotations, train.clips[::-1], is_train=True, augmentation=train.augmentation
    )
    mirrored = SequenceDataset(train.annotations, train.clips, is_train=True, augmentation=MotionAugmentation(mirror=1))
    for other in (fewer, reversed_clips, mirrored):
        with pytest.raises(ValueError, match="data was"):
            fit(config.build_head(3), other, valid, config, tmp_path / "run", resume=True)


def test_a_training_without_its_best_weights_cannot_resume(data, tmp_path):
    train, valid = data
    config = HarConfig(**TINY | {"epochs": 1})
    fit(config.build_head(3), train, valid, config, tmp_path / "run")
    (tmp_path / "run" / "best.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r"best\.safetensors is gone"):
        fit(config.build_head(3), train, valid, config, tmp_path / "run", resume=True)


def test_the_best_epoch_is_kept_with_actions_and_window(data, tmp_path):
    train, valid = data
    config = HarConfig(**TINY | {"epochs": 5})
    head = config.build_head(3)
    history = fit(head, train, valid, config, tmp_path / "run")
    loaded = load_model(tmp_path / "run" / "best.safetensors")
    assert loaded.actions == ["down", "rest", "up"]
    assert loaded.window == np.median([len(clip) for clip in train.clips])
    assert loaded.about["scores"]["valid_loss"] == min(row["valid_loss"] for row in history)
    assert evaluate(loaded, valid).loss == pytest.approx(loaded.about["scores"]["valid_loss"], abs=1e-6)


def test_patience_stops_early(data):
    train, valid = data
    config = HarConfig(**TINY | {"epochs": 60, "patience": 2, "learning_rate": 0.5})
    history = fit(config.build_head(3), train, valid, config)
    assert len(history) < 60


def test_without_validation_the_last_weights_are_kept(data, tmp_path):
    train, valid = data
    config = HarConfig(**TINY)
    kept, free = config.build_head(3), config.build_head(3)
    fit(kept, train, None, config, tmp_path / "run")
    history = fit(free, train, None, config)
    assert "valid_loss" not in history[-1]
    assert torch.equal(kept.fc.weight, free.fc.weight)
    assert evaluate(free, valid).accuracy == 1.0


def test_training_changes_no_random_state_of_the_user(data):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    config = HarConfig(**TINY | {"epochs": 1})
    fit(config.build_head(3), data[0], None, config)
    assert torch.equal(torch.rand(1), expected)


def test_what_does_not_fit_is_refused(data):
    train, valid = data
    config = HarConfig(**TINY)
    with pytest.raises(ValueError, match="without augmentation"):
        fit(config.build_head(3), train, train, config)
    with pytest.raises(ValueError, match="the model knows 4 actions, the data 3"):
        fit(config.build_head(4), train, valid, config)
    with pytest.raises(ValueError, match="HourglassLSTM is trained on a ClipDataset, not a SequenceDataset"):
        fit(HourglassLSTM(hg1(channels=16), config.build_head(3)), train, valid, config)
    reversed_joints = Skeleton(KINECT20.names[::-1], KINECT20.limbs, KINECT20.torso)
    flipped = Annotations(valid.annotations.paths, valid.annotations.landmarks, skeleton=reversed_joints)
    head = config.build_head(3)
    with pytest.raises(ValueError, match="joints"):
        fit(head, train, SequenceDataset(flipped, valid.clips, valid.actions), config)
    assert_close(head.state_dict(), config.build_head(3).state_dict())  # refused before the first step
    other = SequenceDataset(valid.annotations, valid.clips, ["up", "down", "rest"])
    with pytest.raises(ValueError, match="different actions"):
        fit(config.build_head(3), train, other, config)
    with pytest.raises(ValueError, match="the model knows 4 actions, the data have 3"):
        evaluate(config.build_head(4), valid)
    head = config.build_head(3)
    head.actions = ["up", "down", "rest"]
    with pytest.raises(ValueError, match=r"knows the actions up, down, rest, .* actions=model\.actions"):
        evaluate(head, valid)


def test_a_loss_that_is_not_finite_stops_the_training(data):
    config = HarConfig(**TINY)
    head = config.build_head(3)
    head.fc.bias.data.fill_(float("nan"))
    six_clips = r"(\d_(rest|up|down)(, |\.)){6}"
    with pytest.raises(LossError, match=f"epoch 1, step 1; .*Lower learning_rate .* In that step: {six_clips}"):
        fit(head, data[0], None, config)


@pytest.fixture
def pictures(write_image):
    """Images of two clips of noise, with labels."""
    rng = np.random.default_rng(0)
    landmarks = {}
    for i in range(6):
        path = write_image(f"{i}.png", rng.integers(0, 256, (80, 80, 3), dtype=np.uint8))
        landmarks[path] = rng.uniform(10, 70, (20, 2))
    annotations = Annotations(list(landmarks), list(landmarks.values()))
    return annotations, [Clip("w", "Ann", "walk", "w", 0, 3), Clip("r", "Bob", "run", "r", 4, 5)]


def whole(stacks=1):
    torch.manual_seed(0)
    return HourglassLSTM(StackedHourglass(stacks, channels=16), ActivityHead(2, hidden=8, frames=4))


def test_end_to_end_both_parts_learn_and_the_pose_gets_better(pictures, tmp_path):
    annotations, clips = pictures
    train = ClipDataset(annotations, clips, pose_labels=annotations, is_train=True, inp_res=64,
                        augmentation=Augmentation(0, 0, 0, 0, 0, 0))  # fmt: skip
    config = HarConfig(epochs=25, batch_size=2, learning_rate=1e-2, pose_rate=1.0, ema_decay=0.5)
    model = whole()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    history = fit(model, train, None, config, tmp_path / "run")
    assert history[-1]["train_loss"] < 0.9 * history[0]["train_loss"]
    changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {"pose_model.conv1.weight", "head.fc.weight"} <= changed
    assert "pose_model.bn1.running_mean" not in changed
    loaded = load_model(tmp_path / "run" / "best.safetensors")
    assert loaded.pose_model.inp_res == 64
    assert loaded.actions == ["run", "walk"]
    assert_close(loaded.pose_model.conv1.weight, model.pose_model.conv1.weight)


def test_training_and_evaluation_know_the_position_of_each_square_in_the_image(pictures):
    annotations, clips = pictures
    data = ClipDataset(annotations, clips, pose_labels=annotations, inp_res=64)
    model, seen = whole().eval(), []
    frames, _, _, to_image = data[0]
    with torch.no_grad():
        right = model(frames[None], torch.tensor([4]), to_image[None]).softmax(dim=1)
        wrong = model(frames[None], torch.tensor([4])).softmax(dim=1)
    assert (right - wrong).abs().max() > 1e-4
    found = evaluate(model, data).probabilities[:1]
    assert_close(torch.from_numpy(found).float(), right.cpu(), atol=1e-5, rtol=0)
    model.head.register_forward_pre_hook(lambda head, inputs: seen.append(inputs[0]))
    train = ClipDataset(annotations, clips[:1], ["run", "walk"], is_train=True, inp_res=64)
    fit(model, train, None, HarConfig(epochs=1, batch_size=1))
    assert seen[0].min() > -40  # px of the image of 80 × 80: the square is larger
    assert seen[0].max() > 30  # heatmap px end at 16


def test_a_hourglass_of_another_size_is_refused_and_its_size_is_kept(pictures, tmp_path):
    annotations, clips = pictures
    model = whole()
    model.pose_model.inp_res, model.actions = 128, ["run", "walk"]
    small = ClipDataset(annotations, clips, inp_res=64)
    with pytest.raises(ValueError, match=r"trained with 128 px, the data have 64; ClipDataset\(\.\.\., inp_res=128\)"):
        evaluate(model, small)
    with pytest.raises(ValueError, match="trained with 128 px, the data have 64"):
        fit(model, small, None, HarConfig(epochs=1))
    save_model(tmp_path / "whole.safetensors", model)
    with pytest.raises(ValueError, match="trained with 128 px"):
        evaluate(load_model(tmp_path / "whole.safetensors"), small)


def test_the_pose_loss_is_weighted(pictures):
    annotations, clips = pictures
    train = ClipDataset(annotations, clips, is_train=True, pose_labels=annotations, inp_res=64)
    losses = [
        fit(whole(), train, None, HarConfig(epochs=1, batch_size=2, pose_weight=weight))[0]["train_loss"]
        for weight in (0.0, 1.0, 2.0)
    ]
    assert losses[1] - losses[0] > 3  # near log(16 · 16), the cross-entropy of untrained heatmaps
    assert losses[2] - losses[1] == pytest.approx(losses[1] - losses[0], rel=1e-4)


def test_the_averaged_weights_survive_an_lstm_moving_its_weights(data, tmp_path, monkeypatch):
    """cuDNN gathers an LSTM's weights in one block when the model is moved, which evaluation does after each epoch."""
    train, valid = data
    config = HarConfig(**TINY | {"epochs": 4})
    plain, moved = config.build_head(3), config.build_head(3)
    history = fit(plain, train, valid, config)

    def gather(self):
        for parameter in self.parameters():
            parameter.data = parameter.data.clone()

    monkeypatch.setattr(torch.nn.LSTM, "flatten_parameters", gather)
    assert fit(moved, train, valid, config) == history
    assert torch.equal(plain.lstm.weight_hh_l0, moved.lstm.weight_hh_l0)


def test_the_best_weights_are_kept_without_a_folder_too(data, tmp_path):
    train, valid = data
    config = HarConfig(**TINY | {"epochs": 8, "learning_rate": 0.3})
    kept, free = config.build_head(3), config.build_head(3)
    history = fit(kept, train, valid, config, tmp_path / "run")
    fit(free, train, valid, config)
    assert torch.equal(kept.fc.weight, free.fc.weight)
    assert not free.training
    assert free.actions == ["down", "rest", "up"]
    assert evaluate(free, valid).loss == pytest.approx(min(row["valid_loss"] for row in history), abs=1e-6)


def test_the_configuration_makes_the_data(data):
    config = HarConfig(seed=7, augmentation=MotionAugmentation(mirror=1.0))
    dataset = config.build_dataset(data[0].annotations, data[0].clips, is_train=True)
    assert (dataset.seed, dataset.augmentation, dataset.is_train) == (7, config.augmentation, True)


def test_without_labels_only_the_action_teaches(pictures):
    annotations, clips = pictures
    train = ClipDataset(annotations, clips, is_train=True, inp_res=64)
    history = fit(whole(), train, None, HarConfig(epochs=1, batch_size=2))
    assert history[0]["train_loss"] < 2  # the cross-entropy of two actions, without that of 20 heatmaps


def test_the_hourglass_has_a_learning_rate_of_its_own(pictures):
    annotations, clips = pictures
    train = ClipDataset(annotations, clips, pose_labels=annotations, is_train=True, inp_res=64)
    model = whole()
    weight = model.pose_model.conv1.weight.detach().clone()
    fit(model, train, None, HarConfig(epochs=1, batch_size=2, pose_rate=0.0))
    assert torch.equal(model.pose_model.conv1.weight, weight)


def test_checkpoints_of_other_kinds_are_refused(tmp_path):
    save_model(tmp_path / "head.safetensors", ActivityHead(2, actions=["a", "b"]))
    save_pose(tmp_path / "pose.safetensors", hg1(channels=16))
    with pytest.raises(ValueError, match="holds no recogniser but: hourglass"):
        load_model(tmp_path / "pose.safetensors")
    with pytest.raises(ValueError, match="holds no hourglass but: activity head"):
        load_pose(tmp_path / "head.safetensors")


def test_end_to_end_on_another_number_of_frames_cannot_resume(pictures, tmp_path):
    annotations, clips = pictures
    config = HarConfig(epochs=1, batch_size=2)
    few, more = (ClipDataset(annotations, clips, is_train=True, inp_res=64, frames=n) for n in (2, 3))
    fit(whole(), few, None, config, tmp_path / "run")
    with pytest.raises(ValueError, match="data was"):
        fit(whole(), more, None, config, tmp_path / "run", resume=True)
