"""Signs that the patients of a folder are others than read: one ID in many folders, folders that are no patients.

Only where a file's header or its first folder says whose it is; a table or a rule is a person's word.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from bench.errors import BenchError
from bench.names import natural, nfc

BY_FOLDER = "^([^/]+)/"  # the rule that takes the first folder for the patient
SHOWN = 3
PLACEHOLDERS = {
    "anonymous", "anonymized", "anonymised", "anonym", "anon", "deidentified", "unknown", "none", "null", "na",
    "noid", "patient", "patientid", "removed", "withheld", "test", "x", "xx", "xxx", "xxxx", "0",
}  # fmt: skip
NO_PATIENTS = {
    "imagestr", "imagests", "imagesval", "imagestrain", "imagestest", "labelstr", "labelsts", "train", "training",
    "test", "testing", "val", "valid", "validation", "images", "image", "volumes", "scans", "slices", "data",
    "dataset", "ct", "ctscans", "cases", "patients", "subjects", "all", "full", "quarter", "low", "fulldose",
    "quarterdose", "lowdose", "fulldoseimages", "lowdoseimages", "normaldose", "ndct", "ldct", "hr", "lr", "gt",
    "input", "target", "reference",
}  # fmt: skip


@dataclass(frozen=True)
class Claim:
    """A file, the ID that it carries (None: its first folder is its patient), and whether it holds a whole scan."""

    file: str
    patient_id: str | None
    volume: bool = False


def check_claims(
    claims: Iterable[Claim],
    folder: Path,
    *,
    strict: bool = False,
    passed_over: Callable[[str], bool] | None = None,
) -> list[str]:
    """Return remarks on patients that may be none.

    ``strict``: an ID in several folders of the first level is refused whatever it is. ``passed_over`` says which
    folders are no level of their own (those of a dose).

    Raises:
        BenchError: an ID that names nobody (``Anonymous``) stands in several folders, or a folder that is taken
            for a patient is called as none is (``imagesTr``); the remedy is ``patient_from``.
    """
    all_claims = list(claims)
    by_id = [claim for claim in all_claims if claim.patient_id]
    rest = [claim for claim in all_claims if not claim.patient_id]
    return [*_ids(by_id, folder, strict, passed_over or (lambda _: False)), *_first_folders(rest, folder)]


def _ids(
    claims: Sequence[Claim], folder: Path, strict: bool, passed_over: Callable[[str], bool]
) -> list[str]:
    rooms = {
        claim.file: [part for part in PurePosixPath(claim.file).parts[:-1] if not passed_over(part)]
        for claim in claims
    }
    shared = _shared(list(rooms.values()))
    folders_of: dict[str, dict[str, str]] = {}  # ID -> folder of the first level -> one file in it
    for claim in claims:
        patient, room = str(claim.patient_id), rooms[claim.file]
        level = room[shared:] if _names_nobody(patient) else room
        if level:
            folders_of.setdefault(patient, {}).setdefault(level[0], claim.file)
    spread = {patient: folders for patient, folders in folders_of.items() if len(folders) > 1}
    for patient, folders in spread.items():
        if strict or _names_nobody(patient):
            names = sorted(folders, key=natural)
            parts = PurePosixPath(folders[names[0]]).parts
            rule = "^" + "[^/]+/" * parts.index(names[0]) + "([^/]+)/"
            message = f"PatientID {patient!r} stands in {len(names)} folders ({_few(names)})"
            raise BenchError(message, file=folder, remedy=_remedy(rule, "if the folders are the patients"))
    if not spread:
        return []
    patient, folders = next(iter(spread.items()))
    more = f", and {len(spread) - 1} other IDs do so" if len(spread) > 1 else ""
    return [
        f"PatientID {patient!r} stands in {len(folders)} folders ({_few(sorted(folders, key=natural))}){more}: "
        f"taken as one patient; if the folders are the patients, set patient_from: '{BY_FOLDER}'"
    ]


def _first_folders(claims: Sequence[Claim], folder: Path) -> list[str]:
    """Return a remark on first folders that hold several scans; refuse those that are called as no patient is."""
    inside: dict[str, list[Claim]] = {}
    for claim in claims:
        inside.setdefault(PurePosixPath(claim.file).parts[0], []).append(claim)
    words = [name for name in inside if re.sub(r"\d+ ?mm|[^a-z]", "", name.lower()) in NO_PATIENTS]
    if words:
        straight = len(PurePosixPath(inside[words[0]][0].file).parts) == 2
        rule = "^[^/]+/([^/.]+)" if straight else "^[^/]+/([^/]+)/"
        message = (
            f"{_few(sorted(words, key=natural))}: named as no patient is, and would be taken for one each"
        )
        what = "if each file in it is a patient" if straight else "if each folder in it is a patient"
        raise BenchError(message, file=folder, remedy=_remedy(rule, what))
    many = {
        name: count
        for name, of in inside.items()
        if (count := sum(claim.volume and len(PurePosixPath(claim.file).parts) == 2 for claim in of)) > 1
    }
    if not many:
        return []
    name, count = next(iter(sorted(many.items(), key=lambda one: natural(one[0]))))
    more = f" (and {len(many) - 1} more such folders)" if len(many) > 1 else ""
    return [
        f"{count} scans lie straight in folder {name}{more}: taken as one patient; if each is a patient, set "
        "patient_from: '^[^/]+/([^/.]+)'"
    ]


def _names_nobody(patient: str) -> bool:
    text = re.sub(r"[\W_]", "", nfc(patient).lower())
    return text in PLACEHOLDERS or not text.strip("0")


def _shared(rooms: Sequence[Sequence[str]]) -> int:
    """Return how many folders all paths begin with."""
    count = 0
    for level in zip(*rooms, strict=False):
        if len(set(level)) > 1:
            break
        count += 1
    return count


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _remedy(rule: str, when: str) -> str:
    return f"{when}, set patient_from: '{rule}' in the source, else write patients.csv (columns file,patient)"
