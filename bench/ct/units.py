"""Between CT numbers and attenuation.

A CT number is HU = 1000 (mu / mu_water - 1) (Hounsfield 1973, doi 10.1259/0007-1285-46-552-1016). The
benchmark stores mu in 1/cm with mu_water = 0.2, that is 0.02 per mm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

MU_WATER = 0.2
"""Attenuation of water in 1/cm."""

PHOTONS_SIZE = 512
"""The number of pixels a side at which a condition's photons give the noise that it stands for."""

FEW_COUNTS, TRUNK_CM, STARVED_SHARE = 10.0, 30.0, 0.01
"""Counts below which a ray is starved, the water it is judged behind, and the share of rays from which that is told."""


def deviation_factor(size: int) -> float:
    """Return what the deviation of a measured line integral is multiplied by at ``size``, 1 at 512.

    Reconstructed variance goes as v / (views d^2), v that of a ray and d the pixel width, which goes as 512 / size
    over the same field. The photons stay those of 512: lowering them by (size / 512)^2 instead would leave rays of
    so few counts that the logarithm is biased.
    """
    return PHOTONS_SIZE / size


def starved_share(photons: float) -> float:
    """Return the share of the rays through a water cylinder of 30 cm that expect under 10 of ``photons``, 0 to 1.

    Such a cylinder weakens X-rays as the trunk of an adult does (water-equivalent diameter, AAPM report 220 of
    2014). A ray at t from the axis of a cylinder of radius R passes 2 sqrt(R^2 - t^2); rays lie evenly over t. Below
    10 counts the mean of a measured line integral is off by about 1 / (2 counts), 0.05 and more.
    """
    longest = math.log(max(photons / FEW_COUNTS, 1.0)) / MU_WATER  # cm of water that leave as many
    return math.sqrt(max(0.0, 1.0 - (longest / TRUNK_CM) ** 2))


def starved(conditions: Mapping[str, float | None]) -> tuple[str, ...]:
    """Return a remark for each of ``conditions`` (name: photons) in which more than 1 % of rays are starved."""
    shares = {name: starved_share(photons) for name, photons in conditions.items() if photons is not None}
    return tuple(
        f"{name}: {share:.0%} of the rays through {TRUNK_CM:g} cm of water expect under {FEW_COUNTS:g} of its "
        f"{conditions[name]:g} photons; the logarithm of so few counts is biased"
        for name, share in shares.items()
        if share > STARVED_SHARE
    )


def hu_to_mu(hu: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return ``max(0, MU_WATER (1 + hu / 1000))`` in 1/cm as float32, in the shape of ``hu``.

    Values below -1000 HU (padding, noise in air) become air, 0. Raises ``ValueError`` for NaN and infinities.
    """
    values = np.asarray(hu)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"CT numbers must be real numbers, not {values.dtype}")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise ValueError("CT numbers must be finite; found NaN or infinity")
    mu = MU_WATER * (1.0 + values.astype(np.float64) / 1000.0)
    return np.maximum(mu, 0.0).astype(np.float32)


def mu_to_hu(mu: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return ``1000 (mu / MU_WATER - 1)`` in HU as float32 for ``mu`` in 1/cm; linear, never clipped."""
    return (1000.0 * (np.asarray(mu, dtype=np.float64) / MU_WATER - 1.0)).astype(np.float32)


def relative(mu: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return ``mu / MU_WATER``, divided in float32: air 0, water 1, the unit that networks see."""
    return np.asarray(mu, np.float32) / np.float32(MU_WATER)
