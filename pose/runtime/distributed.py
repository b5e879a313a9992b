"""Several processes under `torchrun`: ranks, reductions, batch norm over all of them. No-ops in a single process."""

import ctypes
import os
import signal
import sys
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def start():
    """Joins the process group of `torchrun`; does nothing if there is none, or if already joined."""
    if dist.is_torchelastic_launched() and not dist.is_initialized():
        _end_with_parent()
        cuda = torch.cuda.is_available()
        if cuda:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        # The others wait while the first process validates.
        dist.init_process_group("nccl" if cuda else "gloo", timeout=timedelta(hours=3))


def _end_with_parent():
    """Makes this process die with torchrun (on Linux), so that it does not interfere with a resumed training."""
    if sys.platform.startswith("linux"):
        set_signal_at_parents_death = 1  # PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(set_signal_at_parents_death, signal.SIGKILL)


def rank():
    return dist.get_rank() if dist.is_initialized() else 0


def size():
    return dist.get_world_size() if dist.is_initialized() else 1


def wrap(model):
    """The model to call in training: itself, or `DistributedDataParallel` with synchronised batch norm.

    N processes with a batch of B/N each then compute the same as one process with a batch of B.
    """
    if size() == 1:
        return model
    if next(model.parameters()).is_cuda:
        return DistributedDataParallel(nn.SyncBatchNorm.convert_sync_batchnorm(model))
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = SyncedBatchNorm2d
    return DistributedDataParallel(model)


def from_first(make):
    """What `make()` returns in the first process, broadcast to all; the others do not call it."""
    if size() == 1:
        return make()
    box = [make() if rank() == 0 else None]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def mean(tensor):
    """The mean of a tensor over all processes."""
    if size() > 1:
        dist.all_reduce(tensor)
    return tensor / size()


def any_of(flags):
    """The element-wise "or" of a numpy array of bools over all processes."""
    if size() == 1:
        return flags
    everywhere = [None] * size()
    dist.all_gather_object(everywhere, flags)
    return np.any(everywhere, axis=0)


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over all processes' batches (of equal size), for the CPU, where torch has none."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        y, average, variance = _Synced.apply(x, self.weight, self.bias, self.eps)
        count = size() * x.numel() / x.shape[1]
        with torch.no_grad():
            self.running_mean.lerp_(average, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            self.num_batches_tracked += 1
        return y


class _Synced(torch.autograd.Function):
    """Normalises x (N, C, H, W) with the mean and variance (C,) over all processes, and returns these as well.

    torch's own kernels do the passes over x; the processes exchange only a few numbers per channel.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        _, here, precision = torch.native_batch_norm(x, weight, bias, None, None, True, 0.0, eps)
        everywhere = torch.stack(_gathered(torch.stack([here, precision**-2 - eps])))  # (processes, 2, C)
        average = everywhere[:, 0].mean(dim=0)
        variance = (everywhere[:, 1] + (everywhere[:, 0] - average).square()).mean(dim=0)
        ctx.save_for_backward(x, weight, average, variance)
        ctx.eps = eps
        ctx.mark_non_differentiable(average, variance)
        y, *_ = torch.native_batch_norm(x, weight, bias, average, variance, False, 0.0, eps)
        return y, average, variance

    @staticmethod
    def backward(ctx, gradient, *_):
        x, weight, average, variance = ctx.saved_tensors
        # First as if the statistics were constants, then the gradient through them (Ioffe and Szegedy 2015).
        by_x, by_weight, by_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, x, weight, average, variance, None, None, False, ctx.eps, [True, True, True]
        )
        to_weight, to_bias = mean(torch.stack([by_weight, by_bias])) / (x.numel() / x.shape[1])
        precision = torch.rsqrt(variance + ctx.eps)
        slope = -weight * precision.square() * to_weight
        shift = -weight * precision * to_bias - slope * average
        by_x = torch.addcmul(by_x + shift[:, None, None], x, slope[:, None, None])
        return by_x.to(x.dtype), by_weight, by_bias, None


def _gathered(tensor):
    """The tensors of all processes, in a list."""
    tensors = [torch.empty_like(tensor) for _ in range(size())]
    dist.all_gather(tensors, tensor)
    return tensors
