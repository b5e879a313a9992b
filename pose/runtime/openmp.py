"""Lets PyTorch's idle threads sleep. Import it before torch: OpenMP reads the environment once, when it is loaded."""

import os

# By default an idle thread spins for a while before it sleeps; if another process needs one of the cores, most of the
# time is lost to that. With PASSIVE alone it sleeps at once, between any two layers, which costs a tenth of the speed
# on a quiet machine; so GNU's OpenMP may spin for some microseconds.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
