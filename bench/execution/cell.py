"""One cell from pairs to record: build, train, score, store. Runs inside a worker process."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.config.schema import TRAINING_VERSION
from bench.ct.units import MU_WATER
from bench.data.pairs.pairs import PairSet, open_pairs
from bench.errors import BenchError
from bench.events import Event, Progress
from bench.execution.task import Task, earlier_attempts, end, next_seed
from bench.network_code.importing import CodeChanged
from bench.records.record import Attempt, Record
from bench.training import evaluate, networks, random_layers
from bench.training import fit as train
from bench.training.batches import TrainingBatches
from bench.training.checkpoint import State, load_state
from bench.training.divergence import Divergence


def run(task: Task, bench: networks.Workbench, report: train.Report) -> Record:
    """Train and score one cell, write its files, the record last, and return the record."""
    if task.planned.spec.versions.get("training", TRAINING_VERSION) != TRAINING_VERSION:
        raise CodeChanged("this program has changed since the plan was made", remedy="run again")
    pairs = open_pairs(task.files, task.parts)
    evaluate.check(pairs)
    attempts = earlier_attempts(task)
    if task.planned.spec.build is None:
        return _finish(task, pairs, evaluate.untreated, report, attempts, {"timings": {}})
    model = bench.model(task.planned.spec, task.code)
    state = _start(task, model, attempts)
    divergence = _fit(task, pairs, state, report).run(model, state)
    attempts = (*attempts, _attempt(task, state, divergence))
    task.store.write_history(state.history)
    results: dict[str, Any] = {
        "timings": {"train_s": sum(row["seconds"] for row in state.history)},
        "parameters": _parameters(model),
        "best_epoch": state.best_epoch,
    }
    if divergence is not None:
        record = end(task, "diverged", attempts, **_identity(pairs), **results)
        task.store.state.unlink(missing_ok=True)
        return record
    model.set_weights(state.best)
    random_layers.assign(model, random_layers.start(model, state.seed, "scoring"))
    task.store.write_weights([variable.path for variable in model.weights], networks.values(model.weights))
    return _finish(task, pairs, evaluate.predictor(model), report, attempts, results)


def _start(task: Task, model: Any, attempts: tuple[Attempt, ...]) -> State:
    """Return the saved state of this attempt, or a fresh one. A new attempt after a divergence has its own seed."""
    seed = next_seed(task, attempts)
    fresh, saved = train.fresh_state(model, seed), load_state(task.store.state)
    if saved is None or saved.seed != seed:
        return fresh
    if not saved.fits(fresh):
        message, remedy = "saved state of another network or optimizer", "run with --force to start anew"
        raise BenchError(message, file=task.store.state, remedy=remedy)
    return saved


def _fit(task: Task, pairs: PairSet, state: State, report: train.Report) -> train.Fit:
    training = task.planned.spec.training
    assert training is not None
    rows = pairs.parts["validation"]

    def report_and_keep(event: Event) -> None:
        if not isinstance(event, Progress):
            task.store.write_history(state.history)
        report(event)

    return train.Fit(
        cell=task.planned.id,
        training=training,
        batches=TrainingBatches(pairs, training, seed=state.seed),
        validate=lambda model: evaluate.mean_psnr(pairs, rows, evaluate.predictor(model)),
        psnr_input=evaluate.mean_psnr(pairs, rows, evaluate.untreated),
        path=task.store.state,
        report=report_and_keep,
    )


def _finish(
    task: Task,
    pairs: PairSet,
    predict: evaluate.Predict,
    report: train.Report,
    attempts: tuple[Attempt, ...],
    results: dict[str, Any],
) -> Record:
    rows, timings = evaluate.score(
        pairs, predict, lambda done, total: report(Progress("score", task.planned.id, done, total))
    )
    task.store.write_scores(rows)
    task.store.write_samples(*evaluate.samples(pairs, predict))
    results = {**results, "timings": {**results["timings"], **timings}}
    record = end(task, "finished", attempts, **_identity(pairs), **results)
    task.store.state.unlink(missing_ok=True)
    return record


def _attempt(task: Task, state: State, divergence: Divergence | None) -> Attempt:
    training = task.planned.spec.training
    assert training is not None
    epochs = len(state.history)
    return Attempt(
        seed=state.seed,
        updates=epochs * training.updates_per_epoch,
        epochs=epochs,
        micro_batch=training.batch,
        ended="finished" if divergence is None else "diverged",
        epoch=None if divergence is None else divergence.epoch,
        message="" if divergence is None else divergence.message,
    )


def _parameters(model: Any) -> dict[str, int]:
    trainable = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    return {"total": int(model.count_params()), "trainable": trainable}


def _identity(pairs: PairSet) -> dict[str, Any]:
    return {"data": pairs.sha256, "ranges": _ranges(pairs)}


def _ranges(pairs: PairSet) -> dict[str, list[float]]:
    """Return the smallest and largest reference value of each part, mu/mu_water to four decimals; NaN is left out."""
    return {
        part: [
            round(float(edge(pairs.reference[rows], axis=None)) / MU_WATER, 4)
            for edge in (np.fmin.reduce, np.fmax.reduce)
        ]
        for part, rows in pairs.parts.items()
        if len(rows)
    }
