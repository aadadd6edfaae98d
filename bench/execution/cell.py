"""One cell with a network, from pairs to record: build, train, score, store. Runs inside a worker process."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bench.data.pairs.pairs import PairSet
from bench.errors import BenchError
from bench.events import Event, Progress
from bench.execution import scoring
from bench.execution.task import Task, earlier_attempts, end, next_seed, with_attempt
from bench.records.record import Record
from bench.training import evaluate, networks, random_layers
from bench.training.checkpoint import State, load_state
from bench.training.fit import Emit, FitTask, fit, fresh_state
from bench.training.order import SampleOrder
from bench.training.step import TrainingStep


def run(task: Task, cache: networks.NetworkCache, emit: Emit) -> Record:
    """Train and score one cell, write its files, the record last, and return the record."""
    pairs, outcome = scoring.opened(task)
    step = cache.step(task.planned.spec, pairs, task.code)
    model, state = step.network, _start(task, step)
    fit_task, checks = _fit_task(task, pairs, state, emit)
    divergence = fit(step, state, fit_task)
    task.store.write_history(state.history)
    outcome = replace(
        outcome,
        timings={
            "train_s": sum(row["seconds"] for row in state.history),
            **checks.timing(len(state.history)),
        },
        parameters=_parameters(model),
        best_epoch=state.best_epoch,
    )
    if divergence is not None:
        attempts = with_attempt(task, "diverged", divergence.message, epoch=divergence.epoch)
        record = end(task, replace(outcome, status="diverged", attempts=attempts))
        task.store.state.unlink(missing_ok=True)
        return record
    predict = _trained(model, state.best, state.seed)
    task.store.write_weights([variable.path for variable in model.weights], networks.values(model.weights))
    attempts, sha256 = with_attempt(task, "finished"), task.store.weights_sha256()
    outcome = replace(outcome, attempts=attempts, weights_sha256=sha256)
    return scoring.finish(task, pairs, predict, emit, outcome)


def rescore(task: Task, cache: networks.NetworkCache, emit: Emit) -> Record:
    """Return the record of a finished cell after its outdated metrics were scored from its weights."""

    def network(record: Record) -> evaluate.Predict:
        model = cache.model(task.planned.spec, task.code)
        return _trained(model, task.store.read_weights(), record.attempts[-1].seed)

    return scoring.rescore(task, network, emit)


def _trained(model: Any, weights: list[np.ndarray], seed: int) -> evaluate.Predict:
    """Return the network with these weights as a function of images; its random layers start from the cell's seed."""
    try:
        model.set_weights(weights)
    except ValueError as error:
        raise BenchError(f"the weights do not fit the network: {error}") from error
    random_layers.assign(model, random_layers.start(model, seed, "scoring"))
    return evaluate.predictor(model)


def _start(task: Task, step: TrainingStep) -> State:
    """Return the saved state of this attempt, or a fresh one. A new attempt after a divergence has its own seed."""
    seed = next_seed(task, earlier_attempts(task))
    fresh, saved = fresh_state(step, seed), load_state(task.store.state)
    if saved is None or saved.seed != seed:
        return fresh
    if not saved.fits(fresh):
        message, remedy = "saved state of another network or optimizer", "run with --force to start anew"
        raise BenchError(message, file=task.store.state, remedy=remedy)
    return saved


class _Checks:
    """The checks on the validation slices, as a function of the network, with the seconds that they take."""

    def __init__(self, validation: evaluate.Validation) -> None:
        self._validation, self._seconds = validation, list[float]()

    def __call__(self, model: Any) -> float:
        began = time.monotonic()
        psnr = self._validation.mean_psnr(evaluate.predictor(model))
        self._seconds.append(time.monotonic() - began)
        return psnr

    def timing(self, checks: int) -> dict[str, float]:
        """Return the seconds of so many checks by the mean of those that this process has made."""
        return {"check_s": statistics.fmean(self._seconds) * checks} if self._seconds else {}


def _fit_task(task: Task, pairs: PairSet, state: State, emit: Emit) -> tuple[FitTask, _Checks]:
    training = task.planned.spec.training
    assert training is not None
    validation = evaluate.Validation(pairs, pairs.parts["validation"])
    checks = _Checks(validation)

    def keep_and_emit(event: Event) -> None:
        if not isinstance(event, Progress):
            task.store.write_history(state.history)
            task.store.write_log(_line(state.history[-1], training.epochs))
        emit(event)

    fit_task = FitTask(
        cell=task.id,
        training=training,
        order=SampleOrder.of(training, pairs.part_names("train"), pairs.reference.shape[1], state.seed),
        validate=checks,
        psnr_input=validation.mean_psnr(evaluate.untreated),
        path=task.store.state,
        emit=keep_and_emit,
    )
    return fit_task, checks


def _line(row: Mapping[str, float], epochs: int) -> str:
    """Return the line of the log for one epoch."""
    return (
        f"epoch {row['epoch']:.0f}/{epochs}: update {row['updates']:.0f}, loss {row['loss']:.4g}, "
        f"{row['psnr']:.2f} dB, input {row['psnr_input']:.2f} dB, learning rate {row['learning_rate']:.3g}, "
        f"{row['seconds']:.1f} s"
    )


def _parameters(model: Any) -> dict[str, int]:
    """Return how many numbers a network has: all of its weights, and those that a training changes."""
    trainable = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    return {"total": int(model.count_params()), "trainable": trainable}
