"""The CT physics: units, geometry, projection, noise, reconstruction. NumPy and Numba; noise models are pydantic's."""

from __future__ import annotations

PHYSICS_VERSION = 2
"""Raised by one whenever the same object and condition give other pixels; a golden array guards it."""
