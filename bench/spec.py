"""What is asked: the frozen shapes of ``datasets.yaml``, ``experiments.yaml`` and of one resolved cell.

The classes only describe and check single values. ``config`` reads the files into them, ``plan`` resolves them
into cells. Nothing here knows Keras. Field names are the keys that a user writes.
"""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

SCHEMA = 1
TRAINING_VERSION = 1  # raised when equal settings no longer give equal weights; a golden test guards it
LOSS_NAMES = ("mse", "half_sse", "mse_ms_ssim")
METRIC_IDS = ("psnr.slice_max", "ssim.slice_max", "ssim.column", "rmse.hu")  # those of bench.metrics, for the checks
INPUT = "input"  # the untreated slice: a column of the table and a cell without training
FULL_SIZE = 512

Positive = Annotated[int, Field(gt=0)]
Rate = Annotated[float, Field(gt=0, le=1)]


class Frozen(BaseModel):
    """Base of every specification: immutable, no unknown keys, no silent conversion of text to numbers.

    Read it with ``model_validate_json``, so that lists become tuples.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, populate_by_name=True)


def digest(value: Any, length: int = 10) -> str:
    """Return the first ``length`` hexadecimal digits of the SHA-256 of ``value`` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:length]


# --- datasets.yaml -------------------------------------------------------------------------------------------


class Source(Frozen):
    """What all sources have in common. ``restricted: true`` keeps every image of the source out of reports."""

    title: str = ""
    licence: str = ""
    citation: str = ""
    restricted: bool = False
    collection: str = ""  # "qin-lung-ct" where the published table may be compared
    obtain: str = ""  # how to get the slices, shown when they are not there


class PhantomSource(Source):
    kind: Literal["phantom"]
    patients: Positive = 12
    slices: Positive = 24  # per patient
    seed: int = 0


class FolderSource(Source):
    """Slices in files. ``unit`` and ``pixel_mm`` are needed where the files do not say (``npy``, ``flt``)."""

    kind: Literal["npz", "npy", "flt", "dicom"]
    path: str
    unit: Literal["HU", "1/cm", "1/mm"] = "HU"
    pixel_mm: Annotated[float, Field(gt=0)] | None = None
    patients: str | None = None  # a patients.csv (columns file,patient); else one subfolder per patient
    matrix: Positive = FULL_SIZE  # side of a whole slice; any other shape is a crop and refused


class PairsSource(Source):
    """Degraded and reference slices already on disk, float32 mu.

    ``layout: study`` is ``images/ndct/{train,test}/*.flt``, ``images/ldct_7e4/...``,
    ``sparseview/sparseview_60/...``. ``layout: folders`` names one folder for ``reference`` and one per condition.
    """

    kind: Literal["pairs"]
    path: str
    layout: Literal["study", "folders"] = "study"
    unit: Literal["HU", "1/cm", "1/mm"] = "1/cm"
    pixel_mm: Annotated[float, Field(gt=0)] | None = None
    reference: str | None = None
    degraded: dict[str, str] = {}
    patients: str | None = None

    @model_validator(mode="after")
    def _folders_are_named(self) -> PairsSource:
        if self.layout == "folders" and (self.reference is None or not self.degraded):
            raise ValueError("layout folders needs the keys reference and degraded")
        return self


AnySource = Annotated[PhantomSource | FolderSource | PairsSource, Field(discriminator="kind")]


class Geometry(Frozen):
    preset: Literal["parallel360"] = "parallel360"
    views: Positive = 720


class Condition(Frozen):
    """One way of lowering the dose. ``photons`` per ray are those at 512 x 512; at n x n times (n/512)^2."""

    label: str = ""
    views: Positive | None = None
    photons: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _does_something(self) -> Condition:
        if self.views is None and self.photons is None:
            raise ValueError("a condition needs views or photons")
        return self


