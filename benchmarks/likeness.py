"""How often ``bench.likeness`` warns of another dose, and of an equal one: a table, from phantoms and real slices.

    python benchmarks/likeness.py --size 192 [FOLDER_OF_NPZ]

The training is that of eight phantom patients at one dose; series are four other patients, and the slices of each
``.npz`` file (``hu``, ``pixel_spacing_mm``) of a folder, simulated at every dose. Each count is of series warned of.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bench import likeness, phantom
from bench.ct import dose
from bench.ct.conditions import Condition, Reference
from bench.ct.geometry import ParallelBeam
from bench.ct.noise import Quanta
from bench.ct.units import hu_to_mu, mu_to_hu
from bench.data.files.resize import to_object

PHOTONS = (2e4, 7e4, 2e5, 1e6)
VIEWS = (60, 90, 180)
CONDITIONS = [
    *(Condition(f"{photons:.0e}", None, Quanta(photons=photons)) for photons in PHOTONS),
    *(Condition(f"{views} views", views) for views in VIEWS),
]
CLEAN, TRAINING, PATIENTS, SLICES = "clean", 8, 12, 3

Series = dict[str, list[likeness.Statistics]]


def series(name: str, slices: Sequence[np.ndarray], widths_mm: Sequence[float], size: int) -> Series:
    """Return by dose what a patient's slices in HU, of pixels so wide at ``size``, are like."""
    pairs = [to_object(hu_to_mu(hu), size) for hu in slices]
    keys = [(1, name, str(number)) for number in range(len(slices))]
    scan = ParallelBeam(size, 720, 360.0, "ram-lak")
    widths = np.array(widths_mm)
    scans = dose.scan(np.stack([fine for fine, _ in pairs]), widths / 10.0, scan, keys, Reference())
    images = {**scans.degraded(CONDITIONS), CLEAN: np.stack([reference for _, reference in pairs])}
    return {
        condition: [likeness.statistics(mu_to_hu(mu), mm) for mu, mm in zip(values, widths_mm, strict=True)]
        for condition, values in images.items()
    }


def phantoms(size: int) -> list[Series]:
    """Return computed patients."""
    every = []
    for patient in phantom.patients(PATIENTS):
        drawn = [phantom.render(patient, (k + 0.5) / SLICES, size=2 * size) for k in range(SLICES)]
        every.append(series(patient, [hu for hu, _ in drawn], [2 * mm for _, mm in drawn], size))
    return every


def real(folder: Path, size: int) -> list[Series]:
    """Return the patients of a folder, of each ``SLICES`` slices from the middle of the series."""
    every = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            hu, spacing = file["hu"], file["pixel_spacing_mm"]
        rows = np.unique(np.linspace(0, len(hu) - 1, SLICES + 2).round().astype(int))
        rows = rows[1:-1] if len(rows) > SLICES else rows
        widths = [float(spacing[row, 0]) * hu.shape[1] / size for row in rows]
        every.append(series(path.stem, [hu[row].astype(np.float32) for row in rows], widths, size))
    return every


def main() -> None:
    """Print a row for each dose of a training, a column for each dose of a series."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("folder", type=Path, nargs="?")
    given = parser.parse_args()
    computed = phantoms(given.size)
    groups = {"phantom": computed[TRAINING:]}
    if given.folder:
        groups["real"] = real(given.folder, given.size)
    doses = [*(condition.name for condition in CONDITIONS), CLEAN]
    print("| series | training | " + " | ".join(doses) + " |")
    print("| --- " * (2 + len(doses)) + "|")
    for group, patients in groups.items():
        for trained in doses:
            training = likeness.profile(one for patient in computed[:TRAINING] for one in patient[trained])
            counts = [_warned([patient[name] for patient in patients], training) for name in doses]
            print(
                f"| {group} | {trained} | " + " | ".join(f"{n}/{len(patients)}" for n in counts) + " |",
                flush=True,
            )


def _warned(series: Sequence[list[likeness.Statistics]], training: likeness.Profile) -> int:
    return sum(bool(likeness.unlike(likeness.profile(one), training)) for one in series)


if __name__ == "__main__":
    main()
