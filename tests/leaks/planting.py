"""Copies of a slice as a careless collection holds them: one function a kind, mu in 1/cm in, mu in 1/cm out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import ndimage

from bench.ct import dose
from bench.ct.conditions import Condition
from bench.ct.geometry import ParallelBeam
from bench.ct.noise import Quanta
from bench.ct.units import MU_WATER, hu_to_mu, mu_to_hu
from bench.leaks import descriptors
from bench.leaks.search import Leak, search

Image = Any
Plant = Callable[[Image, np.random.Generator], Image]


def find(images: Any, names: Any, folds: Any, *, threads: int = 1) -> list[Leak]:
    """Return the leaks between the parts of each fold."""
    return search(images, described(images, threads=threads), names, folds, threads=threads)


def described(images: Any, *, threads: int = 1) -> descriptors.Descriptors:
    """Return the descriptors of all slices."""
    rows = descriptors.empty(len(images))
    for _ in descriptors.fill(rows, images, threads=threads):
        pass
    return rows


def turn(image: Image, degrees: float, zoom: float = 1.0) -> Image:
    """Return ``image`` turned about its centre, air outside."""
    a = np.deg2rad(degrees)
    matrix = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) / zoom
    centre = (np.array(image.shape) - 1) / 2
    return ndimage.affine_transform(image, matrix, centre - matrix @ centre, order=1)


def shift(image: Image, rng: np.random.Generator) -> Image:
    """Return ``image`` shifted by up to 40 pixels of 512 each way, whole or not, air outside."""
    return ndimage.shift(image, rng.uniform(-1, 1, 2) * 40 / 512 * image.shape[0], order=1)


def roll(image: Image, rng: np.random.Generator) -> Image:
    """Return ``image`` shifted by whole pixels; what leaves on one side enters on the other."""
    reach = 40 * image.shape[0] // 512
    return np.roll(image, tuple(rng.integers(-reach, reach + 1, 2)), (0, 1))


def window(image: Image, center: float, width: float) -> Image:
    """Return ``image`` seen through a window, 0 to 1."""
    return np.clip((mu_to_hu(image) - center) / width + 0.5, 0, 1)


def low_dose(image: Image, rng: np.random.Generator, photons: float = 7e4, pixel_cm: float = 0.08) -> Image:
    """Return ``image`` projected and reconstructed at a low dose; the pixel is that of 512 pixels."""
    n = image.shape[0]
    done = dose.degrade(
        np.repeat(np.repeat(image, 2, 0), 2, 1)[None].astype(np.float32),
        np.array([pixel_cm * 512 / n]),
        ParallelBeam(n, 720),
        [Condition("low", None, Quanta(photons=photons))],
        [(int(rng.integers(1 << 30)), "planted", "copy")],
    )
    return done["low"][0]


def noise(hu: float) -> Plant:
    """Return what adds Gaussian noise of ``hu``."""
    return lambda image, rng: image + rng.normal(0, hu / 1000 * MU_WATER, image.shape)


KINDS: dict[str, Plant] = {
    "identical": lambda image, rng: image,
    "re-saved as whole HU": lambda image, rng: hu_to_mu(np.rint(mu_to_hu(image)).astype(np.int16)),
    "re-saved in steps of 4 HU": lambda image, rng: hu_to_mu(4 * np.rint(mu_to_hu(image) / 4)),
    "resampled by 0.97 to 1.03": lambda image, rng: turn(image, 0, rng.uniform(0.97, 1.03)),
    "shifted, air outside": shift,
    "shifted, wrapped": roll,
    "flipped left-right": lambda image, rng: image[:, ::-1],
    "flipped top-bottom": lambda image, rng: image[::-1],
    "turned by 90, 180, 270": lambda image, rng: np.rot90(image, int(rng.integers(1, 4))),
    "turned by any angle": lambda image, rng: turn(image, rng.uniform(0, 360)),
    "flipped and turned": lambda image, rng: turn(image[::-1], rng.uniform(0, 360)),
    "linear rescale": lambda image, rng: rng.uniform(0.2, 5) * image + rng.uniform(-0.1, 0.1),
    "gamma 0.5 to 2": lambda image, rng: np.maximum(image, 0) ** rng.uniform(0.5, 2),
    "lung window": lambda image, rng: window(image, -600, 1500),
    "soft-tissue window": lambda image, rng: window(image, 40, 400),
    "mediastinum window": lambda image, rng: window(image, 50, 350),
    "noise of 10 HU": noise(10),
    "noise of 50 HU": noise(50),
    "7e4 photons": low_dose,
}
