"""The courses of the great tubes as chains of landmarks, placed by the patient's measures."""

from __future__ import annotations

import numpy as np

from bench.phantom.anatomy import Anatomy
from bench.phantom.trunk import spine_centre
from bench.phantom.tubes import Segments, smooth_chain

Point = tuple[float, float, float]
Chain = tuple[list[Point], tuple[float, ...]]  # way points in mm, radii in scaled mm


def _near_spine(a: Anatomy, x: float, ahead: float, t: float) -> Point:
    return x * a.scale, float(spine_centre(a, t * a.length)) - ahead * a.scale, t * a.length


def aorta(a: Anatomy) -> Segments:
    """From the valve over the arch down to the belly."""
    arch, h, r = a.arch_t, a.heart_t, a.scale * a.vessel
    return smooth_chain(
        [
            a.at(4, -0.15, h - 0.06),
            a.at(-7, -0.34, h - 0.14),
            a.at(-9, -0.36, arch + 0.07),
            a.at(-5, -0.28, arch + 0.02),
            a.at(10, 0.02, arch),
            _near_spine(a, 21, 21, arch + 0.025),
            _near_spine(a, 22, 17, arch + 0.11),
            _near_spine(a, 21, 18, h),
            _near_spine(a, 17, 17, 0.7),
            _near_spine(a, 7, 25, 0.88),
            _near_spine(a, 4, 26, 1.1),
        ],
        [r * v for v in (15, 15, 14.5, 14, 13, 12.5, 12, 11.5, 11, 10, 9)],
    )


def great_arteries(a: Anatomy) -> Segments:
    """Aorta with its branches, pulmonary trunk and both pulmonary arteries."""
    s, arch, h = a.scale, a.arch_t, a.heart_t
    r = s * a.vessel
    branches: list[Chain] = [
        (
            [a.at(-4, -0.27, arch + 0.01), a.at(-13, -0.22, arch - 0.09), a.at(-24, -0.12, -0.08)],
            (6.0, 5.5, 5.0),
        ),
        ([a.at(5, -0.10, arch), a.at(11, -0.05, arch - 0.1), a.at(19, 0.0, -0.08)], (4.2, 3.8, 3.6)),
        ([a.at(13, 0.08, arch), a.at(22, 0.16, arch - 0.1), a.at(36, 0.12, -0.06)], (5.2, 4.8, 4.5)),
        (
            [_near_spine(a, 6, 30, 0.885), _near_spine(a, 2, 46, 0.90), _near_spine(a, -16, 48, 0.90)],
            (4.5, 3.4, 2.6),
        ),
        (
            [_near_spine(a, 5, 30, 0.93), _near_spine(a, 4, 42, 0.98), _near_spine(a, 5, 46, 1.1)],
            (4.5, 4.0, 3.6),
        ),
    ]
    trunk = smooth_chain(
        [a.at(16, -0.52, h - 0.06), a.at(19, -0.36, h - 0.13), a.at(21, -0.16, h - 0.185)],
        [r * v for v in (14, 13.5, 12)],
    )
    right = smooth_chain(
        [a.at(17, -0.22, h - 0.165), a.at(-8, -0.03, h - 0.155), a.at(-42, 0.06, h - 0.13)],
        [r * v for v in (11, 10, 8.5)],
    )
    left = smooth_chain(
        [a.at(21, -0.2, h - 0.18), a.at(30, 0.0, h - 0.195), a.at(46, 0.14, h - 0.165)],
        [r * v for v in (11, 10, 8.0)],
    )
    chains = [smooth_chain(points, [s * v for v in radii]) for points, radii in branches]
    return np.vstack([aorta(a), trunk, right, left, *chains])


