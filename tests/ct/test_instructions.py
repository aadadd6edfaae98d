"""The same slices on every processor: built again with the instruction sets of others, and with shaken functions."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy._core import _multiarray_umath as core

from bench import phantom
from bench.ct.angles import cos_sin
from bench.phantom import fields, liver, section, skeleton, texture, thorax, trunk
from tests.ct import building

ROOT = Path(__file__).parents[2]
HAIR_HU = 0.01  # a degraded slice may be so far apart
OLD_LIBRARIES = {  # the C library and BLAS as on a processor of 2008; names that are unknown to them are ignored
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-FMA,-FMA_Usable,-FMA4,-FMA4_Usable",
    "OPENBLAS_CORETYPE": "Nehalem",
}


def processors() -> Iterator[tuple[str, dict[str, str]]]:
    """Yield a name and the variables of each processor that this one can stand for.

    NumPy's list of instruction sets rises, so without one the later ones are off too; without the first, everything
    else is that of 2008 as well. Only those that are here may be switched off. Numba keeps what it has compiled for
    each processor apart.
    """
    here = [name for name in core.__cpu_dispatch__ if core.__cpu_features__[name]]
    off = os.environ.get("NPY_DISABLE_CPU_FEATURES", "").replace(",", " ").split()
    for place, name in enumerate(here[1:], start=1):
        yield f"NumPy below {name}", {"NPY_DISABLE_CPU_FEATURES": " ".join(off + here[place:])}
    yield (
        "NumPy and Numba for x86-64",
        {
            "NPY_DISABLE_CPU_FEATURES": " ".join(off + here),
            "NUMBA_CPU_NAME": "x86-64",
            "NUMBA_CPU_FEATURES": "",  # else those of this processor stay, whatever its name
            **OLD_LIBRARIES,
        },
    )


def process(command: list[str], changed: dict[str, str]) -> None:
    path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env={**os.environ, **changed, "PYTHONPATH": path},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def ours() -> dict[str, Any]:
    return building.made()


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="instruction sets of x86-64")
@pytest.mark.parametrize(
    "oldest",
    [False, pytest.param(True, marks=pytest.mark.slow)],
    ids=["NumPy", "all libraries, compiled anew"],
)
def test_slices_are_the_same_on_other_processors(ours: dict[str, Any], oldest: bool, tmp_path: Path) -> None:
    for number, (name, changed) in enumerate(processors()):
        if ("NUMBA_CPU_NAME" in changed) != oldest:
            continue
        path = tmp_path / f"{number}.npz"
        process(["-m", "tests.ct.building", str(path)], changed)
        with np.load(path) as stored:
            theirs = {key: stored[key] for key in stored.files}
        used = json.loads(str(theirs.pop("instructions")))
        off = changed.get("NPY_DISABLE_CPU_FEATURES", "").split()
        assert not set(off) & set(used["numpy"].split())
        assert used["numba"] == "x86-64" or "NUMBA_CPU_NAME" not in changed
        assert theirs.keys() == ours.keys()
        for key in ours:
            differing = int(np.count_nonzero(ours[key] != theirs[key]))
            print(f"{name}: {key}: {differing} of {ours[key].size} differ")
            if key in ("reference", "widths", "parallel rays"):
                assert differing == 0, (name, key)
            elif ours[key].shape[1:] == (building.SIZE, building.SIZE):
                assert 5000.0 * np.abs(ours[key] - theirs[key]).max() <= HAIR_HU, (name, key)  # 1/cm to HU
            else:
                assert differing <= 1e-4 * ours[key].size, (name, key)


@pytest.mark.slow  # pytest -m slow -s tests/ct/test_instructions.py: builds the smoke pairs several times
@pytest.mark.timeout(3600)
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="instruction sets of x86-64")
def test_the_smoke_pairs_are_the_same_on_other_processors(tmp_path: Path) -> None:
    def built(name: str, changed: dict[str, str]) -> dict[str, np.ndarray]:
        cache = tmp_path / name
        command = ["data", "build", "--profile", "smoke", "--cache", str(cache)]
        process(["-c", "from bench.cli import main; main()", *command], changed)
        arrays = sorted(cache.rglob("*.npy"))
        assert len(arrays) == 7  # the reference and six conditions
        return {path.name: np.load(path, mmap_mode="r") for path in arrays}

    ours = built("here", {})
    for number, (name, changed) in enumerate(processors()):
        for key, theirs in built(str(number), changed).items():
            apart = 5000.0 * np.abs(ours[key] - theirs)
            print(f"{name}: {key}: {np.count_nonzero(apart)} pixels differ, by at most {apart.max():.2g} HU")
            assert apart.max() <= (0.0 if key.startswith("reference") else HAIR_HU), (name, key)


class Shaken:
    """NumPy whose elementary functions are off by up to ``size``, as the vector forms of another processor are."""

    def __init__(self, size: float) -> None:
        self.size, self.random = size, np.random.default_rng(1)

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if name not in ("exp", "cos", "sin", "power", "arctan2", "hypot"):
            return found
        return lambda *values: self._shake(found(*values))

    def _shake(self, exact: np.ndarray) -> np.ndarray:
        return exact * (1.0 + self.size * self.random.uniform(-1.0, 1.0, np.shape(exact)))


def shaken_digest(monkeypatch: pytest.MonkeyPatch, size: float) -> list[str]:
    for module in (fields, liver, section, skeleton, texture, thorax, trunk):
        monkeypatch.setattr(module, "np", Shaken(size) if size else np)
    images = [phantom.render("P003", z, size=96)[0] for z in (0.2, 0.85)]
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in images]


def test_rounding_takes_away_what_vector_functions_differ_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """AVX-512 forms of NumPy's functions are within 4 units in the last place; eight move no pixel, 1e-7 does."""
    exact = shaken_digest(monkeypatch, 0.0)
    assert shaken_digest(monkeypatch, 8 * 2.0**-52) == exact
    assert shaken_digest(monkeypatch, 1e-7) != exact


@pytest.mark.parametrize("function", [0, 1])
def test_cosine_and_sine_against_long_doubles(function: int) -> None:
    angles = np.linspace(-np.pi / 2, np.pi / 2, 4001)
    exact = (np.cos, np.sin)[function](angles.astype(np.longdouble))
    assert np.abs(cos_sin(angles)[function] - exact).max() < 2.5e-16


def test_cosine_and_sine_of_eighths_of_a_turn() -> None:
    cos, sin = cos_sin([0.0, np.pi / 4, np.pi / 2, -np.pi / 2])
    assert cos == pytest.approx([1.0, np.sqrt(0.5), 0.0, 0.0], rel=3e-16, abs=0)
    assert sin == pytest.approx([0.0, np.sqrt(0.5), 1.0, -1.0], rel=3e-16, abs=0)
    with pytest.raises(ValueError, match="quarter of a turn"):
        cos_sin([1.6])
