"""Slices of procedural patients, drawn when they are asked for; see ``bench.phantom``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bench.config import schema
from bench.ct.resample import local_mean
from bench.ct.units import hu_to_mu
from bench.data.files.resize import Image
from bench.data.sources.catalogue import Catalogue, SliceRef, assemble
from bench.data.sources.source import Source

if TYPE_CHECKING:
    from bench.phantom import Nodule


class PhantomSlices(Source[schema.PhantomSource]):
    """The slices of all patients: ``z000``, ``z001`` and so on, evenly spaced along the body (``Projectable``)."""

    def _scan(self) -> Catalogue:
        from bench import phantom  # late: a profile of other slices needs none of it

        spec, refs = self.spec, []
        for patient in phantom.patients(spec.patients):
            pixel = phantom.anatomy(patient, spec.seed).fov / schema.FULL_SIZE
            for index in range(spec.slices):
                z = phantom.z_mm(patient, self._height(index), spec.seed)
                refs.append(SliceRef(patient, f"z{index:03d}", "", index, float(z), float(pixel)))
        value = spec.model_dump(include={"patients", "slices", "seed"})
        fingerprint = schema.digest(value | {"version": phantom.PHANTOM_VERSION}, 16)
        return assemble(self.name, "phantom", refs, fingerprint=fingerprint)

    def object(self, ref: SliceRef, size: int) -> tuple[Image, Image, float]:
        """Return the slice drawn at twice the size, its 2 x 2 means, and the pixel of the means in cm."""
        from bench import phantom

        hu, pixel_mm = phantom.render(
            ref.patient, self._height(ref.index), size=2 * size, seed=self.spec.seed
        )
        fine = hu_to_mu(hu)
        return fine, local_mean(fine, 2), 2.0 * pixel_mm / 10.0

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
        for patient, slices in by_patient.items():
            for lesion in known[patient]:
                near = min(slices, key=lambda ref: abs((ref.z_mm or 0.0) - lesion.z_mm))
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
