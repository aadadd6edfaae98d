"""From slices of a source to the images of the pair cache: projected and degraded, or copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.ct import dose
from bench.ct.geometry import Geometry
from bench.data.catalogue import SliceRef
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.data.sources import SliceSource

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
        read = [self.source.object(ref, self.scan.size) for ref in job.refs]
        widths = [float(pixel_cm) for _, _, pixel_cm in read]
        chosen = [self.conditions[name] for name in job.wanted if name is not None]
        images: Images = {}
        if None in job.wanted:
            images[None] = [reference for _, reference, _ in read]
        if chosen:
            keys = [(self.noise_seed, ref.patient, ref.name) for ref in job.refs]
            objects = np.stack([fine for fine, _, _ in read])
            degraded = dose.degrade(objects, np.array(widths), self.scan, chosen, keys)
            images |= {name: list(values) for name, values in degraded.items()}
        return images, widths

    def _copy(self, job: Job) -> Made:
        names = [name for name in job.wanted if name is not None] or self.source.conditions[:1]
        images: Images = {}
        for name in names:
            read = [self.source.pair(ref, name, self.scan.size) for ref in job.refs]
            images[name] = [degraded for degraded, _, _ in read]
            images[None] = [reference for _, reference, _ in read]
        return {key: images[key] for key in job.wanted}, [float(pixel_cm) for _, _, pixel_cm in read]
