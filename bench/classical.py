"""Denoisers without a network and without a training: what a network has to beat.

A method is a function of one slice and one strength, and one line in ``METHODS``. The strength is a single number for
all slices of a condition, as the weights of a network are: it is that of ``STRENGTHS`` with the best mean PSNR on
slices of the validation patients, and no test slice has a part in it. The noise of a slice is not estimated: networks
are not told it either, and under streaks an estimate means nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

VERSION = 1  # raised when a method gives other pixels; a test guards it
STRENGTHS = (5.0, 8.0, 12.0, 18.0, 27.0, 40.0, 60.0, 90.0, 135.0, 200.0, 300.0)  # HU, each half as much again
HU = 1e-3  # of mu/mu_water

Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Method:
    """A denoiser of one slice (H, W) in mu/mu_water; ``strength`` says in words what its strength in HU is."""

    label: str
    strength: str
    denoise: Callable[[Image, float], Image]


def non_local_means(image: Image, strength: float) -> Image:
    """Return each pixel as a mean of those within 6 pixels whose 5 x 5 neighbourhoods are alike.

    Buades, Coll, Morel 2005, doi 10.1109/CVPR.2005.38. Weights fall as exp(-d^2 / h^2) with the mean squared
    difference d^2 of two neighbourhoods; ``strength`` is h in HU.
    """
    from skimage.restoration import denoise_nl_means  # late: a plan needs the names only

    smooth = denoise_nl_means(image, patch_size=5, patch_distance=6, h=strength * HU, fast_mode=True)
    return np.asarray(smooth, np.float32)


def total_variation(image: Image, strength: float) -> Image:
    """Return the image u of least TV(u) + |u - image|^2 / (2 w); ``strength`` is w in HU.

    Rudin, Osher, Fatemi 1992, doi 10.1016/0167-2789(92)90242-F, by Chambolle's projections (2004, doi
    10.1023/B:JMIV.0000011325.36760.1e).
    """
    from skimage.restoration import denoise_tv_chambolle

    smooth: Any = denoise_tv_chambolle(  # type: ignore[no-untyped-call]
        image, weight=strength * HU, eps=1e-5, max_num_iter=200
    )
    return np.asarray(smooth, np.float32)


METHODS = {
    "nlm": Method("Non-local means", "h", non_local_means),
    "tv": Method("Total variation", "weight", total_variation),
}


def predictor(name: str, strength: float) -> Callable[[Image], Image]:
    """Return the method ``name`` at a strength in HU as a function of slices (B, H, W) in mu/mu_water."""
    denoise = METHODS[name].denoise
    return lambda images: np.stack([denoise(image, strength) for image in images])
