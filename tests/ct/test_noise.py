"""Noise models: what they refuse, their closed form against their draws."""

from __future__ import annotations

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
from tests.extensions.gaussian import Gaussian

MODELS = [Quanta(photons=2e4), Quanta(photons=2e4, electronic=25.0), Noiseless(), Gaussian(deviation=0.02)]


@pytest.mark.parametrize("noise", MODELS, ids=lambda noise: noise.words())
def test_draws_have_the_variance_of_the_closed_form(noise: Noise) -> None:
    for integral in (0.5, 2.0):
        p = np.full((40, 2000), integral, np.float32)
        error = add_noise(p, noise, ("law", integral)).astype(float) - p
        assert error.var() == pytest.approx(noise.variance(integral), rel=0.03)
        assert abs(error.mean()) < 1e-3
        other = add_noise(p, noise, ("law", integral), factor=2.0).astype(float) - p
        assert np.abs(other - 2.0 * error).max() <= 1e-5


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
