"""NAFNet: parameter counts by hand, its layers without a Keras counterpart, and what its attention means."""

from __future__ import annotations

import keras
import numpy as np

from models import nafnet
from models.nafnet import MapScale, PixelShuffle, SimpleGate


def block(c: int) -> int:
    """Parameters of a block of ``c`` maps, layer by layer as in the paper's figure of it."""
    norm, widen, project, scale = 2 * c, c * 2 * c + 2 * c, c * c + c, c
    depthwise, attention = 9 * 2 * c + 2 * c, c * c + c
    return (norm + widen + depthwise + attention + project + scale) + (norm + widen + project + scale)


def test_parameters_by_hand() -> None:
    net = nafnet.build()
    total, c = 9 * 1 * 32 + 32, 32
    for count in (2, 2, 4, 8):
        total += count * block(c) + 4 * c * 2 * c + 2 * c  # blocks, then conv 2x2
        c *= 2
    total += 12 * block(512)
    for _ in range(4):
        total += c * 2 * c  # conv 1x1 without bias; the shuffle leaves half of the maps
        c //= 2
        total += 2 * block(c)
    total += 9 * 32 * 1 + 1
    assert net.count_params() == total == 29_158_561
    assert sum(int(np.prod(weight.shape)) for weight in net.trainable_weights) == total
    assert sum((2, 2, 4, 8, 12, 2, 2, 2, 2)) == 36  # the paper's number of blocks


def test_two_levels_by_hand() -> None:
    net = nafnet.build(width=6, encoder=[1], middle=2, decoder=[3])
    total = (9 * 6 + 6) + block(6) + (4 * 6 * 12 + 12) + 2 * block(12) + 12 * 24 + 3 * block(6) + (9 * 6 + 1)
    assert net.count_params() == total


def test_gate_multiplies_halves_and_a_fresh_scale_is_zero() -> None:
    x = np.array([[1.0, 2.0, 3.0, 5.0]], np.float32)
    np.testing.assert_array_equal(np.asarray(SimpleGate()(x)), [[3.0, 10.0]])
    np.testing.assert_array_equal(np.asarray(MapScale()(x)), np.zeros((1, 4)))


def test_pixel_shuffle_puts_each_map_into_its_corner() -> None:
    """Against the definition, pixel by pixel: map 4 c + 2 i + j at (h, w) goes to map c at (2 h + i, 2 w + j)."""
    x = np.arange(2 * 3 * 4 * 8, dtype=np.float32).reshape(2, 3, 4, 8)
    image = np.asarray(PixelShuffle()(x))
    assert image.shape == (2, 6, 8, 2)
    for h, w, c, i, j in np.ndindex(3, 4, 2, 2, 2):
        np.testing.assert_array_equal(image[:, 2 * h + i, 2 * w + j, c], x[:, h, w, 4 * c + 2 * i + j])


def test_a_pixel_depends_on_the_whole_image_through_the_attention() -> None:
    """So a crop alone comes out otherwise, far from its border too: there is no correction at test time."""
    net = nafnet.build(width=4, encoder=[1], middle=1, decoder=[1])
    draw = np.random.default_rng(2)
    net.set_weights([draw.normal(0, 0.3, weight.shape) for weight in net.get_weights()])
    image = draw.random((1, 128, 128, 1)).astype(np.float32)
    image[:, 64:] *= 3
    whole, crop = np.asarray(net(image)), np.asarray(net(image[:, :64]))
    assert np.abs(whole[:, 28:36, 60:68] - crop[:, 28:36, 60:68]).max() > 1e-3
    again = keras.ops.convert_to_numpy(net(np.roll(image, (8, 8), (1, 2))))  # as many of each: equal means
    np.testing.assert_allclose(
        again[:, 40:44, 64:72], whole[:, 32:36, 56:64], atol=1e-4 * np.abs(whole).max()
    )
