"""Two runs side by side: differences by patient against SciPy's paired t test, and what cannot be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from bench.metrics import definitions
from bench.report import two_runs as module
from bench.report.two_runs import CellPair, TwoRuns
from tests import records_factory as factory

PSNR, SSIM, RMSE = "psnr.slice_max", "ssim.slice_max", "rmse.hu"
DEFINED = definitions([PSNR, SSIM, RMSE])
PATIENTS = tuple(f"P{number}" for number in range(6))
NAMES = [
    (patient, f"z{at}") for at, patient in enumerate(PATIENTS) for at in range(2 + at % 2)
]  # two or three slices
FIRST = np.random.default_rng(1).normal(30, 1, len(NAMES))
GAIN = np.random.default_rng(2).normal(0.5, 0.1, len(NAMES))


def pair(
    second: Any, *, names: Any = NAMES, metric: str = PSNR, known: bool = True, **changes: Any
) -> CellPair:
    cell = factory.planned(factory.cell(data={"patients_known": known}))
    one = factory.result(cell, factory.scores(NAMES, **{metric: FIRST}), metrics={metric: DEFINED[metric]})
    changes = {"metrics": {metric: DEFINED[metric]}, **changes}
    other = factory.result(cell, factory.scores(names, **{metric: second}), **changes)
    (tested,) = module._tested([module._pair("unet:noisy:s1", one, other)], DEFINED)
    return tested


def test_difference_interval_and_p_are_those_of_scipy_over_the_patients() -> None:
    (change,) = pair(FIRST + GAIN).changes
    patients = np.array([name[0] for name in NAMES])
    gains = np.array([GAIN[patients == one].mean() for one in PATIENTS])
    expected = stats.ttest_1samp(gains, 0)
    low, high = expected.confidence_interval(0.95)
    assert change.difference == pytest.approx(gains.mean())
    assert change.interval is not None
    assert (change.interval.low, change.interval.high) == (pytest.approx(low), pytest.approx(high))
    assert (change.p, change.patients, change.slices) == (pytest.approx(expected.pvalue), 6, len(NAMES))
    assert change.word == "better"
    assert change.second - change.first == pytest.approx(change.difference)


def test_words_follow_the_direction_of_the_metric_and_chance() -> None:
    assert pair(FIRST - GAIN).changes[0].word == "worse"
    assert pair(FIRST + GAIN, metric=RMSE).changes[0].word == "worse"
    assert pair(FIRST + GAIN - 0.5).changes[0].word == "open"


def test_equal_bits_are_equal_and_one_other_bit_is_not() -> None:
    assert pair(FIRST).equal
    other = FIRST.copy()
    other[3] = np.nextafter(other[3], 99)
    assert not pair(other).equal


def test_holm_counts_the_cells() -> None:
    alone = pair(FIRST + GAIN)
    tested = list(
        module._tested(
            [module._pair("a", *sides(FIRST + GAIN)), module._pair("b", *sides(FIRST + GAIN))], DEFINED
        )
    )
    p = alone.changes[0].p
    assert p is not None
    assert [one.changes[0].p for one in tested] == [pytest.approx(2 * p)] * 2


def sides(second: Any) -> tuple[Any, Any]:
    cell = factory.planned(factory.cell())
    return tuple(
        factory.result(cell, factory.scores(NAMES, **{PSNR: values}), metrics={PSNR: DEFINED[PSNR]})
        for values in (FIRST, second)
    )  # type: ignore[return-value]


def test_unknown_patients_have_no_interval() -> None:
    (change,) = pair(FIRST + GAIN, known=False).changes
    assert (change.patients, change.interval, change.p, change.word) == (None, None, None, "open")
    assert change.difference == pytest.approx(GAIN.mean())


def test_other_slices_references_or_definitions_are_not_compared() -> None:
    renamed = [(patient, name + "x") for patient, name in NAMES]
    assert pair(FIRST, names=renamed).hindrance == "the test slices differ"
    assert not pair(FIRST, names=renamed).equal
    other = {PSNR: {**DEFINED[PSNR], "range": "255"}}
    assert (pair(FIRST, metrics=other).redefined, pair(FIRST, metrics=other).changes) == ((PSNR,), ())
    assert not pair(FIRST, metrics=other).equal


def test_a_slice_that_is_lost_is_counted_and_one_that_was_never_finite_is_not() -> None:
    second = FIRST + GAIN
    second[0] = np.nan
    (change,) = pair(second).changes
    assert (change.lost, change.slices) == (1, len(NAMES) - 1)
    (change,) = pair(np.full(len(NAMES), np.nan)).changes
    assert (change.lost, change.slices, change.word) == (len(NAMES), 0, "open")


def test_losses_name_networks_and_what_proves_nothing() -> None:
    worse, untreated = pair(FIRST - GAIN), CellPair("input:noisy:s0", pair(FIRST - 9).changes)
    runs = TwoRuns((worse, untreated), {"dncnn:noisy:s1": "not planned"}, {}, DEFINED)
    assert [line.partition(": ")[0] for line in runs.losses(-0.1)] == ["dncnn:noisy:s1", "unet:noisy:s1"]
    assert TwoRuns((worse, untreated), {}, {"new:noisy:s1": "not planned"}, DEFINED).losses(-0.9) == []
    hindered = CellPair("input:noisy:s0", hindrance="the test slices differ")
    assert TwoRuns((hindered,), {}, {}, DEFINED).losses(-9) == ["input:noisy:s0: the test slices differ"]


def test_runs_without_a_common_cell_are_refused(tmp_path: Path) -> None:
    from bench.errors import BenchError
    from bench.records.store import RunStore
    from tests import tiny

    store = RunStore(tmp_path / "tiny")
    store.write_plan(tiny.planned(tmp_path))
    with pytest.raises(BenchError, match="no cell has finished here and in"):
        module.two_runs(store, store)
