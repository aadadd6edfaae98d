"""A metric: the mean absolute error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from bench.metrics import Pair


def mae_hu(pair: Pair) -> float:
    """Return the mean absolute error of a slice in HU."""
    return 1000.0 * float(np.abs(pair.reference - pair.image).mean())
