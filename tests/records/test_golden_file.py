"""The packaged golden file sees training: every network has left its input, and one that has not is red."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bench.execution import resolve
from bench.records import golden as verify
from tests import records_factory, tiny

NETWORKS = ("unet", "dncnn", "ddnet")
LEAST_GAIN = 1.0  # dB
PSNR = "psnr.slice_max"


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    return verify.read(tiny.ROOT / "tests" / "golden" / "smoke.json")


def value(golden: dict[str, Any], model: str, condition: str, metric: str = PSNR) -> float:
    seed = 0 if model == "input" else 1
    return float(golden["cells"][f"{model}:{condition}:s{seed}"]["scores"][metric]["value"])


def conditions(golden: dict[str, Any]) -> list[str]:
    return [name.split(":")[1] for name in golden["cells"] if name.startswith("input:")]


def test_every_network_gains_on_every_condition(golden: dict[str, Any]) -> None:
    assert len(conditions(golden)) == 6
    gains = {
        (model, condition): value(golden, model, condition) - value(golden, "input", condition)
        for model in NETWORKS
        for condition in conditions(golden)
    }
    assert min(gains.values()) >= LEAST_GAIN, {key: gain for key, gain in gains.items() if gain < LEAST_GAIN}


@pytest.mark.parametrize("model", NETWORKS)
def test_network_that_returns_its_input_is_red_in_every_cell(golden: dict[str, Any], model: str) -> None:
    root = tiny.ROOT
    asked = resolve.Request(
        profile="smoke", datasets=root / "datasets.yaml", experiments=root / "experiments.yaml",
        runs=Path("none"), cache=Path("none"), reports=Path("none"), threads=1,
    )  # fmt: skip
    results = []
    for cell in resolve.resolve(asked).plan.cells:
        name, condition = cell.spec.model, cell.spec.dataset.condition
        scored = "input" if name == model else name
        means = {
            metric: value(golden, "input" if metric in untested(golden, name, condition) else scored, condition, metric)
            for metric in golden["cells"][f"input:{condition}:s0"]["scores"]
        }  # fmt: skip
        results.append(records_factory.result(cell, records_factory.scores([("P003", "z001")], **means)))
    scores = [d for d in verify.compare(golden, results) if d.metric in means]
    tested = {
        (f"{model}:{condition}:s1", metric)
        for condition in conditions(golden)
        for metric in golden["cells"][f"{model}:{condition}:s1"]["scores"]
    }
    assert {(d.cell, d.metric) for d in scores} == tested
    assert {cell for cell, metric in tested if metric == PSNR} == {cell for cell, _ in tested}


def untested(golden: dict[str, Any], model: str, condition: str) -> list[str]:
    return [] if model == "input" else golden["cells"][f"{model}:{condition}:s1"]["untested"]


def test_the_golden_file_of_tiny_is_of_its_plan_and_every_network_gains() -> None:
    tiny_run = verify.read(tiny.ROOT / "tests" / "golden" / "tiny.json")
    (condition,) = conditions(tiny_run)
    assert set(tiny_run["cells"]) == {f"{m}:{condition}:s1" for m in NETWORKS} | {f"input:{condition}:s0"}
    gains = [value(tiny_run, model, condition) - value(tiny_run, "input", condition) for model in NETWORKS]
    assert min(gains) >= LEAST_GAIN
    assert tiny_run["profile"] == "tiny"
    assert max(cell["scores"][PSNR]["band"] for cell in tiny_run["cells"].values()) < LEAST_GAIN
