"""Distributions of the first convolution kernels as a named choice, shared by all networks.

Biases start at 0.

- ``normal_0.01``: normal, mean 0, standard deviation 0.01 (Zhang et al. 2018, doi 10.1109/TMI.2018.2823338).
  With a global residual the network then starts close to the identity.
- ``glorot_uniform``: the default of Keras (Glorot and Bengio 2010, AISTATS, PMLR 9:249-256).
- ``he_normal``: for layers followed by ReLU (He et al. 2015, doi 10.1109/ICCV.2015.123).
- ``orthogonal``: a random orthogonal matrix (Saxe et al. 2014, arXiv:1312.6120).
"""

from __future__ import annotations

import keras

CHOICES = ("normal_0.01", "glorot_uniform", "he_normal", "orthogonal")


def initializer(name: str) -> keras.initializers.Initializer:
    """Return a fresh, unseeded initializer; a fresh one for each layer, so that no two layers start equal.

    Raises:
        ValueError: ``name`` is not one of ``CHOICES``.
    """
    if name not in CHOICES:
        raise ValueError(f"initial must be one of {', '.join(CHOICES)}, not {name!r}")
    if name == "normal_0.01":
        return keras.initializers.RandomNormal(mean=0.0, stddev=0.01)
    return keras.initializers.get(name)
