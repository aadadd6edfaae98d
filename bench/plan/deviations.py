"""In which points a profile is not as published, as plain phrases for records and tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.config import schema
from bench.config.load import Config
from bench.config.precedence import Settings
from bench.plan import cells

PUBLISHED_RECIPE = "study"  # where the files hold no published table


def of_data(config: Config, profile: schema.Profile, folds: Sequence[cells.DataIdentity]) -> tuple[str, ...]:
    """Return what sets a profile's slices, fold by fold, apart from the published table's."""
    published = config.experiments.published
    source = config.datasets.sources[profile.source]
    found = []
    if published is not None and source.collection != published.collection:
        found.append(f"source {profile.source} instead of {published.collection}")
    if profile.size != schema.FULL_SIZE:
        found.append(f"size {profile.size} instead of {schema.FULL_SIZE}")
    if source.simulated:
        found += _of_scan(config.datasets, config.experiments.experiments[profile.experiment].conditions)
    accepted = () if isinstance(source, schema.PhantomSource) else source.accept
    if accepted:
        found.append(f"values of the source not held against those of a CT: {', '.join(accepted)} accepted")
    limits = {part: count for part, count in profile.slices.model_dump().items() if count is not None}
    found += [f"at most {count} {part} slices" for part, count in limits.items()]
    tested = sum(data.slices.get("test", 0) for data in folds)
    if (
        published is not None
        and source.collection == published.collection
        and tested != published.test_slices
    ):
        found.append(f"{tested} test slices instead of {published.test_slices}")
    if published is not None and len(folds) > 1:
        found.append(f"{len(folds)} folds instead of one split")
    return tuple(found)


def _of_scan(data: schema.Datasets, conditions: Iterable[str]) -> list[str]:
    """Return what sets the simulated scan apart from the published one, which is the default."""
    asked, default, found = data.geometry, schema.Geometry(), []
    if asked.preset != default.preset:
        found.append(f"scan {asked.preset} instead of {default.preset}")
    if asked.views != default.views:
        found.append(f"{asked.views} views instead of {default.views}")
    if asked.filter != default.filter:
        found.append(f"filter {asked.filter} instead of {default.filter}")
    if asked.reference != default.reference:
        found.append("noise-free reconstructions instead of the original slices as reference")
    if asked.reference_photons is not None:
        found.append(f"reference with the noise of {asked.reference_photons:g} photons")
    noises = {name: data.conditions[name].noise_model.besides_quanta for name in conditions}
    for words in dict.fromkeys(filter(None, noises.values())):
        found.append(f"{words} in {', '.join(name for name in noises if noises[name] == words)}")
    return found


def of_training(
    config: Config, profile: schema.Profile, model: schema.Model, found: Settings
) -> tuple[str, ...]:
    """Return what sets a profile's training, as resolved in ``found``, apart from the published recipe."""
    published = config.experiments.published
    wanted = published.recipe if published is not None else PUBLISHED_RECIPE
    recipe = model.recipes[profile.recipe]
    points = [] if profile.recipe == wanted else [f"recipe {profile.recipe} instead of {wanted}"]
    if found.budget is not None:
        seen = found.budget.value.slices_seen
        points.append(f"budget of {seen:,} slices seen instead of {recipe.epochs} epochs")
    before = {key: getattr(recipe, key) for key in found.recipe} | _named(model.params)
    after = {key: setting.value for key, setting in found.recipe.items()}
    after |= _named({key: setting.value for key, setting in found.params.items()})
    for key, value in after.items():
        if key not in before:
            points.append(f"{_words(key)} {show(value)} instead of the default")
        elif value != before[key]:
            points.append(f"{_words(key)} {show(value)} instead of {show(before[key])}")
    return tuple(points)


def _named(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return build parameters under names that no recipe key has."""
    return {f"parameter {key}": value for key, value in params.items()}


def _words(key: str) -> str:
    return key if key.startswith("parameter ") else key.replace("_", " ")


def show(value: Any) -> str:
    """Return a setting in words."""
    if value is None:
        return "whole slices"
    if isinstance(value, schema.Frozen):
        return ", ".join(f"{key} {entry}" for key, entry in value.model_dump(by_alias=True).items())
    return f"{value:g}" if isinstance(value, float) else str(value)
