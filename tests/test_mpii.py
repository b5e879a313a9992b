"""MPII checkpoints: their names, their wrappings, and what must not be loaded."""

import os
import zipfile

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from pose.hourglass import StackedHourglass
from pose.mpii import MPII16, load_mpii_checkpoint
from pose.skeleton import KINECT20

IMAGES = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))

OWN = ("mean", "std", "trained_joints")  # what our network has in addition to the published one


def layer(name):
    return {f"{name}.weight", f"{name}.bias"}


def norm(name):
    return layer(name) | {f"{name}.{value}" for value in ("running_mean", "running_var", "num_batches_tracked")}


def unit(name, widens=False):
    """The names of one residual unit."""
    parts = [layer(f"{name}.conv{i}") | norm(f"{name}.bn{i}") for i in (1, 2, 3)]
    return set().union(*parts, layer(f"{name}.downsample.0") if widens else set())


def checkpoint_names(stacks):
    """All names of a checkpoint of the widely used PyTorch version with one residual unit per position."""
    names = layer("conv1") | norm("bn1")
    names |= unit("layer1.0", widens=True) | unit("layer2.0", widens=True) | unit("layer3.0")
    for i in range(stacks):
        for depth, places in ((0, 4), (1, 3), (2, 3), (3, 3)):
            names |= set().union(*(unit(f"hg.{i}.hg.{depth}.{place}.0") for place in range(places)))
        names |= unit(f"res.{i}.0") | layer(f"fc.{i}.0") | norm(f"fc.{i}.1") | layer(f"score.{i}")
    for i in range(stacks - 1):
        names |= layer(f"fc_.{i}") | layer(f"score_.{i}")
    return names


@pytest.fixture(scope="module")
def source():
    """A network as in the checkpoints, every number of it random, and its weights as a plain dictionary."""
    generator = torch.Generator().manual_seed(1)
    model = StackedHourglass(2, 16, channels=16, loss="mse").eval()
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and name not in OWN:
            noise = torch.rand(tensor.shape, generator=generator)
            tensor.copy_(0.5 + noise if "running_var" in name else 0.3 * (noise - 0.5))
    model.mean.copy_(torch.tensor([0.4404, 0.4440, 0.4327])[:, None, None])
    model.std.fill_(1)
    weights = {name: tensor for name, tensor in model.state_dict().items() if name not in OWN}
    return model, weights


@pytest.mark.parametrize("stacks", [1, 2, 8])
def test_the_network_has_exactly_the_names_of_the_checkpoints(stacks):
    with torch.device("meta"):
        ours = set(StackedHourglass(stacks, 16).state_dict())
    assert ours - set(OWN) == checkpoint_names(stacks)
    assert {"hg.0.hg.0.3.0.conv3.bias", "hg.0.hg.3.2.0.bn2.running_var", "fc.0.1.running_mean"} <= ours


