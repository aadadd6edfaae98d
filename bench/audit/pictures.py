"""The four pictures of the audit page, each a measurement over its closed form."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bench.audit import closed_forms, discs, noise, view_aliasing
from bench.audit.objects import FINER, Real
from bench.audit.rays import Rays
from bench.audit.simulator import Setup, Simulator
from bench.ct.geometry import Geometry
from bench.ct.noise import Quanta
from bench.ct.units import MU_WATER, deviation_factor
from bench.report.render import svg
from bench.report.render.png import slice_png
from bench.report.values import Window

WIDTH, HEIGHT = 5.4, 3.7  # inches at 9 points: how large the letters look beside the drawing
_LAW: dict[str, Any] = {"color": svg.PALETTE[0], "linewidth": 1.8, "solid_capstyle": "round"}
_DOTS: dict[str, Any] = {"color": svg.PALETTE[1], "linestyle": "", "marker": "o", "markersize": 3.6}
_HU = 1000.0 / MU_WATER  # HU per 1/cm
_SAMPLES = 3000  # pixels x draws of a point of the noise curve
_BAND = 3.0  # HU on either side of water that the checks allow


def disc_profile(simulator: Simulator, geometry: Geometry) -> str:
    """Return the edge of a water disc, and below it the inside enlarged, as SVG."""
    disc = discs.water_disc(simulator, geometry)
    away, values = disc.away.ravel(), disc.image.ravel()
    pitch = Rays(geometry, discs.pixel_cm(geometry.size)).pitch
    x, rise = closed_forms.edge(geometry.filter, pitch, 1.0 / FINER)
    with svg.canvas("disc", WIDTH, HEIGHT) as figure:
        edge, inside = figure.subplots(1, 2)
        near = np.abs(away - disc.radius) < 4.5
        edge.plot(np.concatenate([-x[::-1], x]), -1000.0 * np.concatenate([1 - rise[::-1], rise]), **_LAW)
        edge.plot(away[near][::5] - disc.radius, values[near][::5], **{**_DOTS, "markersize": 2.6})
        svg.dress(edge, "Distance from the rim (pixels)", "CT number (HU)")
        edge.set_xlim(-4.5, 4.5)
        steps = np.arange(0.0, disc.radius - discs.MARGIN, 1.0)
        means = np.array([disc.mean(low, low + 1.0) for low in steps])
        inside.axhspan(-_BAND, _BAND, color=svg.GRID, alpha=0.6, linewidth=0)
        inside.axhline(0.0, **_LAW)
        inside.plot(steps + 0.5, means, **_DOTS)
        svg.dress(inside, "Distance from the centre (pixels)", "Ring mean inside (HU)")
        top = max(1.5 * _BAND, float(np.nanmax(np.abs(means))) * 1.1)
        inside.set_ylim(-top, top)
        return svg.text(figure)


def noise_against_dose(simulator: Simulator, setup: Setup) -> str:
    """Return the standard deviation in the middle of a water disc against the photons per ray, as SVG."""
    geometry = setup.geometry
    scale = deviation_factor(geometry.size)
    whole = [condition.noise for condition in setup.conditions if condition.views is None]
    doses = sorted({noise.photons for noise in whole if isinstance(noise, Quanta)})
    middle = math.sqrt(doses[0] * doses[-1]) if doses else 1e5
    photons = [middle * 10.0 ** (step / 2.0) for step in range(-2, 4)]
    variances = noise.levels(simulator, geometry, photons, _SAMPLES)
    with svg.canvas("dose", WIDTH, HEIGHT) as figure:
        axes = figure.add_subplot()
        x = [level.photons for level in variances]
        axes.loglog(x, [_HU * scale * math.sqrt(level.law) for level in variances], **_LAW)
        axes.loglog(
            x, [_HU * scale * math.sqrt(level.measured) for level in variances], **{**_DOTS, "markersize": 5}
        )
        for value in doses:
            axes.axvline(value, color=svg.INK, linewidth=1.0, linestyle=(0, (2, 3)), alpha=0.5)
        svg.dress(axes, "Photons per ray", "Standard deviation (HU)", grid="both")
        _plain(axes.yaxis)
        return svg.text(figure)


def noise_spectrum(simulator: Simulator, geometry: Geometry) -> str:
    """Return the noise power spectrum against frequency, as SVG."""
    f, measured, law = noise.spectrum(simulator, geometry)
    with svg.canvas("power", WIDTH, HEIGHT) as figure:
        axes = figure.add_subplot()
        axes.plot(f, law / law.max(), **_LAW)
        axes.plot(f, measured / law.max(), **{**_DOTS, "markersize": 5})
        svg.dress(axes, "Spatial frequency (cycles per pixel)", "Noise power (law's maximum = 1)")
        axes.set_xlim(0.0, 0.5)
        axes.set_ylim(0.0, None)
        return svg.text(figure)


def fourier_plane(simulator: Simulator, geometry: Geometry, views: int) -> str:
    """Return the Fourier plane of a point seen in a few views, logarithmic, as a PNG data URI."""
    plane = view_aliasing.plane(simulator, geometry, views)
    side = len(plane) // 2
    coarse = plane.reshape(side, 2, side, 2).max(axis=(1, 3))
    decibel: Real = 20.0 * np.log10(coarse / coarse.max() + 1e-6)
    return slice_png(decibel.astype(np.float32), Window("spokes", "", -15.0, 30.0))


def sparse_scan(setup: Setup) -> tuple[Geometry, int]:
    """Return scan and views of the sparsest condition whose spokes can be told apart, else about 30 directions."""
    geometry = setup.geometry
    divisors = [count for count in range(1, geometry.views + 1) if geometry.views % count == 0]
    likely = min(divisors, key=lambda count: abs(view_aliasing.directions(geometry, count) - 30))
    counts = sorted(condition.views for condition in setup.conditions if condition.views is not None)
    for views in (*counts, likely):
        scan = view_aliasing.scan_for(geometry, views)
        if scan is not None:
            return scan, views
    return geometry, likely


def _plain(axis: Any) -> None:
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())
