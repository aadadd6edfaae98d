"""One update as one compiled function of a few integers: pairs, augmentation, network, loss and optimizer."""

from __future__ import annotations

from typing import Any

import keras

from bench.training.adam import Adam
from bench.training.feed import Feed
from bench.training.schedule import PerUpdate

ACCUMULATOR = "gradient_accumulator"  # Keras' name; all zero between two updates, so no state keeps them


class TrainingStep(keras.Model):
    """A network behind the pairs that it learns from, with loss and optimizer: int32 draws in, one update done.

    ``parts`` is the number of micro-batches of an update: their gradients are averaged, so a network without batch
    statistics moves as it does with the whole batch, in about a ``parts``-th of the memory.
    """

    def __init__(
        self, network: keras.Model, feed: Feed, loss: Any, rate: Any, *, parts: int, jit_compile: bool,
        updates_per_dispatch: int,
    ) -> None:  # fmt: skip
        super().__init__(name=f"{network.name}_step")
        self.feed, self.network, self.parts = feed, network, parts
        accumulation = {} if parts == 1 else {"gradient_accumulation_steps": parts}
        optimizer = Adam(rate if parts == 1 else PerUpdate(rate, parts), **accumulation)
        optimizer.build(network.trainable_variables)
        self.compile(
            optimizer=optimizer,
            loss=loss,
            jit_compile=jit_compile,
            steps_per_execution=updates_per_dispatch * parts,
        )

    def call(self, inputs: Any, training: bool = False) -> tuple[Any, Any]:
        """Return the network's images and the reference of one micro-batch."""
        degraded, reference = self.feed(inputs)
        return self.network(degraded, training=training), reference

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Return the loss of the network's images against the reference that came beside them."""
        output, reference = y_pred
        return super().compute_loss(x, reference, output, sample_weight, training)

    @property
    def optimizer_state(self) -> list[Any]:
        """The optimizer's variables that a state keeps, the count of micro-batches first."""
        return [variable for variable in self.optimizer.variables if not variable.name.endswith(ACCUMULATOR)]
