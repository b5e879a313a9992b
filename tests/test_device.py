"""The allocator's tuning, and how to turn it off."""

import ctypes
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
