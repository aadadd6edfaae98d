"""Checks that pixel values are those of a CT in the stated unit, the same for every format of files.

Nothing of a CT is beyond 32767 HU. A scan has air, at about -1000 HU, and something near water. It is judged by
series (by file or by patient where files name no series), since a single slice that was cropped may honestly
hold no air. On 309 real slices and 136 real crops at least 7 % of every slice lies within 300 HU of water, and
at most 2 % between 700 and 1300 HU; the limits below leave a wide margin.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.data.files.values import Values
from bench.errors import BenchError

HIGHEST = 32767.0  # HU
LOWEST = -8192.0  # HU, outside padding; noise of the lowest doses stays above
AIR_BELOW = -500.0
ALL_AIR = -950.0  # HU; a series without anything above holds nothing, in any unit
LEAST_WATER = 0.005  # share of the slice of a series that has most of it
LEAST_PIXELS = 32 * 32  # of a slice; fewer tell nothing of air and tissue
ONE_VALUE = 20.0  # HU between lowest and highest: less than the noise of any scan
MOST_BONE = 0.2  # share; more without air, and little between it and water, is soft tissue plus 1024
MOST_UNEVEN = 0.02  # share of a slice; noise makes no such areas
_DARKEST, _BRIGHTEST = -200.0, 150.0  # HU between which soft tissue is most frequent, fat to contrast medium

Key = tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """The values of one slice, the group that it is judged in, and where it lies; ``label`` names it in its file."""

    group: Key
    file: Path
    label: str
    values: Values

    @property
    def words(self) -> str:
        """The slice in its file, for a message; empty where the file is the slice."""
        return f"slice {self.label}: " if self.label else ""


def check(slices: Sequence[Measured], unit: str, accept: Iterable[str], *, unclipped: bool = False) -> None:
    """Raise a ``BenchError`` with file, range and remedy where something is no CT in ``unit``.

    ``accept`` names what the source says is right: ``no_air``, ``beyond_range``, ``padding``. ``unclipped``: the
    slices are degraded ones, whose values below air stay.
    """
    accepted = set(accept)
    for one in slices:
        if not one.values.finite:
            message = f"{one.words}holds NaN or infinite values"
            raise BenchError(message, file=one.file, remedy="replace or remove it")
    if "beyond_range" not in accepted:
        for one in slices:
            _check_range(one, unit)
    if "no_air" not in accepted:
        for group in _grouped(one for one in slices if one.values.pixels >= LEAST_PIXELS):
            _check_group(group, unit)
            _check_slices(group, unit)
    if unclipped and "padding" not in accepted:
        for one in slices:
            _check_padding(one, unit)


def only_air(values: Values) -> bool:
    """Return whether nothing in a slice is denser than air: there is nothing to score."""
    return values.finite and values.pixels >= LEAST_PIXELS and values.top < AIR_BELOW


def remarks(slices: Sequence[Measured], unit: str, accept: Iterable[str]) -> Iterator[str]:
    """Yield a line on each thing that is used as it is but should be known."""
    padded = [one for one in slices if one.values.padded]
    if padded:
        first = max(padded, key=lambda one: one.values.padded)
        what = "stays as it is" if "padding" in accept else "is air here"
        yield (
            f"padding without a tag {what}: in {_count(padded, 'slice')}, up to {first.values.padded:.1%} of one, "
            f"{first.values.padding:g} HU ({first.file.name})"
        )
    lossy = [one for one in slices if one.values.lossy]
    if lossy:
        yield (
            f"{_count(lossy, 'slice')} compressed with loss (LossyImageCompression 01), the first "
            f"{lossy[0].file.name}: noise and edges are not the scanner's"
        )
    if unit != "HU":
        yield from _soft_tissue(slices, unit)


def _soft_tissue(slices: Sequence[Measured], unit: str) -> Iterator[str]:
    large = [one for one in slices if one.values.pixels >= LEAST_PIXELS and not only_air(one.values)]
    odd = [one for one in large if not _DARKEST <= one.values.soft <= _BRIGHTEST]
    if odd:
        water = {"1/cm": 0.2, "1/mm": 0.02}[unit]
        attenuation = water * (1 + odd[0].values.soft / 1000)
        yield (
            f"soft tissue is not near {water:g} {unit} in {_count(odd, 'slice')}, the first {odd[0].file.name} "
            f"(most frequent {attenuation:.2g}, values of {_range([odd[0]])}): scaled values are no attenuation"
        )


def _check_range(one: Measured, unit: str) -> None:
    values = one.values
    if values.top <= HIGHEST and values.floor >= LOWEST:
        return
    subject = f"{one.words}values of {_range([one])} cannot be in {unit}"
    accept = "or accept: [beyond_range] in the source"
    if unit != "HU":
        unit_is = "set unit: HU" if values.low < -50 else "correct unit"
        raise BenchError(subject, file=one.file, remedy=f"{unit_is}, {accept}")
    if values.top <= HIGHEST:
        message = f"{subject}: no noise of a CT is below {LOWEST:g} HU"
        raise BenchError(message, file=one.file, remedy=f"replace these values by -1000, {accept}")
    message = f"{subject}: nothing of a CT exceeds {HIGHEST:g} HU; negative numbers were stored as unsigned"
    remedy = f"store them as signed numbers (DICOM: PixelRepresentation 1), {accept}"
    raise BenchError(message, file=one.file, remedy=remedy)


def _check_group(group: Sequence[Measured], unit: str) -> None:
    """Refuse a group without air, or without anything near water (unless all of it is air)."""
    values, first = [one.values for one in group], group[0]
    subject = f"{_where(group)}values of {_range(group)}"
    if min(one.floor for one in values) > AIR_BELOW:
        cause, remedy = _cause_of_no_air(group, unit)
        message = f"{subject}: no air (below {AIR_BELOW:g} HU), so they are not in {unit}{cause}"
        raise BenchError(
            message, file=first.file, remedy=f"{remedy}, or accept: [no_air] in the source if they are right"
        )
    low, high = min(one.low for one in values), max(one.high for one in values)
    water, dense = (max(getattr(one, key) for one in values) for key in ("water", "dense"))
    if water >= max(LEAST_WATER, dense) or max(one.top for one in values) < ALL_AIR:
        return
    if unit == "1/cm" and low >= 0 and 0.15 < high <= 1.001:
        return  # scaled to 0 to 1, perhaps: cannot be told from attenuation, so it is a remark
    remedy = "correct rescale slope and intercept" if unit == "HU" else "correct unit"
    if unit == "1/cm" and high < 0.15:
        remedy = "set unit: 1/mm"
    elif unit == "1/mm" and dense > water:
        remedy = "set unit: 1/cm"
    elif unit != "HU" and low < 0:
        remedy = "convert them: attenuation is not negative"
    message = f"{subject}: nothing near water (-300 to 300 HU), so they are not in {unit}"
    raise BenchError(
        message, file=first.file, remedy=f"{remedy}, or accept: [no_air] in the source if they are right"
    )


def _cause_of_no_air(group: Sequence[Measured], unit: str) -> tuple[str, str]:
    """Return what values without air look like, after a colon, and what to do; empty where nothing is known."""
    low, high = min(one.values.low for one in group), max(one.values.high for one in group)
    if unit != "HU":
        return "", "correct unit"
    if low >= -1.5 and high < 5:
        if low < -0.5:
            return ": they look scaled to -1 to 1", "convert them back to HU"
        mu = "1/cm" if high > 0.15 else "1/mm"
        return f": they look like attenuation in {mu}, or scaled to 0 to 1", f"correct unit (unit: {mu})"
    if low >= 0 and high <= 255:
        return ": they look like grey levels of 0 to 255", "give the CT numbers"
    if abs(low) <= 100 or max(one.values.bone for one in group) > MOST_BONE / 4:
        remedy = "subtract 1024 (DICOM: RescaleIntercept -1024)"
        return ": they look like CT numbers plus 1024, with air near 0", remedy
    return "", "correct unit or the rescale values"


def _check_slices(group: Sequence[Measured], unit: str) -> None:
    """Refuse a slice that does not fit a group which has air and water."""
    for one in group:
        values = one.values
        if only_air(values) or values.floor < AIR_BELOW:
            continue
        shifted = values.bone > MOST_BONE and values.between < values.bone / 2
        grey = unit == "HU" and values.low >= 0 and values.high <= 255
        flat = values.top - values.floor < ONE_VALUE
        if shifted or grey or flat:
            cause, remedy = _cause_of_no_air([one], unit)
            cause = ": it is one value" if values.top == values.floor else cause
            message = f"{one.words}values of {_range([one])}: no air and no tissue of a CT in {unit}{cause}"
            raise BenchError(
                message, file=one.file, remedy=f"{remedy}, or accept: [no_air] in the source if it is right"
            )


def _check_padding(one: Measured, unit: str) -> None:
    if one.values.uneven > MOST_UNEVEN and one.values.pixels >= LEAST_PIXELS:
        message = (
            f"{one.words}{one.values.uneven:.1%} of the slice lies below -1500 HU at its border but is no constant "
            f"(values of {_range([one])} {unit}): neither padding nor noise"
        )
        remedy = "set padding to one value, or accept: [padding] in the source to leave it as it is"
        raise BenchError(message, file=one.file, remedy=remedy)


def _grouped(slices: Iterable[Measured]) -> list[list[Measured]]:
    groups: dict[Key, list[Measured]] = {}
    for one in slices:
        groups.setdefault(one.group, []).append(one)
    return list(groups.values())


def _where(group: Sequence[Measured]) -> str:
    files = {one.file for one in group}
    return f"(and {_count(sorted(files)[1:], 'file')} with it) " if len(files) > 1 else ""


def _range(slices: Sequence[Measured]) -> str:
    low, high = min(one.values.low for one in slices), max(one.values.high for one in slices)
    return f"{low:.5g} to {high:.5g}"


def _count(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}" if len(things) == 1 else f"{len(things)} {noun}s"
