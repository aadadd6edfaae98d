"""The descriptors of each slice, by which two slices are compared: each slice is read once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.ct.units import MU_WATER
from bench.leaks import local_contrast, spectrum

VIEWS = 2  # the slice itself, and what a soft-tissue window leaves of it
FULL, SOFT = range(VIEWS)
_GAIN = 256.0  # float16 keeps numbers near 1 best; a detail's are near 1/128


@dataclass(frozen=True)
class Descriptors:
    """The descriptors of N slices, two views each: details, polar spectra and what no pose changes.

    About 160 KB a slice. ``fine`` (N, 2, 128 * 128) float16 is scaled by 256; ``invariant`` (N, 2, 24 * 48).
    """

    fine: npt.NDArray[np.float16]
    invariant: npt.NDArray[np.float32]
    angular: npt.NDArray[np.complex64]

    def details(self, rows: Any, view: int) -> npt.NDArray[np.float32]:
        """Return details as rows of norm 1, (..., 128 * 128) float32."""
        values: npt.NDArray[np.float32] = self.fine[rows, view].astype(np.float32) / np.float32(_GAIN)
        return values

    def picture(self, row: int, view: int) -> npt.NDArray[np.float32]:
        """Return one detail, (128, 128)."""
        return self.details(row, view).reshape(local_contrast.SIDE, local_contrast.SIDE)

    def coarse(self, row: int, view: int) -> npt.NDArray[np.float32]:
        """Return one detail on 64 x 64 pixels."""
        return local_contrast.coarse(self.picture(row, view))


def empty(count: int) -> Descriptors:
    """Return room for the descriptors of ``count`` slices."""
    return Descriptors(
        np.empty((count, VIEWS, local_contrast.SIDE**2), np.float16),
        np.empty((count, VIEWS, len(spectrum.RADII) * spectrum.ORDERS), np.float32),
        np.empty((count, VIEWS, len(spectrum.RADII), spectrum.ANGLES // 2 + 1), np.complex64),
    )


def fill(descriptors: Descriptors, images: Any, *, threads: int = 1) -> Iterator[int]:
    """Compute the descriptors of all slices, and yield the number of slices done.

    ``images`` is array-like (N, n, n), mu in 1/cm; it may be memory-mapped.
    """
    pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="describe")
    try:
        rows = range(len(images))
        for done, _ in enumerate(pool.map(lambda row: _fill(descriptors, row, images[row]), rows), start=1):
            yield done
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _fill(descriptors: Descriptors, row: int, image: Any) -> None:
    values = local_contrast.small(image) / np.float32(MU_WATER)
    for view, windowed in ((FULL, np.maximum(values, 0.0)), (SOFT, np.clip(values, *local_contrast.SOFT))):
        detail = local_contrast.detail(windowed)
        descriptors.fine[row, view] = detail.ravel() * np.float32(_GAIN)
        descriptors.angular[row, view] = spectrum.series(spectrum.polar(detail))
        descriptors.invariant[row, view] = spectrum.invariant(descriptors.angular[row, view])
