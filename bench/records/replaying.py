"""A finished cell held against its own record: the bytes of its files, and scores that were computed once more.

What is found are accidents, a changed byte or another number, not a forgery: whoever writes a file can seal it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import environment
from bench.errors import BenchError
from bench.metrics import METRICS
from bench.records import record as records
from bench.records.record import Record
from bench.records.store import TEXT_COLUMNS, CellStore, sha256_of, to_csv

Rows = Sequence[Mapping[str, str | float]]

#: How far a score may lie from the recorded one on another processor or with other libraries, by the metric's unit.
#: Sums in another order move the output of a float32 network by d, about 1e-6 of water (1e-3 HU) rms. That moves an
#: RMSE by d at most, and a PSNR by 8.7 d / RMSE dB at most; in truth by far less, since d knows nothing of the error.
#: Measured: 3e-7 dB, 2e-8 SSIM, 2e-6 HU (docs/reliability.md).
HAIR = {"dB": 1e-4, "": 1e-5, "HU": 1e-3}
OF_VALUE = 1e-4  # of the recorded value, for every other unit
#: Times so much where products have 8 to 11 bits instead of 24: half precision, and TF32 on a GPU. Measured in
#: bfloat16: 4e-3 dB, 9e-4 SSIM, 2e-2 HU.
COARSE = 100.0


@dataclass(frozen=True)
class Inspection:
    """The record of a cell, None where it cannot be read, and what its files show.

    ``faults`` name each file that has changed, ``remarks`` what could not be looked at.
    """

    record: Record | None
    faults: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True)
class Comparison:
    """``faults`` name file, slice, metric and both values; ``words`` say what is equal, and how far."""

    faults: tuple[str, ...]
    words: str
    remarks: tuple[str, ...] = ()


def changed(path: Path, now: str, then: str) -> str:
    """Return that a file is not the one of the record, with the SHA-256 of both."""
    return f"{path}: {'SHA-256 ' + now[:16] if now else 'absent'}, recorded {then[:16]}"


def inspect(store: CellStore) -> Inspection:
    """Return what the files of a cell show without any score being computed; nothing is written."""
    path = store.folder / "record.json"
    try:
        record = store.read_record()
        intact = record and records.is_intact(path.read_bytes().decode())
    except (BenchError, ValueError, OSError) as error:
        return Inspection(None, (str(error),))
    if record is None:
        return Inspection(None)
    faults = [f"{path}: its bytes are not those that its seal was made of"] if intact is False else []
    files = {store.scores_path(record) if name == "scores.csv" else store.folder / name: sha256
             for name, sha256 in record.files.items()}  # fmt: skip
    files |= {store.weights: record.weights_sha256} if record.weights_sha256 else {}
    if record.submission is not None and store.outputs.exists():
        files[store.outputs] = record.submission.outputs_sha256
    faults += [changed(file, now, then) for file, then in files.items() if (now := sha256_of(file)) != then]
    remarks = ["its record has no seal (an earlier version wrote it): a changed byte there may go unseen"]
    if record.spec.build is not None and not record.weights_sha256:
        remarks.append(f"its record does not name the bytes of {store.weights.name}")
    return Inspection(record, tuple(faults), tuple(remarks[intact is not None :]))


def compare(store: CellStore, record: Record, rows: Rows, present: Mapping[str, Any]) -> Comparison:
    """Return how the recorded scores of a cell stand to ``rows``, computed in the environment ``present``.

    On the processor and with the libraries of the record they are equal to the last bit, otherwise within ``HAIR``; on
    a GPU, which sums in any order, always within it.
    """
    path = store.scores_path(record)
    try:
        recorded = store.read_scores(record)
    except BenchError as error:
        return Comparison((str(error),), "")
    faults = _of_slices(path, recorded, rows)
    if not faults and to_csv(recorded, store.score_columns(record)).encode() != path.read_bytes():
        faults.append(f"{path}: its bytes are not those in which its values are written")
    now = {_slice(row): row for row in rows}
    words, remarks = [], []
    for metric, definition in record.metrics.items():
        version = METRICS[metric].version if metric in METRICS else None
        if version != definition.get("version"):
            has = f"has version {version}" if version else "does not have it"
            remarks.append(
                f"{metric} is not replayed: version {definition.get('version')}, this program {has}"
            )
            continue
        others = _others(record, metric, present)
        hair = _hair(record, definition.get("unit", ""), present) if others else None
        largest = 0.0
        for row in (row for row in recorded if _slice(row) in now):
            then, value = float(row.get(metric, math.nan)), float(now[_slice(row)].get(metric, math.nan))
            equal = then == value or (math.isnan(then) and math.isnan(value))
            largest = max(largest, 0.0 if equal else abs(then - value))
            limit = hair if hair is not None else OF_VALUE * abs(then) if others else 0.0
            if not (equal or abs(then - value) <= limit):
                faults.append(
                    f"{path}: {'/'.join(_slice(row))} {metric}: recorded {then!r}, replayed {value!r}"
                )
        words.append((metric, largest, others))
    if not words and not faults:
        faults.append(f"{path}: no score could be replayed, all are of other versions or programs")
    return Comparison(tuple(faults), _words(len(recorded), words), tuple(remarks))


def _of_slices(path: Path, recorded: Rows, rows: Rows) -> list[str]:
    """Return which slices stand on one side only, or that their order is another."""
    then, now = ([_slice(row) for row in side] for side in (recorded, rows))
    faults = [f"{path}: {'/'.join(one)} is recorded and no test slice" for one in then if one not in now]
    faults += [f"{path}: {'/'.join(one)} is a test slice and not recorded" for one in now if one not in then]
    return faults or ([] if then == now else [f"{path}: its slices are in another order, or some are twice"])


def _slice(row: Mapping[str, str | float]) -> tuple[str, ...]:
    return tuple(str(row[column]) for column in TEXT_COLUMNS)


def scored_in(record: Record, metric: str) -> dict[str, Any]:
    """Return the environment in which the scores of a metric were computed."""
    return next(
        (note.environment for note in reversed(record.rescored) if metric in note.metrics), record.environment
    )


def _others(record: Record, metric: str, present: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what of the present environment may move the last bits of a score, in words; empty: nothing."""
    then, now = environment.deciding(scored_in(record, metric)), environment.deciding(present)
    if record.spec.build is None:  # no network: the backend is not loaded, and has no part in it
        then = {key: value for key, value in then.items() if key in now}
    words = [
        f"{key} {then.get(key, 'not stated')}, now {now.get(key, 'not stated')}"
        for key in dict.fromkeys((*then, *now))
        if then.get(key) != now.get(key)
    ]
    return tuple(words or ([f"a {now['device']} sums in any order"] if _is_gpu(now) else []))


def _is_gpu(described: Mapping[str, Any]) -> bool:
    return bool(described.get("device", "CPU") != "CPU")


def _hair(record: Record, unit: str, present: Mapping[str, Any]) -> float | None:
    training = record.spec.training
    coarse = training is not None and (
        training.precision != "float32" or _is_gpu(present) or _is_gpu(record.environment)
    )
    return HAIR[unit] * (COARSE if coarse else 1.0) if unit in HAIR else None


def _words(slices: int, metrics: Sequence[tuple[str, float, tuple[str, ...]]]) -> str:
    """Return what was compared and how far it is equal."""
    head = f"{slices} slices x {len(metrics)} scores"
    others = list(dict.fromkeys(other for _, _, each in metrics for other in each))
    if not any(value for _, value, _ in metrics):
        return "; ".join((f"{head} equal to the last bit", *others))
    largest = ", ".join(f"{metric} {value:.1g}" for metric, value, _ in metrics)
    return f"{head} equal within a hair (largest difference: {largest}); {'; '.join(others)}"
