"""The heatmap loss, by hand on maps of 2 × 2."""

import math

import pytest
import torch

from pose.heatmaps import landmarks_to_heatmaps
from pose.hourglass import StackedHourglass
from pose.loss import heatmap_loss

HEIGHT = 2 * math.pi  # of a heatmap whose probability is 1, at sigma 1
TARGET = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]])  # the second joint has no label


def test_mse_worked_out_by_hand():
    output = torch.tensor([[[[0.5, 0.0], [0.0, 1.0]], [[9.0, 9.0], [9.0, 9.0]]]])
    # The labelled joint: (0.25 + 0 + 0 + 1) / 4; the mean over both joints halves it.
    assert heatmap_loss([output], TARGET, "mse").item() == pytest.approx(1.25 / 4 / 2)


def test_cross_entropy_worked_out_by_hand():
    probability = torch.tensor([[[[0.5, 0.25], [0.125, 0.125]], [[0.7, 0.1], [0.1, 0.1]]]])
    assert heatmap_loss([probability * HEIGHT], TARGET).item() == pytest.approx(math.log(2) / 2)
    spread = torch.tensor([[[[0.5, 0.5], [0.0, 0.0]]]])
    expected = -(0.5 * math.log(0.5) + 0.5 * math.log(0.25))
    assert heatmap_loss([probability[:, :1] * HEIGHT], spread).item() == pytest.approx(expected)


def test_cross_entropy_takes_the_height_of_its_sigma():
    probability = torch.full((1, 2, 2, 2), 0.25)
    loss = heatmap_loss([probability * HEIGHT * 1.5**2], TARGET, sigma=1.5)
    assert loss.item() == pytest.approx(math.log(4) / 2)


@pytest.mark.parametrize("kind", ["mse", "cross_entropy"])
def test_stacks_add_up_and_a_batch_is_the_mean_of_its_parts(kind):
    generator = torch.Generator().manual_seed(0)
    a, b, target = torch.rand(3, 4, 5, 8, 8, generator=generator)
    target[0, 1] = target[2] = 0
    both = heatmap_loss([a, b], target, kind)
    torch.testing.assert_close(both, heatmap_loss([a], target, kind) + heatmap_loss([b], target, kind))
    parts = [heatmap_loss([a[i : i + 1], b[i : i + 1]], target[i : i + 1], kind) for i in range(4)]
    torch.testing.assert_close(both, torch.stack(parts).mean())


@pytest.mark.parametrize("kind", ["mse", "cross_entropy"])
def test_a_joint_without_label_carries_no_loss_and_no_gradient(kind):
    output = torch.rand(1, 2, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    heatmap_loss([output], TARGET, kind).backward()
    assert output.grad[0, 0].any()
    assert not output.grad[0, 1].any()
    assert heatmap_loss([output], torch.zeros_like(TARGET), kind).item() == 0


@pytest.mark.parametrize("kind", ["mse", "cross_entropy"])
@pytest.mark.parametrize("sigma", [1.0, 1.5])
def test_the_target_itself_is_the_best_output(kind, sigma):
    target = landmarks_to_heatmaps(torch.tensor([[[7.3, 8.6], [5.0, 9.2]]]), 16, sigma)
    best = heatmap_loss([target], target, kind, sigma)
    generator = torch.Generator().manual_seed(0)
    for _ in range(10):
        other = target * torch.exp(0.1 * torch.randn(target.shape, generator=generator))
        other = other * (target.sum((2, 3)) / other.sum((2, 3)))[..., None, None]
        assert heatmap_loss([other], target, kind, sigma) > best


def test_an_output_of_zero_gives_a_finite_loss_and_gradient():
    output = torch.zeros(1, 2, 2, 2, requires_grad=True)
    loss = heatmap_loss([output], TARGET)
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(output.grad).all()


@pytest.mark.parametrize("kind", ["mse", "cross_entropy"])
def test_every_stack_is_supervised(kind):
    torch.manual_seed(0)
    model = StackedHourglass(2, 3, channels=16, loss=kind)
    target = landmarks_to_heatmaps(torch.tensor([[[7.3, 8.6], [5.0, 9.2], [1, 2]]]), 16)
    for stack in range(2):
        model.zero_grad()
        outputs = model(torch.rand(2, 3, 64, 64))
        heatmap_loss(outputs[stack : stack + 1], target, kind).backward()
        assert model.score[stack].weight.grad.any()
        assert model.conv1.weight.grad.any()
    assert model.score[0].weight.grad.any()  # the last stack's loss reaches the first through score_
