"""An image that was deleted or damaged after the check: named with its line, or skipped and counted."""

import math

import numpy as np
import pytest
import torch

from har import ClipDataset, HarConfig, HourglassLSTM
from har import fit as fit_activity
from pose import (
    Generic,
    ImageError,
    StackedHourglass,
    TrainConfig,
    evaluate,
    fit,
    predict_dataset,
    read_annotations,
    write_annotations,
    write_shards,
)
from pose.clips import Clip

CONFIG = {"inp_res": 64, "channels": 16, "batch_size": 4, "epochs": 2, "bf16": False}


@pytest.fixture
def annotations(tmp_path, write_image):
    """Eight images and their joints file, with a comment in its first line."""
    rng = np.random.default_rng(0)
    landmarks = {}
    for i in range(8):
        path = write_image(f"images/{i}.jpg", rng.integers(0, 256, (80, 80, 3), dtype=np.uint8))
        landmarks[path] = rng.uniform(10, 70, (20, 2))
    write_annotations(tmp_path / "joints.txt", landmarks, tmp_path / "images")
    (tmp_path / "joints.txt").write_text("# by hand\n" + (tmp_path / "joints.txt").read_text())
    return read_annotations(tmp_path / "joints.txt", tmp_path / "images")


def delete(path):
    path.unlink()


def truncate(path):
    path.write_bytes(path.read_bytes()[:-400])


def empty(path):
    path.write_bytes(b"")


def train(annotations, run, spoil=None, **options):
    """The history of a training; `spoil` is called after the first epoch."""
    config = TrainConfig(**CONFIG | options)
    data = [config.build_dataset(annotations, is_train) for is_train in (True, False)]
    return fit(config.build_model(), *data, config, run, on_epoch=lambda history: spoil and spoil())


@pytest.mark.parametrize("damage", [delete, truncate, empty])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_bad_image_in_the_middle_of_a_training_is_named_with_its_line(annotations, tmp_path, damage, workers):
    bad = tmp_path / "images" / "5.jpg"
    with pytest.raises(ImageError) as caught:
        train(annotations, tmp_path / "run", lambda: bad.exists() and damage(bad), workers=workers)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'joints.txt'}, line 7: {bad}: ")
    assert "Traceback" not in message
    assert (tmp_path / "run" / "best.safetensors").exists()  # of the first epoch


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_images_are_skipped_and_counted(annotations, tmp_path, workers):
    for number in (2, 5):
        delete(tmp_path / "images" / f"{number}.jpg")
    expected = r"skipped 2 images that could not be read: .*2\.jpg \(.*joints\.txt, line 4\), .*5\.jpg"
    with pytest.warns(UserWarning, match=expected):
        history = train(annotations, tmp_path / "run", workers=workers, on_bad_image="skip")
    assert len(history) == 2
    assert math.isfinite(history[-1]["valid_pck@0.2"])


def test_the_next_image_replaces_a_bad_one_in_training(annotations, tmp_path):
    delete(tmp_path / "images" / "2.jpg")
    data = Generic(annotations, is_train=True, inp_res=64, on_bad_image="skip")
    assert [int(data[index][2]["index"]) for index in range(8)] == [0, 1, 3, 3, 4, 5, 6, 7]
    assert data.unreadable.tolist() == [False, False, True, False, False, False, False, False]
    for path in (tmp_path / "images").iterdir():
        delete(path)
    with pytest.raises(ImageError, match="not a single image can be read"):
        data[0]


def test_a_skipped_image_does_not_count_in_evaluation(annotations, tmp_path):
    model = StackedHourglass(1, channels=16)
    whole = evaluate(model, Generic(annotations, is_train=False, inp_res=64))
    delete(tmp_path / "images" / "2.jpg")
    data = Generic(annotations, is_train=False, inp_res=64, on_bad_image="skip")
    landmarks, confidence = predict_dataset(model, data)
    assert np.isnan(landmarks[2]).all()
    assert not confidence[2].any()
    assert np.isfinite(np.delete(landmarks, 2, axis=0)).all()
    scores = evaluate(model, data)
    assert scores.counts.tolist() == (whole.counts - 1).tolist()


