"""CT numbers against attenuation: hand-computed values, round trip, refusals."""

from __future__ import annotations

import numpy as np
import pytest

from bench.ct.units import MU_WATER, hu_to_mu, mu_to_hu, relative, starved, starved_share


def test_known_tissues() -> None:
    hu = np.array([-2048, -1000, -500, 0, 50, 1000], np.int16)
    expected = [0.0, 0.0, 0.1, 0.2, 0.21, 0.4]  # by hand from 0.2 (1 + HU / 1000), air cut at 0
    mu = hu_to_mu(hu)
    assert mu.dtype == np.float32
    assert mu == pytest.approx(expected, abs=1e-8)
    assert MU_WATER == 0.2


def test_round_trip_above_air_and_no_clipping_back() -> None:
    hu = np.arange(-1000, 3072, dtype=np.float64).reshape(8, -1)
    assert np.abs(mu_to_hu(hu_to_mu(hu)) - hu).max() < 1e-3
    assert mu_to_hu(np.array([-0.02, 0.0])) == pytest.approx([-1100.0, -1000.0])


def test_relative_has_air_at_zero_and_water_at_one() -> None:
    assert relative(hu_to_mu([-1000, 0, 1000])) == pytest.approx([0.0, 1.0, 2.0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_not_finite_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        hu_to_mu([0.0, bad])


def test_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="real numbers"):
        hu_to_mu([1 + 2j])


@pytest.mark.parametrize("photons", [20.0, 100.0, 1e3, 4e3, 4100.0, 7e4])
def test_share_of_starved_rays_by_counting(photons: float) -> None:
    """The closed form against 100,000 rays through the cylinder."""
    t = (np.arange(100_000) + 0.5) / 100_000 * 15.0
    expected = photons * np.exp(-0.2 * 2.0 * np.sqrt(15.0**2 - t**2))
    assert starved_share(photons) == pytest.approx((expected < 10.0).mean(), abs=2e-5)


def test_starved_conditions_are_told() -> None:
    assert starved_share(5.0) == 1.0
    (remark,) = starved({"low": 1e3, "enough": 4034.0, "views": None, "high": 7e4})  # 0.5 % at 4034
    assert remark.startswith(
        "low: 64% of the rays through 30 cm of water expect under 10 of its 1000 photons"
    )
