"""A second simulator: scikit-image's ``radon`` and ``iradon`` along the same rays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.audit.check import Check, at_most
from bench.audit.discs import pixel_cm
from bench.audit.objects import Image, Real, blobs
from bench.audit.rays import Rays
from bench.audit.simulator import Setup, Simulator
from bench.ct.geometry import FanBeam, Geometry
from bench.seeds import generator

SIZE, VIEWS = 61, 60
_FINER = 3  # the object's pixels a side: 183 is odd, as is its diagonal: scikit-image turns about the central pixel
_ANGLES = 180  # of its half turn, between which a smooth object is read off
_OVER = 6  # places over which a bin is averaged
_BOUNDS = {"hann": 2e-2}


def second(simulator: Simulator, setup: Setup) -> Iterator[Check]:
    """Yield how far projection and reconstruction lie from scikit-image's; it has no fan beam to reconstruct."""
    geometry = setup.geometry
    small = replace(geometry, size=SIZE, views=VIEWS)  # type: ignore[type-var]
    yield at_most(
        "second.projection", projection(simulator, small), 5e-3, "of peak",
        f"line integrals of a smooth object of {_FINER * SIZE} pixels a side against scikit-image's radon, read off "
        "along the same rays and averaged over each bin; its bilinear turning blurs a little; worst ray",
    )  # fmt: skip
    if not isinstance(small, FanBeam):
        yield at_most(
            "second.reconstruction", reconstruction(simulator, small), _BOUNDS.get(small.filter, 1e-4), "of peak",
            f"reconstruction of random line integrals against scikit-image's iradon with {small.filter}, {SIZE} "
            "pixels; rounding alone, but its Hann window lies half a sample aside; worst pixel",
        )  # fmt: skip


def projection(simulator: Simulator, geometry: Geometry) -> float:
    """Return the largest gap between the line integrals of a smooth object and scikit-image's, over the largest."""
    pixel = pixel_cm(geometry.size)
    image = blobs(geometry.size, _FINER)
    ours = simulator.project(image, geometry, [pixel])[0]
    theirs = _along(image[0], Rays(geometry, pixel)) * pixel
    return float(np.abs(ours - theirs).max() / theirs.max())


def _along(image: Image, rays: Rays) -> Real:
    """Return scikit-image's line integrals in pixels, (views, bins), read off where ``rays`` run."""
    from scipy.ndimage import map_coordinates
    from skimage.transform import radon

    degrees = np.arange(-1, _ANGLES + 2) * (180.0 / _ANGLES)  # one more at each end, for the cubic
    table = radon(image.astype(np.float64), theta=degrees, circle=False).T  # type: ignore[no-untyped-call]
    angle, offset = np.broadcast_arrays(*rays.lines(_OVER))
    turns = np.floor(angle / np.pi)
    place = (angle - turns * np.pi) * (_ANGLES / np.pi) + 1
    along = np.where(turns % 2, -offset, offset) * _FINER + (table.shape[1] - 1) / 2
    read: Real = map_coordinates(table, [place, along], order=3, mode="constant").mean(axis=2)
    return read / _FINER


def reconstruction(simulator: Simulator, geometry: Geometry) -> float:
    """Return the largest gap between the image of random line integrals and scikit-image's, over the largest."""
    from skimage.transform import iradon

    size, pixel = geometry.size, pixel_cm(geometry.size)
    sinogram = generator("audit", "second").random((1, geometry.views, geometry.bins)).astype(np.float32)
    ours = simulator.reconstruct(sinogram, geometry, [pixel])[0] * pixel
    name = {"ram-lak": "ramp"}.get(geometry.filter, geometry.filter)
    theirs = iradon(  # type: ignore[no-untyped-call]
        sinogram[0].T.astype(np.float64), theta=np.degrees(Rays(geometry, pixel).views), circle=False,
        output_size=size, filter_name=name,
    )  # fmt: skip
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())
