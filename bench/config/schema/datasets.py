"""The shape of ``datasets.yaml``: sources, geometry, conditions, splits."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from bench.config.schema.base import FULL_SIZE, Frozen, Positive
from bench.config.schema.formats import FileKind
from bench.config.schema.source import FileSource, Source
from bench.config.schema.unions import ByForm, ByKey
from bench.ct.noise import Deviation, Noise, Noiseless, Photons, Quanta

Share = Annotated[float, Field(gt=0, lt=1)]
AnyNoise = Annotated[Noiseless | Quanta, ByKey("kind")]
"""The noise models by their kind. A condition names one under ``noise``; these two have keys of their own instead."""


Degraded = Annotated[dict[str, str], Field(min_length=1)]  # condition -> where its slices are


class PhantomSource(Source):
    """Procedural patients that need no download."""

    reader: ClassVar[str] = "phantom:PhantomSlices"
    kind: Literal["phantom"]
    patients: Positive = 12
    slices: Positive = 24  # per patient
    seed: int = 0


class FolderSource(FileSource):
    """Slices in files. ``unit`` and ``pixel_mm`` are needed where the files do not say (``npy``, ``flt``).

    ``series`` names the DICOM series that are used, others being left out: their UIDs, or a pin file (beside
    ``datasets.yaml``, or packaged) that also says what each must hold. ``complete`` refuses a gap in a series.
    ``acquisition`` says which is used, from 1, where a series holds several at the same positions (two phases).
    """

    reader: ClassVar[str] = "folder:FolderFiles"
    kind: FileKind
    series: Annotated[str | tuple[str, ...], ByForm()] | None = None
    complete: bool = False
    acquisition: Positive | None = None
    unit: Literal["HU", "1/cm", "1/mm"] = "HU"
    matrix: Positive = FULL_SIZE  # side of a whole slice; any other shape is a crop and refused

    @model_validator(mode="after")
    def _series_are_dicom(self) -> FolderSource:
        if self.kind != "dicom" and (self.series is not None or self.complete):
            raise ValueError("series and complete are for kind dicom")
        if self.kind != "dicom" and self.acquisition is not None:
            raise ValueError("acquisition is for kind dicom")
        return self


class PairsSource(FileSource):
    """Degraded and reference slices already on disk, in one of three layouts."""

    simulated: ClassVar[bool] = False
    kind: Literal["pairs"]


class StudyPairs(PairsSource):
    """``images/ndct/{train,test}/*.flt``, ``images/ldct_7e4/...``, ``sparseview/sparseview_60/...``, float32."""

    reader: ClassVar[str] = "stored:StoredPairs"
    layout: Literal["study"] = "study"
    unit: Literal["HU", "1/cm", "1/mm"] = "1/cm"
    matrix: Positive = FULL_SIZE  # side of a slice


class FolderPairs(PairsSource):
    """One folder for ``reference`` and one for each condition in ``degraded``."""

    reader: ClassVar[str] = "stored:StoredPairs"
    layout: Literal["folders"] = "folders"
    reference: str
    degraded: Degraded
    unit: Literal["HU", "1/cm", "1/mm"] = "1/cm"
    matrix: Positive | None = None  # side of a slice; None: that of the files


class DicomPairs(PairsSource):
    """DICOM series of several doses.

    ``reference`` and ``degraded`` are the names of their folders or words in them, or words in their SeriesDescription;
    unless said those of the collection LDCT-and-Projection-data. ``series`` and ``acquisition`` are as for kind dicom.
    """

    reader: ClassVar[str] = "doses:DosePairs"
    layout: Literal["dicom"] = "dicom"
    reference: str = "full dose images"
    degraded: Degraded = {"quarter_dose": "low dose images"}
    unit: Literal["HU"] = "HU"
    series: str | None = None  # a pin file
    acquisition: Positive | None = None
    matrix: Positive = FULL_SIZE  # side of a slice


AnyPairs = Annotated[StudyPairs | FolderPairs | DicomPairs, ByKey("layout", default="study")]
AnySource = Annotated[PhantomSource | FolderSource | AnyPairs, ByKey("kind")]
"""The kinds of sources; another one is a class of its keys and the class that its ``reader`` names."""


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


class Split(Frozen):
    """What the rules of a split have in common: who is in which part.

    ``leaky`` is empty for a clean split. A text there declares that slices of one patient, or copies, are in two
    parts, and says why: such a split is refused without it, and every table shows it.
    """

    leaky: str = ""
    seed: int = 0  # of the rules shares and kfold; the others draw nothing


class PatientSplit(Split):
    """Lists of patients; without a list for ``train``, the rest trains."""

    rule: Literal["patients"] = "patients"
    test: tuple[str, ...]
    validation: tuple[str, ...]
    train: tuple[str, ...] | None = None


class ShareSplit(Split):
    """Shares of the patients, drawn by ``seed``."""

    rule: Literal["shares"] = "shares"
    test: Share
    validation: Share


class FolderSplit(Split):
    """The train and test folders of the study's layout.

    The last ``validation`` share of train validates, as one block.
    """

    rule: Literal["folders"] = "folders"
    validation: Share


class OrderSplit(Split):
    """The last ``test`` slices by patient and position.

    Of the slices before those, the last whole patients with a ``validation`` share of them validate.
    """

    rule: Literal["order"] = "order"
    test: Positive
    validation: Share


class KFoldSplit(Split):
    """``folds`` folds by patient; in each, a ``validation`` share of the other patients validates."""

    rule: Literal["kfold"] = "kfold"
    folds: Annotated[int, Field(ge=2)]
    validation: Share


class ListSplit(Split):
    """The CSV file ``file``, beside ``datasets.yaml`` or packaged with this program."""

    rule: Literal["list"] = "list"
    file: str


AnySplit = Annotated[
    PatientSplit | ShareSplit | FolderSplit | OrderSplit | KFoldSplit | ListSplit,
    ByKey("rule", default="patients"),
]


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
    splits: dict[str, AnySplit]
