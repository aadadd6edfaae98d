"""What every cell does, with a network or without: open pairs, score test slices, write the record. No Keras."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bench import classical, devices, environment, likeness
from bench.config.schema import INPUT, TRAINING_VERSION
from bench.ct.units import mu_to_hu
from bench.data.pairs.pairs import PairSet, open_pairs
from bench.errors import BenchError
from bench.events import Event, Progress
from bench.execution.task import Outcome, Task, earlier_attempts, end
from bench.metrics import METRICS
from bench.network_code.importing import CodeChanged
from bench.records import rescoring
from bench.records.record import Record, Tuning
from bench.training import checkpoint, evaluate

Emit = Callable[[Event], None]


TUNED_ON = (
    48  # slices of the validation at most, spread evenly over it: each is denoised once at every strength
)


def without_network(task: Task, emit: Emit) -> Record:
    """Score the untreated input or a classical method, or it or a submitted method again; return its record."""
    if task.rescore and task.planned.spec.submitted:
        return rescore(task, lambda record: task.store.read_outputs(), emit)
    if task.rescore:
        return rescore(task, lambda record: _predictor(task, record.tuning), emit)
    pairs, outcome = opened(task)
    if task.planned.spec.model != INPUT:
        began = time.monotonic()
        tuning = _tuned(task, pairs, emit)
        outcome = replace(outcome, tuning=tuning, timings={"tune_s": time.monotonic() - began})
    return finish(task, pairs, _predictor(task, outcome.tuning), emit, outcome)


def _predictor(task: Task, tuning: Tuning | None) -> evaluate.Predict:
    """Return the denoiser of a cell without a network; no tuning, no change."""
    if tuning is None:
        return evaluate.untreated
    return classical.predictor(task.planned.spec.model, tuning.strength)


def _tuned(task: Task, pairs: PairSet, emit: Emit) -> Tuning:
    """Return the strength with the best mean PSNR on validation slices; of equals the weakest."""
    rows = pairs.parts["validation"]
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(TUNED_ON, len(rows))).round().astype(int))]
    validation, strengths, psnr = evaluate.Validation(pairs, rows), task.planned.spec.params["strengths"], []
    for done, strength in enumerate(strengths, start=1):
        psnr.append(validation.mean_psnr(classical.predictor(task.planned.spec.model, strength)))
        emit(Progress("tune", task.id, done, len(strengths)))
    best = strengths[int(np.argmax(psnr))]
    return Tuning(strength=best, strengths=tuple(strengths), psnr=tuple(psnr), slices=len(rows))


def opened(task: Task) -> tuple[PairSet, Outcome]:
    """Return the pairs of a cell, checked, and what its record says of them."""
    if task.planned.spec.versions.get("training", TRAINING_VERSION) != TRAINING_VERSION:
        raise CodeChanged("this program has changed since the plan was made", remedy="run again")
    pairs = open_pairs(task.files, task.parts)
    ranges = evaluate.reference_ranges(pairs)
    return pairs, Outcome("finished", earlier_attempts(task), data=pairs.sha256, ranges=ranges)


def finish(
    task: Task, pairs: PairSet, predict: evaluate.Predict | np.ndarray, emit: Emit, outcome: Outcome
) -> Record:
    """Score the test slices of a network, or of outputs in HU, write scores and samples and then the record."""
    shown = evaluate.sample_rows(pairs)
    scores = evaluate.score(pairs, predict, _progress(task, emit), shown)
    task.store.write_scores(scores.rows, METRICS)
    task.store.write_spectra(scores.spectra)
    names = ["/".join(pairs.names[row]) for row in shown]
    task.store.write_samples(names, scores.samples, [evaluate.lesions_in(pairs, row) for row in shown])
    inputs = _inputs(pairs) if task.network else {}
    record = end(task, replace(outcome, timings={**outcome.timings, **scores.timings}, inputs=inputs))
    checkpoint.remove(task.store.state)
    return record


def rescore(task: Task, network: Callable[[Record], evaluate.Predict | np.ndarray], emit: Emit) -> Record:
    """Return the record of a finished cell after its outdated metrics were scored anew; nothing is trained.

    ``network`` returns what the cell has trained, or the outputs that were submitted. Scores of the other metrics stay
    to the last bit. They are computed too and must come out as they are recorded, but for rounding: else code, weights
    or libraries no longer give the images that were scored.

    Raises:
        BenchError: the pairs or the weights are not those of the record, or no longer give its scores.
    """
    record = task.store.read_record()
    assert record is not None
    pairs = open_pairs(task.files, task.parts)
    changed = [key for key, sha256 in pairs.sha256.items() if sha256 != record.data.get(key)]
    if changed:
        message = "its pixels are not those that the cell was scored on"
        raise BenchError(
            message, file=task.files.degraded_path if "degraded" in changed else task.files.reference_path
        )
    computed = evaluate.score(pairs, network(record), _progress(task, emit))
    machine = {**environment.describe(), **devices.describe()}
    rows, record, note = rescoring.merge(record, task.store.read_scores(record), computed.rows, machine)
    task.store.write_spectra(computed.spectra)  # of the same weights and pairs, whichever record stands
    return task.store.replace_scores(rows, record, note)


def _inputs(pairs: PairSet) -> dict[str, list[float]]:
    """Return what the degraded slices of the training are like, for whoever gives the network others."""
    rows = pairs.parts["train"]
    each = []
    for number in likeness.spread(len(rows)):
        width = 10.0 * float(pairs.pixel_cm[rows[number]])
        hu = mu_to_hu(pairs.degraded[rows[number]])
        each.append(likeness.statistics(hu, width if np.isfinite(width) else None))
    return likeness.profile(each)


def _progress(task: Task, emit: Emit) -> Callable[[int, int], None]:
    return lambda done, total: emit(Progress("score", task.id, done, total))
