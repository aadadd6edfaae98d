"""Runs with any function in the place of a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from bench.denoising import run as denoising
from bench.denoising.images import Denoise, Images, Mark

MARK = Mark("unet", "unet-low-s1-0", "9.9")


def identity(hu: Images) -> Images:
    return hu


def run(
    source: Path, target: Path, denoise: Denoise, expected: Mapping[str, list[float]] | None = None
) -> denoising.Summary:
    """Denoise to the end and return the summary."""
    events = denoising.run(source, target, denoise, MARK, dict(expected or {}))
    while True:
        try:
            next(events)
        except StopIteration as end:
            summary: denoising.Summary = end.value
            return summary
