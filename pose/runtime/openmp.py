"""Lets PyTorch's idle threads sleep. Import it before torch: OpenMP reads the environment once, when it is loaded."""

import os

# By default an idle thread spins until the others have finished; if another process uses one of the cores, most of the
# time is lost to that.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
