"""`ActivityHead`: recognises the action of a clip from its landmarks, BatchNorm → LSTM → fully connected."""

from typing import NamedTuple

import torch
from torch import nn

from har.features import bones, fill_missing, normalise, resample, velocities
from pose.runtime.errors import DataError
from pose.skeleton import skeleton_of

MAX_FRAMES = 4096
POOLINGS = ("attention_max", "attention", "max", "mean", "last")


class Mix(NamedTuple):
    """A blend of a batch's clips in pairs (Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018).

    partners: (N,) int, which clip of the batch each one is blended with; share: its own share, 0.5 … 1.
    """

    partners: torch.Tensor
    share: float

    @classmethod
    def draw(cls, clips):
        """Random pairs of a batch of this many clips, and a random share, from torch's generator for the CPU."""
        return cls(torch.randperm(clips), 0.5 + 0.5 * torch.rand(()).item())

    def blend(self, values):
        """The blend of values (N, …)."""
        return self.share * values + (1 - self.share) * values[self.partners.to(values.device)]


class ActivityHead(nn.Module):
    """Recognises the action of clips of landmarks.

    The landmarks are normalised in position and size (hips, and the clip's median torso) and resampled to `frames` time
    steps; batch norm normalises each feature; an LSTM (Hochreiter & Schmidhuber 1997) reads the sequence; its states
    are pooled, and a fully connected layer scores the actions.

    num_actions: classes. num_joints: landmarks per frame; skeleton: their joints, by default KINECT20 for 20.
    hidden: the LSTM's width in each direction; layers: stacked LSTMs; bidirectional: also read backwards.
    pooling: how the LSTM's states are pooled for the scores: "last" (each direction's last), "mean", "max" (of each
        unit), "attention" (their mean weighted by a learned score), or "attention_max" (both).
    bones: add the vectors along the skeleton's limbs to the features.
    velocities: add the changes since the previous time step to the features.
    frames: time steps that a clip is resampled to, whatever its length.
    dropout: of the pooled states, and between layers.
    actions: the names of the classes, in order; window: the usual number of frames of a clip. Training sets both, and
        `SlidingWindow` and `evaluate` read them; None if unknown.
    """

    def __init__(self, num_actions, num_joints=20, hidden=128, layers=1, bidirectional=True, pooling="attention_max",
                 bones=False, velocities=True, frames=32, dropout=0.7, skeleton=None, actions=None,
                 window=None):  # fmt: skip
        super().__init__()
        skeleton = skeleton_of(num_joints, skeleton)
        if pooling not in POOLINGS:
            raise DataError(f"pooling must be one of {', '.join(POOLINGS)}, not {pooling!r}")
        if not 2 <= frames <= MAX_FRAMES:
            raise DataError(f"frames must be from 2 to {MAX_FRAMES}, not {frames}")
        self._architecture = dict(
            num_actions=num_actions, num_joints=num_joints, hidden=hidden, layers=layers, bidirectional=bidirectional,
            pooling=pooling, bones=bones, velocities=velocities, frames=frames, dropout=dropout, skeleton=skeleton,
        )  # fmt: skip
        self.num_actions, self.num_joints, self.skeleton = num_actions, num_joints, skeleton
        self.actions, self.window = actions, window
        self.pooling, self.frames, self.bones, self.velocities = pooling, frames, bones, velocities
        features = 2 * (num_joints + 1 + bones * len(skeleton.limbs)) * (1 + velocities)
        states = hidden * (1 + bidirectional)
        self.norm = nn.BatchNorm1d(features)
        self.lstm = nn.LSTM(
            features, hidden, layers, batch_first=True, bidirectional=bidirectional, dropout=dropout * (layers > 1)
        )
        self.attention = nn.Linear(states, 1) if "attention" in pooling else None
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(states * (2 if pooling == "attention_max" else 1), num_actions)

    @property
    def settings(self):
        """The arguments that build the same network, `ActivityHead(**settings)`, as a dictionary."""
        return self._architecture | {"actions": self.actions, "window": self.window}

    def start_from(self, other):
        """Takes over the weights of a head trained on other actions, all but those of the fully connected layer.

        Raises DataError if its settings differ, other than in the actions and the dropout.
        """
        ours, theirs = (head._architecture | {"num_actions": None, "dropout": None} for head in (self, other))
        different = [name for name in ours if ours[name] != theirs[name]]
        if different:
            raise DataError(f"the other head has another {', '.join(different)}; train it with the same settings")
        weights = {name: tensor for name, tensor in other.state_dict().items() if not name.startswith("fc.")}
        self.load_state_dict(weights, strict=False)

    def check(self, dataset):
        """Raises DataError if a data set has other joints."""
        self.skeleton.check_same(dataset.skeleton, "the model", "the data")

    def forward(self, landmarks, lengths, mix=None):
        """The scores of the actions.

        landmarks: (N, T, K, 2) float, x then y, px of the image or of any crop that stays fixed throughout the clip;
            NaN where missing. lengths: (N,) int, frames of each clip; later frames are ignored.
        mix: a `Mix` of the clips, in training, or None.
        Returns logits (N, num_actions), never NaN. Raises DataError for other shapes and lengths.
        """
        self._check(landmarks, lengths)
        features, seen = self._features(landmarks.to(self.fc.weight.dtype), lengths.to(landmarks.device))
        # A joint that is never seen is replaced by the mean over all clips, in the statistics as well as in the
        # features.
        features = torch.where(seen[:, None], features, self.norm.running_mean)
        x = self.norm(features.flatten(0, 1)).view_as(features) * seen[:, None]
        x = mix.blend(x) if mix else x  # after the statistics, which remain those of people
        return self.fc(self.dropout(self._pool(self.lstm(x)[0])))

    def _check(self, landmarks, lengths):
        joints = len(self.skeleton)
        if landmarks.ndim != 4 or landmarks.shape[2:] != (joints, 2):
            raise DataError(f"expected landmarks (N, T, {joints}, 2), got {tuple(landmarks.shape)}")
        if lengths.shape != landmarks.shape[:1] or not ((lengths >= 1) & (lengths <= landmarks.shape[1])).all():
            raise DataError(
                f"expected {len(landmarks)} lengths from 1 to {landmarks.shape[1]}, the frames, got {lengths.tolist()}"
            )

    def _features(self, landmarks, lengths):
        """Features (N, frames, F), and which of them were ever seen (N, F)."""
        landmarks, seen = fill_missing(landmarks, lengths)
        positions, path = normalise(landmarks, lengths, seen, self.skeleton)
        if self.bones:
            vectors, both_seen = bones(positions, seen, self.skeleton)
            positions, seen = torch.cat([positions, vectors], dim=2), torch.cat([seen, both_seen], dim=1)
        body = torch.cat([positions, path], dim=2)  # (N, T, K + L + 1, 2)
        seen = torch.cat([seen, seen.any(dim=1, keepdim=True)], dim=1)
        body = resample(body, lengths, self.frames)
        if self.velocities:
            body = torch.cat([body, velocities(body)], dim=2)
            seen = seen.repeat(1, 2)
        return body.flatten(2), seen.repeat_interleave(2, dim=1)

    def _pool(self, states):
        """One vector per clip from its states (N, frames, states)."""
        if self.pooling == "last":
            if not self.lstm.bidirectional:
                return states[:, -1]
            half = states.shape[2] // 2  # the backward direction ends at the first step
            return torch.cat([states[:, -1, :half], states[:, 0, half:]], dim=1)
        if self.pooling == "mean":
            return states.mean(dim=1)
        pooled = []
        if self.attention is not None:
            pooled.append((states * self.attention(states).softmax(dim=1)).sum(dim=1))
        if "max" in self.pooling:
            pooled.append(states.amax(dim=1))
        return torch.cat(pooled, dim=1)
