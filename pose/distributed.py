"""Several processes under `torchrun`: who am I, and batch norm over all of them. One process needs none of it."""

import os

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.parallel import DistributedDataParallel


def start():
    """Joins the process group of `torchrun`; does nothing without one, or where it is joined already."""
    if "RANK" in os.environ and not dist.is_initialized():
        cuda = torch.cuda.is_available()
        if cuda:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
        dist.init_process_group("nccl" if cuda else "gloo")


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


def from_first(value):
    """The first process's `value`, in all of them."""
    if size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def mean(tensor):
    """The mean of a tensor over all processes."""
    if size() > 1:
        dist.all_reduce(tensor)
    return tensor / size()


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """Batch norm with the statistics of all processes' batches of equal size, for the CPU, where torch has none."""

    def forward(self, x):
        if not self.training:
            return super().forward(x)
        wide = x.float()
        mean = all_reduce(wide.mean(dim=(0, 2, 3))) / size()
        centred = wide - mean[:, None, None]
        variance = all_reduce(centred.square().mean(dim=(0, 2, 3))) / size()
        with torch.no_grad():
            count = size() * x.numel() / x.shape[1]
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)
