"""Oracles: sums computed by hand, a linear ramp, the moments of a Gaussian, scikit-image's own resize."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.ct.geometry import ParallelBeam
from bench.ct.projector import project, reconstruct
from bench.ct.resample import local_mean
from bench.data.files.resize import double, to_object, to_size


def test_local_mean_of_a_known_block() -> None:
    image = np.array([[1, 3, 10, 10], [5, 7, 10, 14]], np.int16)
    np.testing.assert_array_equal(local_mean(image, 2), np.array([[4.0, 11.0]], np.float32))


def test_double_uses_quarter_weights() -> None:
    out = double(np.array([[0.0, 4.0], [8.0, 12.0]]))
    np.testing.assert_array_equal(out[0], [0, 1, 3, 4])
    np.testing.assert_array_equal(out[:, 0], [0, 2, 6, 8])


def test_double_equals_scikit_image() -> None:
    from skimage.transform import resize

    image = np.random.default_rng(0).normal(size=(7, 7)).astype(np.float32)
    expected = resize(image, (14, 14), order=1, mode="edge", anti_aliasing=False)
    np.testing.assert_allclose(double(image), expected, atol=1e-6)


@pytest.mark.parametrize("size", [24, 12, 8, 48, 10, 17])
def test_a_ramp_stays_the_same_ramp(size: int) -> None:
    """The value at the centre of pixel i of n is (i + 0.5) / n; away from the border no rule may shift it."""
    ramp = np.tile((np.arange(24) + 0.5) / 24, (24, 1)).astype(np.float32)
    out = to_size(ramp, size)
    expected = np.tile((np.arange(size) + 0.5) / size, (size, 1))
    inner = slice(size // 4, size - size // 4)
    assert out.dtype == np.float32
    np.testing.assert_allclose(
        out[inner, inner], expected[inner, inner], atol=3e-3 if size in (10, 17) else 1e-6
    )


def test_equal_size_changes_no_bit() -> None:
    image = np.random.default_rng(1).normal(size=(6, 6)).astype(np.float32)
    np.testing.assert_array_equal(to_size(image, 6), image)


@given(st.integers(1, 4), st.integers(1, 5))
def test_local_mean_keeps_the_total(factor: int, blocks: int) -> None:
    image = np.arange((factor * blocks) ** 2, dtype=np.float64).reshape(factor * blocks, -1)
    assert local_mean(image, factor).mean() == pytest.approx(image.mean(), rel=1e-6)


@pytest.mark.parametrize("shape", [(4, 6), (4,), (2, 4, 4)])
def test_only_squares_are_resized(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="cannot resize"):
        to_size(np.zeros(shape), 2)


def test_blocks_must_fit() -> None:
    with pytest.raises(ValueError, match="cannot cut"):
        local_mean(np.zeros((6, 6)), 4)


SIZES = (64, 72, 96, 100, 128, 144, 160)  # 64 and 128 divide 512, the others do not


def blocks(image: np.ndarray) -> np.ndarray:
    """The 2 x 2 means, summed corner by corner in float64."""
    fine = image.astype(np.float64)
    return (fine[::2, ::2] + fine[1::2, ::2] + fine[::2, 1::2] + fine[1::2, 1::2]) / 4


@given(st.integers(2, 40), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_the_reference_is_the_2_x_2_mean_of_the_object(side: int, size: int, seed: int) -> None:
    image = np.random.default_rng(seed).uniform(0, 0.5, (side, side)).astype(np.float32)
    fine, reference = to_object(image, size)
    assert fine.shape == (2 * size, 2 * size) and reference.shape == (size, size)
    assert fine.dtype == reference.dtype == np.float32
    if size == side:
        np.testing.assert_array_equal(reference, image)
    else:
        np.testing.assert_allclose(reference, blocks(fine), rtol=0, atol=1e-7)


def test_where_the_size_divides_the_matrix_the_reference_is_the_mean_of_whole_pixels() -> None:
    image = np.random.default_rng(2).uniform(0, 0.5, (48, 48)).astype(np.float32)
    for size in (24, 12, 6):
        np.testing.assert_allclose(
            to_object(image, size)[1], local_mean(image, 48 // size), rtol=0, atol=1e-7
        )


@pytest.mark.parametrize("size", [*SIZES, 200, 320, 500, 512, 600])
def test_object_and_reference_keep_mass_and_place_of_a_gaussian(size: int) -> None:
    """Of one of height 1: mass 2 pi s^2, centroid where it was drawn, in units of the width of the slice."""
    x, (s, at) = (np.arange(512) + 0.5) / 512, (0.06, (0.55, 0.4))
    row, column = (np.exp(-((x - centre) ** 2) / (2 * s**2)) for centre in at)
    for found in to_object(np.outer(row, column).astype(np.float32), size):
        places = (np.arange(len(found)) + 0.5) / len(found)
        mass = found.mean(dtype=np.float64)
        assert mass == pytest.approx(2 * np.pi * s**2, rel=2e-4)
        for axis, centre in enumerate(at):
            assert (found.mean(axis=1 - axis, dtype=np.float64) * places).mean() / mass == pytest.approx(
                centre, abs=1e-4
            )


def thorax(side: int) -> np.ndarray:
    """Ellipses of water, lung and bone and sixty vessels, edges blurred by 0.8 pixels; 1/cm."""
    from scipy import ndimage

    middle = (np.arange(side) + 0.5) / side - 0.5
    x, y = middle, middle[:, None]
    image = 0.2 * ((x / 0.42) ** 2 + (y / 0.33) ** 2 < 1)
    for left, top, radius, mu in ((-0.18, 0, 0.12, -0.15), (0.18, 0, 0.12, -0.15), (0, 0.2, 0.05, 0.2)):
        image = image + mu * ((x - left) ** 2 + (y - top) ** 2 < radius**2)
    random = np.random.default_rng(0)
    for left, top, radius in random.uniform((-0.25, -0.1, 0.003), (0.25, 0.1, 0.02), (60, 3)):
        image = np.where(((x - left) ** 2 + (y - top) ** 2 < radius**2) & (image < 0.1), 0.15, image)
    blurred: np.ndarray = ndimage.gaussian_filter(image, 0.8).astype(np.float32)
    return blurred


def test_the_scan_alone_scores_alike_at_neighbouring_sizes() -> None:
    """Finer grids blur less: the score rises with the size, and by no more than from 64 to 128, two divisors."""
    image = thorax(512)
    scores = []
    for size in SIZES:
        fine, reference = to_object(image, size)
        beam = ParallelBeam(size)
        found = reconstruct(project(fine[None], beam, [40 / size]), beam, [40 / size])[0]
        scores.append(10 * np.log10(float(reference.max()) ** 2 / np.mean((found - reference) ** 2)))
    steps = np.diff(scores)
    assert steps.min() > -0.75  # a factor such as 512 / 200 averages a little more than 512 / 192
    assert max(scores[: SIZES.index(128)]) < scores[SIZES.index(128)] < max(scores[SIZES.index(128) + 1 :])
    assert steps.max() < scores[SIZES.index(128)] - scores[0]