def test_a_validation_without_any_readable_image_is_refused(annotations, tmp_path):
    config = TrainConfig(**CONFIG, on_bad_image="skip")
    train_data = config.build_dataset(annotations.select(range(4)), is_train=True)
    valid_data = config.build_dataset(annotations.select(range(4, 8)), is_train=False)
    for number in range(4, 8):
        delete(tmp_path / "images" / f"{number}.jpg")
    with (
        pytest.raises(ValueError, match="no validation image can be scored: none could be read"),
        pytest.warns(UserWarning, match="skipped 4 images"),
    ):
        fit(config.build_model(), train_data, valid_data, config, tmp_path / "run")


def test_a_training_may_be_resumed_with_skipping(annotations, tmp_path):
    bad = tmp_path / "images" / "5.jpg"
    with pytest.raises(ImageError):
        train(annotations, tmp_path / "run", lambda: delete(bad))
    config = TrainConfig(**CONFIG, on_bad_image="skip")
    data = [config.build_dataset(annotations, is_train) for is_train in (True, False)]
    with pytest.warns(UserWarning, match="skipped 1 images"):
        history = fit(config.build_model(), *data, config, tmp_path / "run", resume=True)
    assert len(history) == 2


def test_bad_images_in_shards(annotations, tmp_path):
    truncate(tmp_path / "images" / "5.jpg")
    write_shards(annotations, tmp_path / "shards", images_per_shard=8)
    with pytest.raises(ImageError, match=r"000000\.tar: 5\.jpg: is not an image"):
        list(TrainConfig(**CONFIG).build_sharded(tmp_path / "shards"))
    data = TrainConfig(**CONFIG, on_bad_image="skip").build_sharded(tmp_path / "shards")
    assert len(list(data)) == 8
    assert data.unreadable.sum() == 1


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_shard_ends_the_training_and_is_named(annotations, tmp_path, workers):
    shard = write_shards(annotations, tmp_path / "shards", images_per_shard=8)[0]
    content = bytearray(shard.read_bytes())
    content[len(content) // 2 :] = b"\x55" * (len(content) - len(content) // 2)
    shard.write_bytes(content)
    config = TrainConfig(**CONFIG | {"batch_size": 3, "workers": workers})
    valid_data = config.build_dataset(annotations, is_train=False)
    with pytest.raises(ValueError, match=r"000000\.tar: is damaged .*; write the shards again|000000\.tar: \d\.jpg"):
        fit(config.build_model(), config.build_sharded(tmp_path / "shards"), valid_data, config, tmp_path / "run")


def test_shards_without_any_readable_image_end(annotations, tmp_path):
    for path in (tmp_path / "images").iterdir():
        empty(path)
    write_shards(annotations, tmp_path / "shards")
    with pytest.raises(ImageError, match="not a single image can be read"):
        next(iter(TrainConfig(**CONFIG, on_bad_image="skip").build_sharded(tmp_path / "shards")))


def test_bad_frames_of_a_clip(annotations, tmp_path):
    clips = [Clip(f"{first}", "anna", "wave", f"{first}", first, first + 3) for first in (0, 4)]
    delete(tmp_path / "images" / "5.jpg")
    with pytest.raises(ImageError, match=r"joints\.txt, line 7: .*5\.jpg"):
        ClipDataset(annotations, clips, inp_res=64)[1]
    data = ClipDataset(annotations, clips, inp_res=64, is_train=True, on_bad_image="skip")
    frames, _, tpts, to_image = data[1]
    assert len(frames) == len(tpts) == len(to_image) == 3
    config = HarConfig(epochs=1, hidden=4, batch_size=2)
    torch.manual_seed(0)
    model = HourglassLSTM(StackedHourglass(1, channels=16), config.build_head(1))
    with pytest.warns(UserWarning, match=r"skipped 1 images that could not be read: .*5\.jpg"):
        fit_activity(model, data, None, config)
    for number in (4, 6, 7):
        delete(tmp_path / "images" / f"{number}.jpg")
    with pytest.raises(ImageError, match="and the other images of its clip cannot be read"):
        data[1]


def test_another_on_bad_image_is_refused(annotations):
    with pytest.raises(ValueError, match="on_bad_image is 'raise' or 'skip', not 'ignore'"):
        Generic(annotations, on_bad_image="ignore")
