"""Planted faults against ``bench verify``: each is small, comes through the public path, and turns the run red.

The golden value is made here, from a clean run in a worker process on one thread and one in this process on all
cores. Rendering and the leak audit are not what is tested: a slice is drawn once for all, and nothing is audited.
"""

from __future__ import annotations

import dataclasses
import functools
from collections import defaultdict
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import metrics, phantom
from bench.data.pairs.pairs import PairSet
from bench.data.splits import Folds
from bench.events import CellEnded, Event
from bench.execution import resolve, runner
from bench.execution.task import NetworkFault
from bench.records import golden as verify
from bench.records.store import Result, RunStore
from tests import tiny

pytestmark = pytest.mark.integration

EXPERIMENTS = tiny.EXPERIMENTS.replace("slices_seen: 96", "slices_seen: 160")
INPUTS, NETWORKS = {"input:sparse:s0", "input:noisy:s0"}, {"unet:sparse:s1", "unet:noisy:s1"}
ONLY_INPUTS = ("input:sparse", "input:noisy")
ALL = INPUTS | NETWORKS
EVERYWHERE = "all cells"  # an exact fact that all of them state
PSNR, SSIM, COLUMN, RMSE = "psnr.slice_max", "ssim.slice_max", "ssim.column", "rmse.hu"
SCORES = {PSNR, SSIM, COLUMN, RMSE}


def results(folder: Path, **changes: Any) -> list[Result]:
    """Run the cells of ``tiny``, all or ``only`` some, and return what lies on the disk of them."""
    request = tiny.request(folder, **changes)
    ends = [event for event in runner.run(request) if isinstance(event, CellEnded)]
    assert [event.status for event in ends] == ["finished"] * len(INPUTS if request.only else ALL), ends
    store = RunStore(request.runs / "tiny")
    ran = {event.cell for event in ends}
    return [result for result in store.read_all(store.read_plan()) if result.planned.id in ran]


class Here(tiny.InProcess):
    """Cells run in this process, and the network is not built once more beforehand to see whether it can be."""

    def faults(self) -> Generator[Event, None, list[NetworkFault]]:
        """Return nothing."""
        yield from ()
        return []


Reds = Callable[..., dict[str, set[str]]]


