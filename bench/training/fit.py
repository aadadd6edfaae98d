"""Training one network with ``model.fit`` and small callbacks; Keras 3, no backend named.

A finished epoch is a check on the validation patients, a row of the history and a saved state. A state holds all
that the rest of the training depends on, so a killed run ends with the same weights as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from bench.events import EpochEnded, Event, Progress
from bench.plan.cells import Training
from bench.training import random_layers
from bench.training.batches import TrainingBatches
from bench.training.checkpoint import State
from bench.training.divergence import Divergence, diverged
from bench.training.initial_weights import initial_weights
from bench.training.networks import values

REPORT_EVERY_S = 0.25
NAN_CHECK_EVERY = 50  # updates

Emit = Callable[[Event], None]
Score = Callable[[keras.Model], float]
_EVENT_COLUMNS = ("loss", "psnr", "psnr_input", "seconds")


class LossNotFinite(Exception):
    """The loss became NaN or infinite at ``epoch`` (from 1), ``update`` within it."""

    def __init__(self, epoch: int, update: int) -> None:
        super().__init__(f"loss is not finite at epoch {epoch}, update {update}")
        self.epoch = epoch


@dataclass(frozen=True)
class FitTask:
    """One training: its batches, its check (PSNR in dB), the file of its state, and what takes its events."""

    cell: str
    training: Training
    batches: TrainingBatches
    validate: Score
    psnr_input: float
    path: Path
    emit: Emit


def fit(model: keras.Model, state: State, task: FitTask) -> Divergence | None:
    """Train from ``state`` to the end, which ``state`` then holds; return where and why it diverged, or None."""
    model.set_weights(state.weights)
    for variable, value in zip(model.optimizer.variables, state.optimizer, strict=True):
        variable.assign(value)
    random_layers.assign(model, state.random)
    divergence = diverged(state.history, task.training.guard)
    if divergence is not None or len(state.history) >= task.training.epochs:
        return divergence
    checks = _Checks(task, state)
    try:
        with model.loss.watching():
            model.fit(
                task.batches,
                initial_epoch=len(state.history),
                epochs=task.training.epochs,
                shuffle=False,
                verbose=0,
                callbacks=[_Watch(task), checks],
            )
    except LossNotFinite as error:
        return Divergence(error.epoch, str(error))
    return checks.divergence


class _Checks(keras.callbacks.Callback):
    """At each epoch's end: score the validation patients, keep the best weights, save, judge, emit the event."""

    def __init__(self, task: FitTask, state: State) -> None:
        super().__init__()
        self.task, self.state = task, state
        self.divergence: Divergence | None = None
        self.started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.task.batches.epoch = epoch
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        state, task = self.state, self.task
        row = {
            "epoch": epoch + 1,
            "updates": (epoch + 1) * task.training.updates_per_epoch,
            "loss": float((logs or {})["loss"]),
            "psnr": task.validate(self.model),
            "psnr_input": task.psnr_input,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "seconds": time.monotonic() - self.started,
        }
        state.history.append(row)
        self.divergence = diverged(state.history, task.training.guard)
        state.weights = values(self.model.weights)
        if self.divergence is None and row["psnr"] >= max(check["psnr"] for check in state.history):
            state.best, state.best_epoch = state.weights, epoch + 1
        state.optimizer = values(self.model.optimizer.variables)
        state.random = values(random_layers.states(self.model))
        state.save(task.path)
        task.emit(EpochEnded(task.cell, epoch + 1, task.training.epochs, *(row[k] for k in _EVENT_COLUMNS)))
        if self.divergence is not None:
            self.model.stop_training = True


class _Watch(keras.callbacks.Callback):
    """Between checks: emit progress, and stop at once when the loss is no longer a number."""

    def __init__(self, task: FitTask) -> None:
        super().__init__()
        self.task, self.epoch, self.last = task, 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        training, now = self.task.training, time.monotonic()
        if batch == 0:
            self.model.loss.check(self.model)
        if batch % NAN_CHECK_EVERY == 0 and not math.isfinite(float((logs or {})["loss"])):
            raise LossNotFinite(self.epoch + 1, batch + 1)
        if now - self.last > REPORT_EVERY_S:
            self.last = now
            done = self.epoch * training.updates_per_epoch + batch + 1
            total = training.epochs * training.updates_per_epoch
            self.task.emit(Progress("train", self.task.cell, done, total))


def fresh_state(model: keras.Model, seed: int) -> State:
    """Return the state before the first update."""
    weights = initial_weights(model, seed)
    return State(
        seed, weights, values(model.optimizer.variables), weights, None, [], random_layers.start(model, seed)
    )
