"""Train low-dose CT denoising networks on one table of conditions, and score them alike.

In Python: ``bench.results``, ``bench.load`` and ``bench.run`` (docs/python.md); importing it alone costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench.api import BenchError, Trained, load, results, run

__all__ = ["BenchError", "Trained", "load", "results", "run"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("bench.api"), name)  # late: the command and each worker import this package


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
