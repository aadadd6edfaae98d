"""What one cell produced: the record, its schema and the upgrading of older ones."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, ValidationError, model_serializer

from bench.config.schema import Frozen, YamlFile
from bench.errors import BenchError
from bench.plan.cells import Cell

RECORD_SCHEMA = 4
SEAL = "seal"
_AGAIN = "delete its folder and run again"
Status = Literal["finished", "failed", "diverged"]
Restart = Literal["", "best", "next_seed"]
Ended = Literal["finished", "failed", "diverged", "out_of_memory"]  # the last one is never the end of a cell


class Attempt(Frozen):
    """One try at a cell. ``seed`` is the derived seed it ran with, ``ended`` how it ended, ``message`` why.

    An update was done in ``parts`` micro-batches of ``micro_batch`` images.
    """

    seed: int
    updates: int
    epochs: int
    micro_batch: int | None = None
    parts: int = 1
    ended: Ended
    epoch: int | None = None  # the epoch at which it diverged or failed
    message: str = ""
    then: Restart = ""  # how ``guard: {restart: ...}`` went on after it diverged

    @model_serializer(mode="wrap")
    def _usual_left_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        usual = {"parts": 1, "then": ""}
        return {key: value for key, value in handler(self).items() if (key, value) not in usual.items()}


class Tuning(Frozen):
    """How the strength of a classical method was found: the mean PSNR in dB of each on ``slices`` validation slices."""

    strength: float  # HU
    strengths: tuple[float, ...]
    psnr: tuple[float, ...]
    slices: int

    @property
    def at_edge(self) -> bool:
        """Whether the best strength is the first or last of those tried, so that a better one may lie beyond."""
        return self.strength in (self.strengths[0], self.strengths[-1])


class Rescoring(Frozen):
    """A later scoring of a finished cell from its weights and pairs; nothing else in the record is of that time."""

    at: str  # date and time in UTC
    metrics: tuple[str, ...]  # the ids that were computed then
    scoring_version: int
    environment: dict[str, Any]  # libraries, device, threads, commit
    scores_sha256: str = ""  # of scores.csv as it was written then


class Submission(Frozen):
    """Where the outputs of a cell come from that was scored here and not trained."""

    trained_by: str  # who says how it was trained, and how
    program: str  # callable PACKAGE.MODULE:FUNCTION, or files in FOLDER
    outputs_sha256: str  # of outputs.npy


class Record(Frozen):
    """One finished, failed or diverged cell. Times are seconds; ``metrics`` holds each score's definition."""

    schema_version: int = RECORD_SCHEMA
    id: str
    spec: Cell
    scaled: tuple[str, ...]
    status: Status
    attempts: tuple[Attempt, ...]
    metrics: dict[str, dict[str, Any]] = {}
    scoring_version: int | None = None
    data: dict[str, str] = {}  # name of an array -> SHA-256 of its bytes
    ranges: dict[str, list[float]] = {}  # per part: smallest and largest reference value, mu/mu_water
    inputs: dict[
        str, list[float]
    ] = {}  # bench.likeness of degraded training slices; empty: a record before it
    source: dict[str, Any] = {}  # title, licence, citation, restricted, collection
    leaky: str = ""  # why the split is leaky, with the patients that it cuts; empty: it is clean
    environment: dict[str, Any] = {}  # libraries, device, threads, commit: recorded, not hashed
    timings: dict[str, float] = {}  # train_s, score_s, ms_per_slice
    parameters: dict[str, int] = {}  # total, trainable
    best_epoch: int | None = Field(None, description="counted from 1, chosen on validation patients")
    deviation_factor: float | None = (
        None  # what deviations of line integrals were multiplied by; None: no photons
    )
    weights_sha256: str = ""  # of weights.npz; empty: no network, or a record before it
    submission: Submission | None = None  # None: trained here, or the untreated input
    rescored: tuple[Rescoring, ...] = ()  # scored again by ``bench score``, the last time last
    effective_photons: float | None = None  # before physics version 2: the photons per ray that were drawn
    configuration: dict[
        str, YamlFile
    ] = {}  # datasets.yaml and experiments.yaml: path as given or packaged, SHA-256
    files: dict[str, str] = {}  # of a finished cell: scores.csv and history.csv -> SHA-256
    tuning: Tuning | None = None  # of a classical method
    program: str = ""  # version of this program; empty, as the two times: a record before it
    started: str = ""  # date and time in UTC when the process that ended the cell began or resumed it
    ended: str = ""  # date and time in UTC


def dumps(record: Record) -> str:
    """Return the record as JSON text, whose last key, ``seal``, is the SHA-256 of the text before it.

    The seal stands in the record itself, so that there is no moment in which one is there without the other.
    """
    # a record without them is as it was before there were any
    absent = {key for key in ("tuning", "submission") if getattr(record, key) is None}
    values = record.model_dump(mode="json", by_alias=True, exclude=absent)
    text = json.dumps(values, indent=2, allow_nan=False)
    return _sealed(text.removesuffix("\n}"))


def _sealed(text: str) -> str:
    return f'{text},\n  "{SEAL}": "{hashlib.sha256(text.encode()).hexdigest()}"\n}}\n'


def is_intact(text: str) -> bool | None:
    """Return whether the JSON text of a record is, to the byte, as ``dumps`` wrote it; None: it has no seal."""
    if SEAL not in json.loads(text):
        return None
    return text == _sealed(text.rpartition(f',\n  "{SEAL}"')[0])


def loads(text: str, file: str = "record.json") -> Record:
    """Return the record in ``text``; an older schema is upgraded, a newer or broken one is a ``BenchError``."""
    try:
        value = json.loads(text)
        version = value["schema_version"]
        value.pop(SEAL, None)
    except (ValueError, TypeError, KeyError) as error:
        raise BenchError(f"not a record ({error})", file=file, remedy=_AGAIN) from None
    if type(version) is not int or version < 1:
        raise BenchError(
            f"{version!r} is no schema of a record", file=file, key="schema_version", remedy=_AGAIN
        )
    if version > RECORD_SCHEMA:
        raise BenchError(
            f"record schema {version} is newer than {RECORD_SCHEMA}", file=file, remedy="upgrade this program"
        )
    try:
        return Record.model_validate_json(json.dumps(upgrade(value)))
    except (KeyError, TypeError) as error:
        raise BenchError(f"not a record of schema {version} ({error})", file=file, remedy=_AGAIN) from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BenchError(first["msg"], file=file, key=key, remedy=_AGAIN) from None


def upgrade(value: dict[str, Any]) -> dict[str, Any]:
    """Return ``value`` lifted step by step to the newest schema.

    Schema 2: the split is a file with a hash, and may have folds. Before it there was a digest of who is in which
    part, which says nothing about the file. Schema 3: the photons at the cell's size gave way to the factor of
    deviations, and both YAML files are named; older records say neither. Schema 4: the weights' hash and later
    scorings, which older records do not have.
    """
    if value["schema_version"] == 1:
        data = dict(value["spec"]["dataset"]["data"])
        data.pop("split_hash")
        data |= {"split_sha256": "", "fold": None, "folds": 1}
        dataset = {**value["spec"]["dataset"], "data": data}
        value = {**value, "schema_version": 2, "spec": {**value["spec"], "dataset": dataset}}
    return {**value, "schema_version": RECORD_SCHEMA}
