"""Noise models: what they refuse, their closed form against their draws, and one more added by a file and a line."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from bench.audit.objects import disc
from bench.config import schema
from bench.ct.conditions import Condition, Reference
from bench.ct.dose import add_noise, degrade
from bench.ct.geometry import ParallelBeam
from bench.ct.noise import Noise, Noiseless, Quanta
from bench.ct.units import deviation_factor
from tests import tiny
from tests.ct.gaussian import Gaussian

MODELS = [Quanta(photons=2e4), Quanta(photons=2e4, electronic=25.0), Noiseless(), Gaussian(deviation=0.02)]


@pytest.mark.parametrize("noise", MODELS, ids=lambda noise: noise.words())
def test_draws_have_the_variance_of_the_closed_form(noise: Noise) -> None:
    for integral in (0.5, 2.0):
        p = np.full((40, 2000), integral, np.float32)
        error = add_noise(p, noise, ("law", integral)).astype(float) - p
        assert error.var() == pytest.approx(noise.variance(integral), rel=0.03)
        assert abs(error.mean()) < 1e-3
        other = add_noise(p, noise, ("law", integral), factor=2.0).astype(float) - p
        assert other == pytest.approx(2.0 * error, abs=1e-5)


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"photons": 0.0}, "photons"),
        ({"photons": float("nan")}, "photons"),
        ({"photons": 1e16}, "photons"),
        ({"photons": "7e4"}, "photons"),
        ({"photons": 1e5, "electronic": -1.0}, "electronic"),
        ({"photons": 1e5, "deviation": 1.0}, "deviation"),
    ],
)
def test_impossible_noise_is_refused(keys: dict[str, object], word: str) -> None:
    with pytest.raises(ValidationError, match=word):
        Quanta(**keys)  # type: ignore[arg-type]


def test_a_new_model_reaches_the_pixels_and_no_full_dose() -> None:
    beam, image, key = ParallelBeam(64, 60), disc(64, 22.0), [("new",)]
    conditions = [Condition("clean"), Condition("few", 30), Condition("both", 30, Gaussian(deviation=1e-3))]
    found = degrade(image, [0.6], beam, conditions, key)
    noise = (found["both"] - found["few"]).std()
    # of the bare ramp: pi^2 0.464 / 12 / (views d^2), the factor of this size on the deviation
    expected = 1e-3 * deviation_factor(64) * np.pi * np.sqrt(0.464 / 12 / 30) / 0.6
    assert noise == pytest.approx(expected, rel=0.1)
    with pytest.raises(ValueError, match=r"both: noise of kind gaussian cannot be a part of a full dose"):
        degrade(image, [0.6], beam, conditions, key, reference=Reference(photons=1e6))


def test_the_noise_of_a_condition_is_what_its_keys_say() -> None:
    low = schema.Condition(photons=7e4, electronic_noise=5.0)
    assert low.noise_model == Quanta(photons=7e4, electronic=5.0)
    assert schema.Condition(views=60).noise_model == Noiseless()
    assert "noise" not in low.model_dump() and "noise" not in schema.Dose().model_dump()
    for keys, message in (
        ({"noise": Quanta(photons=1e5)}, "have the keys photons and electronic_noise"),
        ({"views": 60, "electronic_noise": 5.0}, "electronic_noise needs photons"),
        ({"noise": Noiseless()}, "noise is for other kinds"),
    ):
        with pytest.raises(ValidationError, match=message):
            schema.Condition(**keys)  # type: ignore[arg-type]


PROGRAM = """
import json
from bench.config import load
from bench.cli import main
from bench.plan.acquisition import Acquisition
config = load.load(None, None)
profile = load.profile(config, "tiny")
acquisition = Acquisition.of_profile(config, profile)
print(json.dumps(acquisition.condition_identity("noisy"), sort_keys=True))
print(acquisition.doses()["noisy"])
main()
"""


def test_a_model_is_added_by_one_file_and_its_name_in_the_table(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    shutil.copytree(root / "bench", tmp_path / "bench", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(root / "models", tmp_path / "models", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).with_name("gaussian.py"), tmp_path / "bench/ct")
    table = tmp_path / "bench/config/schema/datasets.py"
    text = re.sub("Noiseless \\| Quanta, Field", "Noiseless | Quanta | Gaussian, Field", table.read_text())
    table.write_text(text.replace("\nAnyNoise", "\nfrom bench.ct.gaussian import Gaussian\n\nAnyNoise", 1))
    tiny.write(
        tmp_path, tiny.DATASETS.replace("{photons: 7e4}", "{noise: {kind: gaussian, deviation: 0.02}}")
    )
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "plan", "--profile", "tiny"],
        cwd=tmp_path, env={**tiny.environment(), "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    identity, dose, *plan = done.stdout.splitlines()
    assert '"noise": {"deviation": 0.02, "kind": "gaussian"}' in identity
    assert "noise=Gaussian(kind='gaussian', deviation=0.02)" in dose
    assert "noise of kind gaussian in noisy" in " ".join(" ".join(plan).split())
