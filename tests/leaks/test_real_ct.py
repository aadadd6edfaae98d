"""Real slices beside the checkout, where they are: neighbours and copies are found, patients are told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import seeds
from bench.ct.units import hu_to_mu
from tests.leaks.planting import KINDS, find

REAL = Path(__file__).parents[2] / ".." / "shared" / "real-ct" / "slices"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the real slices are not beside this checkout")
SCANS = (
    "nlst-101287",
    "rider-pilot-0117",
    "flt-breast-013",
    "ny-sbu-a002304",
    "ny-sbu-a027284",
    "ny-sbu-a048383",
)


@pytest.fixture(scope="module")
def scans() -> tuple[np.ndarray, list[tuple[str, str]]]:
    images, names = [], []
    for scan in SCANS:
        with np.load(REAL / f"{scan}.npz", allow_pickle=False) as file:
            kept = file["hu"][:24]
            images += [hu_to_mu(hu) for hu in kept]
            names += [(scan, f"{k:03d}") for k in range(len(kept))]
    return np.stack(images), names


def test_neighbours_under_two_names_are_found_and_nobody_else(
    scans: tuple[np.ndarray, list[tuple[str, str]]],
) -> None:
    """Steps of 6, 3.2 and 4 mm: every second slice of three patients is given another name."""
    images, names = scans
    hidden = [k for k, (scan, name) in enumerate(names) if scan in SCANS[:3] and int(name) % 2]
    called = [
        (f"{scan} again", name) if k in hidden else (scan, name) for k, (scan, name) in enumerate(names)
    ]
    rest = [k for k in range(len(names)) if k not in hidden]
    found = find(images, called, [{"train": rest, "test": hidden}], threads=2)
    assert len(found) >= 0.9 * len(hidden)  # 36; at 6 mm three slices in 24 are missed
    assert {leak.first.patient for leak in found} == {f"{scan} again" for scan in SCANS[:3]}
    assert all(leak.first.patient == f"{leak.second.patient} again" for leak in found)


def test_no_false_alarm(scans: tuple[np.ndarray, list[tuple[str, str]]]) -> None:
    images, names = scans
    rows = {
        part: [k for k, n in enumerate(names) if n[0] in who]
        for part, who in (("train", SCANS[:3]), ("test", SCANS[3:]))
    }
    assert find(images, names, [rows], threads=2) == []


def test_every_planted_copy_is_found(scans: tuple[np.ndarray, list[tuple[str, str]]]) -> None:
    images, names = scans
    chosen = [(kind, 3 + 7 * number % 66) for number, kind in enumerate(KINDS) if "photons" not in kind]
    copies = [KINDS[kind](images[row], seeds.generator("real", kind)) for kind, row in chosen]
    both = np.concatenate([images, np.stack(copies).astype(np.float32)])
    called = [*names, *((kind, "copy") for kind, _ in chosen)]
    parts = {"train": range(len(images)), "test": range(len(images), len(both))}
    found = {leak.first.patient: leak.second for leak in find(both, called, [parts], threads=2)}
    assert {kind: found[kind].patient for kind, _ in chosen if kind in found} == {
        kind: names[row][0] for kind, row in chosen
    }