def great_veins(a: Anatomy) -> Segments:
    """Upper and lower caval veins, azygos, portal and splenic vein, four pulmonary veins."""
    s, arch, h = a.scale, a.arch_t, a.heart_t
    chains: list[Chain] = [
        (
            [
                a.at(-34, -0.30, -0.08),
                a.at(-30, -0.34, arch - 0.07),
                a.at(-31, -0.24, arch + 0.03),
                a.at(-31, -0.20, h - 0.12),
                a.at(-28, -0.2, h),
            ],
            (6.5, 8.0, 8.5, 9.0, 11.0),
        ),
        (
            [a.at(34, -0.42, -0.02), a.at(14, -0.55, arch - 0.055), a.at(-29, -0.34, arch - 0.015)],
            (5.5, 6.0, 6.5),
        ),
        (
            [
                a.at(-28, -0.1, h + 0.03),
                a.at(-25, 0.0, a.dome_right + 0.03),
                _near_spine(a, -23, 34, 0.76),
                _near_spine(a, -20, 27, 0.9),
                _near_spine(a, -19, 24, 1.1),
            ],
            (11.0, 11.5, 12.0, 11.0, 10.5),
        ),
        (
            [
                _near_spine(a, -8, 18, 1.0),
                _near_spine(a, -8, 21, 0.6),
                _near_spine(a, -9, 20, a.carina_t + 0.02),
                a.at(-22, 0.12, a.carina_t - 0.02),
                a.at(-30, -0.1, a.carina_t),
            ],
            (2.6, 3.4, 3.8, 4.0, 4.2),
        ),
        (
            [_near_spine(a, -2, 46, 1.02), _near_spine(a, -14, 46, 0.92), a.at(-38, 0.02, 0.86)],
            (6.0, 6.5, 5.5),
        ),
        ([_near_spine(a, -8, 46, 0.925), a.at(22, 0.06, 0.89), a.at(72, 0.36, 0.85)], (4.5, 4.2, 3.6)),
    ]
    chains += _pulmonary_veins(a)
    return np.vstack([smooth_chain(points, [s * v for v in radii]) for points, radii in chains])


def _pulmonary_veins(a: Anatomy) -> list[Chain]:
    """Two on each side, from the left atrium to the hilum."""
    h = a.heart_t
    chains: list[Chain] = []
    for side in (-1.0, 1.0):
        for up, away in ((-0.02, -0.12), (0.03, 0.22)):
            way = [
                a.at(side * 12 - 8, 0.12, h - 0.05),
                a.at(side * 32, 0.1, h - 0.07 + up),
                a.at(side * 50, away, h - 0.09 + 2 * up),
            ]
            chains.append((way, (7.0, 6.0, 4.5)))
    return chains


def airway(a: Anatomy) -> Segments:
    """Trachea and main bronchi; radii are those of the lumen."""
    s, c = a.scale, a.carina_t
    fork = _near_spine(a, 1, 40, c)
    pipes = [
        ([_near_spine(a, 2, 38, -0.1), _near_spine(a, 0, 38, 0.5 * c), fork], (8.6, 8.6, 8.8)),
        ([fork, _near_spine(a, -20, 42, c + 0.045), _near_spine(a, -38, 44, c + 0.10)], (7.6, 6.8, 5.2)),
        ([fork, _near_spine(a, 22, 38, c + 0.055), _near_spine(a, 40, 38, c + 0.11)], (7.2, 6.0, 4.8)),
    ]
    return np.vstack([smooth_chain(points, [s * v for v in radii]) for points, radii in pipes])


def gullet(a: Anatomy) -> Segments:
    """Oesophagus down to the stomach; radii are those of its outside."""
    points = [
        _near_spine(a, 5, 23, -0.1),
        _near_spine(a, 4, 24, 0.3),
        _near_spine(a, 5, 27, 0.55),
        _near_spine(a, 12, 34, 0.70),
        a.at(32, 0.12, 0.78),
    ]
    return smooth_chain(points, [a.scale * v for v in (5.5, 5.5, 6.0, 6.5, 7.5)])
