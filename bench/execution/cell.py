"""One cell with a network, from pairs to record: build, train, score, store. Runs inside a worker process."""

from __future__ import annotations

import gc
import statistics
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from bench import atomic
from bench.data.pairs.pairs import PairSet, open_pairs
from bench.errors import BenchError
from bench.events import Event, Message, Progress
from bench.execution import scoring
from bench.execution.stopping import Request
from bench.execution.task import Task, earlier_attempts, end, next_parts, next_seed, with_attempt
from bench.records.record import Record, Restart
from bench.training import checkpoint, evaluate, memory, networks
from bench.training.checkpoint import State, Stopped
from bench.training.divergence import Divergence
from bench.training.fit import Emit, FitTask, fit, fresh_state, set_back
from bench.training.order import SampleOrder
from bench.training.step import TrainingStep
from bench.training.watchdog import watchdog_of

RESTARTS = 2  # of a diverged cell, where its guard restarts


def run(task: Task, cache: networks.NetworkCache, emit: Emit, stop: Request | None = None) -> Record:
    """Train and score one cell, write its files, the record last, and return the record.

    Raises:
        Stopped: ``stop`` asked for it; the state is saved.
    """
    stop = stop or Request()
    pairs, outcome = scoring.opened(task)
    learnt = _learnt(task, pairs)
    if learnt is not pairs:
        outcome = replace(outcome, data=outcome.data | {"second_draw": learnt.sha256["reference"]})
    while (trained := _train(task, cache, learnt, emit, stop)) is None:
        gc.collect()  # a traceback holds the network of a failed attempt in a circle
    model, state, divergence, checks = trained
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
        checkpoint.remove(task.store.state)
        return record
    predict = _trained(task, model, state.best, state.seed)
    task.store.write_weights([variable.path for variable in model.weights], networks.values(model.weights))
    attempts, sha256 = with_attempt(task, "finished"), task.store.weights_sha256()
    outcome = replace(outcome, attempts=attempts, weights_sha256=sha256)
    return scoring.finish(task, pairs, predict, emit, outcome)


def rescore(task: Task, cache: networks.NetworkCache, emit: Emit) -> Record:
    """Return the record of a finished cell after its outdated metrics were scored from its weights."""

    def network(record: Record) -> evaluate.Predict:
        model = cache.model(task.planned.spec, task.code)
        return _trained(task, model, task.store.read_weights(), record.attempts[-1].seed)

    return scoring.rescore(task, network, emit)


def _learnt(task: Task, pairs: PairSet) -> PairSet:
    """Return the pairs that a network learns from and is checked on: of a second draw, that is their reference.

    The training so has no way to a clean slice, neither for its loss nor for the choice of an epoch or of an attempt.
    """
    if task.second is None:
        return pairs
    other = open_pairs(task.second, task.parts)
    if other.names != pairs.names:
        raise BenchError("its slices are not those of the first draw", file=task.second.degraded_path)
    sha256 = {**pairs.sha256, "reference": other.sha256["degraded"]}
    return replace(pairs, reference=other.degraded, sha256=sha256)


def _train(
    task: Task, cache: networks.NetworkCache, pairs: PairSet, emit: Emit, stop: Request
) -> tuple[Any, State, Divergence | None, _Checks] | None:
    """Make one attempt at a training; return network, last state and verdict, or None where another attempt is due.

    Out of memory, the next one has smaller micro-batches and goes on from the last saved state. A diverged training
    is restarted where its guard says so.
    """
    parts = next_parts(task, earlier_attempts(task)) or 1
    try:
        step = cache.step(task.planned.spec, pairs, task.code, parts=parts)
        state = _start(task, step, emit)
        fit_task, checks = _fit_task(task, pairs, state, emit, stop)
        with stop.training():
            divergence = fit(step, state, fit_task)
        if stop.asked:  # after the last update, which is saved too
            raise Stopped(state.updates)
    except Exception as error:
        if not memory.exhausted(error):
            raise
        cache.forget()
        attempts = with_attempt(task, "out_of_memory", " ".join(str(error).split())[:300])
        if not task.alone or next_parts(task, attempts) is None:
            raise
        traceback.print_exc()
        task.store.write_attempts(attempts)
        return None
    then = _restart(task, state) if divergence is not None else ""
    if divergence is None or not then:
        return step.network, state, divergence, checks
    task.store.write_attempts(
        with_attempt(task, "diverged", divergence.message, epoch=divergence.epoch, then=then)
    )
    return None


