"""A print of each slice: what two slices are compared by. Each slice is read once."""

from __future__ import annotations

from collections.abc import Generator
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
class Prints:
    """The prints of N slices, two views each: details, polar spectra and what no pose changes.

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


def take(images: Any, *, threads: int = 1) -> Generator[int, None, Prints]:
    """Yield the number of slices done and return their prints.

    ``images`` is array-like (N, n, n), mu in 1/cm; it may be memory-mapped.
    """
    count = len(images)
    prints = Prints(
        np.empty((count, VIEWS, local_contrast.SIDE**2), np.float16),
        np.empty((count, VIEWS, len(spectrum.RADII) * spectrum.ORDERS), np.float32),
        np.empty((count, VIEWS, len(spectrum.RADII), spectrum.ANGLES // 2 + 1), np.complex64),
    )
    pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="print")
    try:
        for done, _ in enumerate(
            pool.map(lambda row: _fill(prints, row, images[row]), range(count)), start=1
        ):
            yield done
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return prints


def _fill(prints: Prints, row: int, image: Any) -> None:
    values = local_contrast.small(image) / np.float32(MU_WATER)
    for view, shown in ((FULL, np.maximum(values, 0.0)), (SOFT, np.clip(values, *local_contrast.SOFT))):
        found = local_contrast.detail(shown)
        prints.fine[row, view] = found.ravel() * np.float32(_GAIN)
        prints.angular[row, view] = spectrum.series(spectrum.polar(found))
        prints.invariant[row, view] = spectrum.invariant(prints.angular[row, view])
