"""Slices on another grid that covers the same square: a named step, since it changes noise and sharpness.

Grids share their outer border, so the centre of pixel i of n lies at (i + 0.5) / n of the width.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bench.ct.resample import local_mean

Image = npt.NDArray[np.float32]


def double(image: npt.ArrayLike) -> Image:
    """Return ``image`` (H, W) bilinearly interpolated to (2H, 2W), float32; constant beyond the border."""
    return _double_rows(_double_rows(np.asarray(image, np.float32)).T).T.copy()


def _double_rows(values: Image) -> Image:
    padded = np.concatenate([values[:1], values, values[-1:]])
    out = np.empty((2 * values.shape[0], values.shape[1]), np.float32)
    near = np.float32(0.75) * values
    out[0::2] = near + np.float32(0.25) * padded[:-2]
    out[1::2] = near + np.float32(0.25) * padded[2:]
    return out


def to_size(image: npt.ArrayLike, size: int) -> Image:
    """Return a square ``image`` (N, N) on ``size`` x ``size`` pixels, float32.

    Equal size: unchanged. N a multiple of ``size``: local mean. ``size`` = 2 N: bilinear. Otherwise linear
    interpolation after a Gaussian against aliasing (``skimage.transform.resize``). Raises ``ValueError`` for
    an image that is not square.
    """
    values = np.asarray(image)
    if values.ndim != 2 or values.shape[0] != values.shape[1] or size < 1:
        raise ValueError(f"cannot resize an image of shape {values.shape} to {size} x {size}")
    side = values.shape[0]
    if side % size == 0:
        return local_mean(values, side // size)
    if size == 2 * side:
        return double(values)
    from skimage.transform import resize

    resized: Image = resize(  # type: ignore[no-untyped-call]
        values.astype(np.float32),
        (size, size),
        order=1,
        mode="edge",
        anti_aliasing=size < side,
        preserve_range=True,
    ).astype(np.float32)
    return resized
