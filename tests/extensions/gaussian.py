"""A noise model: normal noise in every line integral."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from bench.ct.noise import Noise, Rays


class Gaussian(Noise):
    """Normal noise of one deviation in every line integral."""

    kind: Literal["gaussian"] = "gaussian"
    deviation: float

    def draw(self, rays: Rays) -> np.ndarray:
        draws = np.random.Generator(np.random.Philox(key=rays.key())).standard_normal(rays.integrals.shape)
        return (rays.integrals + rays.factor * self.deviation * draws).astype(np.float32)

    def variance(self, integral: float) -> float:
        return self.deviation**2

    def words(self, number: Callable[[float], str] = "{:g}".format) -> str:
        return f"normal noise of {self.deviation:g} in every line integral"
