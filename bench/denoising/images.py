"""What all kinds of files have in common: a few slices in HU, denoised, and their change written into stored values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from bench.data.files import padding
from bench.data.files.padding import Mask
from bench.data.files.values import AIR
from bench.errors import BenchError

Images = npt.NDArray[np.float32]  # (n, H, W) in HU
Denoise = Callable[[Images], Images]
PIXELS_AT_ONCE = 4 * 512 * 512
RESEARCH = "research only"


@dataclass(frozen=True)
class Mark:
    """What is written into a denoised file of how it was made: network, id of its cell, version of this program."""

    network: str
    cell: str
    program: str

    @property
    def words(self) -> str:
        """One sentence."""
        by = f"{self.network}, cell {self.cell}, ldct-denoising-benchmark {self.program}".rstrip()
        return f"Denoised slice by slice by {by}; {RESEARCH}, not for diagnosis"


@dataclass(frozen=True)
class Batch:
    """A few slices that have been denoised and written: as the network was given them, and the side of a pixel."""

    hu: Images
    pixel_mm: float | None


class Series(Protocol):
    """The slices of a file or a folder, of which ``left_out`` says by kind what of it is no slice."""

    count: int
    left_out: str

    def write(self, target: Path, denoise: Denoise, mark: Mark) -> Iterator[Batch]:
        """Write the denoised slices to ``target``, a few at a time, and yield each few of them.

        Raises:
            BenchError: a slice cannot be read, or its output cannot be used.
        """


def at_once(height: int, width: int) -> int:
    """Return how many slices of this size are in memory at once."""
    return max(1, PIXELS_AT_ONCE // (height * width))


def outside(hu: npt.NDArray[Any], tagged: Mask | None = None, *, lossy: bool = False) -> Mask:
    """Return which pixels (H, W) are padding, with a tag or without: they hold no image and stay as they are."""
    mask = np.zeros(hu.shape, np.bool_) if tagged is None else tagged.copy()
    untagged = padding.untagged(hu, tagged, lossy=lossy)
    return mask if untagged is None else mask | untagged


def denoised(hu: Images, void: npt.NDArray[np.bool_], denoise: Denoise, file: Path) -> tuple[Images, Images]:
    """Return slices (n, H, W) as the network was given them, with ``void`` made air, and what came out, equal there.

    Raises:
        BenchError: the slices, or what comes out, hold NaN or infinities, or it is of another shape.
    """
    before = np.where(void, np.float32(AIR), hu)
    if not np.isfinite(before).all():
        raise BenchError("holds NaN or infinite values", file=file, remedy="replace or remove it")
    after = np.asarray(denoise(before), np.float32)
    if after.shape != before.shape:
        raise BenchError(f"the network makes {after.shape} of slices of {before.shape}", file=file)
    if not np.isfinite(after).all():
        raise BenchError("the network makes NaN or infinities of it", file=file, remedy="use another cell")
    return before, np.where(void, before, after)


def moved(
    stored: npt.NDArray[Any], change: npt.NDArray[Any], slope: float, limits: tuple[int, int] | None = None
) -> npt.NDArray[Any]:
    """Return stored values after a ``change`` in HU, in their own type; whole ones are rounded and kept in ``limits``.

    It is the change that is stored, not the HU: a pixel that has not changed keeps its value to the bit, whatever the
    slope.
    """
    values = stored.astype(np.float64) + change.astype(np.float64) / slope
    if stored.dtype.kind in "iu":
        whole = np.iinfo(stored.dtype)
        values = np.clip(np.rint(values), *(limits or (whole.min, whole.max)))
    return values.astype(stored.dtype)
