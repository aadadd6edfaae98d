"""The table of file formats: what a source calls each, and the function in ``bench.data.files`` that reads it.

A format is one function ``(unit, matrix) -> FileFormat`` and one line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

FORMATS = {
    "npz": "arrays:npz_format",
    "npy": "arrays:npy_format",
    "flt": "arrays:flt_format",
    "dicom": "dicom_format:dicom_format",
    "nifti": "nifti:nifti_format",
}

if TYPE_CHECKING:
    FileKind = str
else:
    FileKind = Literal[tuple(FORMATS)]  # what a file may say, with the word for any other
