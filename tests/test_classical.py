"""Classical denoisers: what they minimize and smooth, and pixels that only a new version may change."""

from __future__ import annotations

import numpy as np
import pytest

from bench import classical
from bench.classical import METHODS, STRENGTHS


def noisy() -> np.ndarray:
    image = np.zeros((24, 24), np.float32)
    image[6:18, 6:18] = 1.0
    return image + np.random.default_rng(3).normal(0, 0.05, image.shape).astype(np.float32)


def test_total_variation_lowers_what_it_is_named_for() -> None:
    """The minimizer's objective TV(u) + |u - image|^2 / (2 w) is below that of the image and of its mean."""
    image, weight = noisy().astype(np.float64), 0.1

    def objective(u: np.ndarray) -> float:
        steps = np.diff(u, axis=0, append=u[-1:]) ** 2 + np.diff(u, axis=1, append=u[:, -1:]) ** 2
        return float(np.sqrt(steps).sum() + ((u - image) ** 2).sum() / (2 * weight))

    smooth = classical.total_variation(np.float32(image), 1000 * weight).astype(np.float64)
    other = [image, np.full_like(image, image.mean()), 0.98 * smooth, smooth + 0.01 * (image - smooth)]
    assert objective(smooth) < min(map(objective, other))


@pytest.mark.parametrize("name", METHODS)
def test_a_stronger_method_smooths_more_and_keeps_shape_and_type(name: str) -> None:
    images = np.stack([noisy(), noisy()[::-1]])
    spreads = []
    for strength in STRENGTHS[::5]:
        smooth = classical.predictor(name, strength)(images)
        assert (smooth.shape, smooth.dtype) == (images.shape, np.float32)
        spreads.append(float(smooth[0, 8:16, 8:16].std()))
    assert spreads == sorted(spreads, reverse=True) and spreads[-1] < 0.5 * spreads[0]
    assert images[0, 8:16, 8:16].std() >= spreads[0]


GOLDEN = {
    "nlm": [[-0.0099, 0.0384, 0.0174], [0.0005, 1.0166, 0.9825], [0.0082, 1.0312, 1.0041]],
    "tv": [[0.0232, 0.0275, 0.0324], [0.0268, 0.9608, 0.9674], [0.0378, 0.9777, 0.9806]],
}


@pytest.mark.parametrize("name", METHODS)
def test_pixels_are_those_of_the_version(name: str) -> None:
    """Made by this program at version 1 with scikit-image 0.26: where these change, ``VERSION`` is raised."""
    pixels = classical.predictor(name, 60.0)(noisy()[None])[0, 5:8, 5:8]
    assert classical.VERSION == 1
    np.testing.assert_allclose(pixels, GOLDEN[name], atol=3e-4)
