"""``bench claim``: how likely a published difference between two networks is no difference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from bench import words
from bench.cli.console import say
from bench.cli.options import json_option, runs_option
from bench.cli.text import folded
from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.report.false_claims import Pair

Source = Literal["given", "measured", "assumed"]

#: Deviations over patients, in the unit of the metric, and correlations that fit what runs of this program measured.
PLAUSIBLE_SD = {"psnr": (1.0, 2.0, 3.0), "ssim": (0.01, 0.02, 0.03)}
PLAUSIBLE_CORRELATION = (0.9, 0.97, 0.99, 0.999)
MOST = 1e9  # of any number that is given: beyond, it is a slip, or NaN
HEADS = ("sd of a", "sd of b", "correlation", "sd of a - b", "false", "could be seen")
LAST = (
    "sd: standard deviation over patients. False: the probability that the better mean is not that of the better "
    "network, for roughly normal differences and a prior that favours neither (arXiv 2505.04720). Could be seen: the "
    "difference that so many patients show with a power of 0.8 (paired t test, level 0.05). Neither knows of other "
    "seeds, or of other networks tried."
)


@dataclass(frozen=True)
class Case:
    """The deviations of two networks over patients, their correlation, and what a difference between them is worth."""

    sd_a: float
    sd_b: float
    correlation: float
    sd_difference: float
    false_probability: float
    smallest_difference: float


@click.command()
@click.option("--a", type=float, required=True, help="Mean score of one network, as published.")
@click.option("--b", type=float, required=True, help="Mean score of the other one.")
@click.option("--patients", type=int, required=True, help="That both were tested on; not slices.")
@click.option("--sd-a", type=float, help="Standard deviation over patients of the one.")
@click.option("--sd-b", type=float, help="Of the other.")
@click.option("--correlation", type=float, help="Of the two networks over patients.")
@click.option("--from", "profile", metavar="PROFILE", help="Measure these in the run of a profile.")
@click.option(
    "--metric",
    type=click.Choice(tuple(PLAUSIBLE_SD)),
    default="psnr",
    show_default=True,
    help="That is measured or assumed.",
)
@runs_option
@json_option
def claim(
    a: float,
    b: float,
    patients: int,
    sd_a: float | None,
    sd_b: float | None,
    correlation: float | None,
    profile: str | None,
    metric: str,
    runs: Path,
    as_json: bool,
) -> None:
    """Tell how likely a published difference is false.

    Papers print two means and a number of patients, seldom the deviations over patients, never how alike two networks
    are over them. Give these, or a run to measure them in; else a table over plausible values follows.
    """
    _check(a, b, patients, sd_a, sd_b, correlation, profile)
    _check_metric(a, b, metric)
    if profile is not None:
        pairs = _measured(runs / profile, metric)
        told = [pairs[at] for at in sorted({0, (len(pairs) - 1) // 2, len(pairs) - 1})]
        cases = [
            _case(a - b, patients, one.sd_first, one.sd_second, one.correlation, one.sd_difference)
            for one in told
        ]
        source: Source = "measured"
        where = (
            f"measured in the run {profile}, {words.count(len(pairs), 'pair')} of networks over "
            f"{words.count(min(pair.patients for pair in pairs), 'patient')}: the pair whose difference varies "
            "least, the median and the most"
        )
    else:
        cases = list(_given_or_assumed(a - b, patients, sd_a, sd_b, correlation, metric))
        source = "assumed" if sd_a is None or correlation is None else "given"
        missing = {"deviations": sd_a, "correlation": correlation}
        unknown = " and ".join(name for name, value in missing.items() if value is None)
        where = f"{unknown} ASSUMED, none was given: plausible values" if unknown else "as given"
    if as_json:
        from bench.cli import documents

        say(documents.text(_document(a, b, patients, metric, source, profile, cases)))
        return
    say(_text(a, b, patients, metric, where, cases))


def _check(
    a: float,
    b: float,
    patients: int,
    sd_a: float | None,
    sd_b: float | None,
    correlation: float | None,
    profile: str | None,
) -> None:
    """Raise a BenchError for what is no mean, no deviation and no correlation."""
    given = {"--a": a, "--b": b, "--sd-a": sd_a, "--sd-b": sd_b, "--correlation": correlation}
    for key, value in given.items():
        if value is not None and not abs(value) <= MOST:
            raise BenchError(f"{value:g} is no score", key=key)
    if not 2 <= patients <= MOST:
        raise BenchError(f"{patients} patients", key="--patients", remedy="give a number of at least 2")
    for key, sd in (("--sd-a", sd_a), ("--sd-b", sd_b)):
        if sd is not None and sd <= 0:
            raise BenchError(f"a standard deviation of {sd:g}", key=key, remedy="give one above 0")
    if (sd_a is None) != (sd_b is None):
        missing = "--sd-a" if sd_a is None else "--sd-b"
        raise BenchError("only one of the two deviations is given", key=missing, remedy="give both, or none")
    if correlation is not None and abs(correlation) > 1:
        raise BenchError(
            f"a correlation of {correlation:g}", key="--correlation", remedy="give one from -1 to 1"
        )
    from bench.report.false_claims import difference_sd

    one, other = (sd if sd is not None else 1.0 for sd in (sd_a, sd_b))  # assumed ones are equal
    if correlation is not None and not difference_sd(one, other, correlation) > 1e-12:
        raise BenchError(
            "the difference would not vary at all", key="--correlation", remedy="give more digits than 1"
        )
    if profile is not None and (sd_a, correlation) != (None, None):
        raise BenchError("deviations are given and measured", key="--from", remedy="give one of the two")


def _check_metric(a: float, b: float, metric: str) -> None:
    """Raise a BenchError where the scores are not those of the metric."""
    if metric == "ssim" and max(abs(a), abs(b)) > 1:
        raise BenchError(
            f"{max(a, b):g} is no SSIM", key="--metric", remedy="SSIM is at most 1; leave --metric out for dB"
        )
    if metric == "psnr" and max(abs(a), abs(b)) <= 1:
        raise BenchError(f"{a:g} and {b:g} dB look like SSIM", key="--metric", remedy="give --metric ssim")


def _measured(root: Path, metric: str) -> list[Pair]:
    """Return the pairs of networks of a run, that whose difference varies least first."""
    from bench.metrics import PSNR, SSIM
    from bench.records.store import RunStore
    from bench.report.board import scoreboard
    from bench.report.false_claims import measured

    store = RunStore(root)
    plan = store.read_plan()
    pairs = measured(scoreboard(plan, store.read_all(plan)), {"psnr": PSNR, "ssim": SSIM}[metric])
    found = sorted((pair for pair in pairs if pair.sd_difference), key=lambda pair: pair.sd_difference)
    if not found:
        raise BenchError(
            "no two networks have finished on one condition with three known patients",
            file=root,
            remedy="name another run, or give --sd-a, --sd-b and --correlation",
        )
    return found


def _given_or_assumed(
    difference: float,
    patients: int,
    sd_a: float | None,
    sd_b: float | None,
    correlation: float | None,
    metric: str,
) -> Iterator[Case]:
    """Yield a case for each plausible value of what is not given."""
    both = (
        [(sd_a, sd_b)] if sd_a is not None and sd_b is not None else [(sd, sd) for sd in PLAUSIBLE_SD[metric]]
    )
    for first, second in both:
        for alike in PLAUSIBLE_CORRELATION if correlation is None else (correlation,):
            yield _case(difference, patients, first, second, alike)


def _case(
    difference: float, patients: int, sd_a: float, sd_b: float, correlation: float, sd: float | None = None
) -> Case:
    """Return what a difference is worth; ``sd`` is its own deviation, where that was measured."""
    from bench.report.false_claims import difference_sd, false_probability
    from bench.report.power import smallest_difference

    sd = sd or difference_sd(sd_a, sd_b, correlation)
    false = false_probability(difference, patients, sd)
    return Case(sd_a, sd_b, correlation, sd, false, smallest_difference(patients, sd))


def _document(
    a: float, b: float, patients: int, metric: str, source: Source, profile: str | None, cases: Sequence[Case]
) -> dict[str, Any]:
    from bench.cli.documents import SCHEMA

    return {
        "schema": SCHEMA,
        "kind": "claim",
        "profile": profile,
        "metric": metric,
        "a": a,
        "b": b,
        "patients": patients,
        "source": source,
        "cases": [asdict(case) for case in cases],
    }


def _text(a: float, b: float, patients: int, metric: str, where: str, cases: Sequence[Case]) -> str:
    """Return the difference, the cases as a table, and what its columns mean; at most 80 columns."""
    from tabulate import tabulate

    unit, digits = (" dB", 2) if metric == "psnr" else ("", 4)
    rows = [
        (
            f"{case.sd_a:.{digits}f}",
            f"{case.sd_b:.{digits}f}",
            f"{case.correlation:.4g}",
            f"{case.sd_difference:.{digits + 1}f}",
            f"{case.false_probability:.1%}" if case.false_probability >= 0.001 else "< 0.1%",
            f"{case.smallest_difference:.{digits}f}{unit}",
        )
        for case in cases
    ]
    head = f"{a:g} against {b:g} over {words.count(patients, 'patient')}: a difference of {abs(a - b):.{digits}f}{unit}"
    table = tabulate(rows, HEADS, "simple", disable_numparse=True, colalign=("right",) * len(HEADS))
    return "\n\n".join((head, folded(f"Over patients, {where}.", ""), table, folded(LAST, "")))
