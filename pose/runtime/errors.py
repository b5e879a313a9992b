"""Errors that the user can fix: each message says what is wrong, where, and what to do.

Each also derives from the matching built-in error, so `except ValueError` or `except OSError` catches it. A notebook
shows the message without a traceback.
"""

from importlib import import_module


class _MessageOnly:
    def _render_traceback_(self):  # called by IPython
        return [f"{type(self).__name__}: {self}"]


class PoseError(_MessageOnly, Exception):
    """The base class: something is wrong with data, files, settings or the machine."""


class Interrupted(_MessageOnly, KeyboardInterrupt):
    """A training was interrupted; the message says how to continue."""


class DataError(PoseError, ValueError):
    """A value, an array or a file's content is invalid."""


class MissingError(PoseError, FileNotFoundError):
    """A file or folder does not exist."""


class ExistsError(PoseError, FileExistsError):
    """A file or folder already exists and would be overwritten."""


class FileError(PoseError, OSError):
    """A file cannot be read or written: no permission, or a full disk."""


class PackageError(PoseError, ImportError):
    """An optional package is not installed."""


class LossError(PoseError, FloatingPointError):
    """The loss of a training is no longer finite."""


class OutOfMemory(PoseError, MemoryError):
    """A batch does not fit into memory."""


def optional_package(name, what, install):
    """The module of that name, which `what` needs. Raises PackageError, saying what to install, if it is missing."""
    try:
        return import_module(name)
    except ImportError:
        raise PackageError(f"{what} needs more packages: pip install {install}") from None
