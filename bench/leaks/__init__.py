"""The leak audit: slices of one patient, or copies of one slice, that lie in different parts of a split.

A network that has trained on a test slice, or on its neighbour, is not tested by it. ``search.search`` compares the
pixels themselves, so a copy is found under any name: as it is, saved anew, shifted, flipped, turned, through
another window or with noise; and the neighbouring slice of a patient who has two names. ``audit`` does it for
the slices of a run and keeps the verdict.
"""

from __future__ import annotations

from bench.leaks.search import LEAK_VERSION, Leak, Spot
from bench.leaks.verdict import Verdict, audit, read

__all__ = ["LEAK_VERSION", "Leak", "Spot", "Verdict", "audit", "read"]