def _restart(task: Task, state: State) -> Restart:
    """Return how a diverged training goes on: as its guard says, at most ``RESTARTS`` times; else it is over.

    Where no check stands yet, there is no best one to go back to.
    """
    assert task.planned.spec.training is not None
    restart = task.planned.spec.training.guard.restart
    done = sum(bool(attempt.then) for attempt in earlier_attempts(task))
    if restart == "none" or done >= RESTARTS or (restart == "best" and state.best_epoch is None):
        return ""
    return restart


def _trained(task: Task, model: Any, weights: list[np.ndarray], seed: int) -> evaluate.Predict:
    """Return the network with these weights as a function of images; its random layers start from the cell's seed."""
    networks.set_trained(model, weights, seed)
    return evaluate.predictor(model, divisible=_divisible(task))


def _divisible(task: Task) -> bool:
    """Return whether an image's output does not depend on those beside it."""
    return networks.divisible(task.planned.spec)


def _start(task: Task, step: TrainingStep, emit: Emit) -> State:
    """Return the state that this attempt goes on from: the saved one, set back to its best check if that is due.

    A new attempt after a divergence has a seed of its own, and begins anew. The history on disk is then that of the
    state: it may be an epoch behind, or ahead of a state gone back to.
    """

    def tell(text: str) -> None:
        sys.stdout.write(f"{text}\n")  # to the log of the cell
        emit(Message(f"{task.id}: {text}"))

    attempts = earlier_attempts(task)
    seed = next_seed(task, attempts)
    fresh, saved = fresh_state(step, seed), checkpoint.restored(task.store.state, tell)
    if saved is None or saved.seed != seed:
        atomic.remove(task.store.history)
        return fresh
    if not saved.fits(fresh):
        message, remedy = "saved state of another network or optimizer", "run with --force to start anew"
        raise BenchError(message, file=task.store.state, remedy=remedy)
    restarts = sum(attempt.seed == seed and attempt.then == "best" for attempt in attempts)
    if saved.restarts < restarts:
        saved = set_back(step, saved, fresh, restarts)
    task.store.write_history(saved.history)
    return saved


class _Checks:
    """The checks on the validation slices, as a function of the network, with the seconds that they take."""

    def __init__(self, validation: evaluate.Validation, divisible: bool) -> None:
        self._validation, self._divisible, self._seconds = validation, divisible, list[float]()

    def __call__(self, model: Any) -> float:
        began = time.monotonic()
        psnr = self._validation.mean_psnr(evaluate.predictor(model, divisible=self._divisible))
        self._seconds.append(time.monotonic() - began)
        return psnr

    def timing(self, checks: int) -> dict[str, float]:
        """Return the seconds of so many checks by the mean of those that this process has made."""
        return {"check_s": statistics.fmean(self._seconds) * checks} if self._seconds else {}


def _fit_task(task: Task, pairs: PairSet, state: State, emit: Emit, stop: Request) -> tuple[FitTask, _Checks]:
    training = task.planned.spec.training
    assert training is not None
    validation = evaluate.Validation(pairs, pairs.parts["validation"])
    checks = _Checks(validation, _divisible(task))

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
        stop=lambda: stop.asked,
        save_every_s=task.save_every_s,
        watchdog=watchdog_of(training, pairs),
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
