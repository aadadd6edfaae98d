"""The decorator of all compiled loops: Numba's, with its cache on disk where that can be written.

Numba keeps what it has compiled in ``__pycache__`` beside the file or under HOME, and refuses to compile where it
can write to neither (a container with another user, an image on a cluster). The cache only saves seconds, so here
the loops are then compiled without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba

Loop = TypeVar("Loop", bound=Callable[..., Any])
_without: list[str] = []


def compiled(**options: Any) -> Callable[[Loop], Loop]:
    """Return ``numba.njit(cache=True, **options)``, without the cache for a function that has no place for one."""

    def decorate(function: Loop) -> Loop:
        loop: Loop
        try:
            loop = numba.njit(cache=True, **options)(function)
        except (RuntimeError, OSError):  # "no locator available", or a folder that cannot be made
            _without.append(function.__name__)
            loop = numba.njit(**options)(function)
        return loop

    return decorate


def remark() -> str:
    """Return one line where loops were compiled without a cache, with the remedy; empty where all have one."""
    if not _without:
        return ""
    return (
        "compiled loops cannot be kept on disk (neither the program's folder nor HOME can be written), so each run "
        "compiles them anew; set NUMBA_CACHE_DIR to a folder of your own"
    )
