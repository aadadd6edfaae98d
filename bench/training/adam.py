"""Adam as in Keras, to the last bit, in a fraction of its operations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

# Numbers in a variable: smaller ones are joined. A larger one fills the processor by itself, and joining would copy it.
JOINED_BELOW = 1 << 14


class Adam(keras.optimizers.Adam):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980); small variables move as one vector.

    Keras' own Adam computes step size and bias corrections anew for every variable and moves each by itself: half of
    the 11,675 operations of an update of DD-Net. Here they are computed once, and gradients of small variables are
    joined, which halves what tracing costs (benchmarks/README.md). Every number is computed by the same operations as
    in Keras. ``momentum`` and ``velocity`` are vectors, one each for a group of variables.
    """

    def build(self, variables: Sequence[Any]) -> None:
        """Make the moments of ``variables``, all zero."""
        if self.built:
            return
        keras.optimizers.Optimizer.build(
            self, variables
        )  # not Adam's: its moments have the variables' shapes
        counts = [_count(variable) for variable in variables]
        small = [index for index, count in enumerate(counts) if count < JOINED_BELOW]
        alone = [[index] for index, count in enumerate(counts) if count >= JOINED_BELOW]
        # by index: Keras takes variables in an attribute of an optimizer for its own state
        self._groups = [group for group in (small, *alone) if group]
        self._moments = [
            tuple(
                self.add_variable((sum(counts[index] for index in group),), dtype="float32", name=name)
                for name in ("momentum", "velocity")
            )
            for group in self._groups
        ]

    def _backend_update_step(
        self, grads: Sequence[Any], trainable_variables: Sequence[Any], learning_rate: Any
    ) -> None:
        count = ops.cast(self.iterations + 1, "float32")
        correction_1, correction_2 = (
            1 - ops.power(ops.cast(beta, "float32"), count) for beta in (self.beta_1, self.beta_2)
        )
        rate = ops.cast(learning_rate, "float32") * ops.sqrt(correction_2) / correction_1
        gradients = {id(v): gradient for v, gradient in zip(trainable_variables, grads, strict=True)}
        for indices, (momentum, velocity) in zip(self._groups, self._moments, strict=True):
            group = [self._trainable_variables[index] for index in indices]
            gradient = ops.concatenate([_flat(gradients.get(id(variable)), variable) for variable in group])
            self.assign_add(momentum, (gradient - momentum) * (1 - self.beta_1))
            self.assign_add(velocity, (ops.square(gradient) - velocity) * (1 - self.beta_2))
            step = momentum * rate / (ops.sqrt(velocity) + self.epsilon)
            first = 0
            for variable in group:
                last = first + _count(variable)
                self.assign_sub(variable, ops.reshape(step[first:last], variable.shape))
                first = last


def _count(variable: Any) -> int:
    return math.prod(variable.shape)


def _flat(gradient: Any | None, variable: Any) -> Any:
    """Return a gradient as a vector; zeros where a variable has none, so its moments stay zero and it stays."""
    if gradient is None:
        return ops.zeros((_count(variable),), "float32")
    return ops.reshape(ops.cast(gradient, "float32"), (-1,))
