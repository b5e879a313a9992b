"""A batch that does not fit into the memory: noticed, and the largest one that does."""

import torch


def is_out_of_memory(error):
    """Whether a RuntimeError of PyTorch says that memory is used up, on a GPU or a processor."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


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
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        return False
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return True
