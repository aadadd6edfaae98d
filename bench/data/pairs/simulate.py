"""From slices of a source to the images of the pair cache: projected and degraded, or copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.ct import PHYSICS_VERSION, dose
from bench.ct.geometry import Geometry
from bench.ct.units import deviation_factor
from bench.data.sources.catalogue import SliceRef
from bench.data.sources.source import paired, projectable
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.data.sources.source import SliceSource

Image = npt.NDArray[np.float32]
Images = dict[str | None, list[Image]]  # condition, or None for the reference -> an image per slice
Made = tuple[Images, list[float]]  # and each slice's pixel width in cm


@dataclass(frozen=True)
class Job:
    """Up to a batch of slices of which the same arrays are wanted: conditions, and None for the reference."""

    rows: tuple[int, ...]
    refs: tuple[SliceRef, ...]
    wanted: tuple[str | None, ...]


@dataclass(frozen=True)
class Maker:
    """Computes images; a pure function of a job, called from several threads."""

    source: SliceSource
    stored: bool  # the degraded slices lie on disk: copied, not simulated
    scan: Geometry
    conditions: Mapping[str, dose.Condition]
    noise_seed: int
    reference: dose.Reference

    def make(self, job: Job) -> Made:
        """Return a list of images (n, n) for each wanted array, and each slice's pixel width in cm."""
        images, widths = self._copy(job) if self.stored else self._simulate(job)
        for key, values in images.items():
            for ref, image in zip(job.refs, values, strict=True):
                if not np.isfinite(image).all():
                    where = "" if key is None else f" at condition {key}"
                    message = f"slice {ref.name} of patient {ref.patient} holds NaN or infinities{where}"
                    raise BenchError(message, file=ref.file or None)
        return images, widths

    def _simulate(self, job: Job) -> Made:
        source = projectable(self.source)
        read = [source.object(ref, self.scan.size) for ref in job.refs]
        widths = [float(pixel_cm) for _, _, pixel_cm in read]
        originals = [reference for _, reference, _ in read]
        if job.wanted == (None,) and self.reference.original:
            return {None: originals}, widths
        objects = np.stack([fine for fine, _, _ in read])
        keys = [(self.noise_seed, ref.patient, ref.name) for ref in job.refs]
        try:
            scans = dose.scan(objects, np.array(widths), self.scan, keys, self.reference)
        except ValueError as error:
            first = job.refs[0]
            message = f"slices {first.name} to {job.refs[-1].name} of patient {first.patient}: {error}"
            raise BenchError(message, file=first.file or None) from None
        chosen = [self.conditions[name] for name in job.wanted if name is not None]
        images: Images = {name: list(values) for name, values in scans.degraded(chosen).items()}
        if None in job.wanted:
            images[None] = list(scans.references(np.stack(originals)))
        return images, widths

    def _copy(self, job: Job) -> Made:
        names = [name for name in job.wanted if name is not None] or self.source.conditions[:1]
        images: Images = {}
        for name in names:
            read = [paired(self.source).pair(ref, name, self.scan.size) for ref in job.refs]
            images[name] = [degraded for degraded, _, _ in read]
            images[None] = [reference for _, reference, _ in read]
        return {key: images[key] for key in job.wanted}, [float(pixel_cm) for _, _, pixel_cm in read]

    def words(self, name: str | None) -> dict[str, str]:
        """Return what the array of a condition, or of the reference (None), holds, for a person who opens it."""
        content = "reference" if name is None else f"condition {name}"
        words = {"content": content, "source": self.source.name, "unit": "1/cm", "size": str(self.scan.size)}
        if self.stored:
            return words
        full = "" if self.reference.photons is None else f"noise of {self._dose(self.reference.photons)}"
        if name is None:
            made = "reconstructed from all views" if self.reference.fbp else "as in the source"
            words |= {"reference": ", ".join(filter(None, [made, full]))}
            return words if self.reference.original else words | self._scanned(self.scan.views)
        condition = self.conditions[name]
        noise = "none" if condition.photons is None else self._dose(condition.photons)
        if condition.electronic:
            noise += f", electronic noise of {condition.electronic:g}"
        words |= self._scanned(condition.views or self.scan.views) | {"noise": noise}
        return words | ({"inherited": full} if full else {})

    def _scanned(self, views: int) -> dict[str, str]:
        return {
            "scan": type(self.scan).__name__,
            "views": f"{views} of {self.scan.views} over {self.scan.arc_degrees:g} degrees",
            "filter": self.scan.filter,
            "noise_seed": str(self.noise_seed),
            "physics_version": str(PHYSICS_VERSION),
        }

    def _dose(self, photons: float) -> str:
        factor = deviation_factor(self.scan.size)
        return f"{photons:g} photons per ray" + ("" if factor == 1.0 else f", deviation x {factor:g}")
