"""Checks of noise-free line integrals: a disc's chords, mass and centre of mass, and the transform's symmetries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from bench.audit.check import Check, at_most, between
from bench.audit.discs import OFF_CENTRE, pixel_cm, reconstructed
from bench.audit.objects import FINER, Real, blobs, coordinates, disc
from bench.audit.rays import Rays
from bench.audit.simulator import Setup, Simulator
from bench.ct.geometry import Geometry
from bench.ct.units import MU_WATER

_OVER = 32  # rays over which a chord is averaged within a bin
_RIM = 1.5  # pixels beside the rim that are left out: there the object is a staircase, not a disc


def sinograms(simulator: Simulator, setup: Setup) -> Iterator[Check]:
    """Yield how far line integrals lie from closed forms."""
    geometry = setup.geometry
    yield chords(simulator, geometry)
    mass, centre = moments(simulator, geometry)
    beam = "the integral of mu over the plane, the same in every view"
    if Rays(geometry, 1.0).fan:
        beam = "the integral over the plane of mu over the distance from the source"
    yield at_most(
        "sinogram.mass", np.abs(mass).max(), 2e-3, "of mass",
        f"sum of each view against {beam}; worst view; a dropped view has none",
    )  # fmt: skip
    yield at_most(
        "sinogram.centre", np.abs(centre).max(), 0.02, "bin",
        "centre of mass of each view against where the view sees the object (parallel rays: a sinusoid); worst view",
    )  # fmt: skip


def chords(simulator: Simulator, geometry: Geometry) -> Check:
    """Return the largest gap between a disc's line integrals and its chords, as a share of the largest."""
    size, pixel = geometry.size, pixel_cm(geometry.size)
    x, y, radius = (share * size for share in OFF_CENTRE)
    integrals = simulator.project(disc(size, radius, x, y), geometry, [pixel])[0]
    angle, offset = Rays(geometry, pixel).lines(_OVER)
    away = offset - x * np.cos(angle) - y * np.sin(angle)
    chord = 2.0 * np.sqrt(np.maximum(radius**2 - away**2, 0.0)).mean(axis=2)
    gap = np.abs(integrals - MU_WATER * pixel * chord) / (2.0 * MU_WATER * pixel * radius)
    smooth = np.abs(np.abs(away.mean(axis=2)) - radius) > _RIM
    return at_most(
        "sinogram.chord", gap[smooth].max(), 8e-3, "of peak",
        "line integrals of an off-centre disc against 2 mu sqrt(R^2 - t^2) averaged over each bin; worst ray that "
        f"passes the rim, which is drawn on square pixels, by {_RIM:g} pixels",
    )  # fmt: skip


def moments(simulator: Simulator, geometry: Geometry) -> tuple[Real, Real]:
    """Return each view's relative error of mass and error of its centre of mass in bins, shapes (views,)."""
    size, pixel = geometry.size, pixel_cm(geometry.size)
    rays, image = Rays(geometry, pixel), blobs(size)
    integrals = simulator.project(image, geometry, [pixel])[0].astype(np.float64)
    columns, rows = coordinates(FINER * size, size)
    mass, centre = np.empty(geometry.views), np.empty(geometry.views)
    values = image[0] * (pixel / FINER**2)
    for view in range(geometry.views):
        place, weight = rays.seen(view, columns, rows)
        weighted = values * weight
        mass[view] = weighted.sum()
        centre[view] = (weighted * place).sum() / mass[view]
    total = integrals.sum(axis=1) * rays.step
    places = rays.places()[:, 0]
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (integrals * places).sum(axis=1) * rays.step / total
    return total / mass - 1.0, (middle - centre) / rays.step


def symmetry(simulator: Simulator, setup: Setup) -> Iterator[Check]:
    """Yield how far the simulator is from the symmetries of the transform."""
    geometry = setup.geometry
    yield quarter_turn(simulator, geometry)
    yield superposition(simulator, geometry)
    yield nothing(simulator, geometry)


def quarter_turn(simulator: Simulator, geometry: Geometry) -> Check:
    """Return how much the image of a turned object differs from the turned image."""
    views = geometry.views - geometry.views % 4 or 4
    even = replace(geometry, views=views)  # type: ignore[type-var]
    image = blobs(geometry.size)
    straight, turned = (
        reconstructed(simulator, even, values) for values in (image, np.rot90(image, axes=(1, 2)))
    )
    gap = float(np.abs(np.rot90(straight) - turned).max()) / MU_WATER
    return at_most(
        "object.turn", gap, 1e-4, "of water",
        f"image of an object turned by 90 degrees against the turned image, {views} views: rounding alone; worst pixel",
    )  # fmt: skip


def superposition(simulator: Simulator, geometry: Geometry) -> Check:
    """Return how much the image of a combination differs from the combination of images."""
    a, b = blobs(geometry.size), disc(geometry.size, 0.26 * geometry.size)
    first, second, both = (reconstructed(simulator, geometry, values) for values in (a, b, 2 * a - b))
    gap = float(np.abs(2 * first - second - both).max()) / MU_WATER
    return at_most(
        "object.superposition", gap, 1e-4, "of water",
        "image of 2a - b against 2 image(a) - image(b): rounding alone; worst pixel; clipping breaks it",
    )  # fmt: skip


def nothing(simulator: Simulator, geometry: Geometry) -> Check:
    """Return the largest value in line integrals and image of an empty field."""
    empty = np.zeros((1, 2 * geometry.size, 2 * geometry.size), np.float32)
    widths = [pixel_cm(geometry.size)]
    rays = simulator.project(empty, geometry, widths)
    image = simulator.reconstruct(rays, geometry, widths)
    largest = max(float(np.abs(rays).max()), float(np.abs(image).max()))
    return between(
        "object.zero", largest, (0.0, 0.0), "1/cm",
        "largest value in the line integrals and the image of an empty field: exactly 0",
    )  # fmt: skip
