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


def to_object(image: npt.ArrayLike, size: int) -> tuple[Image, Image]:
    """Return a square slice (N, N) as an object to project (2 size, 2 size), and its reference (size, size).

    The reference is the 2 x 2 mean of the object, so that object and reference are equally sharp: a second, separate
    resize is not, and the scan alone would then score several decibels more or less at one size than at the next.
    Only a slice of its own size (N = ``size``) stays as it came, and the object is interpolated from it. float32;
    raises ``ValueError`` for an image that is not square.
    """
    fine = to_size(image, 2 * size)
    original = np.shape(image)[0] == size
    return fine, to_size(image, size) if original else local_mean(fine, 2)


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
