"""The result of one check of the audit: a measured number, the interval it must lie in, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import SupportsFloat


@dataclass(frozen=True)
class Check:
    """One statement about the simulator: ``measured`` must lie in ``low`` .. ``high``.

    ``name`` is ``object.quantity``, with the condition in brackets where it belongs to one. ``law`` says what is
    compared with which closed form and why the bound is what it is.
    """

    name: str
    measured: float
    low: float
    high: float
    unit: str
    law: str

    @property
    def passed(self) -> bool:
        """Whether the number lies in its interval; what is not a number does not."""
        return self.low <= self.measured <= self.high

    @property
    def bound(self) -> str:
        """The interval as a person writes it: ``+-3``, ``at most 0.05``, ``0.85 to 1.15`` or ``30``."""
        if self.low == self.high:
            return _short(self.high)
        if self.low == -self.high:
            return f"+-{_short(self.high)}"
        if self.low == 0.0:
            return f"at most {_short(self.high)}"
        return f"{_short(self.low)} to {_short(self.high)}"

    @property
    def value(self) -> str:
        """The measured number to three figures, whole numbers as they are."""
        return _short(self.measured)


def _short(value: float) -> str:
    if math.isfinite(value) and value == round(value) and abs(value) < 1e6:
        return f"{value:.0f}"
    return f"{value:.3g}"


def within(name: str, measured: SupportsFloat, bound: float, unit: str, law: str) -> Check:
    """Return a check of a deviation from zero, at most ``bound`` to either side."""
    return Check(name, float(measured), -bound, bound, unit, law)


def at_most(name: str, measured: SupportsFloat, bound: float, unit: str, law: str) -> Check:
    """Return a check of a distance, between zero and ``bound``."""
    return Check(name, float(measured), 0.0, bound, unit, law)


def between(name: str, measured: SupportsFloat, bounds: tuple[float, float], unit: str, law: str) -> Check:
    """Return a check of a number between two ``bounds``; equal ones ask for exactly that number."""
    return Check(name, float(measured), *bounds, unit, law)
