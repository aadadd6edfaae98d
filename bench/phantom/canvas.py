"""The canvas of a slice: a fine grid on which tissues are painted one over the other, then blurred and averaged."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from bench.phantom.anatomy import Anatomy, Tissue
from bench.phantom.fields import Array
from bench.phantom.texture import SPACINGS, lattice_noise

AIR_HU = -1000.0
STEP_HU = 1.0 / 64.0
"""What CT numbers are rounded to. Powers and exponentials differ in their last bit between processors and NumPy's
vector instructions; 8 units in the last place of each make 4e-10 HU at most, 1e-12 on average, which moves about one
pixel in a billion to the next step. A power of two, so that the steps are exact in single precision."""
FINE = 1024  # pixels from which a slice is drawn on its own grid


@dataclass(frozen=True)
class View:
    """A rectangle of the fine grid: x as a row and y as a column, in mm of the patient's frame."""

    rows: slice
    columns: slice
    x: Array
    y: Array


class Canvas:
    """The fine grid of one slice at height ``z`` mm, filled with air of exactly -1000 HU.

    ``fine``, ``middle``, ``coarse`` and ``swell`` are noise of unit variance, correlated over ever longer ways.

    Two or more fine pixels per pixel and direction, none wider than 1/256 of the field of view. From 1024 on
    one is enough: surfaces are drawn by the share of a pixel they cover, and the blur is wider than a pixel.
    """

    def __init__(self, a: Anatomy, z: float, size: int) -> None:
        self.factor = 1 if size >= FINE else max(2, ceil(256 / size))
        self.pixels = size * self.factor
        self.step = a.fov / self.pixels
        self.z = z
        self.hu: Array = np.full((self.pixels, self.pixels), AIR_HU)
        axis: Array = (np.arange(self.pixels, dtype=np.float64) + 0.5 - 0.5 * self.pixels) * self.step
        self.shift = a.shift(z)
        self.xs: Array = axis - self.shift[0]
        self.ys: Array = axis - self.shift[1]
        fine, middle, coarse, swell = (lattice_noise(a, z, s, self.pixels, self.step) for s in SPACINGS)
        self.middle: Array = middle
        self.fine: Array = 0.8 * fine + 0.6 * middle
        self.coarse: Array = coarse
        self.swell: Array = swell
        self.whole = self._view(slice(0, self.pixels), slice(0, self.pixels))

    def window(self, x: float, y: float, reach: float) -> View:
        """The part of the grid within ``reach`` mm of (x, y) along both axes."""
        return self._view(self._span(self.ys, y, reach), self._span(self.xs, x, reach))

    @staticmethod
    def _span(axis: Array, centre: float, reach: float) -> slice:
        low, high = np.searchsorted(axis, (centre - reach - 2.0, centre + reach + 2.0))
        return slice(int(low), int(high))

    def _view(self, rows: slice, columns: slice) -> View:
        return View(rows, columns, self.xs[None, columns], self.ys[rows, None])

    def cover(self, distance: Array) -> Array:
        """Share of each fine pixel inside the surface where ``distance`` (mm) is zero."""
        share: Array = np.clip(0.5 - distance * (1.0 / self.step), 0.0, 1.0)
        return share

    def paint(self, view: View, cover: Array, tissue: Tissue, offset: float | Array = 0.0) -> None:
        """Lay ``tissue`` over the view where ``cover`` says; ``offset`` in HU shifts its mean."""
        hu = self.hu[view.rows, view.columns]
        value = np.asarray(tissue.hu + offset) - hu
        if tissue.fine:
            value += self.fine[view.rows, view.columns] * tissue.fine
        if tissue.coarse:
            value += self.coarse[view.rows, view.columns] * tissue.coarse
        hu += cover * value

    def finish(self, blur: float) -> NDArray[np.float32]:
        """Blur with a Gaussian of ``blur`` mm and average to the wanted grid, float32 HU, whole ``STEP_HU``."""
        soft = ndimage.gaussian_filter(self.hu, blur / self.step, mode="nearest", truncate=3.0)
        size = self.pixels // self.factor
        means: Array = soft.reshape(size, self.factor, size, self.factor).mean(axis=(1, 3))
        rounded: NDArray[np.float32] = (np.rint(means / STEP_HU) * STEP_HU).astype(np.float32)
        return rounded
