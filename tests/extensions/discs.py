"""A kind of source: discs of soft tissue in water, drawn by patient and slice; ``discs_keys.py`` holds its keys."""

from __future__ import annotations

import numpy as np
from bench.config.schema.discs import Discs

from bench import seeds
from bench.ct.resample import local_mean
from bench.data.files.resize import Image
from bench.data.sources.catalogue import Catalogue, SliceRef, assemble
from bench.data.sources.source import Source


class DrawnDiscs(Source[Discs]):
    """Its slices."""

    def _scan(self) -> Catalogue:
        refs = [
            SliceRef(f"P{patient}", f"z{index}", "", index, 5.0 * index, 0.7)
            for patient in range(1, self.spec.patients + 1)
            for index in range(self.spec.slices)
        ]
        return assemble(
            self.name, "discs", refs, fingerprint=f"discs {self.spec.patients} {self.spec.slices}"
        )

    def object(self, ref: SliceRef, size: int) -> tuple[Image, Image, float]:
        """Return the slice at twice the size, its 2 x 2 means, and their pixel in cm."""
        rng = seeds.generator("discs", ref.patient, ref.name)
        y, x = np.mgrid[: 2 * size, : 2 * size] / size - 1.0
        fine = 0.2 * (x**2 + y**2 < 0.8**2)
        for _ in range(12):
            u, v, radius, more = rng.uniform((-0.5, -0.5, 0.05, -0.1), (0.5, 0.5, 0.25, 0.1))
            fine[(x - u) ** 2 + (y - v) ** 2 < radius**2] += more * 0.2
        fine = fine.astype(np.float32)
        return fine, local_mean(fine, 2), 45.0 / size
