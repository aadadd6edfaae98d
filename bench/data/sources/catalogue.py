"""What a source holds: one reference per slice, in an order that depends on the slices alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from bench.errors import BenchError
from bench.names import natural, nfc

UNKNOWN = "unknown"  # the patient of every slice of a source that names none


@dataclass(frozen=True)
class SliceRef:
    """One slice: whose it is, what it is called, and where its pixels lie.

    ``name`` comes from the data and is unique for its patient; it and ``patient`` are in Unicode's form NFC in a
    catalogue, so that lists may be written in any. ``file`` is as it is spelled on disk, relative to the folder of the
    source (empty for the phantom), ``index`` counts the slices of that file from 0. ``z_mm`` is the position
    along the table, ``pixel_mm`` the spacing of the pixels as stored. ``part`` is the folder (``train`` or
    ``test``) of the study's layout, ``series`` the SeriesInstanceUID of a DICOM slice.
    """

    patient: str
    name: str
    file: str
    index: int
    z_mm: float | None
    pixel_mm: float
    part: str | None = None
    series: str | None = None


@dataclass(frozen=True)
class Catalogue:
    """All slices of a source, sorted by patient, z and name; ``fingerprint`` stands for their content.

    ``refused`` lists the images that were found and left out, each with the reason; ``files`` the SHA-256 of
    each file that was used; ``remarks`` are lines on what is used all the same but should be known; ``skipped``
    counts by kind what lies beside the slices and is none of them.
    """

    source: str
    kind: str
    refs: tuple[SliceRef, ...]
    fingerprint: str
    patients_known: bool
    refused: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()
    skipped: tuple[tuple[str, int], ...] = ()

    @property
    def patients(self) -> tuple[str, ...]:
        """The patients in sorted order."""
        return tuple(sorted({ref.patient for ref in self.refs}, key=natural))


def order(ref: SliceRef) -> tuple[object, ...]:
    """Return the sort key of a slice: patient, then z (unknown last), then name."""
    return natural(ref.patient), ref.z_mm is None, ref.z_mm or 0.0, natural(ref.name)


def assemble(
    source: str,
    kind: str,
    refs: Iterable[SliceRef],
    *,
    fingerprint: str,
    patients_known: bool = True,
    refused: Iterable[tuple[str, str]] = (),
    files: Iterable[tuple[str, str]] = (),
    remarks: Iterable[str] = (),
    skipped: Mapping[str, int] | None = None,
) -> Catalogue:
    """Return the catalogue of ``refs``, sorted.

    Raises:
        BenchError: two slices of one patient have the same name.
    """
    ordered = sorted((replace(ref, patient=nfc(ref.patient), name=nfc(ref.name)) for ref in refs), key=order)
    seen: dict[tuple[str, str], SliceRef] = {}
    for ref in ordered:
        other = seen.setdefault((ref.patient, ref.name), ref)
        if other is not ref:
            places = " and ".join(sorted({other.file, ref.file}))
            raise BenchError(
                f"two slices of patient {ref.patient} have the same name {ref.name}",
                file=places or None,
                remedy="remove one of them",
            )
    return Catalogue(
        source,
        kind,
        tuple(ordered),
        fingerprint,
        patients_known,
        tuple(refused),
        tuple(sorted(files)),
        tuple(remarks),
        tuple(sorted((skipped or {}).items())),
    )
