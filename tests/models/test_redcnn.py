"""RED-CNN: parameter counts by hand, and what has no padding."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from models import redcnn


def test_parameters_by_hand() -> None:
    """The paper's layers: five convs and five transposed ones, all 5 x 5 and with bias, 96 maps and one at the end."""
    net = redcnn.build()
    first, inner, last = 25 * 1 * 96 + 96, 25 * 96 * 96 + 96, 25 * 96 * 1 + 1
    assert net.count_params() == first + 4 * inner + 4 * inner + last == 1_848_865
    assert sum(int(np.prod(weight.shape)) for weight in net.trainable_weights) == 1_848_865


def test_no_layer_pads_and_each_shortcut_joins_equal_sizes() -> None:
    net = redcnn.build(filters=2)
    names = [f"conv{n}" for n in range(1, 6)] + [f"deconv{n}" for n in range(1, 6)]
    probe = keras.Model(net.input, [net.get_layer(name).output for name in names])
    sides = [tensor.shape[1] for tensor in probe.compute_output_spec(keras.KerasTensor((1, 55, 55, 1)))]
    assert sides == [51, 47, 43, 39, 35, 39, 43, 47, 51, 55]
    assert {
        layer.name for layer in net.layers if isinstance(layer, keras.layers.Add | keras.layers.Subtract)
    } == {"deconv1_add", "deconv3_add", "output"}


@pytest.mark.parametrize("final_relu", (True, False))
def test_what_lies_below_air_is_cut_off_by_the_last_relu_only(final_relu: bool) -> None:
    net = redcnn.build(filters=2, final_relu=final_relu)
    net.get_layer("deconv5").set_weights([np.zeros((5, 5, 1, 2), np.float32), np.zeros(1, np.float32)])
    image = np.linspace(-1, 1, 24 * 24, dtype=np.float32).reshape(1, 24, 24, 1)
    expected = np.maximum(image, 0) if final_relu else image
    np.testing.assert_array_equal(np.asarray(net(image)), expected)
