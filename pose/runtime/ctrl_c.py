"""Ctrl-C at a better moment."""

import signal
import threading
from contextlib import contextmanager


@contextmanager
def interrupted_later():
    """Holds Ctrl-C back to the end of the block, where C code or a fork would lose it or take it for another error.

    Processes that start within the block ignore Ctrl-C, which is their parent's to handle.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = []
    before = signal.signal(signal.SIGINT, lambda *arguments: came.append(arguments)) or signal.SIG_DFL
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came and callable(before):
            before(*came[0])
