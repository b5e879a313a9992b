"""`Loader`: a `DataLoader` that says which epoch it is, and raises the project's errors as they were raised."""

from contextlib import contextmanager
from functools import partial
from itertools import repeat

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from pose.augmentation import EPOCH
from pose.runtime.ctrl_c import interrupted_later
from pose.runtime.errors import OutOfMemory, PoseError


class Loader(DataLoader):
    """A `DataLoader` whose samples are those of the epoch that `set_epoch` says, whatever wraps the data set.

    An error of the project is raised with its own message, wherever a sample was loaded; PyTorch would put the
    traceback of the loading process into it. Raises OutOfMemory where such a process was killed, which mostly is for
    its memory.
    """

    def __init__(self, dataset, *args, collate_fn=default_collate, **options):
        wrapper = _Stream if isinstance(dataset, IterableDataset) else _Items
        super().__init__(wrapper(dataset), *args, collate_fn=partial(_batch_or_error, collate_fn), **options)

    def set_epoch(self, epoch):
        """Another epoch: another order, other augmentations."""
        self.dataset.epoch.fill_(epoch)
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def __iter__(self):
        try:
            with interrupted_later():
                batches = super().__iter__()
            for batch in batches:
                if isinstance(batch, PoseError):
                    raise batch
                yield batch
        except RuntimeError as error:
            if not str(error).startswith("DataLoader worker (pid"):
                raise
            raise OutOfMemory(
                f"a process that loads samples ended ({error}); if it lacked memory take fewer workers, or smaller "
                "batches"
            ) from None


class _InEpoch:
    """A data set in an epoch that lies in shared memory, where the processes that load samples see it change."""

    def __init__(self, data):
        self.data = data
        self.epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def __len__(self):
        return len(self.data)

    @contextmanager
    def in_epoch(self):
        token = EPOCH.set(int(self.epoch))
        try:
            yield
        finally:
            EPOCH.reset(token)


class _Items(_InEpoch, Dataset):
    """A data set whose errors are items."""

    def __getitem__(self, index):
        try:
            with self.in_epoch():
                return self.data[index]
        except PoseError as error:
            return error


class _Stream(_InEpoch, IterableDataset):
    """An iterable data set whose error is its last item, again and again, since an incomplete batch may be dropped."""

    def __iter__(self):
        samples, done = iter(self.data), object()
        try:
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
