"""In which points a profile is not as published, as plain phrases for records and tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.config import schema
from bench.config.load import Config
from bench.config.precedence import Effective
from bench.plan import cells

PUBLISHED_RECIPE = "study"  # where the files hold no published table


def of_data(config: Config, profile: schema.Profile, folds: Sequence[cells.DataIdentity]) -> tuple[str, ...]:
    """Return what sets a profile's slices, fold by fold, apart from the published table's."""
    published = config.experiments.published
    source = config.datasets.sources[profile.source]
    points = []
    if published is not None and source.collection != published.collection:
        points.append(f"source {profile.source} instead of {published.collection}")
    if profile.size != schema.FULL_SIZE:
        points.append(f"size {profile.size} instead of {schema.FULL_SIZE}")
    if source.simulated:
        points += _of_scan(config.datasets, config.experiments.experiments[profile.experiment].conditions)
    accepted = source.accept if isinstance(source, schema.FileSource) else ()
    if accepted:
        points.append(f"values of the source not held against those of a CT: {', '.join(accepted)} accepted")
    limits = {part: count for part, count in profile.slices.model_dump().items() if count is not None}
    points += [f"at most {count} {part} slices" for part, count in limits.items()]
    tested = sum(data.slices.get("test", 0) for data in folds)
    if (
        published is not None
        and source.collection == published.collection
        and tested != published.test_slices
    ):
        points.append(f"{tested} test slices instead of {published.test_slices}")
    if published is not None and len(folds) > 1:
        points.append(f"{len(folds)} folds instead of one split")
    return tuple(points)


def _of_scan(data: schema.Datasets, conditions: Iterable[str]) -> list[str]:
    """Return what sets the simulated scan apart from the published one, which is the default."""
    scan, default, points = data.geometry, schema.Geometry(), []
    if scan.preset != default.preset:
        points.append(f"scan {scan.preset} instead of {default.preset}")
    if scan.views != default.views:
        points.append(f"{scan.views} views instead of {default.views}")
    if scan.filter != default.filter:
        points.append(f"filter {scan.filter} instead of {default.filter}")
    if scan.reference != default.reference:
        points.append("noise-free reconstructions instead of the original slices as reference")
    if scan.reference_photons is not None:
        points.append(f"reference with the noise of {scan.reference_photons:g} photons")
    noises = {name: data.conditions[name].noise_model.besides_quanta for name in conditions}
    for words in dict.fromkeys(filter(None, noises.values())):
        points.append(f"{words} in {', '.join(name for name in noises if noises[name] == words)}")
    return points


def of_training(
    config: Config, profile: schema.Profile, model: schema.Model, effective: Effective, budget: str = ""
) -> tuple[str, ...]:
    """Return what sets a profile's training, as resolved in ``effective``, apart from the published recipe.

    ``budget`` says what a time budget comes to; empty: there is none.
    """
    published = config.experiments.published
    standard = published.recipe if published is not None else PUBLISHED_RECIPE
    recipe = model.recipes[profile.recipe]
    points = [] if profile.recipe == standard else [f"recipe {profile.recipe} instead of {standard}"]
    if budget:
        points.append(budget)
    elif effective.budget is not None and effective.budget.value.slices_seen is not None:
        seen = effective.budget.value.slices_seen
        points.append(f"budget of {seen:,} slices seen instead of {recipe.epochs} epochs")
    before = {key: getattr(recipe, key) for key in effective.recipe} | _named(model.params)
    after = {key: setting.value for key, setting in effective.recipe.items()}
    after |= _named({key: setting.value for key, setting in effective.params.items()})
    for key, value in after.items():
        if key not in before:
            points.append(f"{deviation(key, value)}the default")
        elif value != before[key]:
            points.append(deviation(key, value) + show(before[key]))
    return tuple(points)


def _named(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return build parameters under names that no recipe key has."""
    return {f"parameter {key}": value for key, value in params.items()}


def deviation(key: str, value: Any) -> str:
    """Return how a point of a training setting begins, up to the published value: ``batch 1 instead of ``."""
    return f"{_words(key)} {show(value)} instead of "


def _words(key: str) -> str:
    return key if key.startswith("parameter ") else key.replace("_", " ")


def show(value: Any) -> str:
    """Return a setting in words."""
    if value is None:
        return "whole slices"
    if isinstance(value, schema.Frozen):
        return ", ".join(f"{key} {entry}" for key, entry in value.model_dump(by_alias=True).items())
    return f"{value:g}" if isinstance(value, float) else str(value)
