"""The audit as one self-contained HTML page: the verdicts and four pictures, styles and drawings inline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import atomic
from bench.audit import pictures, view_aliasing
from bench.audit.check import Check
from bench.audit.simulator import Setup, Simulator
from bench.ct.conditions import Condition
from bench.ct.geometry import Geometry
from bench.ct.noise import Noiseless
from bench.ct.units import deviation_factor
from bench.ct.views import counted, in_words
from bench.report.render import html, svg

FILE = "audit.html"


@dataclass(frozen=True)
class Picture:
    """One picture: inline SVG, or a data URI of an image, and what is seen."""

    title: str
    text: str
    drawing: str = ""
    image: str = ""


def write(
    folder: Path,
    profile: str,
    size: int,
    setup: Setup,
    checks: Sequence[Check],
    simulator: Simulator | None = None,
) -> Path:
    """Write ``audit.html`` into ``folder`` and return its path; ``size`` is the profile's own."""
    template = html.environment("bench.audit").get_template("audit.html.j2")
    failed = sum(not check.passed for check in checks)
    text = template.render(
        profile=profile,
        facts=_facts(setup, size),
        checks=checks,
        failed=failed,
        pictures=_pictures(simulator or Simulator(), setup),
        law_colour=svg.colour(0),
        dots_colour=svg.colour(1),
    )
    path = folder / FILE
    atomic.write_text(path, text)
    return path


def _facts(setup: Setup, size: int) -> list[tuple[str, str]]:
    scan = setup.geometry
    audited = f"{scan.size} x {scan.size} pixels"
    if size != scan.size:
        audited += f" (the profile: {size} x {size}; the laws do not depend on the size, the time does)"
    facts = [
        ("scan", f"{in_words(scan)}, {scan.bins} bins"),
        ("filter", scan.filter),
        ("audited at", audited),
        ("conditions", "; ".join(_words(condition, scan) for condition in setup.conditions)),
    ]
    if setup.reference.noise is not None:
        words = setup.reference.noise.words("{:,.0f}".format)
        facts.append(("full dose", f"{words}, inherited by every condition"))
    return facts + [("remark", remark) for remark in setup.views.remarks]


def _words(condition: Condition, scan: Geometry) -> str:
    parts = [counted(scan, condition.views)] if condition.views is not None else []
    if not isinstance(condition.noise, Noiseless):
        words = condition.noise.words("{:,.0f}".format)
        parts.append(f"{words} (deviation x {deviation_factor(scan.size):.3g} at this size)")
    return f"{condition.name}: {', '.join(parts)}"


def _pictures(simulator: Simulator, setup: Setup) -> list[Picture]:
    scan = setup.geometry
    sparse, views = pictures.sparse_scan(setup)
    directions = view_aliasing.directions(sparse, views)
    return [
        Picture(
            "A water disc against its closed form",
            "Left, every fifth pixel near the rim, and a sharp edge blurred by the object's pixels, the bins, the "
            "filter's window and linear interpolation. Right, means over rings inside the disc, and the 3 HU allowed.",
            pictures.disc_profile(simulator, scan),
        ),
        Picture(
            "Noise against dose",
            "Standard deviation in the middle of a water disc of 12 cm; the law falls as one over the root of the "
            "photons, and steeper where few arrive. Dotted: the photons of this configuration.",
            pictures.noise_against_dose(simulator, setup),
        ),
        Picture(
            "Noise power spectrum",
            "Of empty slices, as means over rings. The ramp makes it rise, window and linear interpolation make it "
            "fall again.",
            pictures.noise_spectrum(simulator, scan),
        ),
        Picture(
            f"Fourier plane of {views} views",
            f"A point seen in {views} of {scan.views} views leaves one spoke for each of {directions} distinct "
            "lines through the centre of rotation. Logarithmic, 30 dB; the edge is half a cycle per pixel.",
            image=pictures.fourier_plane(simulator, sparse, views),
        ),
    ]
