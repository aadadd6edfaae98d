"""The CT physics: units, geometry, projection, reconstruction and dose. NumPy and Numba only."""

from __future__ import annotations

PHYSICS_VERSION = 2
"""Raised by one whenever the same object and condition give other pixels; a golden array guards it."""
