"""The closed forms themselves, against sums, draws and integrals done another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import quad

from bench.audit import closed_forms
from bench.audit.rays import Rays
from bench.ct.geometry import FanBeam, Geometry, ParallelBeam
from bench.ct.noise import Quanta
from bench.seeds import generator
from tests.audit.setups import BEAMS, beam

WINDOWS = {
    "ram-lak": lambda f: 1.0,
    "shepp-logan": lambda f: math.sin(math.pi * f) / (math.pi * f) if f else 1.0,
    "cosine": lambda f: math.cos(math.pi * f),
    "hann": lambda f: math.cos(math.pi * f) ** 2,
}


def test_noise_of_the_bare_ramp_has_its_known_factors() -> None:
    assert closed_forms.noise_gain("ram-lak") == pytest.approx((2 / 3 - 2 / math.pi**2) / 12, rel=1e-5)
    assert 12 * closed_forms.noise_gain("ram-lak") == pytest.approx(0.464, abs=5e-4)


@pytest.mark.parametrize("name", WINDOWS)
def test_noise_gain_is_the_power_of_the_interpolated_taps(name: str) -> None:
    """The taps by an integral over the band, interpolated at many places, squared and added: no closed form."""
    count = 60
    taps = [
        2 * quad(lambda f, k=k: f * WINDOWS[name](f) * math.cos(2 * math.pi * f * k), 0, 0.5)[0]
        for k in range(count)
    ]
    whole = np.array([*taps[:0:-1], *taps])
    power = np.mean([(((1 - u) * whole[:-1] + u * whole[1:]) ** 2).sum() for u in np.linspace(0, 1, 2001)])
    assert closed_forms.noise_gain(name) == pytest.approx(power, rel=2e-3)


def test_noise_variance_in_units() -> None:
    """Twice the views, photons, or the square of the bins' distance: half the variance, a quarter, ..."""
    one = closed_forms.noise_variance("ram-lak", 1e-4, 720, 0.1)
    assert one == pytest.approx(0.464 * math.pi**2 / 12 / (720 * 0.1**2) * 1e-4, rel=1e-3)
    assert closed_forms.noise_variance("ram-lak", 2e-4, 360, 0.05) == pytest.approx(16 * one)


@pytest.mark.parametrize(
    ("expected", "electronic"),
    [(4.0, 0.0), (30.0, 0.0), (30.0, 4.0), (900.0, 0.0), (900.0, 40.0), (30.0, 5e4), (9e5, 4e5), (2e6, 1e7)],
)
def test_variance_of_the_logarithm_of_counts(expected: float, electronic: float) -> None:
    random = generator("laws", int(expected), int(electronic))
    counts = random.poisson(expected, 400_000) + random.normal(0.0, electronic, 400_000)
    found = np.log(np.maximum(counts, 1.0)).var()
    noise = Quanta(photons=math.e * expected, electronic=electronic)
    assert noise.variance(1.0) == pytest.approx(found, rel=0.02)


def test_variance_of_the_logarithm_for_many_photons() -> None:
    for expected in (1e5, 1e8):  # summed, and beyond what is summed
        assert Quanta(photons=expected).variance(0.0) == pytest.approx(1 / expected, rel=1e-3)
    assert Quanta(photons=1e8, electronic=1e4).variance(0.0) == pytest.approx(2e-8, rel=1e-3)


def test_noise_power_rises_like_the_ramp_and_a_wider_pitch_lowers_its_frequencies() -> None:
    power = closed_forms.noise_power("ram-lak", 256, [(1.0, 1.0)])
    assert power.sum() == pytest.approx(1.0)
    assert power[0, 8] / power[0, 4] == pytest.approx(2.0, rel=0.05)
    assert power[8, 0] == pytest.approx(power[0, 8])
    f = np.fft.fftfreq(256)
    middle = [
        float((np.hypot(f[:, None], f) * closed_forms.noise_power("hann", 256, [(pitch, 1.0)])).sum())
        for pitch in (0.7, 1.0, 1.4)
    ]
    assert middle[0] > middle[1] > middle[2]


@pytest.mark.parametrize("name", WINDOWS)
def test_edge_rises_by_the_integral_of_its_transfer(name: str) -> None:
    """The slope at the edge is the integral of the transfer function; far away nothing is left to fall."""

    def transfer(f: float) -> float:
        own = float(np.sinc(f * 0.5 / math.sqrt(2)) ** 2)
        return WINDOWS[name](f) * float(np.sinc(f)) ** 3 * own

    x, fallen = closed_forms.edge(name, 1.0, 0.5)
    slope = (fallen[1] - fallen[0]) / (x[1] - x[0])
    assert slope == pytest.approx(2 * quad(transfer, 0, 0.5)[0], rel=1e-3)
    assert fallen[0] == 0.5 and fallen[-1] == pytest.approx(1.0, abs=0.01)
    assert closed_forms.edge_width(name, 1.0, 0.5) == pytest.approx(
        0.5 / slope, rel=0.12
    )  # nearly straight so far


def test_softer_filters_have_wider_edges_and_less_noise() -> None:
    widths, gains = (
        [value(name) for name in WINDOWS]
        for value in (lambda name: closed_forms.edge_width(name, 1.0, 0.5), closed_forms.noise_gain)
    )
    assert widths == sorted(widths) and gains == sorted(gains, reverse=True)


@pytest.mark.parametrize("kind", BEAMS)
def test_a_point_lies_on_the_ray_that_sees_it_and_weighs_what_the_rays_part(kind: str) -> None:
    rays = Rays(beam(kind), 0.5)
    random = generator("rays", kind)
    x, y = random.uniform(-20, 20, (2, 50))
    for view in (0, 17, 101):
        place, weight = rays.seen(view, x, y)
        angle = rays.views[view] + (place if rays.fan else 0.0)
        offset = rays.source * np.sin(place) if rays.fan else place
        assert np.abs(x * np.cos(angle) + y * np.sin(angle) - offset).max() < 1e-9
        aside, _ = rays.seen(view, x + 1e-5 * np.cos(angle), y + 1e-5 * np.sin(angle))
        assert (aside - place) / 1e-5 == pytest.approx(weight, rel=1e-4)


@pytest.mark.parametrize(
    ("scan", "lines"),
    [
        (ParallelBeam(64, 60), 30),
        (ParallelBeam(64, 45), 45),
        (ParallelBeam(64, 60, 180.0), 60),
        (FanBeam(64, 60), 30),
        (FanBeam(64, 45), 45),
    ],
)
def test_lines_through_the_centre_are_counted_once(scan: Geometry, lines: int) -> None:
    assert Rays(scan, 1.0).directions == lines
    if isinstance(scan, ParallelBeam):
        assert scan.distinct_directions() == lines


def test_a_fan_measures_a_circle_and_its_rays_part_around_the_pitch_at_the_centre() -> None:
    scan = FanBeam(64, 60)
    rays = Rays(scan, 0.625)
    assert rays.reach * 0.625 == pytest.approx(25.1, abs=0.6)  # half of the field of view of 502 mm
    pitches, shares = np.array(rays.pitches(32.0)).T
    assert shares.sum() == pytest.approx(1.0)
    assert pitches.min() < rays.pitch < pitches.max()
    assert (pitches * shares).sum() == pytest.approx(rays.pitch, rel=0.01)
