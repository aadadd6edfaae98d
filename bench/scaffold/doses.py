"""Scans at full and at lower dose in one folder, and the study's own layout, told by the names of folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from bench.data.files.listing import list_files
from bench.errors import BenchError

CONDITION = "quarter_dose"  # of both collections that have such folders
#: LDCT-and-Projection-data, in folders of The Cancer Imaging Archive.
ARCHIVE = ("full dose images", "low dose images")
CHALLENGE = re.compile(r"full(?P<kind>_.+)?")  # of 2016: full_1mm beside quarter_1mm
STUDY = ("ndct", "ldct_7e4")  # two of the published study's folders
BY_FOLDER = r"^([^/]+)/"  # the patient, where no header names one


def keys(folder: Path) -> dict[str, Any] | None:
    """Return what a source of measured pairs says of the folder's doses; None where there is one dose only.

    Raises:
        BenchError: it is the published study's own layout, which a packaged profile reads.
    """
    files = list_files(folder, None).files
    names = {part.lower() for file in files for part in PurePosixPath(file).parts[:-1]}
    if names.issuperset(STUDY):
        remedy = (
            "put it as `study` below BENCH_DATA and say bench run --all --profile paper-files (docs/data.md)"
        )
        raise BenchError("has the layout of the published study's own files", file=folder, remedy=remedy)
    words = _words(sorted(names))
    if words is None:
        return None
    reference, low = words
    return {"kind": "pairs", "layout": "dicom", "reference": reference, "degraded": {CONDITION: low}}


def _words(names: Sequence[str]) -> tuple[str, str] | None:
    """Return what the folders of full and of low dose are called; of several kernels the first."""
    if all(any(word in name for name in names) for word in ARCHIVE):
        return ARCHIVE
    for name in names:
        found = CHALLENGE.fullmatch(name)
        if found and (low := f"quarter{found['kind'] or ''}") in names:
            return name, low
    return None
