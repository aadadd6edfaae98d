"""What the pairs that are not built yet will take: bytes on the disk, and about how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.config.schema import FULL_SIZE
from bench.data.pairs import pairs
from bench.data.pairs.pairs import REFERENCE, PairFiles

PIXEL_BYTES = 4
#: CPU-seconds to project, add noise to and reconstruct one 512 x 512 slice: six conditions take 0.2 (README.md).
#: Smaller slices cost by their pixels, since the views stay.
CPU_S = 0.2 / 6


@dataclass(frozen=True)
class Missing:
    """Arrays that are to be built: their bytes, and an estimate of the CPU-seconds."""

    bytes: int
    cpu_s: float

    def __add__(self, other: Missing) -> Missing:
        """Return what both take."""
        return Missing(self.bytes + other.bytes, self.cpu_s + other.cpu_s)


NOTHING = Missing(0, 0.0)


def missing(files: Mapping[str, PairFiles], slices: int, size: int) -> Missing:
    """Return what the arrays of ``files`` that are not there will take; each has ``slices`` rows of size x size."""
    names = list(pairs.absent(files).values())
    degraded = sum(name != REFERENCE for name in names)
    return Missing(
        bytes=len(names) * slices * size**2 * PIXEL_BYTES,
        cpu_s=degraded * slices * CPU_S * (size / FULL_SIZE) ** 2,
    )
