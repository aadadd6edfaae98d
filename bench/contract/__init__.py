"""What a network must keep to be trained here: one check each, for ``bench check-model`` and a pytest that ships."""

from __future__ import annotations

CHECKS = {
    "builds": "built",
    "shape": "shape",
    "sizes": "sizes",
    "parameters": "parameters",
    "finite": "finite",
    "saves": "saves",
    "learns": "learns",
    "not the identity": "denoises",
    "no global randomness": "repeats",
}
"""The checks in their order, each by the function of ``bench.contract.checks``, which imports a backend."""
