"""Draws of every ray: their stream against NumPy's Philox, their laws against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bench.ct import quanta
from bench.ct.dose import add_noise
from bench.ct.noise import Quanta
from bench.seeds import derive

NAMES = ("test", "quanta")
KEY = np.array([derive(*NAMES) % 2**64, derive(*NAMES) >> 64], np.uint64)
DRAWS = 200_000


def drawn(kind: int, mean: float, chance: float = 0.0, count: int = DRAWS) -> np.ndarray:
    out = np.empty(count)
    key = np.array([derive(kind, str(mean), str(chance)) % 2**64, 5], np.uint64)
    quanta.sample(kind, mean, chance, key, out)
    return out


@pytest.mark.parametrize("ray", [0, 1, 524_287, 2**40 + 3])
def test_stream_of_a_ray_is_numpys_philox(ray: int) -> None:
    words = np.random.Philox(key=derive(*NAMES), counter=ray << 64).random_raw(12)
    for block in (1, 2, 3):
        assert list(quanta.philox(block, ray, KEY)) == words[4 * block - 4 : 4 * block].tolist()


def test_normal_draws_are_box_and_mullers_of_that_stream() -> None:
    found = np.empty(3)
    quanta.sample(2, 0.0, 0.0, KEY, found)
    for ray in range(3):
        u, v = np.random.Generator(np.random.Philox(key=derive(*NAMES), counter=ray << 64)).random(2)
        assert found[ray] == pytest.approx(np.sqrt(-2 * np.log(1 - u)) * np.cos(2 * np.pi * v), rel=1e-12)


def chance_of_histogram(found: np.ndarray, law: stats.rv_discrete) -> float:
    """The p value of a chi-square test; counts of fewer than 20 expected draws are lumped."""
    assert np.array_equal(found, np.floor(found))
    values = np.arange(int(law.ppf(1e-12)), int(law.isf(1e-12)) + 1)
    assert values[0] <= found.min() <= found.max() <= values[-1]
    expected = law.pmf(values) * len(found)
    seen = np.bincount(found.astype(np.int64) - values[0], minlength=len(values))
    kept = expected >= 20
    expected = np.append(expected[kept], max(len(found) - expected[kept].sum(), 1e-9))
    seen = np.append(seen[kept], seen[~kept].sum())
    if expected[-1] < 5:  # too few to stand alone
        expected[-2], seen[-2] = expected[-2:].sum(), seen[-2:].sum()
        expected, seen = expected[:-1], seen[:-1]
    return float(stats.chi2.sf(((seen - expected) ** 2 / expected).sum(), len(expected) - 1))


def agrees(found: np.ndarray, law: stats.rv_discrete) -> None:
    mean, variance, kurtosis = (float(value) for value in law.stats(moments="mvk"))
    assert abs(found.mean() - mean) < 4 * np.sqrt(variance / len(found))
    error = variance * np.sqrt((2 + kurtosis) / len(found))
    assert abs(found.var() - variance) < 4 * error
    assert chance_of_histogram(found, law) > 1e-4


@pytest.mark.parametrize("mean", [0.02, 0.7, 4.0, 9.99, 10.01, 13.0, 40.0, 300.0, 7e4])
def test_counts_are_poisson(mean: float) -> None:
    agrees(drawn(0, mean), stats.poisson(mean))


@pytest.mark.parametrize(
    ("trials", "chance"),
    [(1, 0.3), (8, 0.6), (60, 0.1), (60, 0.9), (100, 0.5), (1000, 0.02), (1000, 0.35), (280_000, 0.25)],
)
def test_thinned_counts_are_binomial(trials: int, chance: float) -> None:
    agrees(drawn(1, trials, chance), stats.binom(trials, chance))


@pytest.mark.parametrize(("kind", "mean", "chance"), [(0, 1e15, 0.0), (1, 1e15, 0.25), (0, 1e9, 0.0)])
def test_very_many_photons_are_normal(kind: int, mean: float, chance: float) -> None:
    found = drawn(kind, mean, chance, 20_000)
    law = stats.binom(mean, chance) if kind else stats.poisson(mean)
    assert stats.kstest((found - law.mean()) / law.std(), "norm").pvalue > 1e-4


def test_electronic_draws_are_normal() -> None:
    assert stats.kstest(drawn(2, 0.0), "norm").pvalue > 1e-4


def test_none_and_all() -> None:
    assert (drawn(0, 0.0, count=100) == 0).all()
    assert (drawn(1, 0.0, 0.3, count=100) == 0).all()
    assert (drawn(1, 50.0, 1.0, count=100) == 50).all()


def test_a_changed_rate_changes_its_own_ray_only() -> None:
    """The fault of one stream for all rays: a last bit here gave other counts to every ray behind it."""
    rays = np.linspace(0.0, 5.0, 4000, dtype=np.float32).reshape(40, 100)
    for photons in (2e3, 7e4):
        noise = Quanta(photons=photons, electronic=3.0)
        before = add_noise(rays, noise, NAMES)
        for row, column in ((0, 0), (17, 40), (39, 99)):
            changed = rays.copy()
            changed[row, column] += np.float32(0.5)
            differing = np.argwhere(add_noise(changed, noise, NAMES) != before)
            assert differing.tolist() == [[row, column]]


def test_a_last_bit_of_the_rate_seldom_changes_a_count() -> None:
    rays = np.linspace(0.0, 12.0, 200_000, dtype=np.float32).reshape(400, 500)
    before = 7e4 * np.exp(-add_noise(rays, Quanta(photons=7e4), NAMES).astype(float))
    after = 7e4 * np.exp(
        -add_noise(np.nextafter(rays, np.float32(99)), Quanta(photons=7e4), NAMES).astype(float)
    )
    moved = np.rint(before) != np.rint(after)
    assert moved.mean() < 2e-3  # about lambda times the change of 1e-7 p, over all rays
    assert (
        np.abs(np.rint(before) - np.rint(after)) > 1
    ).mean() < 1e-4  # a rejection instead of an acceptance


def test_a_view_draws_alike_in_a_sparse_and_in_the_whole_scan() -> None:
    rays = np.linspace(0.0, 9.0, 1200, dtype=np.float32).reshape(24, 50)
    noise = Quanta(photons=7e4, electronic=5.0)
    whole = add_noise(rays, noise, NAMES)
    assert np.array_equal(add_noise(rays[::4], noise, NAMES, stride=4), whole[::4])


def test_deviations_are_multiplied() -> None:
    rays = np.full((4, 500), 3.0, np.float32)
    once, eight = (add_noise(rays, Quanta(photons=7e4), NAMES, factor=factor) - rays for factor in (1.0, 8.0))
    assert eight == pytest.approx(8.0 * once, abs=1e-5)
