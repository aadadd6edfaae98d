"""The shape of ``datasets.yaml``: sources, geometry, conditions, splits."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from bench.config.schema.base import FULL_SIZE, Frozen, Positive
from bench.config.schema.formats import FileKind
from bench.ct.noise import Deviation, Noise, Noiseless, Photons, Quanta

AnyNoise = Annotated[Noiseless | Quanta, Field(discriminator="kind")]
"""The noise models by their kind. A condition names one under ``noise``; these two have keys of their own instead."""


def _one_group(value: str) -> str:
    try:
        groups = re.compile(value).groups
    except re.error as error:
        raise ValueError(f"is no regular expression ({error})") from None
    if groups != 1:
        raise ValueError(f"has {groups} groups, not one around the patient")
    return value


PatientRule = Annotated[str, AfterValidator(_one_group)]  # one group, the patient in a file's path
Accepted = Annotated[
    tuple[
        Literal["no_air", "beyond_range", "padding"], ...
    ],  # what bench.data.files.plausible refuses otherwise
    Field(strict=False),  # a list also where a validator has read the JSON before
]


class Source(Frozen):
    """What all sources have in common; ``restricted`` keeps every image of the source out of reports."""

    title: str = ""
    licence: str = ""
    citation: str = ""
    restricted: bool = False
    collection: str = ""  # "qin-lung-ct" where the published table may be compared
    obtain: str = ""  # how to get the slices, shown when they are not there

    simulated: ClassVar[bool] = True  # degraded slices are simulated from these; False: they lie beside them


class PhantomSource(Source):
    """Procedural patients that need no download."""

    kind: Literal["phantom"]
    patients: Positive = 12
    slices: Positive = 24  # per patient
    seed: int = 0


class FolderSource(Source):
    """Slices in files. ``unit`` and ``pixel_mm`` are needed where the files do not say (``npy``, ``flt``).

    ``series`` names the DICOM series that are used, others being left out: their UIDs, or a pin file (beside
    ``datasets.yaml``, or packaged) that also says what each must hold. ``complete`` refuses a gap in a series.
    ``acquisition`` says which is used, from 1, where a series holds several at the same positions (two phases).
    ``accept`` says that values are right although no CT has such: they are used as they are.
    """

    kind: FileKind
    path: str
    series: str | tuple[str, ...] | None = None
    complete: bool = False
    acquisition: Positive | None = None
    unit: Literal["HU", "1/cm", "1/mm"] = "HU"
    pixel_mm: Annotated[float, Field(gt=0)] | None = None
    patients: str | None = None  # a patients.csv (columns file,patient); else one subfolder per patient
    patient_from: PatientRule | None = None
    matrix: Positive = FULL_SIZE  # side of a whole slice; any other shape is a crop and refused
    accept: Accepted = ()

    @model_validator(mode="after")
    def _series_are_dicom(self) -> FolderSource:
        if self.kind != "dicom" and (self.series is not None or self.complete):
            raise ValueError("series and complete are for kind dicom")
        if self.kind != "dicom" and self.acquisition is not None:
            raise ValueError("acquisition is for kind dicom")
        return self


class PairsSource(Source):
    """Degraded and reference slices already on disk.

    ``layout: study`` is ``images/ndct/{train,test}/*.flt``, ``images/ldct_7e4/...``,
    ``sparseview/sparseview_60/...``, float32 mu. ``layout: folders`` names one folder for ``reference`` and
    one for each condition in ``degraded``. ``layout: dicom`` has DICOM series of several doses; ``reference``
    and ``degraded`` are then the names of their folders or words in them, or words in their SeriesDescription.
    """

    simulated: ClassVar[bool] = False
    kind: Literal["pairs"]
    path: str
    layout: Literal["study", "folders", "dicom"] = "study"
    unit: Literal["HU", "1/cm", "1/mm"] = "1/cm"
    pixel_mm: Annotated[float, Field(gt=0)] | None = None
    reference: str | None = None
    degraded: dict[str, str] = {}
    patients: str | None = None
    patient_from: PatientRule | None = None
    series: str | None = None  # layout dicom: a pin file, as for kind dicom
    acquisition: Positive | None = None  # layout dicom: as for kind dicom
    matrix: Positive | None = None  # side of a slice; the layouts study and dicom have 512 unless said
    accept: Accepted = ()  # as for folders

    @model_validator(mode="before")
    @classmethod
    def _doses_of_ldct_and_projection_data(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("layout") != "dicom":
            return value
        names = {"reference": "full dose images", "degraded": {"quarter_dose": "low dose images"}}
        return {**names, "unit": "HU", **value}

    @model_validator(mode="after")
    def _folders_are_named(self) -> PairsSource:
        if self.layout == "dicom" and self.unit != "HU":
            raise ValueError("layout dicom is in HU")
        if self.layout != "dicom" and self.series is not None:
            raise ValueError("series is for layout dicom")
        if self.layout != "dicom" and self.acquisition is not None:
            raise ValueError("acquisition is for layout dicom")
        if self.layout == "folders" and (self.reference is None or not self.degraded):
            raise ValueError("layout folders needs the keys reference and degraded")
        return self


AnySource = Annotated[PhantomSource | FolderSource | PairsSource, Field(discriminator="kind")]


VIEWS = {"parallel360": 720, "parallel180": 720, "fan360": 1080}
"""The views of each scan where ``geometry`` does not say."""


class Geometry(Frozen):
    """How slices are projected, filtered and referred to; ``views`` are those of the preset unless said.

    ``reference: fbp`` holds degraded slices against the noise-free reconstruction from all views instead of the
    original slice. ``reference_photons`` per ray put the noise of a full-dose scan into the
    reference and, through its line integrals, into every degraded slice.
    """

    preset: Literal["parallel360", "parallel180", "fan360"] = "parallel360"
    views: Positive = VIEWS["parallel360"]
    filter: Literal["ram-lak", "shepp-logan", "cosine", "hann"] = "ram-lak"
    reference: Literal["original", "fbp"] = "original"
    reference_photons: Photons | None = None

    @model_validator(mode="before")
    @classmethod
    def _views_of_the_preset(cls, value: Any) -> Any:
        views = VIEWS.get(str(value.get("preset"))) if isinstance(value, dict) else None
        return {"views": views, **value} if views else value


class Dose(Frozen):
    """What lowers the dose: fewer ``views``, noise in each ray, or both.

    ``photons`` leave for each ray, at every size; ``electronic_noise`` is a standard deviation in photons. Any other
    noise model stands under ``noise``, by its kind. At n x n pixels the deviation that the noise causes in a line
    integral is multiplied by 512/n, which keeps its level.
    """

    views: Positive | None = None
    photons: Photons | None = None
    electronic_noise: Deviation = 0.0
    noise: AnyNoise | None = None  # absent from JSON while it is None: older hashes hold

    @model_validator(mode="after")
    def _has_one_noise(self) -> Self:
        if self.electronic_noise and self.photons is None:
            raise ValueError("electronic_noise needs photons")
        if isinstance(self.noise, Noiseless | Quanta):
            raise ValueError(
                "noise is for other kinds: counted photons have the keys photons and electronic_noise"
            )
        if self.noise is not None and self.photons is not None:
            raise ValueError("give photons or noise, not both")
        return self

    @model_serializer(mode="wrap")
    def _without_absent_noise(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        fields: dict[str, Any] = handler(self)
        return {key: value for key, value in fields.items() if key != "noise" or value is not None}

    @property
    def noise_model(self) -> Noise:
        """The noise of a ray, whichever key names it."""
        if self.photons is not None:
            return Quanta(photons=self.photons, electronic=self.electronic_noise)
        return self.noise or Noiseless()


class Condition(Dose):
    """One way of lowering the dose, with its ``label`` in tables.

    ``measured``: not simulated here; the slices come with a source of pairs, and views or photons are not known.
    """

    label: str = ""
    measured: bool = False

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        simulated = self.views is not None or not isinstance(self.noise_model, Noiseless)
        if self.measured and simulated:
            raise ValueError("a measured condition has neither views nor photons")
        if not (self.measured or simulated):
            raise ValueError("a condition needs views or photons, or measured: true")
        return self


RULES: dict[str, dict[str, type]] = {  # rule -> the keys that it needs
    "patients": {"test": tuple, "validation": tuple},
    "shares": {"test": float, "validation": float},
    "folders": {"validation": float},
    "order": {"test": int, "validation": float},
    "kfold": {"folds": int, "validation": float},
    "list": {"file": str},
}
_NOUNS = {tuple: "a list of patients", float: "a share between 0 and 1", int: "a whole number", str: "a path"}


class Split(Frozen):
    """Who is in which part, by one of these rules.

    ``patients``: lists of patients; without a list for ``train``, the rest trains.
    ``shares``: shares of the patients, drawn by ``seed``.
    ``folders``: the train and test folders of the study's layout; the last ``validation`` share of train
    validates, as one block.
    ``order``: the last ``test`` slices by patient and position; of those before, the last whole patients with
    a ``validation`` share of them validate.
    ``kfold``: ``folds`` folds by patient; in each, a ``validation`` share of the other patients validates.
    ``list``: the CSV file ``file``, beside ``datasets.yaml`` or packaged with this program.

    ``leaky`` is empty for a clean split. A text there declares that slices of one patient, or copies, are in two
    parts, and says why: such a split is refused without it, and every table shows it.
    """

    rule: Literal["patients", "shares", "folders", "order", "kfold", "list"] = "patients"
    test: tuple[str, ...] | Annotated[float, Field(gt=0, lt=1)] | Positive | None = None
    validation: tuple[str, ...] | Annotated[float, Field(gt=0, lt=1)] | None = None
    train: tuple[str, ...] | None = None
    folds: Annotated[int, Field(ge=2)] | None = None
    file: str | None = None
    seed: int = 0
    leaky: str = ""

    @model_validator(mode="after")
    def _fits_its_rule(self) -> Split:
        needed = RULES[self.rule]
        wrong = {name: kind for name, kind in needed.items() if not isinstance(getattr(self, name), kind)}
        if wrong:
            kind = next(iter(wrong.values()))
            names = " and ".join(name for name in wrong if wrong[name] is kind)
            raise ValueError(f"rule {self.rule} needs {_NOUNS[kind]} for {names}")
        for name in ("test", "validation", "train", "folds", "file"):
            unused = name not in needed and (self.rule, name) != ("patients", "train")
            if unused and getattr(self, name) is not None:
                raise ValueError(f"rule {self.rule} has no use for {name}")
        return self


class Datasets(Frozen):
    """The whole of ``datasets.yaml``.

    ``extends: packaged`` adds to the file of this program: a source, a condition, a split or a ``geometry`` that it has
    too takes its place whole.
    """

    schema_: Literal[1] = Field(alias="schema")
    extends: Literal["packaged"] | None = None
    sources: dict[str, AnySource]
    geometry: Geometry = Geometry()
    conditions: dict[str, Condition]
    splits: dict[str, Split]
