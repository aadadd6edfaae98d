"""What every cell does, with a network or without: open pairs, score test slices, write the record. No Keras."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bench import devices, environment
from bench.config.schema import TRAINING_VERSION
from bench.data.pairs.pairs import PairSet, open_pairs
from bench.errors import BenchError
from bench.events import Event, Progress
from bench.execution.task import Outcome, Task, earlier_attempts, end
from bench.metrics import METRICS
from bench.network_code.importing import CodeChanged
from bench.records import rescoring
from bench.records.record import Record
from bench.training import checkpoint, evaluate

Emit = Callable[[Event], None]


def untreated(task: Task, emit: Emit) -> Record:
    """Score the untreated input, or score it or a submitted method again, and return its record."""
    if task.rescore and task.planned.spec.submitted:
        return rescore(task, lambda record: task.store.read_outputs(), emit)
    if task.rescore:
        return rescore(task, lambda record: evaluate.untreated, emit)
    pairs, outcome = opened(task)
    return finish(task, pairs, evaluate.untreated, emit, outcome)


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
    record = end(task, replace(outcome, timings={**outcome.timings, **scores.timings}))
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
    if pairs.sha256 != record.data:
        message = "its pixels are not those that the cell was scored on"
        changed = pairs.sha256["degraded"] != record.data.get("degraded")
        raise BenchError(message, file=task.files.degraded_path if changed else task.files.reference_path)
    computed = evaluate.score(pairs, network(record), _progress(task, emit))
    machine = {**environment.describe(), **devices.describe()}
    rows, record, note = rescoring.merge(record, task.store.read_scores(record), computed.rows, machine)
    task.store.write_spectra(computed.spectra)  # of the same weights and pairs, whichever record stands
    return task.store.replace_scores(rows, record, note)


def _progress(task: Task, emit: Emit) -> Callable[[int, int], None]:
    return lambda done, total: emit(Progress("score", task.id, done, total))
