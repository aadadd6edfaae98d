"""Compiled loops where Numba has no place for its cache, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = """
import sys
from numba.core import caching
if sys.argv[1] == "nowhere":  # what a read-only package and HOME look like to Numba, which root cannot make
    def refused(self):
        raise OSError(13, "Permission denied")
    for locator in caching._CacheLocator.__subclasses__() + caching._SourceFileBackedLocatorMixin.__subclasses__():
        locator.ensure_cache_path = refused
from bench import compiled
twice = compiled.compiled(nogil=True)(lambda x: 2 * x)
from bench.ct import kernels, fan_kernels
from bench.phantom import tubes
print(twice(21), "cached" if kernels.project._cache.cache_path else "not cached", compiled.remark())
"""


@pytest.mark.integration
@pytest.mark.parametrize(("place", "cached"), [("nowhere", False), ("somewhere", True)])
def test_loops_are_compiled_without_a_cache_where_there_is_no_place_for_one(
    tmp_path: Path, place: str, cached: bool
) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script), place],
        cwd=ROOT, env={"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATH": ""}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("42 cached" if cached else "42 not cached")
    assert ("NUMBA_CACHE_DIR" in done.stdout) is not cached
