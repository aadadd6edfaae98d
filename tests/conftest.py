"""Small pairs, trainings and tasks for tests. Keras is not imported here: some tests check that nothing does it."""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings

from bench import seeds
from bench.config import schema
from bench.data.pairs import manifest, pairs
from bench.execution.task import Task
from bench.network_code import hashing
from bench.network_code.importing import Planned
from bench.plan import cells
from bench.plan.cells import Training
from bench.records.store import CellStore
from tests import records_factory

os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")  # as in a worker

settings.register_profile("patient", deadline=None)  # a loaded machine is no fault
settings.load_profile("patient")

ROOT = Path(__file__).resolve().parents[1]
SIZE = 16
WATER = 0.2  # 1/cm
PARTS = {
    "train": [("A", f"{i}") for i in range(4)] + [("B", f"{i}") for i in range(4)],
    "validation": [("C", f"{i}") for i in range(4)],
    "test": [("D", f"{i}") for i in range(3)] + [("E", f"{i}") for i in range(2)],
}
UNET: dict[str, Any] = {"filters": [2, 4], "momentum": 0.5}


def synthetic(names: Sequence[pairs.SliceName], size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """Return degraded and reference discs (N, size, size) in 1/cm, each drawn by the name of its slice."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    degraded, reference = [], []
    for name in names:
        rng = seeds.generator("test", *name)
        a, b, u, v = rng.uniform(0.25, 0.45, 4)
        disc = ((x / a) ** 2 + (y / b) ** 2 < 1) * WATER
        insert = ((x - u + 0.35) ** 2 + (y - v + 0.35) ** 2 < 0.01) * 0.5 * WATER
        reference.append(disc + insert)
        degraded.append(reference[-1] + rng.normal(0, 0.15 * WATER, x.shape))
    return np.array(degraded, np.float32), np.array(reference, np.float32)


def write_array(path: Path, values: np.ndarray, names: Sequence[pairs.SliceName]) -> None:
    """Write an array and its place in the manifest of its folder, the format of the pair cache."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, values)
    described = manifest.read(path.parent) or manifest.Manifest(
        identity={}, source={}, versions={}, shape=values.shape, files={}, arrays={},
        patients=tuple(patient for patient, _ in names), slices=tuple(name for _, name in names),
        pixel_cm=(0.1,) * len(names),
    )  # fmt: skip
    entry = manifest.Entry(
        content={}, file_bytes=path.stat().st_size, sha256=hashlib.sha256(values.tobytes()).hexdigest()
    )
    manifest.write(path.parent, described.changed(arrays=described.arrays | {path.name: entry}))


Change = Callable[[dict[pairs.SliceName, np.ndarray], dict[pairs.SliceName, np.ndarray]], None]


def write_pairs(
    folder: Path, condition: str = "noisy", change: Change | None = None, size: int = SIZE
) -> pairs.PairFiles:
    """Write synthetic pairs of all ``PARTS``; ``change(degraded, reference)`` may alter images by name in place."""
    names = sorted(name for part in PARTS.values() for name in part)
    both = synthetic(names, size)
    if change is not None:
        change(*(dict(zip(names, images, strict=True)) for images in both))
    for file, images in zip((f"{condition}.npy", "reference.npy"), both, strict=True):
        write_array(folder / file, images, names)
    return pairs.PairFiles(str(folder), "reference.npy", f"{condition}.npy", condition)


make_training = records_factory.training


@functools.cache
def code_of(build: str | None, base: Path) -> str:
    """Return the hash of a network's code; empty for the input."""
    return "" if build is None else hashing.code_hash(build, base)


def make_cell(
    training: Training | None,
    *,
    build: str | None = "models.unet:build",
    params: Mapping[str, Any] = UNET,
    condition: str = "noisy",
    seed: int = 1,
    base: Path = ROOT,
) -> cells.Cell:
    """Return a resolved cell."""
    return records_factory.cell(
        schema.INPUT if build is None else build.partition(":")[0].rpartition(".")[2],
        condition,
        training,
        data={
            "split": "p",
            "slices": {part: len(names) for part, names in PARTS.items()},
            "patients": {part: len({patient for patient, _ in names}) for part, names in PARTS.items()},
        },
        dataset={"size": SIZE},
        build=build,
        params=dict(params),
        seed=seed,
        code=code_of(build, base),
        versions={"physics": 1, "training": schema.TRAINING_VERSION},
    )


def make_task(
    folder: Path,
    files: pairs.PairFiles,
    training: Training | None = None,
    *,
    parts: Mapping[str, Sequence[pairs.SliceName]] = PARTS,
    base: Path = ROOT,
    **cell: Any,
) -> Task:
    """Return the task of one cell whose files go to ``folder``; without ``training`` the tiny one."""
    described = make_cell(training or make_training(), condition=files.condition, base=base, **cell)
    return Task(
        planned=records_factory.planned(described),
        files=files,
        parts={part: list(names) for part, names in parts.items()},
        store=CellStore(folder),
        credit={"title": "Test discs"},
        deviation_factor=None,
        code=Planned(str(base), described.code),
    )


@pytest.fixture(scope="session")
def training() -> Callable[..., Training]:
    """The function that makes a tiny training with changes."""
    return make_training


@pytest.fixture(scope="session")
def task() -> Callable[..., Task]:
    """The function that makes the task of one cell."""
    return make_task


@pytest.fixture(scope="session")
def pair_files() -> Callable[..., pairs.PairFiles]:
    """The function that writes synthetic pairs as cache files."""
    return write_pairs


@pytest.fixture(scope="session")
def pair_set() -> Callable[..., pairs.PairSet]:
    """The function that writes synthetic pairs and opens them; ``parts`` may be given."""

    def make(folder: Path, parts: Mapping[str, Any] = PARTS, **asked: Any) -> pairs.PairSet:
        return pairs.open_pairs(write_pairs(folder, **asked), parts)

    return make


@pytest.fixture(scope="session")
def shared_files(tmp_path_factory: pytest.TempPathFactory) -> pairs.PairFiles:
    """One set of synthetic pairs for all tests that only read."""
    return write_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="session")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the small network and the input have run on one condition, for all tests that only read it."""
    from tests import tiny  # late: tests of one module need no runner

    return tiny.trained(tmp_path_factory.mktemp("trained"), ("unet:noisy", "input:noisy"))
