"""Delays Ctrl-C until it can be handled safely."""

import signal
import threading
from contextlib import contextmanager


@contextmanager
def defer_ctrl_c():
    """Holds Ctrl-C back until the end of a block in which C code or a fork would lose or misreport it.

    Processes started within the block ignore Ctrl-C: their parent handles it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending = []
    previous = signal.signal(signal.SIGINT, lambda *arguments: pending.append(arguments)) or signal.SIG_DFL
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)
        if pending and callable(previous):
            previous(*pending[0])
