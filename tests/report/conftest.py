"""Plans and records made by hand, so that every printed number has a known reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.config.schema import Published
from bench.plan.cells import Plan, PlannedCell
from bench.records.record import Attempt, Status
from bench.records.store import RunStore
from tests import records_factory

RANGE = "maximum of the reference slice"
DEFINITIONS: dict[str, dict[str, Any]] = {
    name: {
        "label": label,
        "unit": unit,
        "range": over,
        "direction": better,
        "version": 1,
        "decimals": decimals,
    }
    for name, label, unit, over, better, decimals in (
        ("psnr.slice_max", "PSNR", "dB", RANGE, "higher", 2),
        ("ssim.slice_max", "SSIM", "", RANGE, "higher", 4),
        ("ssim.column", "SSIM (column)", "", RANGE, "higher", 4),
        ("rmse.hu", "RMSE", "HU", "none", "lower", 1),
    )
}
SOURCE = {
    "title": "Test chest",
    "licence": "CC-BY-4.0",
    "citation": "A. Author 2020, doi 10.0/none",
    "restricted": False,
    "kind": "npz",
    "collection": "test-chest",
}
TRAINING = records_factory.training(
    learning_rate=1e-4,
    schedule_epochs=40,
    epochs=4,
    updates_per_epoch=25,
    batch=5,
    patch=32,
    loss="half_sse",
)
SLICES = (("p1", "a"), ("p1", "b"), ("p2", "c"), ("p2", "d"))


def scores(
    psnr: float | Sequence[float], ssim: float = 0.9, slices: Sequence[tuple[str, str]] = SLICES
) -> list[dict]:
    """Return rows of scores with these means; a single ``psnr`` is spread by half a decibel."""
    count = len(slices)
    values = np.linspace(psnr - 0.5, psnr + 0.5, count) if isinstance(psnr, float | int) else np.array(psnr)
    base = np.full(count, psnr) if isinstance(psnr, float | int) else values
    return records_factory.scores(
        slices,
        **{
            "psnr.slice_max": values.tolist(),
            "ssim.slice_max": ssim,
            "ssim.column": ssim + 0.01,
            "rmse.hu": (100 - 2 * base).tolist(),
        },
    )


@dataclass
class Bench:
    """A run that a test fills cell by cell, then reads back from disk."""

    root: Path
    models: dict[str, str] = field(default_factory=lambda: {"unet": "UNet", "ddnet": "DD-Net"})
    conditions: dict[str, str] = field(default_factory=lambda: {"sv60": "60 views", "ldct": "Low dose"})
    source: dict[str, Any] = field(default_factory=lambda: dict(SOURCE))
    seeds: list[int] = field(default_factory=lambda: [1])
    size: int = 64
    photons: float = 70_000.0  # of the low-dose condition
    electronic: float = 0.0  # of it
    old: bool = False  # records of physics version 1
    views: int = 60  # of the sparse condition
    patients: dict[str, int] = field(default_factory=lambda: {"train": 4, "validation": 1, "test": 2})
    slices: dict[str, int] = field(default_factory=lambda: {"train": 40, "validation": 10, "test": 4})
    patients_known: bool = True
    recipe: str = "study"
    scaled: tuple[str, ...] = ("size 64 instead of 512",)
    published: Published | None = None
    further: dict[str, Published] = field(default_factory=dict)
    description: str = "made by hand"
    leaky: str = ""
    folds: int = 2
    cells: list[PlannedCell] = field(default_factory=list)

    @property
    def run(self) -> RunStore:
        return RunStore(self.root)

    def planned(self, model: str, condition: str, seed: int = 1, fold: int | None = None) -> PlannedCell:
        sparse = condition == "sv60"
        spec = records_factory.cell(
            model,
            condition,
            TRAINING.model_copy(update={"recipe": self.recipe}),
            data={
                "kind": self.source["kind"],
                "fold": fold,
                "folds": self.folds if fold else 1,
                "patients_known": self.patients_known,
                "slices": self.slices,
                "patients": self.patients,
            },
            dataset={
                "views": self.views if sparse else None,
                "photons": None if sparse else self.photons,
                "electronic_noise": 0.0 if sparse else self.electronic,
                "size": self.size,
            },
            params={} if model == "input" else {"batch_norm": "ordinary"},
            seed=seed,
        )
        name = f"{model}-{condition}{f'-f{fold}' if fold else ''}-s{seed}-0"
        return records_factory.planned(spec, name, () if model == "input" else self.scaled)

    def add(
        self,
        model: str,
        condition: str,
        rows: list[dict] | None = None,
        *,
        seed: int = 1,
        fold: int | None = None,
        status: Status | None = "finished",
        epoch: int | None = None,
        metrics: Mapping[str, dict[str, Any]] = DEFINITIONS,
        data: Mapping[str, str] | None = None,
        history: Sequence[dict] = (),
        samples: tuple[list[str], dict[str, np.ndarray]] | None = None,
    ) -> PlannedCell:
        """Plan one cell and, unless ``status`` is None, write its record and files."""
        planned = self.planned(model, condition, seed, fold)
        self.cells.append(planned)
        if status is None:
            return planned
        store = self.run.cell(planned.id)
        store.folder.mkdir(parents=True, exist_ok=True)
        untreated = model == "input"
        attempt = Attempt(seed=seed, updates=100, epochs=4, ended=status, epoch=epoch)
        if rows is not None:
            store.write_scores(rows)
        if history:
            store.write_history(history)
        if samples is not None:
            store.write_samples(*samples)
        store.write_record(
            records_factory.record(
                planned,
                status,
                attempts=() if untreated else (attempt,),
                metrics=dict(metrics),
                ranges={},
                data=dict(data or {"test": "00"}),
                source=self.source,
                environment={"device": "CPU", "libraries": {"numpy": "2.4"}, "commit": "abc"},
                timings={} if untreated else {"train_s": 75.0, "score_s": 1.0, "ms_per_slice": 12.5},
                parameters={} if untreated else {"total": 1000, "trainable": 990},
                best_epoch=None if untreated or status != "finished" else 3,
                deviation_factor=None if condition == "sv60" or self.old else 512 / self.size,
                effective_photons=1093.75 if condition != "sv60" and self.old else None,
            )
        )
        return planned

    def plan(self) -> Plan:
        return Plan(
            schema=1,
            profile="hand",
            description=self.description,
            models=self.models,
            conditions=self.conditions,
            seeds=self.seeds,
            source=self.source,
            published=self.published,
            further=self.further,
            leaky=self.leaky,
            cells=self.cells,
        )

    def save(self) -> RunStore:
        """Write the plan and return the run."""
        self.run.write_plan(self.plan())
        return self.run


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """An empty run."""
    return Bench(tmp_path / "hand")


@pytest.fixture
def filled(bench: Bench) -> Callable[..., Bench]:
    """Fill the two by two table with finished cells: UNet 30 dB, DD-Net 31 dB, input 25 dB."""

    def fill(skip: Sequence[tuple[str, str]] = (), **settings: Any) -> Bench:
        for key, value in settings.items():
            setattr(bench, key, value)
        for condition in bench.conditions:
            for model, psnr, ssim in (("input", 25.0, 0.8), ("unet", 30.0, 0.91), ("ddnet", 31.0, 0.90)):
                if (model, condition) not in skip:
                    bench.add(model, condition, scores(psnr, ssim))
        return bench

    return fill


@pytest.fixture(name="scores")
def _scores() -> Callable[..., list[dict]]:
    """The maker of rows of scores."""
    return scores


@pytest.fixture
def definitions() -> dict[str, dict[str, Any]]:
    """The metric definitions that records carry."""
    return DEFINITIONS