class Split(Frozen):
    """Who is in which part: lists of patients, or shares of the patients drawn by ``seed``. The rest trains.

    ``rule: folders`` keeps the train and test folders of the study's layout and cuts the last
    ``validation_share`` of train as a contiguous block (patients unknown).
    """

    rule: Literal["patients", "shares", "folders"] = "patients"
    test: tuple[str, ...] | Annotated[float, Field(gt=0, lt=1)] | None = None
    validation: tuple[str, ...] | Annotated[float, Field(gt=0, lt=1)] | None = None
    train: tuple[str, ...] | None = None
    seed: int = 0

    @model_validator(mode="after")
    def _fits_its_rule(self) -> Split:
        kind = {"patients": tuple, "shares": float, "folders": float}[self.rule]
        wanted = {"test": self.test, "validation": self.validation}
        if self.rule == "folders":
            wanted.pop("test")
        wrong = [name for name, value in wanted.items() if not isinstance(value, kind)]
        if wrong:
            noun = "a list of patients" if kind is tuple else "a share between 0 and 1"
            raise ValueError(f"rule {self.rule} needs {noun} for {' and '.join(wrong)}")
        return self


class Datasets(Frozen):
    schema_: Literal[1] = Field(alias="schema")
    sources: dict[str, AnySource]
    geometry: Geometry = Geometry()
    conditions: dict[str, Condition]
    splits: dict[str, Split]


# --- experiments.yaml ----------------------------------------------------------------------------------------


class Decay(Frozen):
    """A learning rate falling geometrically from ``from`` to ``to`` over the whole training."""

    from_: Rate = Field(alias="from")
    to: Rate


class Halving(Frozen):
    """A learning rate ``start / 2^(epoch / halve_every)``."""

    start: Rate
    halve_every: Positive


class Steps(Frozen):
    """A piecewise constant learning rate: ``rates[i]`` for ``epochs[i]`` epochs."""

    rates: list[Rate]
    epochs: list[Positive]

    @model_validator(mode="after")
    def _same_length(self) -> Steps:
        if len(self.rates) != len(self.epochs) or not self.rates:
            raise ValueError("rates and epochs need the same number of entries")
        return self


class Guard(Frozen):
    """When a cell is given up: validation PSNR above the input ``above`` times, then ``margin_db`` below it."""

    above: Positive = 3
    margin_db: Annotated[float, Field(ge=0)] = 0.0


LearningRate = Rate | Decay | Halving | Steps
Augmentation = Literal["flips_rotations", "none"]
Loss = Literal["mse", "half_sse", "mse_ms_ssim"]
Precision = Literal["float32", "bfloat16"]


class Recipe(Frozen):
    """Training settings of one network with their source. One epoch is ``passes`` passes over the slices.

    ``patch`` is the side of square crops in pixels (absent: whole slices), ``patches_per_slice`` how many of
    them one pass takes from a slice. ``chosen`` names the keys that the source does not state.
    """

    source: str = ""
    optimizer: Literal["adam"] = "adam"
    learning_rate: LearningRate
    epochs: Positive
    batch: Positive
    passes: Positive = 8
    patch: Positive | None = None
    patches_per_slice: Positive = 1
    augmentation: Augmentation = "flips_rotations"
    loss: Loss = "half_sse"
    precision: Precision = "float32"
    guard: Guard = Guard()
    chosen: tuple[str, ...] = ()


class Model(Frozen):
    build: str  # module:function
    label: str = ""
    params: dict[str, Any] = {}
    recipes: dict[str, Recipe]


class Experiment(Frozen):
    models: list[str]
    conditions: list[str]
    seeds: list[int] = [1]


class Budget(Frozen):
    """How long a cell trains: ``slices_seen`` (crops counted by area) in ``checks`` epochs of equal length."""

    slices_seen: Positive
    checks: Positive


