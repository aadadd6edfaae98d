"""Four computed patients of three 64 x 64 slices in whole HU, written in every kind of source, one property changed.

A body is an ellipse of muscle in fat, with lungs and a vertebra, in air; everything has a little noise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tests import tiny
from tests.dicoms import uid, write_ct

SIDE = 64
PATIENTS = ("A", "B", "C", "D")
SLICES = 3
Change = Callable[[np.ndarray], np.ndarray]

EXPERIMENTS = tiny.EXPERIMENTS.split("experiments:")[0] + (
    """experiments:
  default: {models: [unet], conditions: [CONDITION]}
profiles:
  tiny: {source: mine, split: mine, size: 32, budget: {slices_seen: 96, checks: 2}}
"""
)


def body(patient: int, z: int, seed: int = 0, noise: float = 8.0) -> np.ndarray:
    """Return a slice in whole HU, int16 (64, 64); ``seed`` draws its noise."""
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE * 2 - 1
    radius = np.hypot(x / (0.85 - 0.02 * patient), y / (0.65 + 0.02 * z))
    hu = np.full((SIDE, SIDE), -1000.0)
    hu[radius < 1] = -100
    hu[radius < 0.85] = 50
    for side in (-1, 1):
        hu[np.hypot((x - 0.35 * side) / 0.22, y / 0.35) < 1] = -850
    hu[np.hypot(x, y - 0.38) < 0.1] = 700
    return np.rint(hu + np.random.default_rng([patient, z, seed]).normal(0, noise, hu.shape)).astype(np.int16)


def same(hu: np.ndarray) -> np.ndarray:
    return hu


def write(
    root: Path, kind: str, change: Change = same, *, degraded: bool = False, accept: str = "", **keys: Any
) -> str:
    """Write a source of a kind below ``root`` in which patient C is changed; return the name of a file of C.

    ``change`` turns HU into what is stored, in the unit of the source. ``degraded``: it is done to the degraded
    side. Further ``keys`` are DICOM keywords of the changed files.
    """
    for file, content in _right(kind).items():
        place = root / "mine" / file
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    name = _write(root / "mine", kind, "C", change, degraded, keys)
    condition = "low" if kind in PAIRS and kind != "study" else "ldct" if kind == "study" else "sparse"
    known = "conditions:\n  low: {measured: true}\n  ldct: {measured: true}\n"
    more = f", accept: [{accept}]" if accept else ""
    source = f"{SOURCES[kind][:-1]}{more}}}"
    text = tiny.DATASETS.replace("\nsources:", f"\nsources:\n  mine: {source}")
    text = text.replace("conditions:\n", known).replace(
        "splits:\n", "splits:\n  mine: {rule: patients, test: [A], validation: [B]}\n"
    )
    tiny.write(root, text, EXPERIMENTS.replace("CONDITION", condition))
    return name


def stored(kind: str) -> Change:
    """Return what turns HU into the unit of a kind of source."""
    return to_mu if kind in ("flt", "study") else same


def to_mu(hu: np.ndarray) -> np.ndarray:
    return (0.2 * (1 + hu / 1000.0)).astype(np.float32)


PAIRS = ("folders", "study", "doses")
SOURCES = {
    "dicom": "{kind: dicom, path: mine, matrix: 64}",
    "nifti": "{kind: nifti, path: mine, matrix: 64}",
    "npz": "{kind: npz, path: mine, matrix: 64}",
    "npy": "{kind: npy, path: mine, matrix: 64, pixel_mm: 5.5}",
    "flt": "{kind: flt, path: mine, matrix: 64, pixel_mm: 5.5, unit: 1/cm}",
    "folders": "{kind: pairs, path: mine, layout: folders, unit: HU, reference: full, degraded: {low: low}}",
    "study": "{kind: pairs, path: mine, matrix: 64, patients: patients.csv}",
    "doses": "{kind: pairs, path: mine, layout: dicom, matrix: 64, reference: full, degraded: {low: low}}",
}


@functools.cache
def _right(kind: str) -> dict[str, bytes]:
    """The files of all patients as they should be, by name; each kind is written once."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for patient in PATIENTS:
            _write(root, kind, patient, stored(kind), False, {})
        if kind in ("folders", "study"):
            named, suffix = ("train/", "flt") if kind == "study" else ("", "npy")
            rows = [
                f"{named}{patient}{z}.{suffix},{patient}\n" for patient in PATIENTS for z in range(SLICES)
            ]
            (root / "patients.csv").write_text("file,patient\n" + "".join(rows))
        files = [path for path in sorted(root.rglob("*")) if path.is_file()]
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def _write(root: Path, kind: str, patient: str, change: Change, degraded: bool, keys: dict[str, Any]) -> str:
    """Write the slices of a patient, changed on one side, and return the name of the first changed file."""
    if kind in PAIRS:
        return _write_pairs(root, kind, patient, change, degraded, keys)
    slices = [change(body(PATIENTS.index(patient), z)) for z in range(SLICES)]
    folder = root / patient
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "npz":
        np.savez(folder / f"{patient}.npz", hu=np.stack(slices), pixel_spacing_mm=5.5, patient_id=patient)
        return f"{patient}/{patient}.npz"
    if kind == "nifti":
        import nibabel

        voxels = np.stack(slices).transpose(2, 1, 0)
        nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-5.5, -5.5, 5, 1])), folder / "scan.nii.gz")
        return f"{patient}/scan.nii.gz"
    for z, image in enumerate(slices):
        if kind == "npy":
            np.save(folder / f"{z}.npy", image)
        elif kind == "flt":
            image.astype("<f4").ravel(order="F").tofile(folder / f"{z}.flt")
        else:
            _dicom(folder / f"{z}.dcm", image, patient, z, 0, keys)
    return f"{patient}/0.{'dcm' if kind == 'dicom' else kind}"


def _dicom(path: Path, image: np.ndarray, patient: str, z: int, dose: int, keys: dict[str, Any]) -> None:
    first = 1000 * (1 + PATIENTS.index(patient)) + 100 * dose
    header = {
        "PatientID": patient,
        "SeriesInstanceUID": uid(first),
        "StudyInstanceUID": uid(first - 100 * dose),
        "PixelSpacing": [5.5, 5.5],
        "RescaleIntercept": 0,
    }
    write_ct(path, image, number=first + z + 1, z=5.0 * z, **(header | keys))


def _write_pairs(
    root: Path, kind: str, patient: str, change: Change, degraded: bool, keys: dict[str, Any]
) -> str:
    names: list[str] = []
    for dose, folder in enumerate(("images/ndct", "images/ldct") if kind == "study" else ("full", "low")):
        changed = dose == int(degraded)
        turn = change if changed else stored(kind)
        for z in range(SLICES):
            image = turn(body(PATIENTS.index(patient), z, seed=dose, noise=8.0 + 40 * dose))
            file = {
                "study": f"{folder}/train/{patient}{z}.flt",
                "folders": f"{folder}/{patient}{z}.npy",
                "doses": f"{patient}/{folder}/{z}.dcm",
            }[kind]
            place = root / file
            place.parent.mkdir(parents=True, exist_ok=True)
            if kind == "doses":
                _dicom(place, image, patient, z, dose, keys if changed else {})
            elif kind == "study":
                image.astype("<f4").ravel(order="F").tofile(place)
            else:
                np.save(place, image)
            names += [file] * changed
    return names[0]
