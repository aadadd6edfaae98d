"""``bench claim`` as a person or a program meets it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from scipy import stats

from tests import tiny
from tests.report.conftest import Bench, scores

PUBLISHED = ("--a", "33.28", "--b", "32.96")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Run ``bench claim`` in an empty folder; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    return tiny.command_here(monkeypatch, capfd, "claim", *PUBLISHED)


def test_with_deviations_and_correlation_one_line(claim: Run) -> None:
    code, out, err = claim("--patients", "4", "--sd-a", "2", "--sd-b", "2.1", "--correlation", "0.99")
    assert (code, err) == (0, "")
    sd = (2**2 + 2.1**2 - 2 * 0.99 * 2 * 2.1) ** 0.5
    false = stats.t.cdf(-2 * 0.32 / sd, 3)
    assert f"{sd:.3f}" == "0.307" and f"{false:.1%}" == "6.4%"
    row = next(line for line in out.splitlines() if line.split()[:1] == ["2.00"])
    assert row.split() == ["2.00", "2.10", "0.99", "0.307", "6.4%", "0.65", "dB"]
    assert "ASSUMED" not in out and max(map(len, out.splitlines())) <= 80


def test_what_is_not_given_is_assumed_and_marked(claim: Run) -> None:
    _, out, _ = claim("--patients", "4")
    assert "deviations and correlation ASSUMED" in out
    assert sum(line.strip()[:1].isdigit() for line in out.splitlines()[3:]) == 12
    _, out, _ = claim("--patients", "4", "--sd-a", "2", "--sd-b", "2")
    assert "Over patients, correlation ASSUMED" in out


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        (("--patients", "1"), "--patients: 1 patients; give a number of at least 2"),
        (("--patients", "-4"), "--patients: -4 patients; give a number of at least 2"),
        (("--patients", "4", "--sd-a", "-1", "--sd-b", "2"), "--sd-a: a standard deviation of -1; give one above 0"),
        (("--patients", "4", "--sd-a", "1", "--sd-b", "nan"), "--sd-b: nan is no score"),
        (("--patients", "4", "--sd-a", "1e300", "--sd-b", "1"), "--sd-a: 1e+300 is no score"),
        (("--patients", "4", "--sd-a", "1"), "--sd-b: only one of the two deviations is given; give both, or none"),
        (("--patients", "4", "--correlation", "1.5"), "--correlation: a correlation of 1.5; give one from -1 to 1"),
        (("--patients", "4", "--correlation", "1"), "--correlation: the difference would not vary at all; give more"),
        (("--patients", "4", "--from", "x", "--correlation", "0.9"), "--from: deviations are given and measured; give"),
        (("--patients", "4", "--from", "x"), "runs/x/plan.json: no run here yet"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(claim: Run, options: tuple[str, ...], fault: str) -> None:
    code, out, err = claim(*options)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1 and err.startswith(f"bench: {fault}")


def test_measured_in_a_run(claim: Run, tmp_path: Path) -> None:
    bench = Bench(tmp_path / "runs" / "hand", conditions={"sv60": "60 views"})
    slices = [(f"p{i}", "a") for i in range(4)]
    for model, values in (("unet", [30.0, 32, 34, 31]), ("ddnet", [30.5, 32.25, 34.75, 31.5])):
        bench.add(model, "sv60", scores(values, slices=slices))
    bench.save()
    code, out, _ = claim("--patients", "10", "--from", "hand", "--json")
    document = json.loads(out)
    assert (code, document["source"], document["profile"]) == (0, "measured", "hand")
    (case,) = document["cases"]
    sd = 0.20412  # of 0.5, 0.25, 0.75, 0.5
    assert case["sd_difference"] == pytest.approx(sd, abs=1e-5)
    assert case["false_probability"] == pytest.approx(stats.t.cdf(-(10**0.5) * 0.32 / sd, 9), rel=1e-3)
    _, out, _ = claim("--patients", "10", "--from", "hand")
    assert "measured in the run hand, 1 pair of networks over 4 patients" in " ".join(out.split())


def test_a_run_without_two_networks_is_refused(claim: Run, tmp_path: Path) -> None:
    bench = Bench(tmp_path / "runs" / "hand")
    bench.add("unet", "sv60", scores(30.0))
    bench.save()
    code, _, err = claim("--patients", "4", "--from", "hand")
    assert code == 2 and "no two networks have finished" in err


def test_the_document_stands_in_the_guide(claim: Run) -> None:
    page = (tiny.ROOT / "docs" / "json.md").read_text(encoding="utf-8")
    document = json.loads(claim("--patients", "4", "--json")[1])
    for key in {*document, *document["cases"][0]}:
        assert f"`{key}`" in page, key
