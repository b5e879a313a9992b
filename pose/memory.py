"""A batch that does not fit into the memory: noticed, and the largest one that does."""

import torch

from pose.errors import DataError

_OUT_OF_MEMORY = ("can't allocate memory", "out of memory", "_ALLOC_FAILED")  # of the processor, CUDA, cuDNN and cuBLAS


def is_out_of_memory(error):
    """Whether a RuntimeError of PyTorch says that memory is used up, on a GPU or a processor."""
    return isinstance(error, torch.OutOfMemoryError) or any(text in str(error) for text in _OUT_OF_MEMORY)


def largest_that_fits(attempt, batch):
    """The largest of batch/2, batch/4, …, 1 with which `attempt(size)` runs; 0 where none does."""
    while batch > 1:
        batch //= 2
        if _runs(attempt, batch):
            return batch
    return 0


def _runs(attempt, size):
    """Whether attempt(size) has enough memory. What it leaves is given back, also to other libraries."""
    try:
        attempt(size)
    except DataError:  # too small a batch for batch norm
        return False
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return False
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return True
