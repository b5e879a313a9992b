"""`ActivityHead`: from the landmarks of a clip to its action, BatchNorm → LSTM → fully connected."""

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from har.features import bones, fill_missing, normalise, resample, velocities
from pose.runtime.errors import DataError
from pose.skeleton import KINECT20

MOST_FRAMES = 4096
POOLINGS = ("attention_max", "attention", "max", "mean", "last")


class ActivityHead(nn.Module):
    """Recognises the action of clips of landmarks.

    The landmarks are brought to one place and size (hips, and the clip's median torso) and to `frames` moments, batch
    norm puts each feature on one footing, an LSTM (Hochreiter & Schmidhuber 1997) reads them in time, its states are
    pooled, and a fully connected layer scores the actions.

    num_actions: classes. num_joints: landmarks a frame; skeleton: their names, of as many joints.
    hidden: the LSTM's width in each direction; layers: LSTMs one after the other; bidirectional: also read backwards.
    pooling: what of the LSTM's states the scores are made of: "last" (each direction's last), "mean", "max" (of each
        unit), "attention" (their mean weighted by a learnt score), or "attention_max" (both).
    bones: the vectors along the skeleton's limbs are features, too.
    velocities: the changes since the moment before are features, too.
    frames: moments that a clip is resampled to, whatever its length; 0 leaves its frames as they are.
    dropout: of the pooled states, and between layers.
    """

    def __init__(self, num_actions, num_joints=20, hidden=128, layers=1, bidirectional=True, pooling="attention_max",
                 bones=False, velocities=True, frames=32, dropout=0.7, skeleton=KINECT20):  # fmt: skip
        super().__init__()
        if len(skeleton) != num_joints:
            raise DataError(f"num_joints is {num_joints}, the skeleton has {len(skeleton)}; pass skeleton=")
        if pooling not in POOLINGS:
            raise DataError(f"pooling is one of {', '.join(POOLINGS)}, not {pooling!r}")
        if not (frames == 0 or 2 <= frames <= MOST_FRAMES):
            raise DataError(f"frames is 0, or 2 to {MOST_FRAMES}, not {frames}")
        self.settings = dict(
            num_actions=num_actions, num_joints=num_joints, hidden=hidden, layers=layers, bidirectional=bidirectional,
            pooling=pooling, bones=bones, velocities=velocities, frames=frames, dropout=dropout,
        )  # fmt: skip
        self.skeleton, self.pooling, self.frames = skeleton, pooling, frames
        self.bones, self.velocities = bones, velocities
        features = 2 * (num_joints + 1 + bones * len(skeleton.limbs)) * (1 + velocities)
        states = hidden * (1 + bidirectional)
        self.norm = nn.BatchNorm1d(features)
        self.lstm = nn.LSTM(
            features, hidden, layers, batch_first=True, bidirectional=bidirectional, dropout=dropout * (layers > 1)
        )
        self.attention = nn.Linear(states, 1) if "attention" in pooling else None
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(states * (2 if pooling == "attention_max" else 1), num_actions)

    def forward(self, landmarks, lengths):
        """The scores of the actions.

        landmarks: (N, T, K, 2) float, x then y, px of the image or of any crop that stays in place through the clip;
            a missing one is NaN. lengths: (N,) int, frames of each clip; what lies behind does not matter.
        Returns logits (N, num_actions), never NaN. Raises DataError for other shapes and lengths.
        """
        self._check(landmarks, lengths)
        features, seen, lengths = self._features(landmarks.to(self.fc.weight.dtype), lengths.to(landmarks.device))
        padding = None  # (N, T'), True behind a clip's end; resampled clips have none
        if not self.frames:
            padding = torch.arange(features.shape[1], device=features.device) >= lengths[:, None]
        # A joint that is never seen counts as the mean of all clips, in the statistics as well as in the features.
        features = torch.where(seen[:, None], features, self.norm.running_mean)
        x = self._normed(features, padding) * seen[:, None]
        return self.fc(self.dropout(self._pool(self._states(x, padding, lengths), padding, lengths)))

    def _check(self, landmarks, lengths):
        joints = self.settings["num_joints"]
        if landmarks.ndim != 4 or landmarks.shape[2:] != (joints, 2):
            raise DataError(f"expected landmarks (N, T, {joints}, 2), got {tuple(landmarks.shape)}")
        if lengths.shape != landmarks.shape[:1] or not ((lengths >= 1) & (lengths <= landmarks.shape[1])).all():
            raise DataError(
                f"expected {len(landmarks)} lengths from 1 to {landmarks.shape[1]}, the frames, got {lengths.tolist()}"
            )
        if self.training and not self.frames and lengths.sum() == 1:
            raise DataError("batch norm cannot learn from a batch of one clip of one frame; take more")

    def _features(self, landmarks, lengths):
        """Features (N, T', F), which of them were ever seen (N, F), and the lengths in moments."""
        landmarks, seen = fill_missing(landmarks, lengths)
        places, way = normalise(landmarks, lengths, seen, self.skeleton)
        if self.bones:
            vectors, both_seen = bones(places, seen, self.skeleton)
            places, seen = torch.cat([places, vectors], dim=2), torch.cat([seen, both_seen], dim=1)
        body = torch.cat([places, way], dim=2)  # (N, T, K + L + 1, 2)
        seen = torch.cat([seen, seen.any(dim=1, keepdim=True)], dim=1)
        if self.frames:
            body = resample(body, lengths, self.frames)
            lengths = torch.full_like(lengths, self.frames)
        if self.velocities:
            body = torch.cat([body, velocities(body)], dim=2)
            seen = seen.repeat(1, 2)
        return body.flatten(2), seen.repeat_interleave(2, dim=1), lengths

    def _normed(self, features, padding):
        """Features (N, T', F) through batch norm, whose statistics padding has no part in."""
        if padding is None:
            return self.norm(features.flatten(0, 1)).view_as(features)
        x = torch.zeros_like(features)
        x[~padding] = self.norm(features[~padding])
        return x

    def _states(self, x, padding, lengths):
        """The LSTM's states (N, T, states); the backward direction must not begin in the padding."""
        if padding is None or not self.lstm.bidirectional:
            return self.lstm(x)[0]
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=x.shape[1])[0]

    def _pool(self, states, padding, lengths):
        """One vector a clip from its states (N, T', states)."""

        def hidden(values, substitute):
            return values if padding is None else values.masked_fill(padding[..., None], substitute)

        if self.pooling == "last":
            ends = states[torch.arange(len(states), device=states.device), lengths - 1]
            if not self.lstm.bidirectional:
                return ends
            half = states.shape[2] // 2  # the backward direction ends at the first frame
            return torch.cat([ends[:, :half], states[:, 0, half:]], dim=1)
        if self.pooling == "mean":
            return hidden(states, 0.0).sum(dim=1) / lengths[:, None]
        pooled = []
        if self.attention is not None:
            weight = hidden(self.attention(states), -torch.inf).softmax(dim=1)
            pooled.append((states * weight).sum(dim=1))
        if "max" in self.pooling:
            pooled.append(hidden(states, -torch.inf).amax(dim=1))
        return torch.cat(pooled, dim=1)
