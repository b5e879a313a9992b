"""The device: which one computes, in which precision, and how its memory is used."""

import ctypes
import os
import platform
import sys
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import cv2
import torch

from pose.runtime.errors import DataError


def default_device():
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def chosen_device(device=None):
    """The device of that name, by default `default_device()`. Raises DataError if this machine has no such device."""
    try:
        chosen = torch.device(device or default_device())
    except RuntimeError:
        raise DataError(f"there is no device {device!r}; use 'cpu' or 'cuda', or leave it out") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise DataError("PyTorch finds no GPU here; leave device out")
    return chosen


def machine():
    """The hardware in words: the GPU, or else the `processor()`."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else processor()


def processor():
    """The number of threads and the CPU model, in words."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return f"{torch.get_num_threads()} thread(s) of {next(models, platform.machine())}"


def has_bf16(device):
    """Whether the device has instructions for bf16; a CPU may nevertheless be slower with them."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.backends.mkldnn.is_available() and torch.cpu._is_avx512_bf16_supported()


def compiles(device):
    """Whether `torch.compile` pays off: on a GPU with Triton and a compiler; on a CPU it costs more than it saves."""
    if device.type != "cuda" or torch.cuda.get_device_capability(device) < (7, 0):
        return False
    compiler = os.environ.get("CC") or which("cc") or which("gcc") or which("clang")
    return bool(find_spec("triton") and compiler)


def autocast(device, bf16):
    """`torch.autocast` to bf16 if `bf16` is true, otherwise disabled."""
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)


def tuned(device, tf32=True):
    """A context in which cuDNN times its convolutions for each input size and uses the fastest; no-op on a CPU.

    tf32: full-precision convolutions may round their factors to 10 bits, which is many times faster.
    """
    if device.type != "cuda":
        return nullcontext()
    deterministic = torch.backends.cudnn.deterministic
    return torch.backends.cudnn.flags(True, benchmark=not deterministic, deterministic=deterministic, allow_tf32=tf32)


def keep_freed_memory():
    """Tells glibc to keep large freed blocks for the next allocation, for the rest of this process.

    By default each large tensor is newly mapped and returned to the system, which slows down training on the CPU. Does
    nothing if the C library is not glibc, or if the environment sets one of glibc's own MALLOC_… variables or
    POSE_KEEP_MEMORY=0.
    """
    tuned_by_user = any(name.startswith("MALLOC_") for name in os.environ)
    if not sys.platform.startswith("linux") or tuned_by_user or os.environ.get("POSE_KEEP_MEMORY") == "0":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        trim_threshold, top_pad, mmap_max = -1, -2, -4  # M_… in malloc.h
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(top_pad, 2**28)


def one_thread(worker):
    """Limits OpenCV to one thread in a loading process: `DataLoader(worker_init_fn=one_thread)`."""
    cv2.setNumThreads(0)


_OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "_ALLOC_FAILED")  # from the CPU, CUDA, cuDNN and cuBLAS


def is_out_of_memory(error):
    """Whether a RuntimeError from PyTorch means that memory ran out, on a GPU or a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in _OUT_OF_MEMORY)


def to_device(batch, device):
    """A batch (N, C, H, W) on the device, copied asynchronously, in the memory layout of the fastest convolutions."""
    return batch.to(device, non_blocking=True, memory_format=torch.channels_last)


class AsyncCopy:
    """Copies tensors to the CPU while the device continues computing; `read()` waits for them."""

    def __init__(self, *tensors):
        self._tensors = [tensor.detach().to("cpu", non_blocking=True) for tensor in tensors]
        self._event = torch.cuda.Event() if tensors[0].is_cuda else None
        if self._event:
            self._event.record()

    def read(self):
        """The tensors, in a list."""
        if self._event:
            self._event.synchronize()
        return self._tensors
