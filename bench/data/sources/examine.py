"""The slices of a source held against ``files.plausible``: which stay, which are left out, what to remark."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.data.files import plausible
from bench.data.files.plausible import Key, Measured
from bench.data.files.values import Values
from bench.data.sources.catalogue import UNKNOWN, SliceRef
from bench.errors import BenchError

NAMED = 5  # pairs without a difference that a remark names


@dataclass(frozen=True)
class Side:
    """One side of the slices: the folder, the values of each of its files, and what the values should be.

    ``partners`` gives the file of a degraded slice by that of its reference; files not in it have equal names.
    """

    folder: Path
    values: Mapping[str, Sequence[Values]]
    unit: str
    accept: tuple[str, ...] = ()
    partners: Mapping[str, str] | None = None

    def file(self, ref: SliceRef) -> str:
        """Return the file of a slice, relative to the folder."""
        return (self.partners or {}).get(ref.file, ref.file)

    def of(self, ref: SliceRef) -> Values:
        """Return the values of a slice."""
        return self.values[self.file(ref)][ref.index]

    def measured(self, refs: Iterable[SliceRef], *, whole: bool) -> list[Measured]:
        """Return the slices with the group that each is judged in; ``whole``: none of them is a crop."""
        return [self._measured(ref, whole) for ref in refs]

    def _measured(self, ref: SliceRef, whole: bool) -> Measured:
        file = self.file(ref)
        in_stack = len(self.values[file]) > 1
        label = ref.name.rpartition("/")[2] if in_stack else ""
        place = self.folder / file
        return Measured(_group(ref, in_stack, place, whole), place, label, self.of(ref))


def _group(ref: SliceRef, in_stack: bool, place: Path, whole: bool) -> Key:
    """Return what a slice is judged with: its series, the other slices of its file, or those of its patient."""
    if ref.series is not None:
        return ref.patient, ref.series
    if in_stack or (ref.patient == UNKNOWN and whole):
        return ref.patient, str(place)
    return (ref.patient, str(place.parent)) if ref.patient == UNKNOWN else (ref.patient,)


@dataclass(frozen=True)
class Examined:
    """The slices to use, those left out with a reason, and remarks."""

    refs: list[SliceRef]
    left_out: list[tuple[str, str]]
    remarks: list[str]


def references(refs: Sequence[SliceRef], side: Side, *, whole: bool = True) -> Examined:
    """Return what is left of ``refs``: a slice that holds nothing but air cannot be scored and is left out.

    Raises:
        BenchError: values that no CT has, or nothing but air.
    """
    slices = side.measured(refs, whole=whole)
    plausible.check(slices, side.unit, side.accept)
    air = [plausible.only_air(one.values) for one in slices]
    if slices and all(air):
        first = slices[0]
        message = f"nothing but air: no value above {plausible.AIR_BELOW:g} HU, here or in any other slice"
        raise BenchError(message, file=first.file, remedy="correct path or unit of the source")
    left_out = [
        (
            side.file(ref),
            f"{one.words}nothing but air (highest value {one.values.top:g} HU), which cannot be scored",
        )
        for ref, one, empty in zip(refs, slices, air, strict=True)
        if empty
    ]
    kept = [ref for ref, empty in zip(refs, air, strict=True) if not empty]
    said = f"accept: {', '.join(side.accept)}: these checks of the values are off for this source"
    remarks = ([said] if side.accept else []) + list(plausible.remarks(slices, side.unit, side.accept))
    return Examined(kept, left_out, remarks)


def degraded(
    refs: Sequence[SliceRef], condition: str, side: Side, reference: Side, *, whole: bool = True
) -> list[str]:
    """Return remarks on the degraded slices of ``condition``; those without a difference are named.

    Raises:
        BenchError: values that no CT has, a slice of air beside one of a body, or no difference at all.
    """
    slices = side.measured(refs, whole=whole)
    plausible.check(slices, side.unit, side.accept, unclipped=True)
    for one in slices:
        if plausible.only_air(one.values):
            message = f"{one.words}nothing but air (highest value {one.values.top:g} HU) beside a reference of a body"
            raise BenchError(message, file=one.file, remedy="replace the slice, or remove the pair")
    same = [
        one
        for ref, one in zip(refs, slices, strict=True)
        if one.values.digest and one.values.digest == reference.of(ref).digest
    ]
    if same and len(same) == len(slices):
        message = f"condition {condition}: every degraded slice equals its reference"
        raise BenchError(message, file=same[0].file, remedy="correct the folders of the source")
    words = [f"{condition}: {line}" for line in plausible.remarks(slices, "HU", side.accept)]
    if same:
        names = ", ".join(f"{one.file.name} {one.words}".rstrip(": ") for one in same[:NAMED])
        more = f" and {len(same) - NAMED} more" if len(same) > NAMED else ""
        words.append(
            f"{condition}: no difference from the reference, so no finite PSNR of the input, in {names}{more}"
        )
    return words


def pairs(
    refs: Sequence[SliceRef], reference: Side, sides: Mapping[str, Side], *, whole: bool = True
) -> Examined:
    """Return what is left of ``refs`` where both sides of each pair are looked at; see the two functions above."""
    kept = references(refs, reference, whole=whole)
    lines = [
        line
        for condition, side in sorted(sides.items())
        for line in degraded(kept.refs, condition, side, reference, whole=whole)
    ]
    return Examined(kept.refs, kept.left_out, [*kept.remarks, *lines])


def repaired(sides: Mapping[str, Side]) -> dict[str, list[list[Any]]]:
    """Return each degraded slice whose padding becomes air, for the fingerprint of a source.

    Empty where there is none or the source accepts padding, so that nothing else gets another fingerprint.
    """
    padded = [
        [condition, file, index, one.padded]
        for condition, side in sorted(sides.items())
        if "padding" not in side.accept
        for file, slices in sorted(side.values.items())
        for index, one in enumerate(slices)
        if one.padded
    ]
    return {"padding": padded} if padded else {}
