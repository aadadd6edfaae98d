"""A metric: the mean absolute error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def mae_hu(reference: ArrayLike, image: ArrayLike) -> float:
    """Return the mean absolute error of a slice in HU."""
    return 1000.0 * float(np.abs(np.asarray(reference, np.float64) - np.asarray(image, np.float64)).mean())
