"""`Loader`: a `DataLoader` that passes the epoch to its data set and the project's errors on to the caller."""

from contextlib import contextmanager
from functools import partial
from itertools import repeat
from types import SimpleNamespace

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from pose.runtime.ctrl_c import defer_ctrl_c
from pose.runtime.errors import OutOfMemory, PoseError

# The epoch of the training that fetches a sample, whatever wraps the data set; None outside of training.
EPOCH = SimpleNamespace(number=None)


class Loader(DataLoader):
    """A `DataLoader` whose samples are those of the epoch given to `set_epoch`, whatever wraps the data set.

    An error of the project keeps its own message, whichever process loaded the sample; PyTorch would replace it by that
    process's traceback. Raises OutOfMemory if a loading process was killed, usually for lack of memory.
    """

    def __init__(self, dataset, *args, collate_fn=default_collate, **options):
        wrapper = _Stream if isinstance(dataset, IterableDataset) else _Items
        super().__init__(wrapper(dataset), *args, collate_fn=partial(_batch_or_error, collate_fn), **options)

    def set_epoch(self, epoch):
        """Changes the order and the augmentations to those of another epoch."""
        self.dataset.epoch.fill_(epoch)
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def __iter__(self):
        try:
            with defer_ctrl_c():
                batches = super().__iter__()
            for batch in batches:
                if isinstance(batch, PoseError):
                    raise batch
                yield batch
        except RuntimeError as error:
            if not str(error).startswith("DataLoader worker (pid"):
                raise
            raise OutOfMemory(
                f"a loading process died ({error}); if it ran out of memory use fewer workers, or smaller batches"
            ) from None


class _InEpoch:
    """A data set and its epoch, which lies in shared memory so that loading processes see it change."""

    def __init__(self, data):
        self.data = data
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self):
        return len(self.data)

    @contextmanager
    def in_epoch(self):
        before, EPOCH.number = EPOCH.number, int(self.epoch)
        try:
            yield
        finally:
            EPOCH.number = before


class _Items(_InEpoch, Dataset):
    """A data set that returns its errors as items."""

    def __getitem__(self, index):
        try:
            with self.in_epoch():
                return self.data[index]
        except PoseError as error:
            return error


class _Stream(_InEpoch, IterableDataset):
    """An iterable data set that ends by repeating its error forever, since an incomplete batch may be dropped."""

    def __iter__(self):
        done = object()
        try:
            with self.in_epoch():
                samples = iter(self.data)  # shards draw their order here
            while True:
                with self.in_epoch():
                    sample = next(samples, done)
                if sample is done:
                    return
                yield sample
        except PoseError as error:
            yield from repeat(error)


def _batch_or_error(collate, samples):
    return next((sample for sample in samples if isinstance(sample, PoseError)), None) or collate(samples)
