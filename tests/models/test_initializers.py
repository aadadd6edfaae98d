"""Each initialization has the spread that its source gives."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from models import ddnet, dncnn, unet
from models.initializers import CHOICES, initializer

SHAPE = (3, 3, 64, 32)
FAN_IN, FAN_OUT = 9 * 64, 9 * 32


def drawn(name: str) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(initializer(name)(SHAPE)), np.float64)


@pytest.mark.parametrize(
    ("name", "deviation"),
    (
        ("normal_0.01", 0.01),
        ("glorot_uniform", np.sqrt(2 / (FAN_IN + FAN_OUT))),
        ("he_normal", np.sqrt(2 / FAN_IN)),
        ("orthogonal", np.sqrt(1 / FAN_IN)),
    ),
)
def test_spread_is_that_of_the_source(name: str, deviation: float) -> None:
    assert drawn(name).std() == pytest.approx(deviation, rel=0.03)  # 18,432 draws: one sigma is 0.5 %.


def test_orthogonal_kernels_are_orthogonal() -> None:
    matrix = drawn("orthogonal").reshape(FAN_IN, 32)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(32), atol=1e-5)


@pytest.mark.parametrize("name", CHOICES)
def test_two_layers_never_start_equal(name: str) -> None:
    assert not np.array_equal(drawn(name), drawn(name))


def test_defaults_are_those_of_the_sources() -> None:
    first = ddnet.build().get_layer("level1_layer1_wide_conv").get_weights()
    assert first[0].std() == pytest.approx(0.01, rel=0.03)
    assert not first[1].any()
    limit = np.sqrt(6 / (9 * 128 + 9 * 128))
    kernel = unet.build().get_layer("down5_second_conv").get_weights()[0]
    assert 0.99 * limit < np.abs(kernel).max() <= limit
    matrix = dncnn.build(depth=3).get_layer("conv2").get_weights()[0].reshape(576, 64)
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(64), atol=1e-5)
