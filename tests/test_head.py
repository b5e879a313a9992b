"""`ActivityHead`: padding, position, size and missing joints do not matter; errors are named."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from har import ActivityHead, HarConfig
from har.head import POOLINGS, Mix
from pose import KINECT20, MPII16

TINY = {"hidden": 8, "frames": 6}


def clips(lengths, seed=0):
    """Random clips, padded with NaN."""
    rng = np.random.default_rng(seed)
    padded = torch.full((len(lengths), max(lengths), 20, 2), float("nan"))
    for clip, length in zip(padded, lengths, strict=True):
        clip[:length] = torch.from_numpy(rng.uniform(0, 200, (length, 20, 2)))
    return padded, torch.tensor(lengths)


def head(**options):
    torch.manual_seed(0)
    model = ActivityHead(5, **{**TINY, **options})
    model.train()(*clips([7, 9, 4], seed=1))  # batch-norm statistics that are not those of a fresh model
    return model.eval()


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_padding_never_changes_a_result(pooling, bidirectional):
    model = head(pooling=pooling, bidirectional=bidirectional, layers=2)
    padded, lengths = clips([3, 8, 1, 5])
    together = model(padded, lengths)
    alone = torch.cat([model(clip[None, :n], torch.tensor([n])) for clip, n in zip(padded, lengths, strict=True)])
    assert_close(together, alone, atol=1e-6, rtol=1e-5)
    rubbish = torch.where(padded.isnan(), 1e6, padded)
    longer = torch.cat([rubbish, torch.full((4, 3, 20, 2), -7.0)], dim=1)
    assert_close(model(longer, lengths), together, atol=1e-6, rtol=1e-5)


def test_padding_has_no_part_in_the_statistics():
    padded, lengths = clips([3, 8])
    for options in ({}, {"velocities": False}, {"bones": True}):
        one, other = head(**options), head(**options)
        one.train()(padded, lengths)
        other.train()(torch.cat([padded, torch.full((2, 40, 20, 2), 55.0)], dim=1), lengths)
        assert_close(one.norm.running_mean, other.norm.running_mean)
        assert_close(one.norm.running_var, other.norm.running_var)


def test_position_and_size_never_change_a_result():
    model = head()
    padded, lengths = clips([6, 8])
    assert_close(model(padded * 0.3 + 500, lengths), model(padded, lengths), atol=1e-4, rtol=1e-3)


def test_missing_joints_never_give_nan():
    model = head()
    padded, _ = clips([6, 8])
    padded[0, 2:5, 3] = float("nan")  # for a while
    padded[0, :, 7] = float("nan")  # a joint in the whole clip
    padded[1, 0] = float("inf")  # a whole frame, and not even NaN
    padded.requires_grad_()
    logits = model.train()(torch.cat([padded, torch.full_like(padded[:1], float("nan"))]), torch.tensor([6, 8, 8]))
    assert logits.isfinite().all()
    logits.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())
    assert padded.grad.isfinite().all()
    assert padded.grad[0, 0].abs().max() > 0


def test_a_joint_that_is_never_seen_counts_as_the_mean_of_all_clips():
    model = head(velocities=False)
    x = {}
    model.lstm.register_forward_pre_hook(lambda module, inputs: x.update(features=inputs[0]))
    padded, lengths = clips([6])
    padded[:, :, 5] = float("nan")
    model(padded, lengths)
    assert x["features"][0, :, 10:12].abs().max() == 0
    assert x["features"][0, :, 12:14].abs().min() > 0


def test_the_bones_of_a_joint_that_is_never_seen_count_as_the_mean_and_no_others():
    model = head(velocities=False, bones=True)
    x = {}
    model.lstm.register_forward_pre_hook(lambda module, inputs: x.update(features=inputs[0]))
    padded, lengths = clips([6])
    hand = KINECT20.index("left_hand")
    padded[:, :, hand] = float("nan")
    model(padded, lengths)
    columns = x["features"][0].abs().amax(dim=0).reshape(-1, 2)  # 20 joints, 19 bones, the hips' path
    missing = [hand] + [20 + i for i, limb in enumerate(KINECT20.limb_indices) if hand in limb]
    assert len(columns) == 40
    assert (columns == 0).all(dim=1).nonzero().flatten().tolist() == missing


def test_mixed_clips_are_the_weighted_mean_of_two_after_batch_norm():
    model, x = head(), {}
    model.lstm.register_forward_pre_hook(lambda module, inputs: x.update(features=inputs[0]))
    padded, lengths = clips([6, 8, 5])
    padded[0, :, 5] = float("nan")
    model(padded, lengths)
    single = x["features"]
    model(padded, lengths, Mix(torch.tensor([2, 0, 1]), 0.75))
    assert_close(x["features"], 0.75 * single + 0.25 * single[[2, 0, 1]])


def test_mixing_leaves_the_statistics_those_of_the_clips():
    one, other = head(), head()
    one.train()(*clips([3, 8]))
    other.train()(*clips([3, 8]), Mix(torch.tensor([1, 0]), 0.5))
    assert_close(one.norm.running_var, other.norm.running_var, atol=0, rtol=0)


def test_a_missing_joint_has_no_part_in_the_statistics():
    padded, lengths = clips([6] * 40)
    padded[:, :, 9] += 300  # far from the hips, whose position is zero
    whole, holes = head(), head()
    for model, landmarks in ((whole, padded), (holes, padded.clone())):
        model.train()
        if model is holes:
            landmarks[::2, :, 9] = float("nan")
        for _ in range(60):
            model(landmarks, lengths)
    difference = (holes.norm.running_mean - whole.norm.running_mean)[18:20].abs()
    assert (difference < 0.25 * whole.norm.running_var[18:20].sqrt()).all()
    assert (whole.norm.running_mean[18:20].abs() > 1.0 * whole.norm.running_var[18:20].sqrt()).all()  # zero is far


def test_the_last_state_of_each_direction_has_seen_all_frames():
    model = head(pooling="last")
    padded, lengths = clips([6, 8])
    states = {}
    model.dropout.register_forward_pre_hook(lambda module, inputs: states.update(last=inputs[0]))
    seen = []
    for changed in (None, 0, 5):
        landmarks = padded.clone()
        if changed is not None:
            landmarks[0, changed, 3:12] += 60
        model(landmarks, lengths)
        seen.append(states["last"][0].detach())
    for half in (slice(0, 8), slice(8, 16)):
        assert (seen[1][half] - seen[0][half]).abs().max() > 1e-3
        assert (seen[2][half] - seen[0][half]).abs().max() > 1e-3


def test_a_clip_of_one_frame_is_judged():
    padded, lengths = clips([1])
    assert head()(padded, lengths).isfinite().all()


def test_the_order_of_frames_matters():
    padded, lengths = clips([8])
    assert (head()(padded, lengths) - head()(padded.flip(1), lengths)).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("shape", "lengths", "named"),
    [
        ((2, 5, 16, 2), [5, 5], r"expected landmarks \(N, T, 20, 2\), got \(2, 5, 16, 2\)"),
        ((5, 20, 2), [5], "expected landmarks"),
        ((2, 5, 20, 2), [5], "expected 2 lengths from 1 to 5"),
        ((2, 5, 20, 2), [5, 6], "expected 2 lengths"),
        ((2, 5, 20, 2), [0, 5], "expected 2 lengths"),
    ],
)
def test_wrong_shapes_are_named(shape, lengths, named):
    with pytest.raises(ValueError, match=named):
        head()(torch.zeros(shape), torch.tensor(lengths))


def test_other_skeletons_and_wrong_options():
    assert ActivityHead(3, 16, skeleton=MPII16, **TINY)(torch.rand(2, 4, 16, 2), torch.tensor([4, 3])).shape == (2, 3)
    with pytest.raises(ValueError, match="expected the 20 joints of the skeleton, got 16"):
        ActivityHead(3, 16, skeleton=KINECT20)
    with pytest.raises(ValueError, match="pooling must be one of attention_max"):
        ActivityHead(3, pooling="median")
    for name, value, message in (
        ("hidden", 0, "hidden must be at least 1"),
        ("frames", 1, "frames must be 2 to 4096"),
        ("ema_decay", 1.5, "ema_decay must be a share from 0 to below 1"),
    ):
        with pytest.raises(ValueError, match=message):
            HarConfig(**{name: value})


def test_a_head_starts_from_one_with_other_actions():
    torch.manual_seed(7)
    new, old = ActivityHead(3, **TINY), head()
    fc = new.fc.weight.clone()
    new.start_from(old)
    assert torch.equal(new.fc.weight, fc)
    for name, tensor in old.state_dict().items():
        assert name.startswith("fc.") or torch.equal(new.state_dict()[name], tensor), name
    with pytest.raises(ValueError, match="another num_joints, velocities, skeleton; train it with the same settings"):
        new.start_from(ActivityHead(5, num_joints=16, skeleton=MPII16, velocities=False, **TINY))


def test_the_same_seed_gives_the_same_head():
    one, other = (HarConfig(seed=3).build_head(4).state_dict() for _ in range(2))
    assert all((one[name] == other[name]).all() for name in one)
