"""DD-Net: parameter counts by hand, joins and upsampling."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest

from models import ddnet

DECODER = 3 * ((25 * 32 * 32 + 32) + 4 * 32 + (32 * 16 + 16) + 4 * 16) + (25 * 32 * 32 + 32) + (32 + 1)
STEM = 49 * 16 + 16


def dense_layer(maps: int) -> int:
    return 4 * maps + (maps * 64 + 64) + 4 * 64 + (25 * 64 * 16 + 16)


@functools.cache
def built(joins: str, upsampling: str) -> keras.Model:
    """A network whose weights no test may change."""
    return ddnet.build(joins=joins, upsampling=upsampling)


def trainable(net: keras.Model) -> int:
    return sum(int(np.prod(w.shape)) for w in net.trainable_weights)


def test_parameters_of_nested_joins_by_hand() -> None:
    net = built("nested", "nearest")
    level = sum(dense_layer(maps) for maps in (16, 32, 64, 128)) + 4 * 256 + (256 * 16 + 16)
    channels = 4 * (16 + 32 + 64 + 128 + 4 * 64 + 256) + 3 * (32 + 16)
    assert net.count_params() == STEM + 4 * level + DECODER == 606_321
    assert trainable(net) == 606_321 - 2 * channels == 600_017


def test_parameters_of_flat_joins_by_hand() -> None:
    net = built("flat", "nearest")
    level = sum(dense_layer(maps) for maps in (16, 32, 48, 64)) + 4 * 80 + (80 * 16 + 16)
    assert net.count_params() == STEM + 4 * level + DECODER


def test_parameters_of_half_the_layers_by_hand() -> None:
    net = ddnet.build(layers=2)
    level = sum(dense_layer(maps) for maps in (16, 32)) + 4 * 64 + (64 * 16 + 16)
    assert net.count_params() == STEM + 4 * level + DECODER


@pytest.mark.parametrize("layers", [0, True, 2.0])
def test_a_number_of_layers_that_is_none_is_refused(layers: object) -> None:
    with pytest.raises(ValueError, match="layers must be a whole number"):
        ddnet.build(layers=layers)  # type: ignore[arg-type]


@pytest.mark.parametrize(("joins", "wanted"), (("nested", [32, 64, 128, 256]), ("flat", [32, 48, 64, 80])))
def test_widths_of_joins(joins: str, wanted: list[int]) -> None:
    net = built(joins, "nearest")
    for level in range(1, 5):
        joined = [net.get_layer(f"level{level}_layer{layer}_join") for layer in range(1, 5)]
        assert [layer.output.shape[-1] for layer in joined] == wanted
    assert all(net.get_layer(f"stage{stage}_join").output.shape[-1] == 32 for stage in range(1, 5))


@pytest.mark.parametrize("upsampling", ddnet.UPSAMPLINGS)
def test_upsampled_maps_lie_on_the_pixels_they_came_from(upsampling: str) -> None:
    """A pooled value stands for the middle of its two pixels; upsampling must put it back there."""
    net = built("nested", upsampling)
    ramp = np.tile(np.arange(8, dtype=np.float32)[:, None] * 2 + 0.5, (1, 8))[None, ..., None]
    up = np.asarray(keras.ops.convert_to_numpy(net.get_layer("stage2_up")(ramp)))[0, :, 0, 0]
    rows = np.arange(16)
    wanted = np.repeat(ramp[0, :, 0, 0], 2) if upsampling == "nearest" else np.clip(rows, 0.5, 14.5)
    np.testing.assert_allclose(up, wanted, atol=1e-5)


def test_the_papers_own_form_ends_in_a_relu() -> None:
    params = {"joins": "flat", "upsampling": "bilinear", "residual": False}
    net, open_ended = ddnet.build(**params, final_relu=True), ddnet.build(**params)
    open_ended.set_weights(net.get_weights())
    x = np.random.default_rng(3).random((2, 32, 16, 1), dtype=np.float32) - 0.5
    for model in (net, open_ended):
        model.get_layer("stage4_narrow_deconv").bias.assign([0.0])
    closed, opened = (keras.ops.convert_to_numpy(model(x)) for model in (net, open_ended))
    np.testing.assert_array_equal(closed, np.maximum(opened, 0))