class Published:
    """What the network computes, written out on a checkpoint's bare weights."""

    def __init__(self, weights):
        self.weights = weights

    def conv(self, name, x, stride=1):
        kernel = self.weights[f"{name}.weight"]
        return F.conv2d(x, kernel, self.weights[f"{name}.bias"], stride, kernel.shape[-1] // 2)

    def norm_relu(self, name, x):
        mean, var, weight, bias = (
            self.weights[f"{name}.{value}"][:, None, None]
            for value in ("running_mean", "running_var", "weight", "bias")
        )
        return F.relu((x - mean) / (var + 1e-5).sqrt() * weight + bias)

    def unit(self, name, x):
        y = x
        for i in (1, 2, 3):
            y = self.conv(f"{name}.conv{i}", self.norm_relu(f"{name}.bn{i}", y))
        return y + (self.conv(f"{name}.downsample.0", x) if f"{name}.downsample.0.weight" in self.weights else x)

    def hourglass(self, name, depth, x):
        low = self.unit(f"{name}.{depth}.1.0", F.max_pool2d(x, 2))
        low = self.hourglass(name, depth - 1, low) if depth else self.unit(f"{name}.0.3.0", low)
        low = self.unit(f"{name}.{depth}.2.0", low)
        return self.unit(f"{name}.{depth}.0.0", x) + low.repeat_interleave(2, 2).repeat_interleave(2, 3)

    def heatmaps(self, images):
        x = images - torch.tensor([0.4404, 0.4440, 0.4327])[:, None, None]
        x = self.norm_relu("bn1", self.conv("conv1", x, stride=2))
        x = F.max_pool2d(self.unit("layer1.0", x), 2)
        x = self.unit("layer3.0", self.unit("layer2.0", x))
        scores = []
        for i in range(2):
            y = self.unit(f"res.{i}.0", self.hourglass(f"hg.{i}.hg", 3, x))
            y = self.norm_relu(f"fc.{i}.1", self.conv(f"fc.{i}.0", y))
            scores.append(self.conv(f"score.{i}", y))
            if i == 0:
                x = x + self.conv("fc_.0", y) + self.conv("score_.0", scores[0])
        return scores


def prefixed(weights):
    return {f"module.{name}": tensor for name, tensor in weights.items()}


def training_state(weights):
    optimizer = torch.optim.RMSprop([torch.nn.Parameter(torch.ones(2))])
    return {"epoch": 5, "arch": "hg", "state_dict": prefixed(weights), "best_acc": np.float64(0.88),
            "optimizer": optimizer.state_dict()}  # fmt: skip


WRAPPINGS = {
    "bare": dict,
    "module prefix": prefixed,
    "state_dict": lambda weights: {"state_dict": weights},
    "whole training state": training_state,
    "float32 score": lambda weights: {"state_dict": weights, "best_acc": np.float32(0.88)},
    "old torch": lambda weights: {n: t for n, t in weights.items() if not n.endswith("num_batches_tracked")},
}


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS.keys())
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_16_joints_compute_what_the_source_computes_however_it_was_wrapped(tmp_path, source, wrap, zipped):
    model, weights = source
    torch.save(wrap(weights), tmp_path / "mpii.pth.tar", _use_new_zipfile_serialization=zipped)
    loaded = load_mpii_checkpoint(tmp_path / "mpii.pth.tar", num_joints=16)
    assert loaded.num_stacks == 2
    assert not loaded.training
    for ours, theirs in zip(loaded(IMAGES), model(IMAGES), strict=True):
        assert torch.equal(ours, theirs)


