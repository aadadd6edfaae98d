"""Start values of a network's weights, drawn with NumPy so that TensorFlow and JAX start equal."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
from scipy.special import ndtr, ndtri

from bench import seeds

SUFFIX = "_initializer"
TRUNCATED = 0.87962566103423978  # standard deviation of a unit normal cut at two of its standard deviations


def initial_weights(model: keras.Model, seed: int) -> list[np.ndarray]:
    """Return start values drawn with NumPy by each layer's own initialiser, so that all backends start equal.

    Draws are keyed by (seed, index of the weight). Variance scaling (Glorot and Bengio 2010; He et al. 2015, doi
    10.1109/ICCV.2015.123), normal, uniform and orthogonal (Saxe et al. 2014, arXiv 1312.6120) are drawn here; any
    other initialiser of a layer is called with a seed derived from the same key, and then the draw is the
    backend's own. A weight of which no layer names an initialiser keeps its value.
    """
    initialisers = _initialisers(model)
    start = []
    for index, variable in enumerate(model.weights):
        rng = seeds.generator("initial", seed, index)
        initialiser = initialisers.get(id(variable))
        value = np.asarray(variable.value) if initialiser is None else _draw(initialiser, variable.shape, rng)
        real = keras.backend.is_float_dtype(variable.dtype)  # a counter of updates keeps its own type
        start.append(np.array(value, np.float32 if real else value.dtype))
    return start


def unnamed(model: keras.Model) -> list[str]:
    """Return the paths of weights that may start from random numbers of which no layer names the initialiser."""
    named = _initialisers(model)
    rest = (variable for variable in model.weights if id(variable) not in named)
    return [variable.path for variable in rest if np.any(np.asarray(variable.value) % 1)]


def _initialisers(model: keras.Model) -> dict[int, Any]:
    """Return the initialiser of each weight for which a layer names one, by the weight's identity.

    Paths will not do as keys: two branches with layers of equal names have equal paths.
    """
    by_variable: dict[int, Any] = {}
    for layer in model._flatten_layers():
        for key in [key for key in vars(layer) if key.endswith(SUFFIX)]:
            variable = _variable(layer, key.removesuffix(SUFFIX))
            if variable is not None:
                by_variable.setdefault(id(variable), getattr(layer, key))
    return by_variable


def _variable(layer: Any, name: str) -> keras.Variable | None:
    """Return the variable for which ``layer`` has ``NAME_initializer``; depthwise layers name theirs otherwise."""
    keys = ("depthwise_kernel", "kernel") if name == "depthwise" else (name, f"{name}_kernel")
    candidates = (getattr(layer, key, None) for key in keys)
    return next((variable for variable in candidates if isinstance(variable, keras.Variable)), None)


def _draw(initialiser: Any, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    initialisers = keras.initializers
    if isinstance(initialiser, initialisers.Zeros | initialisers.Ones):
        return np.full(shape, float(isinstance(initialiser, initialisers.Ones)))
    if isinstance(initialiser, initialisers.VarianceScaling):
        return _variance_scaling(initialiser, shape, rng)
    if isinstance(initialiser, initialisers.RandomNormal):
        return rng.normal(initialiser.mean, initialiser.stddev, shape)
    if isinstance(initialiser, initialisers.RandomUniform):
        return rng.uniform(initialiser.minval, initialiser.maxval, shape)
    if isinstance(initialiser, initialisers.Orthogonal):
        rows, columns = math.prod(shape[:-1]), shape[-1]
        q, r = np.linalg.qr(rng.normal(size=(max(rows, columns), min(rows, columns))))
        q = q * np.sign(np.diag(r))
        return np.asarray(initialiser.gain * (q if rows >= columns else q.T).reshape(shape))
    seeded = type(initialiser).from_config({**initialiser.get_config(), "seed": int(rng.integers(2**31))})
    return np.asarray(keras.ops.convert_to_numpy(seeded(shape)))


def _variance_scaling(initialiser: Any, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draw with variance ``scale / fan``, uniform, normal, or normal cut at two standard deviations."""
    receptive = math.prod(shape[:-2])
    fans = (receptive * shape[-2], receptive * shape[-1]) if len(shape) > 1 else (shape[0], shape[0])
    fan = {"fan_in": fans[0], "fan_out": fans[1], "fan_avg": sum(fans) / 2}[initialiser.mode]
    variance = initialiser.scale / max(1.0, fan)
    if initialiser.distribution == "uniform":
        limit = math.sqrt(3 * variance)
        return rng.uniform(-limit, limit, shape)
    if initialiser.distribution == "untruncated_normal":
        return rng.normal(0, math.sqrt(variance), shape)
    low, high = ndtr(-2.0), ndtr(2.0)
    return np.asarray(ndtri(rng.uniform(low, high, shape)) * math.sqrt(variance) / TRUNCATED)
