"""Folders as people have them, built from small computed slices: who, which dose, what else lies there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from bench.config import schema
from bench.data.sources.catalogue import Catalogue
from bench.data.sources.open import open_source
from tests.dicoms import uid, write_ct

SIDE = 16
PREAMBLE, META = 132, 12  # bytes before the data elements; of the element that says how long group 2 is


def body(number: int) -> np.ndarray:
    """Return a slice in HU with air around a square of soft tissue, its values told by ``number``."""
    hu = np.full((SIDE, SIDE), -1000, np.int16)
    hu[3:13, 3:13] = 40 + np.random.default_rng(number).integers(-30, 30, (10, 10))
    return hu


def series(folder: Path, number: int, *, patient: str, ending: str = ".dcm", **header: Any) -> list[Path]:
    """Write a series of three slices, 3 mm apart, into ``folder``; ``number`` tells its UIDs."""
    keys = {
        "PatientID": patient,
        "SeriesInstanceUID": uid(1000 * number),
        "StudyInstanceUID": uid(77 * number),
        "RescaleIntercept": 0,
        **header,
    }
    return [
        write_ct(folder / f"{z}{ending}", body(10 * number + z), number=100 * number + z, z=3.0 * z, **keys)
        for z in range(3)
    ]


def challenge(root: Path, *more: str, patient_id: str | None = "Anonymous", patients: int = 5) -> None:
    """Write the tree of the 2016 challenge: L001/full_1mm/*.IMA, L001/quarter_1mm/*.IMA, and ``more`` kinds."""
    for patient in range(1, patients + 1):
        name = f"L{patient:03d}"
        for kind, folder in enumerate(("full_1mm", "quarter_1mm", *more)):
            header = {
                "PatientName": f"{name}_{'FQ'[kind % 2]}D_1{'_SHARP' if 'sharp' in folder else ''}",
                "StudyInstanceUID": uid(77 * patient),
            }
            series(
                root / name / folder,
                10 * patient + kind,
                patient=patient_id or name,
                ending=".IMA",
                **header,
            )


def bare(path: Path, *, meta: bool = False) -> None:
    """Take the preamble off a DICOM file, and its group 2 unless ``meta``."""
    content = path.read_bytes()
    length = int.from_bytes(content[PREAMBLE + 8 : PREAMBLE + META], "little")
    path.write_bytes(content[PREAMBLE if meta else PREAMBLE + META + length :])


def catalogue(folder: Path, kind: str = "dicom", index: Path | None = None, **keys: Any) -> Catalogue:
    """Return what a source of the folder holds."""
    source = schema.FolderSource.model_validate({"kind": kind, "path": str(folder), "matrix": SIDE, **keys})
    return open_source("scans", source, base=folder, index_cache=index).catalogue()


CHALLENGE = {"reference": "full_1mm", "degraded": {"quarter": "quarter_1mm"}}


def pairs(value: dict[str, Any]) -> schema.AnyPairs:
    """Return a source of pairs as ``datasets.yaml`` would have it."""
    source: schema.AnyPairs = TypeAdapter(schema.AnyPairs).validate_python(value)
    return source


def doses(folder: Path, **keys: Any) -> Catalogue:
    """Return what a source of measured pairs in the folder holds; the names are those of the 2016 challenge."""
    value = {"kind": "pairs", "layout": "dicom", "path": str(folder), "matrix": SIDE, **CHALLENGE, **keys}
    return open_source("doses", pairs(value), base=folder, index_cache=None).catalogue()


# ready pairs in two folders
PAIRS = {"kind": "pairs", "layout": "folders", "path": ".", "reference": "clean", "degraded": {"n": "noisy"}}
