"""One family of errors for what a person can fix: each message says what is wrong, where, and what to do.

Each is a built-in error of its kind, too, so `except ValueError` or `except OSError` catches it as well. In a notebook
the message alone is shown.
"""

from importlib import import_module


class _MessageAlone:
    def _render_traceback_(self):  # what IPython shows
        return [f"{type(self).__name__}: {self}"]


class PoseError(_MessageAlone, Exception):
    """Whatever the project finds wrong with data, files, settings or the machine."""


class Interrupted(_MessageAlone, KeyboardInterrupt):
    """A training that somebody has interrupted, with how to go on."""


class DataError(PoseError, ValueError):
    """A value, an array or the content of a file that does not fit."""


class MissingError(PoseError, FileNotFoundError):
    """A file or folder that is not there."""


class ExistsError(PoseError, FileExistsError):
    """A file or folder that already exists and would be replaced."""


class FileError(PoseError, OSError):
    """A file that cannot be read or written: no permission, or a full disk."""


class PackageError(PoseError, ImportError):
    """An optional package that is not installed."""


class LossError(PoseError, FloatingPointError):
    """A training whose loss is no longer finite."""


class OutOfMemory(PoseError, MemoryError):
    """A batch that does not fit into the memory."""


def optional_package(name, what, install):
    """The module of that name. Raises PackageError, saying what to install, where it is missing and `what` needs it."""
    try:
        return import_module(name)
    except ImportError:
        raise PackageError(f"{what} needs more packages: pip install {install}") from None
