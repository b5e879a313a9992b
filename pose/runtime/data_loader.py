"""`Loader`: a `DataLoader` whose processes hand on the project's errors as they are."""

from functools import partial
from itertools import repeat

from torch.utils.data import DataLoader, Dataset, IterableDataset, default_collate

from pose.runtime.ctrl_c import interrupted_later
from pose.runtime.errors import OutOfMemory, PoseError


class Loader(DataLoader):
    """A `DataLoader` that raises an error of the project with its own message, wherever a sample was loaded.

    PyTorch would put the traceback of the loading process into the message. Raises OutOfMemory where such a process was
    killed, which mostly is for its memory.
    """

    def __init__(self, dataset, *args, collate_fn=default_collate, **options):
        guarded = _GuardedStream if isinstance(dataset, IterableDataset) else _Guarded
        super().__init__(guarded(dataset), *args, collate_fn=partial(_batch_or_error, collate_fn), **options)

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


class _Guarded(Dataset):
    """A data set whose errors are items."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __getitem__(self, index):
        try:
            return self.data[index]
        except PoseError as error:
            return error


class _GuardedStream(IterableDataset):
    """An iterable data set whose error is its last item, again and again, since an incomplete batch may be dropped."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data)

    def __iter__(self):
        try:
            yield from self.data
        except PoseError as error:
            yield from repeat(error)


def _batch_or_error(collate, samples):
    return next((sample for sample in samples if isinstance(sample, PoseError)), None) or collate(samples)
