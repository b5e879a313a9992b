"""torchvision, beside its own torch and beside a processor-only one."""

import sys
from types import ModuleType

import pytest

from pose import augmentation


@pytest.fixture
def transforms():
    """The import, not remembered from or for other tests."""
    return augmentation._torchvision_transforms.__wrapped__


def test_no_operator_is_declared_twice_beside_a_torchvision_that_fits(transforms, monkeypatch):
    fits = ModuleType("torchvision.transforms")
    fits.v2 = object()
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.transforms", fits)
    monkeypatch.setattr(augmentation, "_declare_torchvision_operators", lambda: pytest.fail("declared"))
    assert transforms() is fits.v2


def test_the_light_can_be_changed_with_the_torchvision_at_hand():
    v2 = augmentation._torchvision_transforms()
    assert hasattr(v2.functional, "adjust_contrast")
