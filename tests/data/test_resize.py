"""Oracles: sums computed by hand, a linear ramp (exact under all rules), scikit-image's own resize."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.ct.resample import local_mean
from bench.data.resize import double, to_size


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
