"""The network: its size, its outputs, what it refuses."""

import math

import pytest
import torch

from pose.hourglass import StackedHourglass, hg1, hg2, hg8

TINY = {"channels": 16}


@pytest.mark.parametrize(("build", "stacks", "millions"), [(hg1, 1, 3.59), (hg2, 2, 6.73), (hg8, 8, 25.59)])
def test_the_networks_have_the_published_numbers_of_parameters(build, stacks, millions):
    with torch.device("meta"):  # shapes without memory
        model = build(num_joints=16)
    assert model.num_stacks == stacks
    assert round(sum(p.numel() for p in model.parameters()) / 1e6, 2) == millions


@pytest.mark.parametrize("stacks", [1, 2, 8])
def test_each_stack_gives_heatmaps_of_a_quarter_of_the_side(stacks):
    outputs = StackedHourglass(stacks, **TINY).eval()(torch.rand(1, 3, 64, 64))
    assert [tuple(output.shape) for output in outputs] == [(1, 20, 16, 16)] * stacks


@pytest.mark.parametrize("num_joints", [1, 16, 33])
def test_any_number_of_joints(num_joints):
    outputs = StackedHourglass(2, num_joints, **TINY).eval()(torch.rand(1, 3, 64, 64))
    assert all(output.shape[1] == num_joints for output in outputs)


@pytest.mark.parametrize(("height", "width"), [(128, 64), (64, 192)])
def test_images_need_not_be_square(height, width):
    (heatmaps,) = hg1(**TINY).eval()(torch.rand(2, 3, height, width))
    assert heatmaps.shape == (2, 20, height // 4, width // 4)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((1, 3, 250, 256), "divisible by 64.*got 250 × 256"),
        ((1, 3, 64, 100), "divisible by 64.*got 64 × 100"),
        ((1, 3, 0, 64), "divisible by 64"),
        ((3, 64, 64), r"expected images of shape \(N, 3, height, width\), got \(3, 64, 64\)"),
        ((1, 64, 64, 3), r"expected images of shape .* got \(1, 64, 64, 3\)"),
    ],
)
def test_images_of_another_shape_are_refused_with_the_shape_expected(shape, message):
    with pytest.raises(ValueError, match=message):
        hg1(**TINY)(torch.zeros(shape))


def test_another_loss_is_refused():
    with pytest.raises(ValueError, match="'mse' or 'cross_entropy', not 'l1'"):
        hg1(loss="l1")


@pytest.mark.parametrize("sigma", [1.0, 1.5])
def test_cross_entropy_heatmaps_sum_to_the_volume_of_the_gaussian(sigma):
    heatmaps = StackedHourglass(2, loss="cross_entropy", sigma=sigma, **TINY).eval()(torch.rand(2, 3, 64, 64))[-1]
    assert (heatmaps >= 0).all()
    torch.testing.assert_close(heatmaps.sum((2, 3)), torch.full((2, 20), 2 * math.pi * sigma**2))


def test_mse_heatmaps_are_the_scores_themselves():
    torch.manual_seed(0)
    model = hg1(loss="mse", **TINY).eval()
    images = torch.rand(1, 3, 64, 64)
    (before,) = model(images)
    with torch.no_grad():
        model.score[0].bias += 1
    torch.testing.assert_close(model(images)[0], before + 1)


def test_a_stack_gets_the_result_of_the_previous_one():
    model = StackedHourglass(2, **TINY).eval()
    images = torch.rand(1, 3, 64, 64)
    first, second = model(images)
    with torch.no_grad():
        model.score[0].weight += 1
    changed_first, changed_second = model(images)
    assert not torch.equal(first, changed_first)
    assert not torch.equal(second, changed_second)
    with torch.no_grad():
        model.score[1].weight += 1
    assert torch.equal(model(images)[0], changed_first)


def test_the_normalisation_is_part_of_the_network():
    model = hg1(**TINY).eval()
    images = torch.rand(1, 3, 64, 64)
    (before,) = model(images)
    model.mean += 0.1
    torch.testing.assert_close(model(images + 0.1)[0], before)
    assert {"mean", "std"} <= set(model.state_dict())


def test_heatmaps_are_float32_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        (heatmaps,) = hg1(**TINY).eval()(torch.rand(1, 3, 64, 64))
    assert heatmaps.dtype == torch.float32


def test_settings_build_the_same_network_again():
    model = StackedHourglass(3, 7, channels=32, loss="mse", sigma=2)
    again = StackedHourglass(**model.settings)
    assert again.settings == model.settings
    assert [p.shape for p in again.parameters()] == [p.shape for p in model.parameters()]


@pytest.mark.parametrize("convert", [lambda model: model, torch.nn.SyncBatchNorm.convert_sync_batchnorm])
def test_recomputation_changes_neither_outputs_nor_gradients_nor_statistics(convert):
    torch.manual_seed(0)
    kept, recomputed = (convert(StackedHourglass(2, channels=16).train()) for _ in range(2))
    recomputed.load_state_dict(kept.state_dict())
    recomputed.recompute = True
    images = torch.rand(3, 3, 64, 64)
    saved = []
    for model in (kept, recomputed):
        tensors = 0

        def count(tensor):
            nonlocal tensors
            tensors += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            outputs = model(images)
        saved.append(tensors)
        sum(output.square().sum() for output in outputs).backward()
    assert saved[1] < 0.2 * saved[0]
    for (name, one), other in zip(kept.named_parameters(), recomputed.parameters(), strict=True):
        assert torch.equal(one.grad, other.grad), name
    for (name, one), other in zip(kept.named_buffers(), recomputed.buffers(), strict=True):
        assert torch.equal(one, other), name
    assert kept.bn1.num_batches_tracked == 1
