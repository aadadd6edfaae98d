"""Intervals, false winners, power, ties and false claims: ``python benchmarks/claims.py [part ...]``.

Parts: coverage, false, power, apart, same, permuted, published. Null tables have six rows; networks differ from patient
to patient by 0.1 dB and from training to training by 0.04 dB, both normal unless said otherwise.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable

import numpy as np

from bench.metrics import PSNR
from bench.report import comparisons, statistics
from bench.report.comparisons import MARGINS, Truths
from bench.report.false_claims import false_probability
from bench.report.statistics import Floats, Test

ROWS, PATIENT, SEED = 6, 0.1, 0.04
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return normal values of mean 0 and deviation 1."""
    return rng.standard_normal(shape)


def exponential(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return exponential values shifted to mean 0, deviation 1."""
    return rng.standard_exponential(shape) - 1


def one_sided(rng: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Return exponential values for the first network and none for the others: differences as skewed as can be."""
    values = exponential(rng, shape)
    values[:, :, 1:] = 1e-3 * rng.standard_normal(values[:, :, 1:].shape)
    return values


def coverage(trials: int = 20_000, resampled: int = 2_000) -> None:
    """Print how often a 95 % interval holds the true mean."""
    print("coverage: patients, t normal, t exponential, bootstrap-t normal, bootstrap-t exponential")
    for patients in (4, 6, 10, 20, 47):
        cells = []
        for draw in (normal, exponential):
            sample = draw(np.random.default_rng(patients), (trials, patients))
            cells.append(f"{100 * (statistics.t_test(sample) > 0.05).mean():.1f}")
        for draw in (normal, exponential):
            sample = draw(np.random.default_rng([patients, 1]), (resampled, patients))
            found = (
                [statistics.bootstrap_t(x, str(at)) for at, x in enumerate(sample)] if patients >= 6 else []
            )
            inside = [one is None or one.low < 0 < one.high for one in found]
            cells.append(f"{100 * np.mean(inside):.1f}" if inside else "-")
        print("|", patients, "|", " | ".join(cells), "|", flush=True)


DRAWS: dict[str, Draw] = {"weights, exponential": exponential, "weights, one-sided": one_sided}


def scores(
    tables: int, networks: int, seeds: int, patients: int, draw: Draw, seed: float, patient: float = PATIENT
) -> Floats:
    """Return scores (tables, rows, networks, seeds, patients) in dB; all expectations are equal."""
    rng = np.random.default_rng([networks, seeds, patients])
    shape = (tables, ROWS, networks)
    own = patient * draw(rng, (*shape, 1, patients))
    return own + seed * rng.standard_normal((*shape, seeds, 1))


def named(values: Floats, test: Test) -> tuple[float, float]:
    """Return the share of tables, and of rows, with a winner."""
    best = values.mean(axis=tuple(range(3, values.ndim))).argmax(axis=2)
    p = statistics.holm(statistics.winner_p(values, best, test)) <= statistics.SIGNIFICANT
    return 100 * float(p.any(axis=1).mean()), 100 * float(p.mean())


def folded(values: Floats) -> Floats:
    """Return the means of five folds: patient i is tested by the network of fold i modulo 5."""
    return np.stack([values[..., f, f::5].mean(axis=-1) for f in range(5)], axis=-1)


def false(tables: int = 5_000) -> None:
    """Print the share of null tables with a false winner, in per cent."""
    print(
        "false winners: claim, sample | two networks | three | two equal, one far below | three, one noisier | six"
    )
    for claim, seeds, patients in (
        ("weights", 1, 4), ("weights", 1, 10), ("weights", 1, 47), ("weights, exponential", 1, 4),
        ("weights, exponential", 1, 10), ("weights, exponential", 1, 47), ("weights, one-sided", 1, 4),
        ("weights, one-sided", 1, 10), ("weights, one-sided", 1, 47), ("weights' test asked for the method", 1, 10),
        ("weights' test asked for the method", 1, 47), ("method", 3, 4), ("method", 3, 10), ("method", 3, 47),
        ("method", 5, 10), ("method, shares alike", 3, 47), ("method, shares alike", 10, 10), ("method, folds", 5, 47),
    ):  # fmt: skip
        cells = []
        for networks, kind in ((2, ""), (3, ""), (3, "far"), (3, "noisier"), (6, "")):
            shape = tables if claim.startswith("weights") or "folds" in claim else tables // 4
            seed = 0.0 if claim.split(", ")[0] == "weights" else SEED
            seed = PATIENT * (seeds / patients) ** 0.5 if "alike" in claim else seed
            values = scores(shape, networks, seeds, patients, DRAWS.get(claim, normal), seed)
            values[:, :, 2:] -= 5 if kind == "far" else 0
            values[:, :, 2:] *= 5 if kind == "noisier" else 1
            cells.append(f"{named(*_sample(claim, values))[0]:.1f}")
        print("|", claim, "|", f"{seeds} x {patients}", "|", " | ".join(cells), "|", flush=True)


def _sample(claim: str, values: Floats) -> tuple[Floats, Test]:
    if "folds" in claim:
        return folded(values), statistics.t_test
    if claim.startswith("weights"):
        return values[..., 0, :], statistics.t_test
    return values, statistics.crossed_test


def power(tables: int = 600) -> None:
    """Print in how many of the rows a network that is better in every row is named, in per cent."""
    gains = (0.1, 0.2, 0.3, 0.5, 1.0)
    print("power: claim, sample |", " | ".join(f"{gain} dB" for gain in gains))
    for claim, seeds, patients in (
        ("weights", 1, 4), ("weights", 1, 10), ("weights", 1, 47), ("method", 3, 4), ("method", 3, 10),
        ("method", 3, 47), ("method", 5, 4), ("method", 5, 47), ("method, folds", 5, 47),
    ):  # fmt: skip
        cells = []
        for gain in gains:
            values = scores(tables, 3, seeds, patients, normal, 0.0 if claim == "weights" else SEED)
            values[:, :, 0] += gain
            cells.append(f"{named(*_sample(claim, values))[1]:.0f}")
        print("|", claim, "|", f"{seeds} x {patients}", "|", " | ".join(cells), "|", flush=True)


def told_apart(values: Floats) -> Truths:
    """Return which networks are told apart, (tables, rows, networks, networks)."""
    best = values.mean(axis=-1).argmax(axis=-1)
    claimed = statistics.holm(statistics.winner_p(values, best, statistics.t_test)) <= statistics.SIGNIFICANT
    p = comparisons.corrected(statistics.t_test(comparisons.gaps(values)))
    return comparisons.apart(p, best, claimed)


def the_same(values: Floats) -> Truths:
    """Return which networks are the same within the margin of PSNR, (tables, rows, networks, networks)."""
    p = statistics.equivalence_test(comparisons.gaps(values), MARGINS[PSNR])
    return np.asarray(comparisons.corrected(p) <= statistics.SIGNIFICANT)


def apart(tables: int = 4_000) -> None:
    """Print the share of null tables in which any two equal networks are told apart, in per cent."""
    print("told apart falsely: patients | two networks | three | two alike, one 0.15 dB below | eight")
    for patients in (4, 10, 47):
        cells = []
        for networks, below in ((2, 0.0), (3, 0.0), (3, 0.15), (8, 0.0)):
            values = scores(tables if patients < 47 else tables // 4, networks, 1, patients, normal, 0.0)[
                ..., 0, :
            ]
            values[:, :, 2:] -= below
            alike = 2 if below else networks
            told = told_apart(values)[..., :alike, :alike]
            cells.append(f"{100 * told.any(axis=(1, 2, 3)).mean():.1f}")
        print("|", patients, "|", " | ".join(cells), "|", flush=True)


def same(tables: int = 2_000) -> None:
    """Print false ones among "the same" and how often equal networks are, in per cent; three networks, six rows."""
    deviations = (0.01, 0.02, 0.05, 0.1)
    print(
        "the same: patients | tables with a false one, a margin apart | equal networks, sd of differences",
        deviations,
    )
    for patients in (4, 10, 47):
        rng = np.random.default_rng(patients)
        noise = rng.standard_normal((tables, ROWS, 3, patients)) / math.sqrt(2)
        false = the_same(0.02 * noise + MARGINS[PSNR] * np.arange(3)[:, None]).any(axis=(1, 2, 3)).mean()
        rates = [the_same(sd * noise)[..., 0, 1].mean() for sd in deviations]
        print(
            "|", patients, "|", " | ".join(f"{100 * share:.1f}" for share in (false, *rates)), "|", flush=True
        )


def permuted(tables: int = 2_000) -> None:
    """Print the share of tables with any two told apart after labels are drawn anew for each patient, in per cent."""
    steps = (0.0, 0.05, 0.1, 0.3, 1.0)
    print(
        "permuted labels: networks x patients | dB from one network to the next, 0.1 from patient to patient:",
        steps,
    )
    for networks, patients in ((2, 4), (3, 4), (3, 10), (3, 47), (8, 10)):
        rng = np.random.default_rng([networks, patients])
        own = PATIENT * rng.standard_normal(
            (tables if patients < 47 else tables // 2, ROWS, networks, patients)
        )
        cells = []
        for step in steps:
            values = rng.permuted(own + step * np.arange(networks)[:, None], axis=2)
            cells.append(f"{100 * told_apart(values).any(axis=(1, 2, 3)).mean():.1f}")
        print("|", f"{networks} x {patients}", "|", " | ".join(cells), "|", flush=True)


def published(samples: int = 400_000) -> None:
    """Print how many claims are false, by their false-claim probability, in per cent; truths spread evenly and wide."""
    bins = ((0.0, 0.05), (0.05, 0.15), (0.15, 0.3), (0.3, 0.5))
    print("false claims: patients | stated / true in", bins)
    for patients in (4, 10):
        rng = np.random.default_rng(patients)
        truth = rng.uniform(-6, 6, samples)
        sd = np.exp(rng.uniform(math.log(0.05), math.log(20), samples))
        sample = truth[:, None] + sd[:, None] * rng.standard_normal((samples, patients))
        mean, measured = sample.mean(axis=1), sample.std(axis=1, ddof=1)
        inner = np.flatnonzero((measured > 0.5) & (measured < 1.5) & (abs(mean) < 1.5))
        p = np.array([false_probability(mean[at], patients, measured[at]) for at in inner])
        false_ones = np.sign(truth[inner]) != np.sign(mean[inner])
        cells = []
        for low, high in bins:
            here = (p >= low) & (p < high)
            cells.append(f"{100 * p[here].mean():.1f} / {100 * false_ones[here].mean():.1f}")
        print("|", patients, "|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    parts = {
        "coverage": coverage, "false": false, "power": power, "apart": apart, "same": same, "permuted": permuted,
        "published": published,
    }  # fmt: skip
    for name in sys.argv[1:] or parts:
        parts[name]()
