"""An own condition: fewer views, photons or both, and a profile that tries it on the phantom."""

from __future__ import annotations

from bench.config.load import DATASETS as DATASETS_FILE
from bench.config.load import EXPERIMENTS as EXPERIMENTS_FILE
from bench.errors import BenchError
from bench.scaffold.files import HEAD, SMALL_PHANTOM, UNET, Scaffold, new_name, packaged_config

VIEWS, PHOTONS = 120, 5e4  # chosen: a sparse scan at a low dose, which the packaged conditions do not have
DATASETS = """\
{head}
conditions:
  # views: of {all_views}, evenly spaced; photons: per ray; electronic_noise, in photons, may be added
  {name}: {{{entry}}}
"""
EXPERIMENTS = """\
{head}
experiments:
  {name}: {{models: [unet], conditions: [{name}]}}

profiles:
  {name}: # chosen: all of it; a phantom's decibels are never those of patients
    description: UNet on the condition {name} of a small phantom, a minute on a CPU
    experiment: {name}
{phantom}\
    budget: {{slices_seen: 400, checks: 2}}
    training:
{unet}"""


def of(name: str, views: int | None = None, photons: float | None = None) -> Scaffold:
    """Return the files of a condition called ``name``; without views and photons both are chosen.

    Raises:
        BenchError: it cannot be called so, or the views do not divide those of the packaged scan.
    """
    known = packaged_config()
    profiles = known.experiments.profiles
    new_name(name, "condition", {*known.datasets.conditions, *profiles, *known.experiments.experiments})
    if views is None and photons is None:
        views, photons = VIEWS, PHOTONS
    every = known.datasets.geometry.views
    if views and every % views:
        below = max(number for number in range(1, views + 1) if every % number == 0)
        raise BenchError(
            f"{views} views do not divide the {every} of the scan", key="--views", remedy=f"take {below}"
        )
    keys = {
        "views": None if views is None else str(views),
        "photons": None if photons is None else f"{photons:g}",
    }
    given = {key: value for key, value in keys.items() if value is not None}
    label = " and ".join(f"{value} {key}" for key, value in given.items())
    entry = ", ".join([f"label: {label}", *(f"{key}: {value}" for key, value in given.items())])
    return Scaffold(
        {
            DATASETS_FILE: DATASETS.format(head=HEAD, name=name, entry=entry, all_views=every),
            EXPERIMENTS_FILE: EXPERIMENTS.format(head=HEAD, name=name, phantom=SMALL_PHANTOM, unet=UNET),
        },
        (f"condition {name}: {label}; change its views and photons in {DATASETS_FILE}",),
        (f"bench plan --profile {name}", f"bench run --all --profile {name}"),
    )
