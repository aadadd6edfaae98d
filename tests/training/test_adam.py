"""Adam against Keras' own, bit for bit."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from bench.training import adam

SHAPES = ((3, 3, 1, 8), (8,), (200, 100), (), (5, 4), (128, 128))  # the third and the last stand alone


def trained(optimizer: keras.optimizers.Adam, gradients: list[list[np.ndarray | None]]) -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    variables = [keras.Variable(rng.normal(size=shape).astype(np.float32)) for shape in SHAPES]
    optimizer.build(variables)
    for step in gradients:
        given = [
            (keras.ops.convert_to_tensor(g), v) for g, v in zip(step, variables, strict=True) if g is not None
        ]
        optimizer.apply([gradient for gradient, _ in given], [variable for _, variable in given])
    return [np.asarray(variable) for variable in variables]


@pytest.mark.parametrize("without", [None, 0, 2])
@pytest.mark.parametrize("parts", [None, 3])
def test_it_moves_every_weight_as_keras_does(without: int | None, parts: int | None) -> None:
    """Ten updates, with a falling rate; ``without``: this variable never gets a gradient."""
    rng = np.random.default_rng(1)
    gradients = [
        [None if i == without else (10.0 ** rng.integers(-6, 3) * rng.normal(size=shape)).astype(np.float32)
         for i, shape in enumerate(SHAPES)]
        for _ in range(10 if parts is None else 12)
    ]  # fmt: skip
    if parts is not None and without is not None:
        pytest.skip("Keras accumulates gradients of all variables or of none")
    ours, theirs = (
        trained(
            kind(
                keras.optimizers.schedules.ExponentialDecay(1e-2, 3, 0.5), gradient_accumulation_steps=parts
            ),
            gradients,
        )
        for kind in (adam.Adam, keras.optimizers.Adam)
    )
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_small_variables_share_their_moments() -> None:
    optimizer = adam.Adam()
    optimizer.build([keras.Variable(np.zeros(shape, np.float32)) for shape in SHAPES])
    moments = [(v.name, v.shape) for v in optimizer.variables if v.name in ("momentum", "velocity")]
    assert [shape for name, shape in moments if name == "momentum"] == [(101,), (20_000,), (16_384,)]
    assert len(optimizer.variables) == 2 + len(moments)  # the counter, the rate: a state holds nothing else
