"""Where slices come from: the phantom, a folder of normal-dose slices, or pairs already on disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from bench.config import schema
from bench.ct.resample import local_mean
from bench.ct.units import hu_to_mu
from bench.data.files.resize import Image
from bench.data.sources.catalogue import Catalogue, SliceRef, assemble
from bench.data.sources.folder import FolderFiles
from bench.data.sources.stored import StoredPairs
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.phantom import Nodule

__all__ = ["FolderFiles", "PhantomSlices", "SliceSource", "StoredPairs", "open_source"]


class SliceSource(Protocol):
    """A source of slices. ``conditions`` is empty where slices are projected, else names the stored ones."""

    name: str

    @property
    def spec(self) -> schema.Source:
        """What the source was asked to be."""

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions whose degraded slices lie on disk; empty: project what ``object`` returns."""

    def catalogue(self) -> Catalogue:
        """Return what there is; ``BenchError`` where something cannot be used."""

    def object(self, ref: SliceRef, size: int) -> tuple[Image, Image, float]:
        """Return (object (2 size, 2 size), reference (size, size), pixel of the reference in cm) in 1/cm."""

    def pair(self, ref: SliceRef, condition: str, size: int) -> tuple[Image, Image, float]:
        """Return (degraded (size, size) unclipped, reference (size, size), pixel in cm), mu in 1/cm."""

    def lesions(self, refs: Iterable[SliceRef], size: int) -> list[dict[str, str | float]]:
        """Return a row for each lesion that is known to lie in one of ``refs``; empty where nothing is known."""


def open_source(name: str, source: schema.AnySource, *, base: Path, index_cache: Path | None) -> SliceSource:
    """Return the source called ``name``; nothing is read before its catalogue is asked for.

    ``base`` is the folder that a relative path starts from, ``index_cache`` the JSON file that remembers the
    hashes and headers of files (None: nowhere).
    """
    if isinstance(source, schema.PhantomSource):
        return PhantomSlices(name, source)
    if isinstance(source, schema.DicomPairs):
        from bench.data.sources.doses import DosePairs  # pydicom only where it is needed

        return DosePairs(name, source, base=base, index_cache=index_cache)
    if isinstance(source, schema.StudyPairs | schema.FolderPairs):
        return StoredPairs(name, source, base=base, index_cache=index_cache)
    return FolderFiles(name, source, base=base, index_cache=index_cache)


class PhantomSlices:
    """Slices of procedural patients, drawn when they are asked for; see ``bench.phantom``."""

    conditions: tuple[str, ...] = ()

    def __init__(self, name: str, source: schema.PhantomSource) -> None:
        self.name, self.spec = name, source

    def catalogue(self) -> Catalogue:
        """Return the slices of all patients: ``z000``, ``z001`` and so on, evenly spaced along the body."""
        from bench import phantom

        asked, refs = self.spec, []
        for patient in phantom.patients(asked.patients):
            pixel = phantom.anatomy(patient, asked.seed).fov / schema.FULL_SIZE
            for index in range(asked.slices):
                z = phantom.z_mm(patient, self._height(index), asked.seed)
                refs.append(SliceRef(patient, f"z{index:03d}", "", index, float(z), float(pixel)))
        value = asked.model_dump(include={"patients", "slices", "seed"}) | {
            "version": phantom.PHANTOM_VERSION
        }
        return assemble(self.name, "phantom", refs, fingerprint=schema.digest(value, 16))

    def object(self, ref: SliceRef, size: int) -> tuple[Image, Image, float]:
        """Return the slice drawn at twice the size, its 2 x 2 means, and the pixel of the means in cm."""
        from bench import phantom

        hu, pixel_mm = phantom.render(
            ref.patient, self._height(ref.index), size=2 * size, seed=self.spec.seed
        )
        fine = hu_to_mu(hu)
        return fine, local_mean(fine, 2), 2.0 * pixel_mm / 10.0

    def pair(self, ref: SliceRef, condition: str, size: int) -> tuple[Image, Image, float]:
        """Refuse: the phantom holds no pairs."""
        raise BenchError(
            f"source {self.name} holds no pairs of condition {condition}", remedy="project its slices"
        )

    def nodules(self) -> dict[str, tuple[Nodule, ...]]:
        """Return the known lesions of every patient, in mm; see ``bench.phantom.nodules``."""
        from bench import phantom

        names = phantom.patients(self.spec.patients)
        return {patient: phantom.nodules(patient, self.spec.seed) for patient in names}

    def lesions(self, refs: Iterable[SliceRef], size: int) -> list[dict[str, str | float]]:
        """Return a row for each lesion that the nearest of its patient's ``refs`` cuts.

        Columns: patient, slice, kind (solid, ground-glass, liver), x_px and y_px (column and row at ``size``,
        0 = centre of the first pixel), z_mm and slice_z_mm, diameter_mm, slice_diameter_mm (of the disc in
        that slice), hu and contrast_hu (mean, and mean less that of the tissue around).
        """
        rows, known = [], self.nodules()
        by_patient: dict[str, list[SliceRef]] = {}
        for ref in refs:
            by_patient.setdefault(ref.patient, []).append(ref)
        for patient, own in by_patient.items():
            for lesion in known[patient]:
                near = min(own, key=lambda ref: abs((ref.z_mm or 0.0) - lesion.z_mm))
                row = _row(lesion, near, size)
                if row["slice_diameter_mm"]:
                    rows.append(row)
        return rows

    def _height(self, index: int) -> float:
        return (index + 0.5) / self.spec.slices


def _row(lesion: Nodule, ref: SliceRef, size: int) -> dict[str, str | float]:
    pixel, z = ref.pixel_mm * schema.FULL_SIZE / size, ref.z_mm or 0.0
    return {
        "patient": ref.patient,
        "slice": ref.name,
        "kind": lesion.kind,
        "x_px": lesion.x_mm / pixel + 0.5 * (size - 1),
        "y_px": lesion.y_mm / pixel + 0.5 * (size - 1),
        "z_mm": lesion.z_mm,
        "slice_z_mm": z,
        "diameter_mm": lesion.diameter_mm,
        "slice_diameter_mm": lesion.diameter_at(z),
        "hu": lesion.hu,
        "contrast_hu": lesion.contrast_hu,
    }