@pytest.fixture(scope="module", autouse=True)
def bare() -> Iterator[pytest.MonkeyPatch]:
    """Runs without tables and leak audit, on a phantom that is drawn once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner.report, "publish", tiny.no_tables)
        patch.setattr(runner, "_audited", tiny.unaudited)
        patch.setattr(phantom, "render", functools.cache(phantom.render))
        yield patch


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory, bare: pytest.MonkeyPatch) -> tuple[Path, dict[str, Any]]:
    """A folder with its pairs built, and the golden value of a clean run here and one in a worker process."""
    folder = tiny.write(tmp_path_factory.mktemp("faults"), experiments=EXPERIMENTS)
    with pytest.MonkeyPatch.context() as patch:
        tiny.use_executor(patch, Here)
        here = results(folder, runs=folder / "here")
    worker = results(folder, runs=folder / "worker")
    return folder, verify.make(
        [worker, here], "tiny", {"made": "by a worker of one thread, and in this process"}
    )


@pytest.fixture
def reds(clean: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reds:
    """Return a function that runs cells here and returns the red values of each, all of the kind given.

    With ``only=ONLY_INPUTS`` the golden value is cut down to the untreated inputs.
    """
    folder, whole = clean
    tiny.use_executor(monkeypatch, Here)

    def run(kind: str, **changes: Any) -> dict[str, set[str]]:
        names = INPUTS if "only" in changes else ALL
        golden = whole | {"cells": {name: whole["cells"][name] for name in names}}
        found = defaultdict(set)
        for difference in verify.compare(golden, results(folder, **{"runs": tmp_path / "runs", **changes})):
            assert difference.golden != difference.found
            assert difference.kind == kind, difference
            found[difference.cell].add(difference.metric)
        return dict(found)

    return run


def test_bands_are_narrow(clean: tuple[Path, dict[str, Any]]) -> None:
    bands = [cell["scores"][PSNR]["band"] for cell in clean[1]["cells"].values()]
    assert max(bands) < 0.1  # dB; a band that swallows everything would prove nothing


def test_clean_run_is_green(reds: Reds) -> None:
    assert reds("none") == {}


def test_shuffled_pairs_are_red(reds: Reds, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.execution import scoring

    whole = scoring.open_pairs

    def shuffled(*arguments: Any) -> PairSet:
        pairs = whole(*arguments)
        rows = pairs.parts["test"]
        reference = np.array(pairs.reference)
        reference[rows] = reference[np.roll(rows, 1)]
        return dataclasses.replace(pairs, reference=reference)  # type: ignore[arg-type]

    monkeypatch.setattr(scoring, "open_pairs", shuffled)
    found = reds("simulation")
    assert set(found) == ALL
    assert all({PSNR, RMSE} <= metrics for metrics in found.values())


def test_wrong_range_is_red_in_the_metrics_that_have_one(reds: Reds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics.pair, "slice_max", lambda reference: 1.0)
    found = reds("simulation")
    assert {cell: found[cell] for cell in INPUTS} == {cell: {PSNR, SSIM, COLUMN} for cell in INPUTS}
    assert all(PSNR in found[cell] for cell in NETWORKS)


def test_dropped_augmentation_is_red_in_the_networks_only(
    reds: Reds, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.training.order import SampleOrder

    whole, same = SampleOrder.draws, np.array([1, 0, 1, 1], np.int32)
    monkeypatch.setattr(SampleOrder, "draws", lambda order, first, end: whole(order, first, end) * same)
    found = reds("training")
    assert set(found) == NETWORKS
    assert all(PSNR in metrics for metrics in found.values())


def test_networks_that_return_their_input_are_red(reds: Reds, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.training import evaluate

    monkeypatch.setattr(evaluate, "predictor", lambda model, divisible: evaluate.untreated)
    found = reds("training")
    assert set(found) == NETWORKS
    assert all(PSNR in metrics for metrics in found.values())


def test_other_reference_values_are_red_as_data(
    reds: Reds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.ct import dose

    whole = dose.Scans.references
    monkeypatch.setattr(dose.Scans, "references", lambda *a: np.nextafter(whole(*a), np.float32(9)))
    found = reds("data", cache=tmp_path / "cache", only=ONLY_INPUTS)
    assert "reference SHA-256" in found[EVERYWHERE]


def test_split_moved_by_one_patient_is_red(reds: Reds, tmp_path: Path) -> None:
    moved = tiny.DATASETS.replace("test: [P001], validation: [P002]", "test: [P001], validation: [P003]")
    other = tiny.write(tmp_path, moved, EXPERIMENTS)
    found = reds("data", datasets=other / "datasets.yaml", only=ONLY_INPUTS)
    assert found == {EVERYWHERE: {"split", "slices", "reference ranges"}}  # the test patient is the same


def test_split_moved_by_one_slice_is_red(reds: Reds, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = resolve.choose

    def moved(*arguments: Any) -> Folds:
        (chosen,) = whole(*arguments).selections
        parts = dict(chosen.parts)
        parts["train"], parts["test"] = (*parts["train"], parts["test"][0]), parts["test"][1:]
        return Folds((dataclasses.replace(chosen, parts=parts),), "planted")  # else the leak audit stops it

    monkeypatch.setattr(resolve, "choose", moved)
    found = reds("data")
    assert {"split", "slices", "slices per part", "pair names"} <= found.pop(EVERYWHERE)
    assert set(found) == ALL


def test_another_noise_is_red_where_there_is_noise(reds: Reds, tmp_path: Path) -> None:
    changed = EXPERIMENTS.replace("{source: phantom,", "{source: phantom, noise_seed: 2,")
    found = reds("simulation", experiments=tiny.write(tmp_path, experiments=changed) / "experiments.yaml")
    assert set(found) == {"input:noisy:s0", "unet:noisy:s1"}
    assert PSNR in found["input:noisy:s0"]


def test_gain_of_one_hundredth_is_red(reds: Reds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.ct import dose

    whole = dose.Scans.degraded
    monkeypatch.setattr(
        dose.Scans, "degraded", lambda *a: {name: 1.01 * image for name, image in whole(*a).items()}
    )
    found = reds("simulation", cache=tmp_path / "cache", only=ONLY_INPUTS)
    assert all({RMSE, SSIM, COLUMN} <= found[cell] for cell in INPUTS)  # a network may learn to undo a gain
