"""Progress bars: a line on standard output, or one output of a notebook cell that is updated in place."""

import sys

from tqdm import tqdm


def progress_bar(total, what, unit, done=0, hidden=False):
    """A `tqdm` bar. In a notebook it stays one line, even if other output comes in between."""
    stream = sys.stdout if hidden or not _in_notebook() else _Line()
    return tqdm(total=total, initial=done, desc=what, unit=unit, file=stream, mininterval=0.5, disable=hidden)


def _in_notebook():
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return type(get_ipython()).__name__ == "ZMQInteractiveShell"


class _Line:
    """A file that shows the last line written to it, in one output of the cell."""

    def __init__(self):
        from IPython.display import display

        self._output = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, text):
        line = text.strip("\r\n")
        if line:
            self._output.update({"text/plain": line}, raw=True)

    def flush(self):
        pass
