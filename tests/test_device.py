"""The allocator's tuning, idle threads, and how to turn either off."""

import ctypes
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from pose.runtime.device import keep_freed_memory


@pytest.fixture
def mallopt_calls(monkeypatch):
    """The arguments that mallopt was called with."""
    calls = []
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=lambda *call: calls.append(call)))
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("POSE_KEEP_MEMORY", "MALLOC_TOP_PAD_", "MALLOC_ARENA_MAX"):
        monkeypatch.delenv(name, raising=False)
    return calls


def test_freed_memory_is_kept(mallopt_calls):
    keep_freed_memory()
    assert (-4, 0) in mallopt_calls  # M_MMAP_MAX: no block is mapped on its own
    assert any(option == -1 and value > 2**30 for option, value in mallopt_calls)  # M_TRIM_THRESHOLD


@pytest.mark.parametrize(("name", "value"), [("POSE_KEEP_MEMORY", "0"), ("MALLOC_TOP_PAD_", "1")])
def test_the_environment_turns_it_off(mallopt_calls, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    keep_freed_memory()
    assert not mallopt_calls


def test_other_systems_are_left_alone(mallopt_calls, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    keep_freed_memory()
    assert not mallopt_calls


# As if torch were not installed: what had been set when it was first looked for?
WITHOUT_TORCH = """
import os, sys
sys.modules["torch"] = None
try:
    import {package}
except ImportError:
    print(os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize("package", ["pose", "har"])
@pytest.mark.parametrize(
    ("yours", "found"),
    [({}, "PASSIVE 1000"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE None"), ({"GOMP_SPINCOUNT": "5"}, "PASSIVE 5")],
)
def test_idle_threads_sleep_unless_you_say_otherwise(package, yours, found):
    others = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    command = [sys.executable, "-c", WITHOUT_TORCH.format(package=package)]
    printed = subprocess.run(command, env=others | yours, check=True, text=True, stdout=subprocess.PIPE).stdout
    assert printed == f"{found}\n"
