"""Coarser grids over the same square. NumPy only, so that it is read without the projector's compiler."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def local_mean(images: npt.ArrayLike, factor: int) -> npt.NDArray[np.float32]:
    """Return (..., rows, columns) averaged over ``factor`` x ``factor`` pixels, float32.

    Raises ``ValueError`` if ``factor`` does not divide rows and columns.
    """
    values = np.asarray(images)
    if factor < 1 or values.ndim < 2 or values.shape[-2] % factor or values.shape[-1] % factor:
        raise ValueError(
            f"cannot cut images of shape {values.shape} into blocks: the factor {factor} does not divide their sides"
        )
    if factor == 1:
        return values.astype(np.float32)
    rows, columns = values.shape[-2] // factor, values.shape[-1] // factor
    blocks = values.reshape(*values.shape[:-2], rows, factor, columns, factor)
    means: npt.NDArray[np.float32] = blocks.mean(axis=(-3, -1), dtype=np.float64).astype(np.float32)
    return means
