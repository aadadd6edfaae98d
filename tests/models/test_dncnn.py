"""DnCNN: count by hand, receptive field and translation."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from models import dncnn


def run(net: keras.Model, image: np.ndarray) -> np.ndarray:
    batch = image[None, ..., None].astype(np.float32)
    return np.asarray(keras.ops.convert_to_numpy(net(batch, training=False)))[0, ..., 0]


def test_parameters_by_hand() -> None:
    net = dncnn.build()
    first = 3 * 3 * 1 * 64 + 64
    middle = 15 * (3 * 3 * 64 * 64 + 4 * 64)
    last = 3 * 3 * 64 * 1 + 1
    averages = 15 * 2 * 64
    assert net.count_params() == first + middle + last == 558_017
    assert sum(int(np.prod(w.shape)) for w in net.trainable_weights) == 558_017 - averages == 556_097


@pytest.mark.parametrize("depth", (3, 17))
def test_an_impulse_spreads_over_the_receptive_field(depth: int) -> None:
    """Kernels of ones and no bias: exactly the pixels within ``depth`` of the impulse become positive."""
    net = dncnn.build(depth=depth, filters=2, residual=False)
    for layer in net.layers:
        if isinstance(layer, keras.layers.Conv2D):
            layer.set_weights([np.full_like(w, float(w.ndim == 4)) for w in layer.get_weights()])
    image = np.zeros((41, 45))
    image[20, 22] = 1
    reached = run(net, image) > 0
    wanted = np.zeros_like(reached)
    wanted[20 - depth : 20 + depth + 1, 22 - depth : 22 + depth + 1] = True
    assert wanted.any(axis=1).sum() == (35 if depth == 17 else 7)
    np.testing.assert_array_equal(reached, wanted)


def test_a_shifted_image_gives_a_shifted_output_away_from_borders() -> None:
    depth, (down, right) = 6, (3, 5)
    net = dncnn.build(depth=depth, filters=8)
    scene = np.random.default_rng(2).random((40, 44))
    here = run(net, scene[:32, :32])
    there = run(net, scene[down : down + 32, right : right + 32])
    moved = np.zeros_like(here)
    moved[: 32 - down, : 32 - right] = here[down:, right:]
    inner = np.s_[depth : 32 - depth - down, depth : 32 - depth - right]
    np.testing.assert_allclose(there[inner], moved[inner], atol=1e-5)
    assert not np.allclose(there[inner], here[inner], atol=1e-3)
    border = np.s_[: 32 - down, 0]  # Zero padding here, image there.
    assert not np.allclose(there[border], moved[border], atol=1e-4)