def test_a_score_that_numpy_1_wrote_is_read(tmp_path, source):
    torch.save(training_state(source[1]), tmp_path / "new.pth")
    with zipfile.ZipFile(tmp_path / "new.pth") as new, zipfile.ZipFile(tmp_path / "old.pth", "w") as old:
        for name in new.namelist():
            content = new.read(name)
            assert not name.endswith("data.pkl") or b"numpy._core.multiarray" in content
            old.writestr(name, content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    assert load_mpii_checkpoint(tmp_path / "old.pth", num_joints=16).num_stacks == 2


@pytest.fixture
def checkpoint(tmp_path, source):
    torch.save(source[1], tmp_path / "mpii.pth")
    return tmp_path / "mpii.pth"


def test_a_checkpoint_computes_the_published_network(checkpoint, source):
    published = Published(source[1]).heatmaps(IMAGES)
    for ours, theirs in zip(load_mpii_checkpoint(checkpoint, num_joints=16)(IMAGES), published, strict=True):
        assert theirs.std() > 0.01
        torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_mpii_joints_are_in_the_order_of_its_annotations():
    assert list(MPII16.names) == [
        *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
        *("hip_center", "shoulder_center", "upper_neck", "head"),
        *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
    ]


def test_20_joints_get_the_filters_of_the_same_name_and_the_rest_are_new(checkpoint, source):
    weights = source[1]
    loaded = load_mpii_checkpoint(checkpoint).state_dict()
    fresh = set()
    for k, name in enumerate(KINECT20.names):
        if name not in MPII16.names:
            fresh.add(name)
            continue
        j = MPII16.index(name)
        for stack in (0, 1):
            assert torch.equal(loaded[f"score.{stack}.weight"][k], weights[f"score.{stack}.weight"][j])
            assert torch.equal(loaded[f"score.{stack}.bias"][k], weights[f"score.{stack}.bias"][j])
        assert torch.equal(loaded["score_.0.weight"][:, k], weights["score_.0.weight"][:, j])
    assert fresh == {"spine", "left_hand", "right_hand", "left_foot", "right_foot"}
    for name in fresh:
        filters = loaded["score.0.weight"][KINECT20.index(name)]
        assert filters.std() > 0
        assert not any(torch.equal(filters, theirs) for theirs in weights["score.0.weight"])
    for name in set(weights) - {n for n in weights if n.startswith(("score.", "score_.0.weight"))}:
        assert torch.equal(loaded[name], weights[name])


def test_20_joints_find_in_the_first_stack_what_the_source_finds(checkpoint, source):
    ours, theirs = load_mpii_checkpoint(checkpoint)(IMAGES)[0], source[0](IMAGES)[0]
    assert ours.shape[1] == 20
    for k, name in enumerate(KINECT20.names):
        if name in MPII16.names:
            torch.testing.assert_close(ours[:, k], theirs[:, MPII16.index(name)])


class Touch:
    """Unpickled without care, makes the file `path`."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_checkpoint_that_would_run_code_is_refused_and_does_not_run_it(tmp_path, source, zipped):
    trap = tmp_path / "it ran"
    content = {"state_dict": source[1], "epoch": Touch(trap)}
    torch.save(content, tmp_path / "evil.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"evil\.pth: .*was not loaded: it asks to run .*mkdir") as raised:
        load_mpii_checkpoint(tmp_path / "evil.pth")
    assert not trap.exists()
    assert "weights_only" not in str(raised.value)  # torch's advice to load it anyway


@pytest.mark.parametrize(
    "content",
    [b"", b"hello world", b"\x80\x02}q\x00.", bytes(range(256)), b"PK\x03\x04" + bytes(99)],
    ids=["empty", "text", "pickle", "noise", "broken zip"],
)
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    (tmp_path / "file.pth").write_bytes(content)
    with pytest.raises(ValueError, match=r"file\.pth: is not a file of plain tensors"):
        load_mpii_checkpoint(tmp_path / "file.pth")


OTHERS = {
    "a list": lambda weights: [1, 2],
    "a tensor": lambda weights: torch.zeros(2),
    "no weights": lambda weights: {"epoch": 3},
    "another network": lambda weights: {"fc.weight": torch.zeros(3)},
    "other joints": lambda weights: weights | {"score.0.weight": torch.zeros(17, 16, 1, 1)},
    "a part missing": lambda weights: {n: t for n, t in weights.items() if not n.startswith("layer2")},
    "two units a place": lambda weights: weights | {"layer1.1.conv1.weight": torch.zeros(1)},
    "another shape": lambda weights: weights | {"conv1.weight": torch.zeros(64, 3, 3, 3)},
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS.keys())
@pytest.mark.parametrize("num_joints", [16, 20])
def test_a_checkpoint_of_something_else_is_refused(tmp_path, source, change, num_joints):
    torch.save(change(source[1]), tmp_path / "file.pth")
    with pytest.raises(ValueError, match=r"file\.pth: (holds|has no score|is another)"):
        load_mpii_checkpoint(tmp_path / "file.pth", num_joints)


def test_other_numbers_of_joints_and_missing_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"20 .* or 16 .* not 17"):
        load_mpii_checkpoint(tmp_path / "file.pth", num_joints=17)
    with pytest.raises(FileNotFoundError, match=r"file\.pth"):
        load_mpii_checkpoint(tmp_path / "file.pth")
