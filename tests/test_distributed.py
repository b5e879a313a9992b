"""Two processes under torchrun train like one."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from pose.checkpoints import load_tensors

# Double precision: in single, rounding alone moves the gradients of so deep a network by a thousandth, and Adam turns
# that into full steps wherever a gradient is near zero.
TRAIN = """
import sys
from pose import TrainConfig, fit, read_annotations
folder, run = sys.argv[1:]
config = TrainConfig(epochs=2, batch_size=8, inp_res=64, channels=16, num_stacks=2, bf16=False, learning_rate=1e-3)
train, valid = (read_annotations(f"{folder}/{name}.txt", folder) for name in ("train", "valid"))
fit(config.build_model().double(), config.build_dataset(train, True), config.build_dataset(valid, False), config, run)
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    lines = []
    for number in range(25):
        cv2.imwrite(str(folder / f"{number:02d}.png"), cv2.resize(rng.integers(0, 255, (8, 8, 3), np.uint8), (80, 80)))
        lines.append(f"{number:02d}.png " + " ".join(f"{value:.2f}" for value in rng.uniform(5, 75, 40)))
    lines[3] = "03.png " + " ".join(["nan nan"] * 15 + ["20 30"] * 5)  # so that the processes have unequal labels
    (folder / "train.txt").write_text("\n".join(lines[:23]))
    (folder / "valid.txt").write_text("\n".join(lines[23:]))
    (folder / "train.py").write_text(TRAIN)
    return folder


def train(images, run, torchrun=()):
    command = [sys.executable, *torchrun, str(images / "train.py"), str(images), str(run)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return load_tensors(run / "last.safetensors")


def test_two_processes_give_the_weights_of_one(images, tmp_path):
    one, about_one = train(images, tmp_path / "one")
    two, about_two = train(
        images, tmp_path / "two", ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    )
    weights = [name for name in one if not name.startswith("optimizer.") and one[name].is_floating_point()]
    assert len(weights) > 200
    assert max((one[name] - two[name]).abs().max().item() for name in weights) <= 1e-5
    assert (one["model.conv1.weight"] - one["average.conv1.weight"]).abs().max() > 1e-4  # training did move them
    losses = [[row["train_loss"] for row in about["history"]] for about in (about_one, about_two)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
