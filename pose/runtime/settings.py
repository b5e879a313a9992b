"""Validation of hyperparameter dataclasses: a wrong value is rejected immediately, by name."""

import math
import os
from dataclasses import fields
from numbers import Integral, Real

from pose.runtime.errors import DataError

_RANGES = {
    "counts": (lambda value: value >= 1, "at least 1"),
    "positive": (lambda value: value > 0, "above 0"),
    "not_negative": (lambda value: value >= 0, "0 or more"),
    "shares": (lambda value: 0 <= value <= 1, "a share from 0 to 1"),
    "below_one": (lambda value: 0 <= value < 1, "a share from 0 to below 1"),
}


def check(config, **names):
    """Raises DataError if a field of `config` has another type than declared, or is out of range.

    names: `counts=`, `positive=`, `not_negative=`, `shares=`, `below_one=`: the names of the fields in that range.
    NumPy numbers become Python numbers, and paths become text, so that they can be saved.
    """
    for field in fields(config):
        object.__setattr__(config, field.name, _typed(field, getattr(config, field.name)))
    for kind, of_kind in names.items():
        fits, what = _RANGES[kind]
        for name in of_kind:
            if not fits(getattr(config, name)):
                raise DataError(f"{name} must be {what}, not {getattr(config, name)!r}")


def _typed(field, value):
    """The value converted to the field's type. Raises DataError if that is not possible."""
    if field.type is int and isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    if field.type is float and isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if field.type is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    if field.type in (int, float) or not isinstance(value, field.type):
        what = {int: "a whole number", float: "a finite number"}.get(field.type)
        raise DataError(f"{field.name} must be {what or getattr(field.type, '__name__', field.type)}, not {value!r}")
    return value
