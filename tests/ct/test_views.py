"""Views and directions in words. Oracles: lines counted by the audit, sentences by hand, a reconstruction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.audit.rays import Rays
from bench.ct.geometry import FanBeam, Geometry, ParallelBeam
from bench.ct.projector import project, reconstruct
from bench.ct.views import Views, counted

BEAMS = {"parallel360": ParallelBeam(32), "parallel180": ParallelBeam(32, 720, 180.0), "fan360": FanBeam(32)}


@given(st.integers(1, 200), st.integers(1, 7))
def test_central_directions_are_the_lines_that_the_views_draw(views: int, stride: int) -> None:
    for scan in (
        ParallelBeam(32, views * stride),
        ParallelBeam(32, views * stride, 180.0),
        FanBeam(32, views * stride),
    ):
        assert scan.central_directions(stride) == Rays(scan.every(stride), 1.0).directions


@pytest.mark.parametrize(
    ("preset", "views", "words"),
    [
        ("parallel360", 60, "60 views (30 directions)"),
        ("parallel360", 45, "45 views (45 directions)"),
        ("parallel360", 2, "2 views (1 direction)"),
        ("parallel360", 1, "1 view (1 direction)"),
        ("parallel180", 60, "60 views (60 directions)"),
        ("fan360", 60, "60 views (30 directions at the isocentre)"),
        ("fan360", 45, "45 views (45 directions at the isocentre)"),
    ],
)
def test_directions_stand_beside_views(preset: str, views: int, words: str) -> None:
    assert counted(BEAMS[preset], views) == words


def test_views_that_do_not_divide_the_scan_are_refused() -> None:
    for views in (7, 721):
        with pytest.raises(ValueError, match=f"{views} views do not divide the scan's 720"):
            counted(BEAMS["parallel360"], views)


def test_lines_say_scan_conditions_and_what_is_odd() -> None:
    assert Views(BEAMS["parallel360"], {"sv60": 60, "sv45": 45}).lines == [
        "scan: parallel beam, 720 views (360 directions) over 360 degrees",
        "  sv60: 60 views (30 directions)",
        "  sv45: 45 views (45 directions)",
        "remark: sv45: 45 views (45 directions) leave the streaks of 90 views (45 directions): an odd number over 360 "
        "degrees has no opposite views, which would repeat a direction",
    ]
    assert Views(BEAMS["parallel180"], {"sv45": 45}).remarks == ()
    (remark,) = Views(BEAMS["fan360"], {"sv60": 60, "sv45": 45}).remarks
    assert remark.startswith("sv45: 45 views (45 directions at the isocentre), but only there ")


def image(scan: Geometry, views: int) -> np.ndarray:
    """The reconstruction of a body with an insert beside the centre from so many views."""
    middle = (np.arange(64) + 0.5) / 64 - 0.5
    x, y = middle, middle[:, None]
    body = 0.2 * ((x / 0.4) ** 2 + (y / 0.3) ** 2 < 1) + 0.2 * ((x - 0.1) ** 2 + (y + 0.1) ** 2 < 0.003)
    sinogram = project(body[None].astype(np.float32), scan, [1.0])
    return reconstruct(sinogram, scan, [1.0], stride=scan.views // views)[0]


def test_the_remarks_are_true() -> None:
    """Parallel: 45 views are the image of 90. Fan: the error falls with the views, odd or even."""
    np.testing.assert_allclose(image(BEAMS["parallel360"], 45), image(BEAMS["parallel360"], 90), atol=2e-5)
    whole = image(BEAMS["fan360"], 1080)
    errors = [float(np.mean((image(BEAMS["fan360"], views) - whole) ** 2)) for views in (36, 45, 54, 60)]
    assert errors == sorted(errors, reverse=True)
