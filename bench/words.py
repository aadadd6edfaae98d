"""Counts and durations as text, for the terminal and the report."""

from __future__ import annotations

import math
import re

_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(m|min|h|d)")
_UNITS = {"m": ("min", 60.0), "min": ("min", 60.0), "h": ("h", 3600.0), "d": ("d", 86400.0)}


def count(number: int, noun: str) -> str:
    """Return ``1 slice`` or ``20 slices``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def duration(seconds: float) -> str:
    """Return a time: ``4.2 s``, ``41 s``, ``3 min 05 s``, ``2 h 10 min``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def span(text: str) -> tuple[str, float]:
    """Return a length of time that a person wrote, ``10h``, ``90m`` or ``2d``, as words and in seconds: ``10 h``.

    Raises:
        ValueError: it is written in another way, or is no time at all.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None or not (number := float(match[1])) or math.isinf(number):
        raise ValueError(f"{text!r} is no time; write 10h, 90m or 2d")
    unit, seconds = _UNITS[match[2]]
    return f"{number:g} {unit}", number * seconds
