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
from bench.training import divergence, random_layers
from bench.training.checkpoint import State
from bench.training.initial_weights import initial_weights
from bench.training.networks import values

REPORT_EVERY_S = 0.25
NAN_CHECK_EVERY = 50  # updates

Report = Callable[[Event], None]
Score = Callable[[keras.Model], float]


class _Checks(keras.callbacks.Callback):
    """At each epoch's end: score the validation patients, keep the best weights, save, judge, report."""

    def __init__(self, fit: Fit, state: State) -> None:
        super().__init__()
        self.fit, self.state = fit, state
        self.verdict: divergence.Divergence | None = None
        self.started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.fit.batches.epoch = epoch
        self.started = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        state, fit = self.state, self.fit
        row = {
            "epoch": epoch + 1,
            "updates": (epoch + 1) * fit.training.updates_per_epoch,
            "loss": float((logs or {})["loss"]),
            "psnr": fit.validate(self.model),
            "psnr_input": fit.psnr_input,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "seconds": time.monotonic() - self.started,
        }
        state.history.append(row)
        self.verdict = divergence.verdict(state.history, fit.training.guard)
        state.weights = values(self.model.weights)
        if self.verdict is None and row["psnr"] >= max(check["psnr"] for check in state.history):
            state.best, state.best_epoch = state.weights, epoch + 1
        state.optimizer = values(self.model.optimizer.variables)
        state.random = values(random_layers.states(self.model))
        state.save(fit.path)
        fit.report(EpochEnded(fit.cell, epoch + 1, fit.training.epochs, *(row[k] for k in _EVENT_COLUMNS)))
        if self.verdict is not None:
            self.model.stop_training = True


_EVENT_COLUMNS = ("loss", "psnr", "psnr_input", "seconds")


class _Watch(keras.callbacks.Callback):
    """Between checks: report progress and stop at once when the loss is no longer a number."""

    def __init__(self, fit: Fit) -> None:
        super().__init__()
        self.fit, self.epoch, self.last = fit, 0, 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        training, now = self.fit.training, time.monotonic()
        if batch == 0:
            self.model.loss.check(self.model)
        if batch % NAN_CHECK_EVERY == 0 and not math.isfinite(float((logs or {})["loss"])):
            raise LossNotFinite(self.epoch + 1, batch + 1)
        if now - self.last > REPORT_EVERY_S:
            self.last = now
            done = self.epoch * training.updates_per_epoch + batch + 1
            self.fit.report(
                Progress("train", self.fit.cell, done, training.epochs * training.updates_per_epoch)
            )


class LossNotFinite(Exception):
    """The loss became NaN or infinite at ``epoch`` (from 1), ``update`` within it."""

    def __init__(self, epoch: int, update: int) -> None:
        super().__init__(f"loss is not finite at epoch {epoch}, update {update}")
        self.epoch = epoch


@dataclass
class Fit:
    """One training: what it learns from, how it is checked, where its state lies and who hears of it."""

    cell: str
    training: Training
    batches: Any  # TrainingBatches
    validate: Score
    psnr_input: float
    path: Path
    report: Report

    def run(self, model: keras.Model, state: State) -> divergence.Divergence | None:
        """Train from ``state`` to the end, which it then holds; return where and why it diverged, or None."""
        model.set_weights(state.weights)
        for variable, value in zip(model.optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)
        random_layers.assign(model, state.random)
        diverged = divergence.verdict(state.history, self.training.guard)
        if diverged is not None or len(state.history) >= self.training.epochs:
            return diverged
        checks = _Checks(self, state)
        try:
            with model.loss.watching():
                model.fit(
                    self.batches,
                    initial_epoch=len(state.history),
                    epochs=self.training.epochs,
                    shuffle=False,
                    verbose=0,
                    callbacks=[_Watch(self), checks],
                )
        except LossNotFinite as error:
            return divergence.Divergence(error.epoch, str(error))
        return checks.verdict


def fresh_state(model: keras.Model, seed: int) -> State:
    """Return the state before the first update."""
    weights = initial_weights(model, seed)
    return State(
        seed, weights, values(model.optimizer.variables), weights, None, [], random_layers.start(model, seed)
    )
