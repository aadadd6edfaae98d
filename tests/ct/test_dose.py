"""Dose conditions: the noise law, spokes, keys, and the golden arrays that guard PHYSICS_VERSION."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from bench.audit import closed_forms
from bench.audit.objects import disc
from bench.ct import PHYSICS_VERSION
from bench.ct.conditions import Condition, Reference
from bench.ct.dose import add_noise, degrade, scan
from bench.ct.geometry import FanBeam, Geometry, ParallelBeam
from bench.ct.noise import Quanta
from bench.ct.projector import project, reconstruct
from bench.ct.resample import local_mean

GOLDEN = Path(__file__).parents[1] / "golden"


def golden_case() -> dict[str, np.ndarray]:
    """The small, fixed case whose pixels stand for this version of the physics."""
    y, x = np.mgrid[:64, :64] / 64.0 - 0.5
    soft = 0.2 * np.clip(12 - 60 * (x**2 + 1.7 * y**2), 0, 1) + 0.2 * np.exp(-80 * ((x - 0.2) ** 2 + y**2))
    objects = np.stack([soft, soft.T[::-1]]).astype(np.float32)
    beam, widths = ParallelBeam(32, 24), [0.9, 1.1]
    conditions = [
        Condition("sparse", views=8),
        Condition("quanta", noise=Quanta(photons=1e7)),
        Condition("both", 12, Quanta(photons=1e6)),
    ]
    found = degrade(objects, widths, beam, conditions, [("golden", 0), ("golden", 1)])
    found |= {"sinogram": project(objects, beam, widths)[:, :12]}
    fan = FanBeam(32, 24, "shepp-logan")
    found |= {"fan_sinogram": project(objects, fan, widths)[:, ::3]}
    read = Condition("fan_read", noise=Quanta(photons=1e6, electronic=100.0))
    return found | degrade(
        objects, widths, fan, [Condition("fan_sparse", views=12), read], [("fan", 0), ("fan", 1)]
    )


def write_golden(folder: Path = GOLDEN) -> Path:
    """Write the golden arrays of the present version; run by hand after raising PHYSICS_VERSION."""
    path = folder / f"physics_v{PHYSICS_VERSION}.npz"
    note = "written by write_golden() in tests/ct/test_dose.py, after the closed-form tests beside it passed"
    np.savez_compressed(path, provenance=np.array(note), **golden_case())
    return path


def test_physics_gives_the_pixels_of_its_version() -> None:
    with np.load(GOLDEN / f"physics_v{PHYSICS_VERSION}.npz", allow_pickle=False) as stored:
        assert "write_golden" in str(stored["provenance"])
        expected = {name: stored[name] for name in stored.files if name != "provenance"}
    found = golden_case()
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        gap = float(np.abs(found[name] - values).max())
        noise_free = name.endswith(("sparse", "sinogram"))
        bound = 1e-5 if noise_free else 2e-4  # a last bit of exp may move a count by one
        assert gap < bound, (
            f"{name} differs by {gap:.2g} from physics version {PHYSICS_VERSION}: "
            "raise bench.ct.PHYSICS_VERSION, then call write_golden()"
        )


@pytest.mark.parametrize("kind", [ParallelBeam, FanBeam])
def test_noise_keeps_its_level_at_another_size(kind: type[ParallelBeam] | type[FanBeam]) -> None:
    found = []
    for size in (64, 128):
        beam, pixel = kind(size, 90), 25.6 / size
        parts = degrade(
            np.repeat(disc(size, 0.3 * size), 6, axis=0),
            np.full(6, pixel),
            beam,
            [Condition("clean", views=90), Condition("noisy", noise=Quanta(photons=1e7))],
            [("size", size, draw) for draw in range(6)],
        )
        x = (np.arange(size) - (size - 1) / 2) / size
        centre = np.hypot(x[:, None], x) < 0.1
        found.append((parts["noisy"] - parts["clean"])[:, centre].std())
    assert found[0] == pytest.approx(found[1], rel=0.15)


@pytest.mark.parametrize("size", [64, 128])
def test_noise_behind_a_trunk_is_that_of_the_stated_photons(size: int) -> None:
    """30 cm of water leave 174 of 7e4 photons; lowered with the size they were 3 at 64 x 64, and the mean 23 HU higher.

    Variance: the law of filtered back-projection with bins as wide as those of 512. Mean: the image of what Poisson's
    law says of E[-ln max(N, 1)], times 512 / size.
    """
    beam, pixel, count = ParallelBeam(size, 180), 40.0 / size, 24
    objects, keys = np.repeat(disc(size, 15.0 / pixel), count, axis=0), [(draw,) for draw in range(count)]
    asked = [Condition("low", noise=Quanta(photons=7e4)), Condition("clean", views=180)]
    found = degrade(objects, np.full(count, pixel), beam, asked, keys)
    x = (np.arange(size) - (size - 1) / 2) * pixel
    centre = np.hypot(x[:, None], x) < 4.0
    noise = (found["low"] - found["clean"])[:, centre]

    expected = 7e4 * np.exp(-project(objects[:1], beam, [pixel]).astype(float))
    counts = np.arange(1.0, 1500.0)
    few = expected < 1000.0
    bias = 1.0 / (2.0 * expected)  # of many photons
    bias[few] = np.log(expected[few]) - stats.poisson.pmf(counts, expected[few][:, None]) @ np.log(counts)
    mean = reconstruct(bias * (512 / size), beam, [pixel])[0][centre].mean()
    error = noise.mean(axis=1).std(ddof=1) / np.sqrt(count)
    assert abs(noise.mean() - mean) < 4.0 * error
    assert 5000.0 * error < 4.0  # HU; the old mean was 23 higher

    reach = np.linspace(0.0, 4.0, 200)[:, None] * np.cos((np.arange(32) + 0.5) * np.pi / 64)
    rays = 1.0 / (7e4 * np.exp(-0.4 * np.sqrt(15.0**2 - reach**2))) @ np.ones(32) / 32
    ray = float(np.average(rays, weights=np.linspace(0.0, 4.0, 200)))  # over the disc of 4 cm
    law = closed_forms.noise_variance("ram-lak", ray, beam.views, 40.0 / 512)
    assert noise.var(axis=0, ddof=1).mean() == pytest.approx(law, rel=0.1)


def test_electronic_noise_adds_its_variance_to_the_quanta() -> None:
    p, photons, sigma = np.full(400_000, 3.0), 2e4, 25.0
    read = photons * np.exp(
        -add_noise(p, Quanta(photons=photons, electronic=sigma), ("read",)).astype(np.float64)
    )
    expected = photons * np.exp(-3.0)
    assert read.mean() == pytest.approx(expected, rel=1e-3)
    assert read.var() == pytest.approx(expected + sigma**2, rel=1e-2)
    quanta = add_noise(p, Quanta(photons=photons), ("read",))
    assert not np.array_equal(add_noise(p, Quanta(photons=photons, electronic=1e-3), ("read",)), quanta)
    starved = add_noise(np.full(1000, 50.0), Quanta(photons=100.0, electronic=25.0), ("dark",))
    assert np.isfinite(starved).all()
    assert starved.max() == pytest.approx(np.log(100.0))  # less than one photon counts as one


def test_electronic_noise_is_seen_in_the_image() -> None:
    beam, image, key = ParallelBeam(64, 60), disc(64, 22.0), [("share",)]
    clean = degrade(image, [0.6], beam, [Condition("clean", views=60)], key)["clean"]
    noises = (Quanta(photons=1e5, electronic=sigma) for sigma in (0.0, 500.0))
    quiet, loud = (
        (degrade(image, [0.6], beam, [Condition("a", noise=noise)], key)["a"] - clean).std()
        for noise in noises
    )
    assert loud > 2 * quiet


SCANS = (ParallelBeam(64, 60), ParallelBeam(64, 60, 180.0, "hann"), FanBeam(64, 60))


@pytest.mark.parametrize("geometry", SCANS, ids=lambda scan: f"{type(scan).__name__}-{scan.filter}")
def test_references_and_the_noise_that_degraded_slices_inherit(geometry: Geometry) -> None:
    objects = np.repeat(disc(64, 20.0), 2, axis=0)
    originals, widths, keys = local_mean(objects, 2), [0.5, 0.5], [("ref", 0), ("ref", 1)]
    few, full = Condition("few", views=30), Condition("full", views=60)
    plain = scan(objects, widths, geometry, keys)
    assert np.array_equal(plain.references(originals), originals)
    clean = scan(objects, widths, geometry, keys, Reference(fbp=True))
    assert np.array_equal(clean.references(originals), plain.degraded([full])["full"])
    assert np.array_equal(clean.degraded([few])["few"], plain.degraded([few])["few"])
    noisy = scan(objects, widths, geometry, keys, Reference(photons=1e8))
    own = scan(objects, widths, geometry, keys, Reference(fbp=True, photons=1e8))
    degraded = noisy.degraded([few, full])
    noise = noisy.references(originals) - originals
    assert noise.std() > 1e-4
    assert np.abs(noise[0] - noise[1]).max() > noise.std()  # each slice has its own
    assert own.references(originals) - clean.references(originals) == pytest.approx(noise, abs=2e-5)
    assert np.array_equal(degraded["full"], own.references(originals))  # all views, no other noise
    inherited = degraded["few"] - plain.degraded([few])["few"]
    assert np.corrcoef(inherited.ravel(), noise.ravel())[0, 1] > 0.3
    again = degrade(objects[1:], widths[1:], geometry, [few], keys[1:], reference=Reference(photons=1e8))
    assert np.array_equal(again["few"][0], degraded["few"][1])


def test_a_low_dose_keeps_its_own_noise_under_a_noisy_reference() -> None:
    """Half of the full dose's photons: variance 1 / I0, of which the full dose's noise is a half, by covariance."""
    beam, count = ParallelBeam(64, 90), 12
    objects, keys = np.repeat(disc(64, 20.0), count, axis=0), [("sum", index) for index in range(count)]
    low, clean = Condition("low", noise=Quanta(photons=2e7)), Condition("clean", views=90)
    x = np.arange(64) - 31.5
    centre = np.hypot(x[:, None], x) < 8

    sharp = degrade(objects[:1], [0.3], beam, [clean], keys[:1])["clean"]

    def noise(reference: Reference) -> tuple[np.ndarray, np.ndarray]:
        found = degrade(objects, np.full(count, 0.3), beam, [low, clean], keys, reference=reference)
        return tuple((found[name] - sharp)[:, centre].ravel() for name in ("low", "clean"))

    alone, (both, full) = noise(Reference())[0], noise(Reference(photons=4e7))
    assert both.var() == pytest.approx(alone.var(), rel=0.1)
    assert full.var() == pytest.approx(alone.var() / 2, rel=0.1)
    assert np.mean(both * full) == pytest.approx(full.var(), rel=0.1)
    assert (both - full).var() == pytest.approx(alone.var() / 2, rel=0.1)  # 1 / I0 - 1 / I_full


def test_more_photons_than_the_full_dose_are_refused() -> None:
    beam, image = ParallelBeam(32, 24), disc(32, 10.0)
    low = Condition("low", noise=Quanta(photons=2e5))
    with pytest.raises(ValueError, match=r"low: 200000 photons are more than the 100000 of the reference"):
        degrade(image, [0.5], beam, [low], [("a",)], reference=Reference(photons=1e5))
    degrade(image, [0.5], beam, [low], [("a",)], reference=Reference(photons=2e5))


def test_degradation_falls_with_dose() -> None:
    beam, image = ParallelBeam(64), disc(64, 22.0)
    levels = [Condition("sv60", 60), Condition("sv90", 90), Condition("sv180", 180)]
    quanta = [Condition(f"{i0:g}", noise=Quanta(photons=i0)) for i0 in (7e4, 1e5, 2e5)]
    found = degrade(image, [0.6], beam, levels + quanta, [("order",)])
    assert list(found) == ["sv60", "sv90", "sv180", "70000", "100000", "200000"]
    errors = [float(((image_ - local_mean(image, 2)) ** 2).mean()) for image_ in found.values()]
    assert all(a > b for part in (errors[:3], errors[3:]) for a, b in pairwise(part))


def test_noise_depends_on_names_only() -> None:
    beam, images = ParallelBeam(32, 24), np.repeat(disc(32, 10.0), 10, axis=0)
    low, lower = Condition("low", noise=Quanta(photons=1e7)), Condition("lower", noise=Quanta(photons=1e6))
    keys = [(1, "patient", str(index)) for index in range(10)]
    batch = degrade(images, np.full(10, 0.5), beam, [low, lower], keys)
    alone = degrade(images[:1], [0.5], beam, [lower], [keys[7]])
    assert np.array_equal(alone["lower"][0], batch["lower"][7])
    assert not np.array_equal(batch["lower"][6], batch["lower"][7])
    renamed = degrade(images[:1], [0.5], beam, [Condition("again", noise=Quanta(photons=1e6))], [keys[7]])[
        "again"
    ]
    assert not np.array_equal(renamed[0], batch["lower"][7])


def test_views_and_photons_together_use_the_fewer_views() -> None:
    beam, image, key = ParallelBeam(32, 24), disc(32, 10.0), ("both",)
    found = degrade(
        image, [0.5], beam, [Condition("both", 6, Quanta(photons=1e14)), Condition("views", 6)], [key]
    )
    assert (
        np.abs(found["both"] - found["views"]).max() < 1e-3
    )  # with this many photons only the streaks are left
    assert np.abs(found["both"] - local_mean(image, 2)).max() > 0.02


def test_local_mean_by_hand() -> None:
    image = np.arange(16.0).reshape(4, 4)
    assert local_mean(image, 2).tolist() == [[2.5, 4.5], [10.5, 12.5]]
    assert local_mean(image[None], 4).tolist() == [[[7.5]]]
    with pytest.raises(ValueError, match="does not divide"):
        local_mean(image, 3)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"name": "", "views": 1}, "name"),
        ({"name": "x", "views": 0}, "views"),
        ({"name": "x", "views": 60.0}, "views"),
    ],
)
def test_impossible_conditions_are_refused(arguments: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Condition(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("photons", [0.0, 0.5, float("inf"), float("nan")])
def test_impossible_references_are_refused(photons: float) -> None:
    with pytest.raises(ValueError, match="reference photons"):
        Reference(photons=photons)


def test_mistakes_are_refused_before_any_work() -> None:
    beam, image = ParallelBeam(32, 720), disc(32, 10.0)
    for views, near in ((100, "90 or 120"), (1000, "nearest: 720$"), (719, "360 or 720")):
        with pytest.raises(ValueError, match=near):
            degrade(image, [0.5], beam, [Condition("odd", views)], [("a",)])
    with pytest.raises(ValueError, match="different names"):
        degrade(image, [0.5], beam, [Condition("a", 60), Condition("a", 90)], [("a",)])
    with pytest.raises(ValueError, match="as many keys"):
        degrade(image, [0.5], beam, [Condition("a", 60)], [])
