"""Training one network from its state to its end; Keras 3, no backend named.

The training is cut into epochs, each ended by a check on the validation patients, and an epoch where something is
due: a state is saved every few minutes, and a training that is asked to stop saves and stops. A state holds all that
the rest of the training depends on, so however often it was cut, it ends with the same weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bench import devices
from bench.events import EpochEnded, Event, Progress
from bench.plan.cells import Training
from bench.training import random_layers
from bench.training.checkpoint import SAVE_EVERY_S, State, Stopped
from bench.training.divergence import Divergence, diverged
from bench.training.initial_weights import initial_weights
from bench.training.networks import values
from bench.training.order import SampleOrder
from bench.training.step import TrainingStep
from bench.training.watchdog import GivenUp, Watchdog

REPORT_EVERY_S = 0.25
NAN_CHECK_EVERY = 50  # updates; each look at the loss waits for the device

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
    """One training: its samples, its check (PSNR in dB), the file of its state, and what takes its events.

    ``stop`` is asked after every dispatch to the device, ``save_every_s`` seconds lie between two states at most.
    """

    cell: str
    training: Training
    order: SampleOrder
    validate: Score
    psnr_input: float
    path: Path
    emit: Emit
    stop: Callable[[], bool] = lambda: False
    save_every_s: float = SAVE_EVERY_S
    watchdog: Watchdog | None = None


def fit(step: TrainingStep, state: State, task: FitTask) -> Divergence | None:
    """Train from ``state`` to the end, which ``state`` then holds; return where and why it diverged, or None.

    Raises:
        Stopped: ``task.stop`` asked for it; the state is saved.
    """
    if task.watchdog is not None:
        step.network.set_weights(state.best)
        task.watchdog.begin(step.network, best=state.best_epoch is not None)
    _load(step, state)
    try:
        with step.loss.watching():
            while (divergence := diverged(state.history, task.training.guard)) is None:
                if state.updates >= task.training.updates:
                    return None
                _advance(step, state, task)
    except LossNotFinite as error:
        return Divergence(error.epoch, str(error))
    except GivenUp as error:
        return error.divergence
    return divergence


def _advance(step: TrainingStep, state: State, task: FitTask) -> None:
    """Train to the end of the epoch, or until something is due before it; then check, save and report."""
    per_epoch = task.training.updates_per_epoch
    epoch = state.updates // per_epoch
    draws = task.order.draws(state.updates, (epoch + 1) * per_epoch)
    watch = _Watch(task, state, step, len(draws))
    inputs = step.feed.inputs(draws.reshape(len(draws) * step.parts, -1, draws.shape[-1]))
    size = None if isinstance(inputs, keras.utils.PyDataset) else 1
    step.fit(inputs, batch_size=size, shuffle=False, verbose=0, callbacks=[watch])
    state.updates, state.seconds = watch.updates, watch.seconds
    state.weights = values(step.network.weights)
    state.optimizer = _optimizer(step)
    state.random = values(random_layers.states(step.network))
    # sum and count, per update; in double, so that what is multiplied again by any number of parts has the same bits
    state.loss = [np.asarray(value, np.float64) / step.parts for value in values(step.metrics_variables)]
    ended = state.updates == (epoch + 1) * per_epoch
    if ended:
        _check(step, state, task, epoch + 1, watch.loss)
    state.save(task.path)
    if ended:
        row = state.history[-1]
        task.emit(
            EpochEnded(task.cell, epoch + 1, task.training.epochs, *(row[key] for key in _EVENT_COLUMNS))
        )
    if task.stop() and state.updates < task.training.updates:
        raise Stopped(state.updates)


def _check(step: TrainingStep, state: State, task: FitTask, epoch: int, loss: float) -> None:
    """Score the validation patients at an epoch's end, note it in the history and keep the best weights."""
    row = {
        "epoch": epoch,
        "updates": state.updates,
        "loss": loss,
        "psnr": task.validate(step.network),
        "psnr_input": task.psnr_input,
        "learning_rate": float(step.optimizer.learning_rate),
        "seconds": state.seconds,
    }
    state.history.append(row)
    state.seconds, state.loss = 0.0, []
    sound = diverged(state.history, task.training.guard) is None
    if sound and row["psnr"] >= max(check["psnr"] for check in state.history):
        state.best, state.best_epoch = state.weights, epoch


