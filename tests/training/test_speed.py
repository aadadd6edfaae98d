"""A network's work counted by the shapes of its layers: the published networks' figures, and layers by hand."""

from __future__ import annotations

import keras
import pytest

from bench.training import flops
from models import ddnet, dncnn, unet

#: benchmarks/README.md: GFLOP of training per slice of 512 x 512, and GB in bfloat16, each tensor read and written once
PUBLISHED = [(unet, 18.1, 0.56), (ddnet, 118.7, 2.40), (dncnn, 871.5, 7.26)]


@pytest.mark.parametrize(("module", "gflop", "gigabytes"), PUBLISHED)
def test_the_work_of_the_published_networks(module: object, gflop: float, gigabytes: float) -> None:
    network = module.build()  # type: ignore[attr-defined]
    work = flops.forward(network, 512)
    assert flops.TRAINING * work.flop / 1e9 == pytest.approx(gflop, abs=0.06)
    assert 2 * flops.PASSES * work.numbers / 1e9 == pytest.approx(gigabytes, rel=0.03)
    assert all("call" not in vars(layer) for layer in network._flatten_layers())  # left as they were


def test_layers_by_hand() -> None:
    image = keras.Input((None, None, 1))
    x = keras.layers.Conv2D(6, 3, strides=2, padding="same")(image)  # 9 x 6 on 8 x 8 places
    x = keras.layers.Conv2D(4, 1, groups=2)(x)  # 3 x 4
    x = keras.layers.DepthwiseConv2D(5, padding="same")(x)  # 25 x 4
    x = keras.layers.SeparableConv2D(2, 3, padding="same")(x)  # 9 x 4 and 4 x 2
    x = keras.layers.Dense(3)(x)  # 2 x 3
    x = keras.layers.Conv2DTranspose(1, 2, strides=2)(x)  # 4 x 3, of places before it
    places = 8 * 8
    expected = 2 * places * (54 + 12 + 100 + 36 + 8 + 6 + 12)
    inner = keras.Model(image, x)
    assert flops.forward(inner, 16).flop == expected
    outer = keras.Input((None, None, 1))
    assert (
        flops.forward(keras.Model(outer, inner(inner(outer))), 16).flop == 2 * expected
    )  # a layer called twice
