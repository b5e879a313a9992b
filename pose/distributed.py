"""Several processes under `torchrun`: who am I, and batch norm over all of them. One process needs none of it."""

import os
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def start():
    """Joins the process group of `torchrun`; does nothing without one, or where it is joined already."""
    if dist.is_torchelastic_launched() and not dist.is_initialized():
        cuda = torch.cuda.is_available()
        if cuda:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        # The others wait while the first process validates.
        dist.init_process_group("nccl" if cuda else "gloo", timeout=timedelta(hours=3))


def rank():
    return dist.get_rank() if dist.is_initialized() else 0


def size():
    return dist.get_world_size() if dist.is_initialized() else 1


def wrap(model):
    """The model as it is to be called in training: itself, or `DistributedDataParallel` with synchronised batch norm.

    So N processes with a batch of B/N each compute what one process does with a batch of B.
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
    """What `make()` returns in the first process, in all of them; the others do not call it."""
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


class _MeanOverProcesses(torch.autograd.Function):
    """The mean of a tensor over all processes, through which gradients flow back to all of them."""

    @staticmethod
    def forward(ctx, tensor):
        return mean(tensor.clone())

    @staticmethod
    def backward(ctx, gradient):
        return mean(gradient.clone())


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm with the statistics of all processes' batches of equal size, for the CPU, where torch has none."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        wide = x.to(self.weight.dtype)
        average = _MeanOverProcesses.apply(wide.mean(dim=(0, 2, 3)))
        centred = wide - average[:, None, None]
        variance = _MeanOverProcesses.apply(centred.square().mean(dim=(0, 2, 3)))
        with torch.no_grad():
            count = size() * x.numel() / x.shape[1]
            self.running_mean.lerp_(average, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)
