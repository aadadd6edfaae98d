"""One resolved cell and the plan that holds it: nothing is left to look up."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from bench.config.schema import Dose, Frozen, Geometry, Positive, Published, Settings, YamlFile, digest


class Training(Settings):
    """A recipe with the profile's changes and the budget applied: nothing is left to look up."""

    recipe: str
    optimizer: str
    schedule_epochs: Positive  # the epochs that the learning rate is written in
    epochs: Positive  # checks on validation patients, each followed by a saved state
    updates_per_epoch: Positive

    @property
    def second_draw(self) -> bool:
        """Whether it learns from a second draw of the noise, without clean slices."""
        return self.target == "second_draw"

    @property
    def updates(self) -> int:
        """The updates of the whole training."""
        return self.epochs * self.updates_per_epoch

    def slices_seen(self, size: int) -> float:
        """Return how many slices of ``size`` x ``size`` pixels the whole training sees, crops counted by their area."""
        return self.updates * batch_area(self.batch, self.patch, size)


def batch_area(batch: int, patch: int | None, size: int) -> float:
    """Return how many slices of ``size`` x ``size`` pixels one batch is worth by area."""
    return batch * (patch / size) ** 2 if patch else float(batch)


class DataIdentity(Frozen):
    """Which slices a cell learns from and is scored on; hashes stand for the names and the file contents."""

    source: str
    kind: str
    fingerprint: str  # of the source's content
    selection: str  # hash of the names of the chosen slices, part by part
    split: str
    split_sha256: str  # of the split file, which names every slice of every fold; "" in a record before it
    fold: Positive | None = None  # from 1; None: the split has no folds
    folds: Positive = 1
    patients_known: bool
    slices: dict[str, int]  # per part
    patients: dict[str, int]  # per part


class Dataset(Frozen):
    """A source through a condition. In JSON the keys of ``dose`` stand among the others, as ids hash them."""

    data: DataIdentity
    condition: str
    dose: Dose
    geometry: Geometry
    size: int
    noise_seed: int

    @model_validator(mode="before")
    @classmethod
    def _dose_of_its_keys(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "dose" in value:
            return value
        dose = {key: value[key] for key in Dose.model_fields if key in value}
        return {"dose": Dose(**dose)} | {key: one for key, one in value.items() if key not in dose}

    @model_serializer(mode="wrap")
    def _keys_of_the_dose(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        flat: dict[str, Any] = {}
        for key, value in handler(self).items():
            flat |= value if key == "dose" else {key: value}
        return flat


class Cell(Frozen):
    """One model on one dataset with one seed."""

    model: str
    build: str | None  # None: the untreated input, or a classical method of that name
    params: dict[str, Any]
    training: Training | None
    dataset: Dataset
    seed: int
    code: str  # hash of the model file's syntax tree without docstrings
    versions: dict[str, int]  # physics, training, classical: those that have a part in it
    submitted: bool = False  # its outputs come from a program outside of this one (``bench submit``)

    @model_serializer(mode="wrap")
    def _usual_left_out(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if key != "submitted" or value}

    @property
    def id(self) -> str:
        """A readable slug and the hash of all that shapes the training."""
        shaping = digest(self.model_dump(mode="json", by_alias=True))
        fold = "" if self.dataset.data.fold is None else f"-f{self.dataset.data.fold}"
        return f"{self.model}-{self.dataset.condition}{fold}-s{self.seed}-{shaping}"


class PlannedCell(Frozen):
    """A cell of a plan and what the table must say about it."""

    id: str
    spec: Cell
    scaled: tuple[str, ...]  # in which points it is not as published; empty: as published
    chosen: tuple[str, ...] = ()  # keys of the recipe that its source does not state
    recipe_source: str = ""

    @property
    def condition(self) -> str:
        """The name of the condition of its slices."""
        return self.spec.dataset.condition

    @property
    def fold(self) -> int | None:
        """The fold, from 1; None where the split has no folds."""
        return self.spec.dataset.data.fold

    @property
    def size(self) -> int:
        """The side of its slices in pixels."""
        return self.spec.dataset.size


class TimeBudget(Frozen):
    """The time that all cells of a run may take, turned once into slices seen, which stay on any later machine.

    ``forecast_s`` is what the run was then expected to take, by the speeds measured on ``device`` on ``date``.
    """

    words: str  # 10 h
    seconds: float
    slices_seen: Positive  # of each cell, crops counted by area
    forecast_s: float
    device: str
    date: str


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
    further: dict[str, Published] = {}  # published tables besides it, by the names of their files
    leaky: str = ""  # why the split is leaky, with the patients that it cuts; empty: it is clean
    budget: TimeBudget | None = None  # None: the cells train as long as the profile or their recipes say
    configuration: dict[str, YamlFile] = {}  # datasets.yaml and experiments.yaml; empty in a plan before it
    cells: list[PlannedCell]

    @property
    def photons(self) -> dict[str, float | None]:
        """The photons per ray of each condition by its name, None where it has none or they are not known."""
        return {cell.condition: cell.spec.dataset.dose.photons for cell in self.cells}

    @property
    def folds(self) -> tuple[DataIdentity, ...]:
        """The slices of each fold, in order; a single entry where the split has no folds."""
        by_number = {cell.fold or 1: cell.spec.dataset.data for cell in self.cells}
        return tuple(by_number[number] for number in sorted(by_number))
