"""The results of a run on disk: ``plan.json`` and ``split.csv`` in ``runs/<profile>``, and one folder per cell.

A cell's folder holds ``record.json``, ``scores.csv``, ``history.csv``, ``log.txt``, ``samples.npz``, ``weights.npz``,
``spectra.csv``; of a submitted one also ``outputs.npy``;
while it trains also ``state.npz`` and the state before it, ``state.previous.npz``, and, after a try that went on as
another, ``attempts.json``; while it is scored again ``scores.new.csv``. The record is written last: a folder without
one is not finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from pydantic import TypeAdapter, ValidationError

from bench import atomic, csvtext
from bench.errors import BenchError
from bench.names import nearest
from bench.plan.cells import Plan, PlannedCell, TimeBudget
from bench.records import record, submissions
from bench.records.record import Attempt, Record, Rescoring

Row = Mapping[str, str | int | float]
TEXT_COLUMNS = ("patient", "slice")
_TEXTS = (*TEXT_COLUMNS, "anatomy")  # of all files
_AGAIN = "run the cell again with --force"
_ATTEMPTS = TypeAdapter(tuple[Attempt, ...])
MATCHES = 5  # cells that are named where several match
HU_STEP = 0.1  # samples.npz holds int16 in steps of 0.1 HU
Lesions = Sequence[Mapping[str, str | float]]  # rows of the source, and ``radius_px``


class Samples(NamedTuple):
    """The slices kept for the report: their names, float32 images (N, H, W) in HU, and the known lesions of each."""

    names: list[str]
    images: dict[str, np.ndarray]
    lesions: list[Lesions]


@dataclass(frozen=True)
class CellStore:
    """The folder of one cell."""

    names_are_masked: ClassVar[bool] = (
        False  # a report may lead to its files, in which patients have their names
    )

    folder: Path

    @property
    def state(self) -> Path:
        """The saved state of an unfinished training."""
        return self.folder / "state.npz"

    @property
    def history(self) -> Path:
        """One row per epoch; of an unfinished training up to its saved state."""
        return self.folder / "history.csv"

    @property
    def weights(self) -> Path:
        """The weights of the best epoch."""
        return self.folder / "weights.npz"

    @property
    def outputs(self) -> Path:
        """The outputs of a submitted method: float32 in HU, one for each row of ``scores.csv``."""
        return self.folder / "outputs.npy"

    @property
    def log(self) -> Path:
        """What the libraries printed, and the traceback of a failure."""
        return self.folder / "log.txt"

    @property
    def lock(self) -> Path:
        """The lock of whoever works on the cell; beside its folder, which may be removed while it is held."""
        return self.folder.parent / ".locks" / self.folder.name

    def remove(self) -> None:
        """Remove all that is on disk of the cell, the record first; of a link only the link.

        Raises:
            BenchError: it cannot be removed.
        """
        if not self.folder.is_symlink() and self.folder.is_dir():
            atomic.remove(self.folder / "record.json")
        atomic.remove(self.folder)

    def read_record(self) -> Record | None:
        """Return the record, or None where the cell has not ended."""
        path = self.folder / "record.json"
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise BenchError(f"cannot be read ({error.strerror})", file=path) from None
        except UnicodeDecodeError as error:
            raise BenchError(f"not a record ({error})", file=path, remedy=_AGAIN) from None
        return record.loads(text, str(path))

    def record_sha256(self) -> str:
        """Return the SHA-256 of ``record.json``; empty where the cell has not ended."""
        return sha256_of(self.folder / "record.json")

    def write_record(self, value: Record) -> None:
        """Write the record, sealed together with scores, history and spectra: from here on the cell has ended."""
        atomic.write_text(self.folder / "record.json", record.dumps(self.with_files(value)))
        atomic.remove(self._attempts)

    def with_files(self, value: Record) -> Record:
        """Return the record of a finished cell with the SHA-256 of its scores, history and spectra."""
        files = {
            "scores.csv": self.scores_path(value),
            "history.csv": self.history,
            "spectra.csv": self._spectra,
        }
        hashes = {name: sha256_of(path) for name, path in files.items() if value.status == "finished"}
        return value.model_copy(update={"files": {name: one for name, one in hashes.items() if one}})

    @property
    def _attempts(self) -> Path:
        return self.folder / "attempts.json"

    def write_attempts(self, attempts: tuple[Attempt, ...]) -> None:
        """Write all attempts of a cell that has not ended: it goes on as another one."""
        atomic.write_json(self._attempts, _ATTEMPTS.dump_python(attempts, mode="json"))

    def read_attempts(self) -> tuple[Attempt, ...]:
        """Return all attempts so far: those of the record, with those that came after it."""
        ended = self.read_record()
        recorded = () if ended is None else ended.attempts
        try:
            noted = _ATTEMPTS.validate_json(self._attempts.read_bytes())
        except FileNotFoundError:
            return recorded
        except (OSError, ValidationError) as error:
            raise BenchError(f"broken ({error})", file=self._attempts, remedy=_AGAIN) from None
        return max(
            recorded, noted, key=len
        )  # each begins with the other; the record's have one more at the end

    def write_scores(self, rows: Iterable[Row], metrics: Iterable[str] = ()) -> None:
        """Write one row per test slice: patient, slice, then raw scores by metric id.

        Each of ``metrics`` has a column, which is empty where a row lacks it: a slice without lung has no score of it.
        """
        atomic.write_text(self.folder / "scores.csv", to_csv(rows, (*TEXT_COLUMNS, *metrics)))

    def read_scores(self, of: Record | None = None) -> list[dict[str, str | float]]:
        """Return the rows of ``scores.csv``, those of the record ``of``; an empty list where there is none.

        A row lacks the metrics of which its slice has no value.
        """
        return _from_csv(self.scores_path(of))

    def score_columns(self, of: Record) -> tuple[str, ...]:
        """Return the columns of ``scores.csv``, also those without a value in any row."""
        return csvtext.read(self.scores_path(of)).columns

    def scores_path(self, of: Record | None = None) -> Path:
        """Return the file of the scores that belong to the record ``of``."""
        if of is not None and of.rescored and sha256_of(self._coming) == of.rescored[-1].scores_sha256:
            return self._coming  # the process ended before they took their place
        return self.folder / "scores.csv"

    @property
    def _coming(self) -> Path:
        return self.folder / "scores.new.csv"

    def replace_scores(self, rows: Iterable[Row], value: Record, note: Rescoring) -> Record:
        """Put other scores, and the record with ``note`` added, in the place of the old ones; return that record.

        It is one step, the writing of the record: it states the SHA-256 of the scores that belong to it. They lie in
        another file until then and take the place of ``scores.csv`` after it, so whatever ends the process in between,
        the scores that are read are those of the record that is read.
        """
        atomic.write_text(self._coming, to_csv(rows, (*TEXT_COLUMNS, *value.metrics)))
        note = note.model_copy(update={"scores_sha256": sha256_of(self._coming)})
        value = self.with_files(value.model_copy(update={"rescored": (*value.rescored, note)}))
        self.write_record(value)
        self.settle(value)
        return value

    def settle(self, value: Record) -> None:
        """Let scores that an ended process has left beside their record take their place; remove what has no record."""
        if value.rescored and sha256_of(self._coming) == value.rescored[-1].scores_sha256:
            self._coming.replace(self.folder / "scores.csv")
        atomic.remove(self._coming)

    @property
    def _spectra(self) -> Path:
        return self.folder / "spectra.csv"

    def write_spectra(self, rows: Iterable[Row]) -> None:
        """Write the noise power spectra of the test slices, before the record that they belong to."""
        atomic.write_text(self._spectra, to_csv(rows))

    def read_spectra(self) -> list[dict[str, str | float]]:
        """Return the rows of ``spectra.csv``; an empty list where there is none."""
        return _from_csv(self._spectra)

    def write_history(self, rows: Iterable[Row]) -> None:
        """Write one row per epoch: epoch, updates, loss, validation scores, learning rate, seconds."""
        atomic.write_text(self.history, to_csv(rows))

    def write_log(self, text: str) -> None:
        """Add a line with the time to the log."""
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(f"{datetime.now():%Y-%m-%d %H:%M:%S} {text}\n")

    def read_history(self) -> list[dict[str, str | float]]:
        """Return the rows of ``history.csv``; an empty list where there is none."""
        return _from_csv(self.history)

    def weights_sha256(self) -> str:
        """Return the SHA-256 of ``weights.npz``; empty where there is none."""
        return sha256_of(self.weights)

    def write_weights(self, paths: Sequence[str], arrays: Sequence[np.ndarray]) -> None:
        """Write a network's arrays in its own order, each under its index and its path in the network.

        The index makes the key unique: two branches may hold layers of equal names.
        """
        named: dict[str, Any] = {
            f"{index:04d}.{path.replace('/', '.')}": array
            for index, (path, array) in enumerate(zip(paths, arrays, strict=True))
        }
        with atomic.replace_with(self.weights) as temporary, open(temporary, "wb") as file:
            np.savez(file, **named)

    def read_weights(self) -> list[np.ndarray]:
        """Return a network's arrays in its own order, for ``set_weights``.

        In files of earlier versions the keys are paths alone, in the network's order too; where two were equal
        the network has more arrays than the file.
        """
        try:
            with open(self.weights, "rb") as raw, np.load(raw, allow_pickle=False) as file:
                keys = file.files
                if all(key.partition(".")[0].isdecimal() for key in keys):
                    keys = sorted(keys, key=lambda key: int(key.partition(".")[0]))
                return [file[key] for key in keys]
        except atomic.DAMAGED as error:
            raise BenchError(f"broken ({error})", file=self.weights, remedy=_AGAIN) from None

    def read_outputs(self) -> np.ndarray:
        """Return the outputs of a submitted method, (N, H, W) in HU, read from the disk as they are needed."""
        try:
            images: np.ndarray = np.load(self.outputs, mmap_mode="r", allow_pickle=False)
        except atomic.DAMAGED as error:
            raise BenchError(
                f"broken ({error})", file=self.outputs, remedy="submit the method again"
            ) from None
        return images

    def write_samples(
        self, names: Sequence[str], images: Mapping[str, np.ndarray], lesions: Sequence[Lesions] = ()
    ) -> None:
        """Write slices (N, H, W) in HU under ``input``, ``output`` and ``reference`` as int16 in 0.1 HU.

        ``lesions`` are those known to lie in each slice.
        """
        packed: dict[str, Any] = {
            key: np.clip(np.rint(np.asarray(value, np.float64) / HU_STEP), -32768, 32767).astype(np.int16)
            for key, value in images.items()
        }
        if any(lesions):
            packed["lesions"] = np.array([json.dumps(rows, sort_keys=True) for rows in lesions])
        with atomic.replace_with(self.folder / "samples.npz") as temporary, open(temporary, "wb") as file:
            np.savez_compressed(file, names=np.array(list(names)), **packed)

    def read_samples(self, keys: Iterable[str] | None = None) -> Samples | None:
        """Return the slices kept for the report, or None where there are none; of the images only ``keys``, if given.

        Raises:
            BenchError: the file is broken.
        """
        path = self.folder / "samples.npz"
        if not path.exists():
            return None
        try:
            with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
                names = [str(name) for name in file["names"]]
                chosen = set(file.files) - {"names", "lesions"} if keys is None else set(keys)
                images = {key: file[key].astype(np.float32) * np.float32(HU_STEP) for key in chosen}
                known = file["lesions"] if "lesions" in file.files else ["[]"] * len(names)
                return Samples(names, images, [json.loads(str(rows)) for rows in known])
        except atomic.DAMAGED as error:
            raise BenchError(f"broken ({error})", file=path, remedy=_AGAIN) from None


@dataclass(frozen=True)
class Result:
    """A planned cell and what is on disk of it."""

    planned: PlannedCell
    record: Record | None
    scores: list[dict[str, str | float]]
    history: list[dict[str, str | float]]
    folder: CellStore


@dataclass(frozen=True)
class RunStore:
    """The folder ``runs/<profile>``."""

    root: Path

    def cell(self, cell_id: str) -> CellStore:
        """Return the store of one cell; nothing is created."""
        return CellStore(self.root / cell_id)

    @property
    def log(self) -> Path:
        """What the libraries printed while the networks were built once, before any cell was trained."""
        return self.root / "log.txt"

    def write_plan(self, plan: Plan) -> None:
        """Write ``plan.json``; the submitted cells stay out of it, since their records say all of them."""
        planned = submissions.without(plan)
        atomic.write_json(self.root / "plan.json", planned.model_dump(mode="json", by_alias=True))

    def write_split(self, text: str) -> None:
        """Write ``split.csv``: which slice is in which part of which fold."""
        atomic.write_text(self.root / "split.csv", text)

    def read_plan(self) -> Plan:
        """Return the plan of the last run with what was submitted to it; a ``BenchError`` says how to get one."""
        path = self.root / "plan.json"
        try:
            return self.with_submitted(Plan.model_validate_json(path.read_bytes()))
        except FileNotFoundError:
            remedy = f"run: bench run --all --profile {self.root.name}"
            near = nearest(
                self.root.name, (other.parent.name for other in self.root.parent.glob("*/plan.json"))
            )
            remedy = f"did you mean {near}?" if near else remedy
            raise BenchError("no run here yet", file=path, remedy=remedy) from None
        except OSError as error:
            raise BenchError(f"cannot be read ({error.strerror})", file=path) from None
        except ValidationError as error:
            raise BenchError(
                f"not a plan ({error.errors()[0]['msg']})", file=path, remedy="run again"
            ) from None

    def with_submitted(self, plan: Plan) -> Plan:
        """Return a plan with the cells on disk that were submitted to its slices."""
        return submissions.joined(plan, self._records(self.others(submissions.without(plan))))

    def submitted(self) -> list[str]:
        """Return the names of all methods that were submitted to this run, whatever slices they were scored on."""
        names = (path.parent.name for path in self.root.glob("*/record.json"))
        return sorted({one.spec.model for one in self._records(names) if one.spec.submitted})

    def _records(self, cells: Iterable[str]) -> Iterator[Record]:
        """Yield the records of cells, without those that cannot be read: they are in no table anyway."""
        for name in cells:
            with suppress(BenchError):
                if (ended := self.cell(name).read_record()) is not None:
                    yield ended

    def budget(self) -> TimeBudget | None:
        """Return the time budget that is frozen in the plan; None where there is none, or no plan that can be read."""
        try:
            return Plan.model_validate_json((self.root / "plan.json").read_bytes()).budget
        except (OSError, ValidationError):
            return None

    def read_all(self, plan: Plan) -> list[Result]:
        """Return every planned cell with its record, scores and history, in the order of the plan."""
        results = []
        for planned in plan.cells:
            folder = self.cell(planned.id)
            ended = folder.read_record()
            scores = _scores(folder, ended) if ended is not None and ended.status == "finished" else []
            results.append(Result(planned, ended, scores, folder.read_history(), folder))
        return results

    def find(self, text: str) -> str:
        """Return the id of the one cell of the plan that ``text`` is a part of, or ``MODEL:CONDITION`` of.

        Raises:
            BenchError: there is no plan, or not exactly one such cell.
        """
        plan = self.read_plan()
        ids = [cell.id for cell in plan.cells]
        model, colon, condition = text.partition(":")
        if colon:
            matching = [c.id for c in plan.cells if (c.spec.model, c.condition) == (model, condition)]
        else:
            matching = [text] if text in ids else [one for one in ids if text in one]
        if len(matching) == 1:
            return matching[0]
        if not matching:
            near = nearest(text, ids)
            raise BenchError(
                f"no cell {text!r}", remedy=f"did you mean {near}?" if near else "see bench status"
            )
        shown = ", ".join(matching[:MATCHES]) + (", ..." if len(matching) > MATCHES else "")
        raise BenchError(f"{len(matching)} cells match {text!r}", remedy=f"name one of {shown}")

    def others(self, plan: Plan) -> list[str]:
        """Return the ids of cells on disk that the plan does not hold: records of earlier settings."""
        planned = {cell.id for cell in plan.cells}
        recorded = sorted(path.parent.name for path in self.root.glob("*/record.json"))
        return [name for name in recorded if name not in planned]


def _scores(folder: CellStore, ended: Record) -> list[dict[str, str | float]]:
    """Return the scores of a finished cell: there are some, in the columns that its record defines."""
    rows = folder.read_scores(ended)
    absent = {*TEXT_COLUMNS, *ended.metrics}.difference(*rows)
    if absent and rows:
        absent -= set(folder.score_columns(ended))
    if absent:
        message = f"no column {min(absent)}" if rows else "no scores"
        raise BenchError(message, file=folder.folder / "scores.csv", remedy=_AGAIN)
    return rows


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file; empty where there is none."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""


def to_csv(rows: Iterable[Row], first: Iterable[str] = ()) -> str:
    """Return rows as CSV, the columns ``first`` before all others; a value that a row lacks is empty.

    A float reads back to the very same value.
    """
    rows = list(rows)
    columns = list(dict.fromkeys(chain(first, *rows))) if rows else []
    values = (
        [float.__repr__(v) if isinstance(v := row.get(key, ""), float) else v for key in columns]
        for row in rows
    )
    return csvtext.to_csv([columns, *values])


def _from_csv(path: Path) -> list[dict[str, str | float]]:
    if not path.exists():
        return []
    try:
        return [
            {k: v if k in _TEXTS else float(v) for k, v in line.values.items() if v or k in _TEXTS}
            for line in csvtext.read(path).lines
        ]
    except (BenchError, ValueError) as error:
        raise BenchError(f"broken ({getattr(error, 'message', error)})", file=path, remedy=_AGAIN) from None
