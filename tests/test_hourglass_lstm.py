"""`HourglassLSTM`: the read-out, gradients, chunks and padding."""

import pytest
import torch
from torch.testing import assert_close

from har import ActivityHead, HourglassLSTM, read_out
from pose import StackedHourglass, heatmaps_to_landmarks, landmarks_to_heatmaps


def network(chunk=8, stacks=2, loss="cross_entropy"):
    torch.manual_seed(0)
    pose_model = StackedHourglass(stacks, channels=16, loss=loss)
    return HourglassLSTM(pose_model, ActivityHead(4, hidden=8, frames=5), chunk)


def clips():
    torch.manual_seed(1)
    return torch.rand(2, 5, 3, 64, 64), torch.tensor([5, 3])


def test_the_read_out_finds_gaussians_to_a_hundredth():
    torch.manual_seed(0)
    places = torch.rand(50, 20, 2) * 25 + 3
    assert_close(read_out(landmarks_to_heatmaps(places, 32)), places, atol=0.02, rtol=0)


def test_the_read_out_is_close_to_the_decoder_even_at_the_border_and_next_to_a_second_peak():
    places = torch.tensor([[[0.2, 10.0], [30.9, 31.0], [12.4, 15.7], [8.0, 0.0]]])
    heatmaps = landmarks_to_heatmaps(places, 32)
    heatmaps[0, 2] += 0.6 * landmarks_to_heatmaps(torch.tensor([[[25.0, 4.0]]]), 32)[0, 0]
    decoded, _ = heatmaps_to_landmarks(heatmaps)
    found = read_out(heatmaps)
    assert_close(found[0, 2], decoded[0, 2], atol=0.02, rtol=0)
    assert_close(found, decoded, atol=0.7, rtol=0)  # if the border cuts a Gaussian, its centre of mass moves inwards


def test_a_constant_heatmap_has_no_landmark():
    assert read_out(torch.zeros(1, 2, 8, 8)).isnan().all()


def test_a_peak_that_is_not_positive_has_no_landmark():
    heatmap = torch.full((1, 8, 8), -0.3)
    heatmap[0, 4, 5] = -0.01
    assert read_out(heatmap).isnan().all()


def test_bf16_is_used_where_asked_and_results_stay_float32():
    images, lengths = clips()
    kinds = set()
    for bf16 in (False, True):
        model = network()
        model.bf16 = bf16
        model.pose_model.score[1].register_forward_hook(lambda module, inputs, output: kinds.add(output.dtype))
        logits, heatmaps = model.logits_and_heatmaps(images, lengths)
        assert logits.dtype == heatmaps[1].dtype == torch.float32
    assert kinds == {torch.float32, torch.bfloat16}


def test_activations_of_a_chunk_are_not_kept():
    """The gradient calls the hourglass once more for each of its three chunks."""
    model, calls = network(chunk=3), []
    model.pose_model.register_forward_pre_hook(lambda *args: calls.append(1))
    logits = model(*clips())
    assert len(calls) == 3
    logits.sum().backward()
    assert len(calls) == 6


def test_the_gradient_moves_the_landmark():
    heatmap = landmarks_to_heatmaps(torch.tensor([[10.3, 12.0]]), 32).requires_grad_()
    read_out(heatmap)[0, 0].backward()
    gradient = heatmap.grad[0]
    assert gradient[12, 12] > 0 > gradient[12, 9]  # more mass at the right moves it to the right
    assert gradient[:, 20:].abs().max() == 0


@pytest.mark.parametrize("loss", ["cross_entropy", "mse"])
def test_gradients_reach_every_weight_that_the_action_depends_on(loss):
    model = network(loss=loss).train()
    images, lengths = clips()
    model(images, lengths).square().sum().backward()
    without = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert without == set()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    assert model.pose_model.conv1.weight.grad.abs().max() > 0
    assert model.head.lstm.weight_ih_l0.grad.abs().max() > 0


def test_chunks_and_recomputation_change_nothing():
    images, lengths = clips()
    results = []
    for chunk in (1, 3, 100):
        model = network(chunk).double().train()
        model.head.dropout.p = 0.0
        logits, heatmaps = model.logits_and_heatmaps(images.double(), lengths)
        (logits.square().sum() + heatmaps[0].square().sum()).backward()
        results.append((logits.detach(), model.pose_model.conv1.weight.grad))
    direct = network().double().train()
    direct.head.dropout.p = 0.0
    frames = torch.cat([images[0], images[1, :3]]).double()
    heatmaps = direct.pose_model(frames)
    for logits, gradient in results:
        assert_close(logits, results[0][0], atol=1e-6, rtol=1e-5)
        assert_close(gradient, results[0][1], atol=1e-6, rtol=1e-5)
    assert_close(direct.heatmaps(frames)[1], heatmaps[1])


def test_padding_never_changes_a_result():
    model = network().eval()
    images, lengths = clips()
    with torch.no_grad():
        together = model(images, lengths)
        alone = model(images[1:, :3], lengths[1:])
        images[1, 3:] = 0.7
        assert_close(together[1:], alone, atol=1e-5, rtol=1e-4)
        assert_close(model(images, lengths), together, atol=1e-5, rtol=1e-4)


def test_landmarks_of_moving_squares_are_mapped_to_the_image():
    """Each frame's own affine matrix is applied to x, then y; frames of padding stay empty."""
    model, (images, lengths) = network().eval().double(), clips()
    images, seen = images.double(), []
    model.head.register_forward_pre_hook(lambda head, inputs: seen.append(inputs[0]))
    to_image = torch.eye(3)[:2].repeat(2, 5, 1, 1)
    to_image[0, 2] = torch.tensor([[0.0, -3.0, 7.0], [2.0, 0.0, -5.0]])
    with torch.no_grad():
        model(images, lengths)
        model(images, lengths, to_image)
    inside, outside = seen
    x, y = inside[0, 2].unbind(dim=1)
    assert outside.dtype == torch.float64
    assert_close(outside[0, 2], torch.stack([-3 * y + 7, 2 * x - 5], dim=1))
    assert_close(outside[0, :2], inside[0, :2])
    assert_close(outside[1, :3], inside[1, :3])
    assert outside[1, 3:].isnan().all()


def test_the_hourglass_keeps_its_statistics_in_training():
    model = network()
    before = model.pose_model.bn1.running_mean.clone()
    model.train()(*clips())
    assert_close(model.pose_model.bn1.running_mean, before)
    assert model.head.training
    assert not model.pose_model.training


def test_a_trained_head_keeps_its_statistics_and_a_new_one_learns_them():
    fresh = network().train()
    fresh(*clips())
    assert fresh.head.norm.num_batches_tracked == 1
    trained = HourglassLSTM(fresh.pose_model, fresh.head).train()
    before = trained.head.norm.running_mean.clone()
    trained(*clips())
    assert_close(trained.head.norm.running_mean, before)
    assert trained.head.dropout.training


def test_parts_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"the head has the joints hip_center, .*; the hourglass have joint_1"):
        HourglassLSTM(StackedHourglass(1, 16, channels=16), ActivityHead(4))