class Overrides(Frozen):
    """The closed list of training keys that a profile may change."""

    learning_rate: LearningRate | None = None
    batch: Positive | None = None
    patch: Positive | None = None
    patches_per_slice: Positive | None = None
    augmentation: Augmentation | None = None
    loss: Loss | None = None
    precision: Precision | None = None
    guard: Guard | None = None
    budget: Budget | None = None  # "all" or one model: instead of the profile's
    params: dict[str, Any] = {}  # merged into the build parameters, e.g. batch norm momentum


class Counts(Frozen):
    """At most so many slices of each part, spread evenly over patients and along z; absent means all."""

    train: Positive | None = None
    validation: Positive | None = None
    test: Positive | None = None


class Profile(Frozen):
    description: str = ""
    experiment: str = "default"
    source: str
    split: str
    recipe: str = "study"
    size: Positive = FULL_SIZE
    slices: Counts = Counts()
    budget: Budget | None = None
    training: dict[str, Overrides] = {}  # "all" or a model's name
    noise_seed: int = 1


class Published(Frozen):
    """A published table: ``values[condition][model] = [PSNR, SSIM]`` and which metrics of ours it is held against."""

    source: str
    collection: str
    recipe: str
    test_slices: int
    metrics: list[str]
    values: dict[str, dict[str, list[float]]]


class Experiments(Frozen):
    schema_: Literal[1] = Field(alias="schema")
    models: dict[str, Model]
    experiments: dict[str, Experiment]
    profiles: dict[str, Profile]
    published: Published | None = None


# --- one resolved cell ---------------------------------------------------------------------------------------


class Training(Frozen):
    """A recipe with the profile's changes and the budget applied: nothing is left to look up."""

    recipe: str
    optimizer: str
    learning_rate: LearningRate
    schedule_epochs: Positive  # the epochs that the learning rate is written in
    epochs: Positive  # checks on validation patients, each followed by a saved state
    updates_per_epoch: Positive
    batch: Positive
    patch: Positive | None
    patches_per_slice: Positive
    augmentation: Augmentation
    loss: Loss
    precision: Precision
    guard: Guard


class DataIdentity(Frozen):
    """Which slices a cell learns from and is scored on; hashes stand for the names and the file contents."""

    source: str
    kind: str
    fingerprint: str  # of the source's content
    selection: str  # hash of the names of the chosen slices, part by part
    split: str
    split_hash: str
    patients_known: bool
    slices: dict[str, int]  # per part
    patients: dict[str, int]  # per part


class Dataset(Frozen):
    """A source through a condition."""

    data: DataIdentity
    condition: str
    views: int | None
    photons: float | None  # as asked, at 512 x 512
    geometry: Geometry
    size: int
    noise_seed: int


class Cell(Frozen):
    """One model on one dataset with one seed. ``id`` is a readable slug and the hash of all that shapes training."""

    model: str
    build: str | None  # None: the untreated input
    params: dict[str, Any]
    training: Training | None
    dataset: Dataset
    seed: int
    code: str  # hash of the model file's syntax tree without docstrings
    versions: dict[str, int]  # physics, phantom, training

    @property
    def id(self) -> str:
        return f"{self.model}-{self.dataset.condition}-s{self.seed}-{digest(self.model_dump(mode='json', by_alias=True))}"


class PlannedCell(Frozen):
    """A cell of a plan and what the table must say about it."""

    id: str
    spec: Cell
    scaled: tuple[str, ...]  # in which points it is not as published; empty: as published
    chosen: tuple[str, ...] = ()  # keys of the recipe that its source does not state
    recipe_source: str = ""


class Plan(Frozen):
    """All that the report needs to know besides the records: written to ``runs/<profile>/plan.json``."""

    schema_: Literal[1] = Field(1, alias="schema")
    profile: str
    description: str
    models: dict[str, str]  # name -> label, in column order, without the input
    conditions: dict[str, str]  # name -> label, in row order
    seeds: list[int]
    source: dict[str, Any]  # title, licence, citation, restricted, kind, collection
    published: Published | None
    cells: list[PlannedCell]
