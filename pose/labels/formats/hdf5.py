"""HDF5 files, read with h5py: numbers and texts only."""

from contextlib import contextmanager

from pose.runtime.errors import DataError, PoseError, optional_package
from pose.runtime.files import read_bytes

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_BYTES = 2**30  # of an array; a small file can claim any size


@contextmanager
def open_hdf5(path, tool):
    """An HDF5 file, open for reading; errors about its content become DataError, as in `malformed`."""
    h5py = optional_package("h5py", "reading .h5 and .slp files", "'kinect-pose[h5]'")
    if not read_bytes(path, f"{tool} file").startswith(SIGNATURE):
        raise DataError(f"{path}: is not an HDF5 file; export it again")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except PoseError:
        raise
    except Exception as error:  # h5py raises almost anything for a damaged file
        raise DataError(
            f"{path}: is not as {tool} writes it ({type(error).__name__}: {error!s:.100}); export it again"
        ) from None


def array(file, name):
    """An array of the file. Raises DataError if it lies in another file, or is too large."""
    link = file.get(name, getlink=True)
    if link is None:
        raise DataError(f"{file.file.filename}: has no {name!r}; is it the file that the labels were saved in?")
    dataset = None if hasattr(link, "filename") else file[name]
    if dataset is None or dataset.external or dataset.is_virtual:
        raise DataError(f"{file.file.filename}: {name!r} lies in another file; save everything in one file")
    if dataset.nbytes > MAX_BYTES:
        raise DataError(f"{file.file.filename}: {name!r} has more than {MAX_BYTES / 1e9:.1f} GB; export fewer frames")
    return dataset[()]


def texts(file, name):
    """An array of texts as a list of str."""
    return [text.decode() if isinstance(text, bytes) else str(text) for text in array(file, name).tolist()]
