"""Files: text read whatever its encoding, and atomic writes."""

import codecs
import csv
import errno
import io
import os
import sys
from contextlib import contextmanager
from pathlib import Path

from pose.runtime.errors import DataError, FileError, MissingError, PoseError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def open_text(path, what, newline=None):
    """An open text file: UTF-8, with or without a byte order mark; other bytes become surrogates.

    what: its name in messages. Raises MissingError, FileError if it may not be read, DataError for UTF-16.
    """
    encoding = encoding_of(path, what)
    if encoding.startswith("utf-16"):
        raise DataError(f"{path}: is saved as UTF-16; save it as UTF-8")
    return open(path, encoding=encoding, errors="surrogateescape", newline=newline)


def encoding_of(path, what):
    """The encoding of a text file: "utf-8", "utf-8-sig" if it begins with a byte order mark, or a kind of "utf-16".

    UTF-16 has a mark of its own, or roughly every other byte is 0. Raises MissingError and FileError.
    """
    with _readable(path, what), open(path, "rb") as file:
        start = file.read(1000)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for offset, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        if len(start) > 10 and start[offset::2].count(0) > len(start) / 4:
            return name
    return "utf-8-sig" if start.startswith(codecs.BOM_UTF8) else "utf-8"


@contextmanager
def _readable(path, what):
    """Turns the reason why a file cannot be read into an error that explains it."""
    try:
        yield
    except PoseError:
        raise
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise MissingError(f"{path}: there is no such {what}; check the path") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None


def user_cache():
    """The folder for what may be computed or fetched again, in the user's cache."""
    cache = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    return Path(cache or Path.home() / ".cache") / "kinect-pose"


def read_bytes(path, what):
    """The content of a file. Raises MissingError, and FileError if it may not be read; `what`: its name in messages."""
    with _readable(path, what):
        return Path(path).read_bytes()


def write_atomically(path, content):
    """Writes bytes, or text as UTF-8, creating the folder; a kill at any moment leaves the old file or the new one.

    Raises FileError if it cannot be written (no permission, or a full disk); the old file then remains.
    """
    path = Path(path)
    temporary = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.unlink(missing_ok=True)  # left by a kill, or a link planted there
            with open(temporary, "xb") as file:
                file.write(content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise not_written(path, error) from None


def write_csv(path, rows):
    """Writes dictionaries with equal keys as a CSV file under a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomically(path, text.getvalue())


def temporary_path(path):
    """Where `write_atomically` writes before it renames; a kill may leave this file."""
    return path.with_name(path.name + ".tmp")


def not_written(path, error):
    """The FileError that says why `path` could not be written, and what to do."""
    if error.errno in _FULL:
        advice = "the disk is full: free some space"
    elif error.errno in _FORBIDDEN:
        advice = "you may not write there: change the permissions"
    else:
        advice = "check the path"
    return FileError(f"{path}: cannot be written ({error.strerror}); {advice}, or choose another folder")


def printable(text):
    """The text with control characters and lone surrogates, which a terminal would obey or cannot print, escaped."""
    return "".join(c if c.isprintable() else spelled_out(c) for c in str(text))


def spelled_out(character):
    return character.encode("unicode_escape", "surrogatepass").decode()
