"""Lets PyTorch's idle threads sleep. Import it before torch: OpenMP reads the environment once, when it is loaded."""

import os

# By default an idle thread spins until the others have finished; if another process uses one of the cores, most of the
# time is lost to that. GNU's OpenMP may spin a little, some microseconds: falling asleep between any two layers takes
# a tenth of the time on a quiet machine.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
