"""Files that come with this program: both YAML files, lists of series and of splits, the golden runs."""

from __future__ import annotations

from pathlib import Path

import bench

#: What a checkout keeps elsewhere; a build puts it into ``bench/defaults`` (``force-include`` in pyproject.toml).
_IN_CHECKOUT = {
    "datasets.yaml": "datasets.yaml",
    "experiments.yaml": "experiments.yaml",
    "published": "published",
    "smoke.json": "tests/golden/smoke.json",
    "tiny.json": "tests/golden/tiny.json",
}


def packaged(name: str) -> Path:
    """Return a file or a folder of ``bench/defaults``, which need not be there."""
    package = Path(bench.__file__).resolve().parent
    installed = package / "defaults" / name
    if name in _IN_CHECKOUT and not installed.exists():
        return package.parent / _IN_CHECKOUT[name]
    return installed


def packaged_tables(folder: str) -> str:
    """Return the names of the packaged CSV files of ``folder``, for the remedy where another was asked for."""
    return ", ".join(sorted(path.name for path in packaged(folder).glob("*.csv")))