def _load(step: TrainingStep, state: State) -> None:
    """Set network, optimizer and random layers to a state."""
    step.network.set_weights(state.weights)
    updates, *rest = state.optimizer
    for variable, value in zip(step.optimizer_state, [updates * step.parts, *rest], strict=True):
        variable.assign(value)
    random_layers.assign(step.network, state.random)


def _optimizer(step: TrainingStep) -> list[Any]:
    """Return the optimizer's values as a state keeps them: its counter, the first, counts updates."""
    micro_batches, *rest = values(step.optimizer_state)
    return [np.asarray(micro_batches // step.parts), *rest]


class _Watch(keras.callbacks.Callback):
    """Between two checks: emit progress, end the call when something is due, stop when the loss is no number."""

    def __init__(self, task: FitTask, state: State, step: TrainingStep, updates: int) -> None:
        super().__init__()
        self.task, self.state, self.parts = task, state, step.parts
        self.end = state.updates + updates
        self.updates, self.loss = state.updates, math.nan
        self._began, self._reported = time.monotonic(), 0.0

    @property
    def seconds(self) -> float:
        """The time that the epoch has taken until now."""
        return self.state.seconds + time.monotonic() - self._began

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Go on from the loss that a cut epoch has summed up; Keras has just set it to zero."""
        for variable, value in zip(self.model.metrics_variables, self.state.loss, strict=False):
            variable.assign(value * self.parts)

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Look at what has been done since the last dispatch to the device."""
        first, before = self.updates == self.state.updates, self.updates
        # Keras counts the last dispatch of a call as full, whatever is left for it
        self.updates = min(self.state.updates + (batch + 1) // self.parts, self.end)
        if first:
            self.model.loss.check(self.model.network)
        self._check_loss(before, (logs or {})["loss"])
        if self.task.watchdog is not None:
            self.task.watchdog.look(self.model, before, self.updates)
        now = time.monotonic()
        if now - self._reported > REPORT_EVERY_S:
            self._reported = now
            self.task.emit(Progress("train", self.task.cell, self.updates, self.task.training.updates))
        if now - self._began > self.task.save_every_s or self.task.stop():
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the mean loss since the epoch began."""
        self.loss = float((logs or {})["loss"])

    def _check_loss(self, before: int, loss: Any) -> None:
        """Raise ``LossNotFinite`` at the first of every ``NAN_CHECK_EVERY`` updates of an epoch."""
        epoch, last = divmod(self.updates - 1, self.task.training.updates_per_epoch)
        begun = before - epoch * self.task.training.updates_per_epoch
        due = -(-begun // NAN_CHECK_EVERY) * NAN_CHECK_EVERY <= last
        if due and not math.isfinite(float(loss)):
            raise LossNotFinite(epoch + 1, last + 1)


def fresh_state(step: TrainingStep, seed: int) -> State:
    """Return the state before the first update."""
    weights = initial_weights(step.network, seed)
    random = random_layers.start(step.network, seed)
    return State(seed, weights, _optimizer(step), weights, None, [], random, threads=devices.threads())


def set_back(step: TrainingStep, state: State, fresh: State, restarts: int) -> State:
    """Return ``state`` set back to its best check for the ``restarts``-th time, ``fresh`` being that before any update.

    It has the best weights, and of the optimizer the count of updates at that check, so that the learning rate goes on
    from there; its moments are zero, as before the first update. The history ends with that check, the samples follow
    it, so the training has as many updates as any other. Random layers draw other numbers than the first time.
    """
    epoch = state.best_epoch or 0
    history = [row for row in state.history if row["epoch"] <= epoch]
    updates = int(history[-1]["updates"]) if history else 0
    count, *moments = fresh.optimizer
    return replace(
        state,
        weights=state.best,
        optimizer=[np.asarray(updates, count.dtype), *moments],
        history=history,
        random=random_layers.start(step.network, state.seed, f"restart {restarts}"),
        loss=[],
        updates=updates,
        seconds=0.0,
        restarts=restarts,
    )
