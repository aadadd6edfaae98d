"""How many planted leaks the audit finds, how many it invents, and how long it takes.

``python benchmarks/leaks.py [real | phantom | alarms | speed ...]`` (all unless said). Real slices are those of
``../shared/real-ct/slices`` beside the checkout; without them the phantom alone is measured.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from bench import phantom, seeds
from bench.ct.units import hu_to_mu
from tests.leaks.planting import KINDS, find

REAL = Path(__file__).resolve().parents[1] / ".." / "shared" / "real-ct"
Slices = tuple[np.ndarray, list[tuple[str, str]], np.ndarray]  # images, names, heights in mm


def real() -> Slices:
    """Return all real slices."""
    images, names, heights = [], [], []
    for path in sorted((REAL / "slices").glob("*.npz")):
        with np.load(path, allow_pickle=False) as file:
            for index, hu in enumerate(file["hu"]):
                images.append(hu_to_mu(hu))
                names.append((str(file["patient_id"]), f"{path.stem}/{index:03d}"))
                heights.append(float(file["z_mm"][index]))
    return np.stack(images), names, np.array(heights)


def drawn(size: int, patients: int, slices: int) -> Slices:
    """Return slices of the phantom."""
    images, names, heights = [], [], []
    for patient in phantom.patients(patients):
        for index in range(slices):
            z = (index + 0.5) / slices
            images.append(hu_to_mu(phantom.render(patient, z, size=size)[0]))
            names.append((patient, f"z{index:03d}"))
            heights.append(phantom.z_mm(patient, z))
    return np.stack(images), names, np.array(heights)


def planted(slices: Slices, each: int) -> Iterator[tuple[str, int, int, int]]:
    """Yield for each kind how many copies were planted, found, and found as the slice they are of."""
    images, names, _ = slices
    for kind, plant in KINDS.items():
        rng = seeds.generator("leaks", kind)
        chosen = rng.choice(len(images), min(each, len(images)), replace=False)
        copies = np.stack([plant(images[row], rng) for row in chosen]).astype(np.float32)
        parts = {"train": range(len(images)), "test": range(len(images), len(images) + len(copies))}
        found = find(
            np.concatenate([images, copies]),
            [*names, *((f"copy {k}", f"{k}") for k in range(len(copies)))],
            [parts],
            threads=2,
        )
        hit = {leak.first.slice: leak for leak in found}
        exact = sum(
            str(k) in hit and (hit[str(k)].second.patient, hit[str(k)].second.slice) == names[row]
            for k, row in enumerate(chosen)
        )
        yield kind, len(copies), len(hit), exact


def neighbours(slices: Slices) -> Iterator[tuple[str, float, int, int]]:
    """Yield scan, distance in mm, and how many slices of it were there and found under another name."""
    images, names, heights = slices
    scans = sorted({name[1].split("/")[0] for name in names})
    for scan in scans:
        own = np.array([row for row, name in enumerate(names) if name[1].startswith(scan + "/")])
        others = [row for row, name in enumerate(names) if name[0] != names[own[0]][0]]
        for step in (1, 2, 3):
            test, train = own[:: 2 * step], own[step :: 2 * step]
            if len(train) < 3:
                continue
            rows = [*test, *train, *others]
            called = [("hidden", names[row][1]) if row in test else names[row] for row in rows]
            parts = {"test": range(len(test)), "train": range(len(test), len(rows))}
            found = find(images[rows], called, [parts], threads=2)
            yield scan, float(np.median(np.abs(np.diff(heights[own])))) * step, len(test), len(found)


def alarms(slices: Slices, splits: int) -> tuple[int, int]:
    """Return how many random splits by patient there were and how many leaks were named in them."""
    images, names, _ = slices
    patients = sorted({patient for patient, _ in names})
    invented = 0
    for number in range(splits):
        order = list(seeds.generator("alarms", number).permutation(patients))
        third = max(1, len(order) // 4)
        part = {p: ("test", "validation", "train")[min(2, i // third)] for i, p in enumerate(order)}
        parts: dict[str, list[int]] = {"train": [], "validation": [], "test": []}
        for row, (patient, _) in enumerate(names):
            parts[part[patient]].append(row)
        found = find(images, names, [parts], threads=2)
        invented += len(found)
        for leak in found[:3]:
            print("   ", leak)
    return splits, invented


class Memory(threading.Thread):
    """Watches the memory of this process, without pages of mapped files."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most, self.going = 0.0, True

    def run(self) -> None:
        """Look ten times a second."""
        while self.going:
            status = Path("/proc/self/status").read_text(encoding="ascii")
            self.most = max(self.most, float(status.split("RssAnon:")[1].split()[0]) / 1e3)
            time.sleep(0.1)


