"""Shards contain the samples of `Generic`, each once per epoch, and a training reads them."""

import sys

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pose import Annotations, Generic, ShardedGeneric, TrainConfig, fit, write_shards
from pose.checkpoints import load_tensors
from pose.runtime.data_loader import Loader
from pose.runtime.errors import MissingError
from pose.training.loop import rate_at

TINY = {"inp_res": 64, "seed": 3}


@pytest.fixture
def annotations(tmp_path):
    """Twelve photographs, read from single files; one has no label."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    paths, landmarks = [], rng.uniform(20, 280, (12, 20, 2))
    landmarks[5] = np.nan
    for number in range(12):
        paths.append(str(tmp_path / "images" / f"{number}.jpg"))
        cv2.imwrite(paths[-1], cv2.resize(rng.integers(0, 256, (10, 12, 3), np.uint8), (360, 300)))
    return Annotations(paths, landmarks)


@pytest.fixture
def shards(annotations, tmp_path):
    folder = tmp_path / "shards #1?"  # no address, whatever it looks like
    write_shards(annotations, folder, images_per_shard=3)
    return folder


@pytest.mark.parametrize("is_train", [True, False])
def test_the_samples_are_those_of_the_single_files(annotations, shards, is_train):
    single, sharded = Generic(annotations, is_train, **TINY), ShardedGeneric(shards, is_train, **TINY)
    assert len(sharded) == 12
    for data in (single, sharded):
        data.set_epoch(1)
    found = list(sharded)
    assert sorted(info["index"] for _, _, info in found) == list(range(12))
    for image, heatmaps, info in found:
        expected = single[info["index"]]
        assert torch.equal(image, expected[0])
        assert torch.equal(heatmaps, expected[1])
        np.testing.assert_array_equal(info["pts"], expected[2]["pts"])


def test_each_epoch_has_its_own_order(shards):
    data = ShardedGeneric(shards, **TINY)
    orders = []
    for epoch in (0, 1, 0):
        data.set_epoch(epoch)
        orders.append([info["index"] for _, _, info in data])
    assert orders[0] == orders[2] != orders[1]
    assert orders[0] != sorted(orders[0])


def test_a_training_reads_them_in_another_order_in_each_epoch(shards):
    loader, orders = Loader(ShardedGeneric(shards, **TINY), 12), []
    for epoch in (0, 1, 0):
        loader.set_epoch(epoch)
        orders.append([info["index"].tolist() for _, _, info in loader])
    assert orders[0] == orders[2] != orders[1]


def test_the_shards_themselves_come_in_another_order(shards, monkeypatch):
    monkeypatch.setattr("pose.training.shards.SHUFFLE_BUFFER", 1)
    data = ShardedGeneric(shards, **TINY)
    firsts = []
    for epoch in range(8):
        data.set_epoch(epoch)
        firsts.append(next(iter(data))[2]["index"])
    assert len(set(firsts)) > 1


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_workers_share_the_shards(shards):
    batches = DataLoader(ShardedGeneric(shards, **TINY), batch_size=2, num_workers=2)
    indices = torch.cat([info["index"] for _, _, info in batches])
    assert sorted(indices.tolist()) == list(range(12))


def test_a_training_reads_shards_and_resumes(annotations, shards, tmp_path):
    config = TrainConfig(inp_res=64, channels=16, batch_size=4, epochs=2, bf16=False)
    valid = config.build_dataset(annotations.select([0, 1]), is_train=False)
    data = ShardedGeneric(shards, inp_res=64)

    def train(run, stop_after=None):
        def stop(history):
            if len(history) == stop_after:
                raise KeyboardInterrupt

        return fit(config.build_model(), data, valid, config, tmp_path / run, resume=True, on_epoch=stop)

    whole = train("whole")
    assert len(whole) == 2
    with pytest.raises(KeyboardInterrupt):
        train("halves", stop_after=1)
    assert train("halves")[1]["train_loss"] == whole[1]["train_loss"]
    one, two = (load_tensors(tmp_path / run / "last.safetensors")[0] for run in ("whole", "halves"))
    assert all(torch.equal(one[name], two[name]) for name in one)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_workers_that_drop_the_rest_of_their_shards_change_no_figure(annotations, shards, tmp_path):
    valid, losses = annotations.select([0, 1]), []
    for workers in (0, 2):  # three batches of four, or one of each worker and two images dropped
        config = TrainConfig(inp_res=64, channels=16, batch_size=4, epochs=1, bf16=False, workers=workers)
        data = config.build_sharded(shards)
        (row,) = fit(config.build_model(), data, config.build_dataset(valid, False), config, tmp_path / f"{workers}")
        losses.append(row["train_loss"])
        steps = 2 if workers else 3
        assert row["learning_rate"] == pytest.approx(rate_at(steps - 1, steps, config.learning_rate, config.warmup))
    assert losses[1] == pytest.approx(losses[0], rel=0.15)
    config = TrainConfig(inp_res=64, channels=16, batch_size=8, epochs=1, bf16=False, workers=2)
    with pytest.raises(ValueError, match="12 images do not make a batch of 8 for each of 2 workers"):
        fit(config.build_model(), data, config.build_dataset(valid, False), config, tmp_path / "none")
    config = TrainConfig(inp_res=64, channels=16, batch_size=4, epochs=1, bf16=False, workers=5)
    with pytest.raises(ValueError, match="4 shards cannot be read by 1 processes with 5 workers"):
        fit(config.build_model(), data, config.build_dataset(valid, False), config, tmp_path / "none")
    with pytest.raises(ValueError, match="shards are for training"):
        fit(config.build_model(), data, data, config, tmp_path / "none")
    config = TrainConfig(inp_res=64, channels=16, batch_size=4, epochs=1, bf16=False, workers=1)
    with pytest.raises(ValueError, match=r"0 workers, 1 processes, now .* 1 workers, 1 processes"):
        fit(config.build_model(), data, config.build_dataset(valid, False), config, tmp_path / "0", resume=True)


def test_shards_whose_writing_was_interrupted_are_named(annotations, tmp_path):
    (tmp_path / "images" / "7.jpg").rename(tmp_path / "elsewhere.jpg")
    with pytest.raises(MissingError, match=r"7\.jpg: there is no such image"):
        write_shards(annotations, tmp_path / "shards", images_per_shard=3)
    assert not (tmp_path / "shards").exists()
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "000000.tar").touch()
    with pytest.raises(FileNotFoundError, match="contains no complete shards"):
        ShardedGeneric(tmp_path / "shards")
    with pytest.raises(FileExistsError, match="only partly written; delete it"):
        write_shards(annotations, tmp_path / "shards")


def test_what_cannot_be_read_is_reported(annotations, shards, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="nothing to write"):
        write_shards({}, tmp_path / "none")
    with pytest.raises(FileExistsError, match="already contains shards"):
        write_shards(annotations, shards)
    with pytest.raises(FileNotFoundError, match="create them with write_shards"):
        ShardedGeneric(tmp_path)
    monkeypatch.setattr("pose.runtime.distributed.size", lambda: 5)
    with pytest.raises(ValueError, match="4 shards cannot be read by 5 processes"):
        next(iter(ShardedGeneric(shards)))
    monkeypatch.setitem(sys.modules, "webdataset", None)
    with pytest.raises(ImportError, match="pip install webdataset"):
        write_shards(annotations, tmp_path / "others")
