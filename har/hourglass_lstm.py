"""`HourglassLSTM`: recognises the action of a clip from its frames, end to end via heatmaps and landmarks."""

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from har.head import ActivityHead
from pose.hourglass import StackedHourglass
from pose.runtime.device import autocast
from pose.runtime.errors import DataError

READ_OUT = 3  # the read-out uses (2·3 + 1)² pixels around the highest one


def read_out(heatmaps):
    """A differentiable read-out of landmarks from heatmaps: the centre of mass around the highest pixel.

    Like integral regression (Sun et al., "Integral Human Pose Regression", ECCV 2018), but local, so that a second peak
    elsewhere does not pull the landmark away. `pose.heatmaps_to_landmarks` is more accurate but has no gradient.

    heatmaps: (..., H, W), rows y and columns x. Returns (..., 2), x then y, heatmap px; NaN where no
    pixel is positive.
    """
    *batch, height, width = heatmaps.shape
    flat = heatmaps.reshape(-1, height * width)
    peak, position = flat.detach().max(dim=1)
    offsets = torch.arange(-READ_OUT, READ_OUT + 1, device=flat.device)
    columns, rows = position[:, None] % width + offsets, position[:, None] // width + offsets  # (M, 7)
    inside = ((columns >= 0) & (columns < width))[:, None, :] & ((rows >= 0) & (rows < height))[:, :, None]
    index = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    mass = flat.gather(1, index.flatten(1)).view_as(index).clamp_min(0) * inside  # (M, 7, 7)
    total = mass.sum(dim=(1, 2)).clamp_min(1e-12)
    x = (mass * columns[:, None, :]).sum(dim=(1, 2)) / total
    y = (mass * rows[:, :, None]).sum(dim=(1, 2)) / total
    return torch.where(peak[:, None] <= 0, torch.nan, torch.stack([x, y], dim=1)).reshape(*batch, 2)


class HourglassLSTM(nn.Module):
    """A `StackedHourglass` and an `ActivityHead` as one network.

    The hourglass's batch norms keep their statistics in training, since those of a few frames of one person would be
    poor. Its frames can therefore be processed in chunks, whose activations are recomputed for the gradient: memory is
    that of one chunk, whatever the length of the clips.

    pose_model: `StackedHourglass`; head: `ActivityHead` with the same joints. chunk: frames processed together.
    bf16: the hourglass computes in bf16.
    keep_statistics: the head's batch norm keeps its statistics, too, since end-to-end batches have few clips. By
        default if the head was trained before.
    Raises DataError if the joints of the two differ.
    """

    def __init__(self, pose_model, head, chunk=4, bf16=False, keep_statistics=None):
        super().__init__()
        if not (isinstance(pose_model, StackedHourglass) and isinstance(head, ActivityHead)):
            raise DataError(
                "HourglassLSTM(pose_model, head) takes a StackedHourglass and an ActivityHead, in that order"
            )
        head.skeleton.check_same(pose_model.skeleton, "the head", "the hourglass")
        self.pose_model, self.head, self.chunk, self.bf16 = pose_model, head, chunk, bf16
        self.keep_statistics = bool(head.norm.num_batches_tracked) if keep_statistics is None else keep_statistics
        self.train()

    @property
    def num_actions(self):
        return self.head.num_actions

    @property
    def actions(self):
        """The names of the classes; like `window`, the usual number of frames of a clip, those of the head."""
        return self.head.actions

    @actions.setter
    def actions(self, actions):
        self.head.actions = actions

    @property
    def window(self):
        return self.head.window

    @window.setter
    def window(self, window):
        self.head.window = window

    def train(self, mode=True):
        super().train(mode)
        self.pose_model.eval()
        if self.keep_statistics:
            self.head.norm.eval()
        return self

    def check(self, dataset):
        """Raises DataError if a `ClipDataset` differs from the hourglass's training in size (if known) or joints."""
        trained = self.pose_model.inp_res
        if trained not in (None, dataset.inp_res):
            raise DataError(
                f"the hourglass was trained with {trained} px, the data have {dataset.inp_res}; "
                f"ClipDataset(..., inp_res={trained})"
            )
        self.head.check(dataset)

    def forward(self, clips, lengths, to_image=None):
        """The scores of the actions: logits (N, num_actions) float32.

        clips: (N, T, 3, S, S) float, RGB in 0 … 1; lengths: (N,) int, frames of each clip.
        to_image: (N, T, 2, 3) float, the affine matrices from each frame's heatmap px to image px, as `ClipDataset`
            returns them, arbitrary beyond a clip's end; None if all frames of a clip are cropped alike.
        """
        return self.logits_and_heatmaps(clips, lengths, to_image)[0]

    def logits_and_heatmaps(self, clips, lengths, to_image=None):
        """`forward`, and each stack's heatmaps (M, K, S/4, S/4) of the M frames, clip by clip, without padding."""
        valid = torch.arange(clips.shape[1], device=clips.device) < lengths.to(clips.device)[:, None]
        heatmaps = self.heatmaps(clips[valid])
        landmarks = heatmaps[-1].new_full((*valid.shape, self.pose_model.num_joints, 2), torch.nan)
        positions = read_out(heatmaps[-1])  # (M, K, 2)
        if to_image is not None:
            matrices = to_image.to(positions)[valid]
            positions = positions @ matrices[:, :, :2].mT + matrices[:, None, :, 2]
        landmarks[valid] = positions
        return self.head(landmarks, lengths), heatmaps

    def heatmaps(self, frames):
        """Each stack's heatmaps (M, K, S/4, S/4) of frames (M, 3, S, S), a chunk at a time."""
        chunks = [self._chunk(chunk) for chunk in frames.split(self.chunk)]
        return [torch.cat(stack) for stack in zip(*chunks, strict=True)]

    def _chunk(self, frames):
        frames = frames.contiguous(memory_format=torch.channels_last)
        if torch.is_grad_enabled():
            return checkpoint(self._pose, frames, use_reentrant=False)
        return self._pose(frames)

    def _pose(self, frames):
        with autocast(frames.device, self.bf16):
            return self.pose_model(frames)