def speed(folds: int, count: int = 4000, size: int = 512) -> list[Any]:
    """Return what it takes to audit so many slices: real ones, and the rest stretched and sheared from them."""
    source = real()[0] if REAL.is_dir() else drawn(size, 12, 8)[0]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slices.npy"
        array = np.lib.format.open_memmap(path, "w+", np.float32, (count, size, size))
        for row in range(count):
            array[row] = _varied(source, row)
        array.flush()
        del array
        mapped = np.load(path, mmap_mode="r")
        began = time.perf_counter()
        sum(float(mapped[row].sum()) for row in range(count))
        reading = time.perf_counter() - began
        names = [(f"patient {row * 47 // count}", str(row)) for row in range(count)]
        tests = [range(fold * count // folds, (fold + 1) * count // folds) for fold in range(folds)]
        tests = [range(354)] if folds == 1 else tests
        parts = [{"test": list(t), "train": sorted(set(range(count)) - set(t))} for t in tests]
        watch = Memory()
        watch.start()
        began, used = time.perf_counter(), time.process_time()
        found = find(mapped, names, parts, threads=2)
        seconds, processor = time.perf_counter() - began, time.process_time() - used
        watch.going = False
        return [folds, count, reading, seconds, processor, len(found), watch.most]


def _varied(source: np.ndarray, row: int) -> np.ndarray:
    """Return a slice as it is, or sheared beyond what the audit takes for a copy."""
    image = source[row % len(source)]
    if row < len(source):
        return image
    rng = np.random.default_rng(row)
    places = np.add.outer(
        np.arange(len(image)) * rng.uniform(-0.3, 0.3), np.arange(len(image)) * rng.uniform(1.1, 1.4)
    )
    columns = np.clip(places - 0.1 * len(image), 0, len(image) - 1).astype(int)
    return np.take_along_axis(image[:: int(rng.choice([-1, 1]))], columns, axis=1)


def show(title: str, header: tuple[str, ...], rows: Any) -> None:
    """Print one table."""
    print(f"\n{title}\n")
    print(tabulate(list(rows), header, tablefmt="github", floatfmt=".1f"), flush=True)


def main() -> None:
    """Measure and print."""
    asked = sys.argv[1:] or ["real", "phantom", "alarms", "speed"]
    kinds = ("planted", "copies", "found", "the right slice")
    if "real" in asked and REAL.is_dir():
        slices = real()
        show("Real slices", kinds, planted(slices, 100))
        show("Neighbours under two names", ("scan", "mm", "slices", "found"), neighbours(slices))
    if "phantom" in asked:
        for size in (64, 128):
            show(f"Phantom, {size} pixels", kinds, planted(drawn(size, 24, 6), 60))
    if "alarms" in asked:
        cases = [
            (f"phantom {n}", drawn(n, p, s), 5)
            for n, p, s in ((64, 12, 24), (64, 100, 6), (128, 40, 8), (256, 16, 8), (512, 8, 8))
        ]
        if REAL.is_dir():
            cases.append(("real", real(), 10))
        rows = [(name, len(case[0]), *alarms(case, splits)) for name, case, splits in cases]
        show("False alarms", ("slices of", "slices", "splits", "leaks named"), rows)
    if "speed" in asked:
        header = ("folds", "slices", "s reading", "s in all", "CPU-s in all", "leaks", "MB")
        show("Speed", header, [speed(1), speed(5)])


if __name__ == "__main__":
    main()
