"""Start values of a network's weights, drawn with NumPy so that TensorFlow and JAX start equal."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np

from bench import seeds

PARTS = ("kernel", "bias", "gamma", "beta", "moving_mean", "moving_variance")


def initial_weights(model: keras.Model, seed: int) -> list[np.ndarray]:
    """Return start values drawn with NumPy by each layer's own initialiser, so that all backends start equal.

    Draws are keyed by (seed, index of the weight). Glorot uniform (Glorot and Bengio 2010), normal and orthogonal
    (Saxe et al. 2014, arXiv 1312.6120) are drawn here; any other initialiser of a layer is called with a seed
    derived from the same key, and then the draw is the backend's own. A weight without one keeps its value.
    """
    initialisers = {}
    for layer in model.layers:
        for name in PARTS:
            variable = getattr(layer, name, None)
            if variable is not None:
                initialisers[variable.path] = getattr(layer, f"{name}_initializer")
    values = []
    for index, variable in enumerate(model.weights):
        rng = seeds.generator("initial", seed, index)
        initialiser = initialisers.get(variable.path)
        value = variable.numpy() if initialiser is None else _draw(initialiser, variable.shape, rng)
        values.append(np.asarray(value, np.float32))
    return values


def _draw(initialiser: Any, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    kind = type(initialiser).__name__
    receptive = math.prod(shape[:-2])
    fan_in, fan_out = (
        (receptive * shape[-2], receptive * shape[-1]) if len(shape) > 1 else (shape[0], shape[0])
    )
    if kind in ("Zeros", "Ones"):
        return np.full(shape, float(kind == "Ones"))
    if kind == "GlorotUniform":
        limit = math.sqrt(6 / (fan_in + fan_out))
        return rng.uniform(-limit, limit, shape)
    if kind == "RandomNormal":
        return rng.normal(initialiser.mean, initialiser.stddev, shape)
    if kind in ("Orthogonal", "OrthogonalInitializer"):
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))
        return np.asarray(initialiser.gain * (q if rows >= columns else q.T).reshape(shape))
    seeded = type(initialiser).from_config({**initialiser.get_config(), "seed": int(rng.integers(2**31))})
    return np.asarray(keras.ops.convert_to_numpy(seeded(shape)))
