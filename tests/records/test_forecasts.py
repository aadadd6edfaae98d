"""Frozen forecasts and what the cells have taken, by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bench.plan.forecast import CellForecast, Forecast
from bench.records import forecasts
from bench.records.forecasts import ForecastFile
from bench.records.store import Result
from tests import records_factory

TIMES = {"train_s": 80.0, "check_s": 20.0, "score_s": 10.0}


def result(
    model: str, condition: str, status: str | None = "finished", epochs: int = 0, **timings: float
) -> Result:
    cell = records_factory.planned(records_factory.cell(model, condition), f"{model}-{condition}")
    ended = records_factory.result(cell, status=status, **({"timings": timings} if status else {}))
    return replace(ended, history=[{"epoch": float(epoch)} for epoch in range(epochs)])


def of_cells(**seconds: float) -> dict[str, CellForecast]:
    return {name.replace("_", "-"): CellForecast(training=value) for name, value in seconds.items()}


def test_forecast_and_outcome_of_finished_networks_by_network_and_in_sum() -> None:
    results = [
        result("input", "a", score_s=9.0), result("unet", "a", **TIMES), result("unet", "b", **TIMES),
        result("ddnet", "a", **TIMES), result("ddnet", "b", "failed", **TIMES), result("ddnet", "c", None),
        result("ddnet", "d", train_s=1.0),  # of an earlier version: not all of its times
    ]  # fmt: skip
    expected = of_cells(input_a=0.1, unet_a=100, unet_b=100, ddnet_a=220, ddnet_b=5, ddnet_c=5, ddnet_d=5)
    unet, ddnet = forecasts.compare(results, expected)
    assert (unet.model, unet.cells, unet.forecast_s, unet.took_s, unet.ratio) == ("unet", 2, 200, 220, 1.1)
    assert (ddnet.model, ddnet.cells, ddnet.ratio) == ("ddnet", 1, 0.5)
    total = forecasts.in_sum([unet, ddnet])
    assert total is not None
    assert (total.cells, total.forecast_s, total.took_s) == (3, 420, 330)
    assert forecasts.in_sum([]) is None


def test_time_left_by_cost_and_corrected_by_what_was_measured() -> None:
    # unet takes 1.1 times its forecast and has 2 of 3 epochs to go; ddnet was not measured, so 1.1 as well
    results = [result("unet", "a", **TIMES), result("unet", "b", None, epochs=1), result("ddnet", "a", None)]
    cells = of_cells(unet_a=100, unet_b=90, ddnet_a=200)
    assert forecasts.left(results, ForecastFile(cells=cells)) == pytest.approx(1.1 * (60 + 200))
    assert forecasts.left(results, ForecastFile(at_once=2, cells=cells)) == pytest.approx(1.1 * 200)
    assert forecasts.left(results, ForecastFile()) is None
    assert forecasts.left(results[:1], ForecastFile()) == 0


def test_a_forecast_stays_as_it_was_when_its_cell_began(tmp_path: Path) -> None:
    def forecast(at_once: int, **seconds: float) -> Forecast:
        return Forecast(total=0, at_once=at_once, start=0, cells=of_cells(**seconds))

    assert forecasts.read(tmp_path) == ForecastFile()
    forecasts.freeze(tmp_path, forecast(1, unet_a=100, unet_b=100), anew=False)
    forecasts.freeze(tmp_path, forecast(2, unet_b=50, unet_c=50), anew=False)
    assert forecasts.read(tmp_path) == ForecastFile(
        at_once=2, cells=of_cells(unet_a=100, unet_b=100, unet_c=50)
    )
    forecasts.freeze(tmp_path, forecast(2, unet_b=50), anew=True)
    assert forecasts.read(tmp_path).cells["unet-b"].seconds == 50
    (tmp_path / "forecast.json").write_text("{")
    assert forecasts.read(tmp_path) == ForecastFile()
