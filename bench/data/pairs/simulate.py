"""From slices of a source to the images of the pair cache: projected and degraded, or copied."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bench.ct import PHYSICS_VERSION, dose
from bench.ct.noise import Noise, Noiseless
from bench.ct.units import deviation_factor
from bench.data.pairs.pairs import REFERENCE
from bench.data.sources.catalogue import SliceRef
from bench.data.sources.source import paired, projectable
from bench.errors import BenchError
from bench.plan.acquisition import Acquisition

if TYPE_CHECKING:
    from bench.data.sources.source import SliceSource

Image = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Batch:
    """A few slices of which the same arrays are computed: those of conditions, and ``REFERENCE``."""

    rows: tuple[int, ...]
    refs: tuple[SliceRef, ...]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Images:
    """The images of a batch: ``of`` each condition, or ``REFERENCE``, one a slice; each slice's pixel width in cm."""

    of: dict[str, list[Image]]
    pixel_cm: list[float]


class PairMaker:
    """Computes the images of a batch, or copies them where they lie on disk; called from several threads.

    Raises ``BenchError`` where a condition does not fit the scan or the reference.
    """

    def __init__(self, source: SliceSource, acquisition: Acquisition) -> None:
        self.source, self.noise_seed = source, acquisition.noise_seed
        self.scan, self.reference = acquisition.scan(), acquisition.reference()
        self.conditions = acquisition.doses()

    @property
    def stored(self) -> bool:
        """Whether the degraded slices lie on disk."""
        return bool(self.source.conditions)

    def images(self, batch: Batch) -> Images:
        """Return the images (n, n) of a batch, the same for equal batches on any thread."""
        images = self._copied(batch) if self.stored else self._simulated(batch)
        for name, values in images.of.items():
            for ref, image in zip(batch.refs, values, strict=True):
                if not np.isfinite(image).all():
                    where = "" if name == REFERENCE else f" at condition {name}"
                    message = f"slice {ref.name} of patient {ref.patient} holds NaN or infinities{where}"
                    raise BenchError(message, file=ref.file or None)
        return images

    def _simulated(self, batch: Batch) -> Images:
        source = projectable(self.source)
        read = [source.object(ref, self.scan.size) for ref in batch.refs]
        widths = [float(pixel_cm) for _, _, pixel_cm in read]
        originals = [reference for _, reference, _ in read]
        if batch.names == (REFERENCE,) and self.reference.original:
            return Images({REFERENCE: originals}, widths)
        objects = np.stack([fine for fine, _, _ in read])
        keys = [(self.noise_seed, ref.patient, ref.name) for ref in batch.refs]
        try:
            scans = dose.scan(objects, np.array(widths), self.scan, keys, self.reference)
        except ValueError as error:
            first = batch.refs[0]
            message = f"slices {first.name} to {batch.refs[-1].name} of patient {first.patient}: {error}"
            raise BenchError(message, file=first.file or None) from None
        conditions = [self.conditions[name] for name in batch.names if name != REFERENCE]
        images = {name: list(values) for name, values in scans.degraded(conditions).items()}
        if REFERENCE in batch.names:
            images[REFERENCE] = list(scans.references(np.stack(originals)))
        return Images(images, widths)

    def _copied(self, batch: Batch) -> Images:
        names = [name for name in batch.names if name != REFERENCE] or self.source.conditions[:1]
        images: dict[str, list[Image]] = {}
        for name in names:
            read = [paired(self.source).pair(ref, name, self.scan.size) for ref in batch.refs]
            images[name] = [degraded for degraded, _, _ in read]
            images[REFERENCE] = [reference for _, reference, _ in read]
        return Images({name: images[name] for name in batch.names}, [float(width) for _, _, width in read])

    def words(self, name: str) -> dict[str, str]:
        """Return what the array of a condition, or the ``REFERENCE``, holds, for a person who opens it."""
        content = "reference" if name == REFERENCE else f"condition {name}"
        words = {"content": content, "source": self.source.name, "unit": "1/cm", "size": str(self.scan.size)}
        if self.stored:
            return words
        full = "" if self.reference.noise is None else f"noise of {self._noise(self.reference.noise)}"
        if name == REFERENCE:
            image = "reconstructed from all views" if self.reference.fbp else "as in the source"
            words |= {"reference": ", ".join(filter(None, [image, full]))}
            return words if self.reference.original else words | self._scanned(self.scan.views)
        condition = self.conditions[name]
        words |= self._scanned(condition.views or self.scan.views) | {"noise": self._noise(condition.noise)}
        return words | ({"inherited": full} if full else {})

    def _scanned(self, views: int) -> dict[str, str]:
        return {
            "scan": type(self.scan).__name__,
            "views": f"{views} of {self.scan.views} over {self.scan.arc_degrees:g} degrees",
            "filter": self.scan.filter,
            "noise_seed": str(self.noise_seed),
            "physics_version": str(PHYSICS_VERSION),
        }

    def _noise(self, noise: Noise) -> str:
        factor = deviation_factor(self.scan.size)
        scaled = "" if factor == 1.0 or isinstance(noise, Noiseless) else f", deviation x {factor:g}"
        return noise.words() + scaled
