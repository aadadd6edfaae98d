"""One series denoised by a trained network: from what lies at IN to what lies at OUT, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench import atomic, likeness
from bench.denoising.arrays import Archive, ArrayFile
from bench.denoising.dicom import DicomSeries
from bench.denoising.images import Denoise, Mark, Series
from bench.denoising.nifti import NiftiVolume
from bench.errors import BenchError
from bench.events import Event, Progress
from bench.records.store import CellStore

KINDS: dict[str, Callable[[Path], Series]] = {
    ".nii": NiftiVolume,
    ".nii.gz": NiftiVolume,
    ".npy": ArrayFile,
    ".npz": Archive,
}
_ELSEWHERE = "name another OUT"


@dataclass(frozen=True)
class Summary:
    """How many slices were denoised, what else lay there, and in what they are unlike those of the training."""

    slices: int
    left_out: str
    unlike: tuple[str, ...]


def run(
    source: Path, target: Path, denoise: Denoise, mark: Mark, expected: likeness.Profile
) -> Generator[Event, None, Summary]:
    """Denoise the series at ``source`` into ``target``; yield the progress and return a summary.

    Args:
        source: A folder or file of a DICOM series, or a NIfTI, ``.npy`` or ``.npz`` file.
        target: Of the same kind; nothing lies there yet.
        denoise: From (n, H, W) in HU to the same.
        mark: What stands in the file of how it was made.
        expected: What the slices of the training were like; empty: not known.

    Raises:
        BenchError: nothing to read at ``source``, something lies at ``target``, or a slice that cannot be denoised.
    """
    series = opened(source, target)
    looked_at, done = set(likeness.spread(series.count)), 0
    each: list[likeness.Statistics] = []
    with _replaced(source, target) as temporary:
        yield Progress("denoise", mark.cell, done, series.count)
        for batch in series.write(temporary, denoise, mark):
            chosen = [number for number in range(len(batch.hu)) if done + number in looked_at]
            each += [likeness.statistics(batch.hu[number], batch.pixel_mm) for number in chosen]
            done += len(batch.hu)
            yield Progress("denoise", mark.cell, done, series.count)
    return Summary(series.count, series.left_out, likeness.unlike(likeness.profile(each), expected))


def opened(source: Path, target: Path) -> Series:
    """Return the series at ``source``, once nothing is in the way at ``target``.

    Raises:
        BenchError: as ``run``.
    """
    if not source.exists():
        raise BenchError("not found", file=source)
    kind = "" if source.is_dir() else kind_of(source)
    _check_target(source, target, kind)
    return KINDS[kind](source) if kind else DicomSeries(source)


def kind_of(path: Path) -> str:
    """Return the ending by which a file is no DICOM; empty where it has none of these."""
    return next((ending for ending in sorted(KINDS, key=len) if path.name.lower().endswith(ending)), "")


def _check_target(source: Path, target: Path, kind: str) -> None:
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise BenchError("is there already, and is never overwritten", file=target, remedy=_ELSEWHERE)
    if target.is_dir() and (source.is_file() or any(target.iterdir())):
        what = "a folder, but IN is a file" if source.is_file() else "not empty, and is never overwritten"
        raise BenchError(f"is {what}", file=target, remedy=_ELSEWHERE)
    if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
        raise BenchError("lies in IN, which would be read with it next time", file=target, remedy=_ELSEWHERE)
    if kind != kind_of(target):
        wanted = f"{kind}, as IN is" if kind else "DICOM, as IN is: another ending"
        raise BenchError(f"must be {wanted}", file=target, remedy="name OUT so, or convert it afterwards")


def _replaced(source: Path, target: Path) -> AbstractContextManager[Path]:
    replaced = atomic.replace_folder if source.is_dir() else atomic.replace_with
    return replaced(target, elsewhere=_ELSEWHERE)


def kept(store: CellStore) -> likeness.Profile:
    """Return what the test slices that a cell keeps for the report are like, for a record that does not say.

    How wide a pixel is they do not say either, so only plain noise and CT numbers can be compared.
    """
    samples = store.read_samples(("input",))
    return likeness.profile(
        likeness.statistics(hu, None) for hu in (() if samples is None else samples.images["input"])
    )
