"""What the two files must agree on: names that refer to each other, sizes, the functions that build networks.

Each check yields faults and never stops at the first. An entry that is broken by itself is left out here, but
its name still counts as known.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench import fitting, spec
from bench.errors import BenchError
from bench.explain import Fault, suggestion
from bench.provenance import BuildInfo, build_info
from bench.yamlnodes import KeyPath

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
MS_SSIM_MIN_SIDE = 161  # pixels; five scales with a window of 11 (bench.losses needs Keras to be asked)
RESERVED = {"models": (spec.INPUT, "all")}


@dataclass
class Names:
    """The names that the files define, section by section; a section that cannot be read at all is absent."""

    sections: dict[str, set[str]] = field(default_factory=dict)

    def unknown(self, section: str, name: str, path: KeyPath, noun: str) -> Iterator[Fault]:
        """Yield a fault where ``section`` is readable and does not hold ``name``."""
        known = self.sections.get(section)
        if known is not None and name not in known:
            yield Fault(path, f"unknown {noun} {name!r}", suggestion(name, sorted(known)))


def names(raw: dict[str, object], sections: Iterable[str]) -> Iterator[Fault]:
    """Yield names that folders and command lines cannot carry, or that mean something else."""
    for section in sections:
        entries = raw.get(section)
        for name in entries if isinstance(entries, dict) else ():
            if not NAME.fullmatch(name):
                remedy = "names have small letters, digits, _ and -"
                yield Fault((section, name), f"{name!r} cannot be a name", remedy)
            elif name in RESERVED.get(section, ()):
                yield Fault((section, name), f"the name {name!r} is reserved", "choose another")


def datasets(value: spec.Datasets, known: Names) -> Iterator[Fault]:
    """Yield what does not fit inside ``datasets.yaml``."""
    for name, condition in value.conditions.items():
        if condition.views and value.geometry.views % condition.views:
            below = max(n for n in range(1, condition.views + 1) if value.geometry.views % n == 0)
            message = f"{condition.views} views do not divide the {value.geometry.views} of the geometry"
            yield Fault(("conditions", name, "views"), message, f"take {below}, for example")
    for name, source in value.sources.items():
        if (
            isinstance(source, spec.FolderSource)
            and source.kind in ("npy", "flt")
            and source.pixel_mm is None
        ):
            yield Fault(("sources", name, "pixel_mm"), "is missing", f"{source.kind} files do not state it")
        if isinstance(source, spec.PairsSource):
            for condition_name in source.degraded:
                path = ("sources", name, "degraded", condition_name)
                yield from known.unknown("conditions", condition_name, path, "condition")
    for name, split in value.splits.items():
        yield from _split(split, ("splits", name))


def _split(split: spec.Split, path: KeyPath) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for part in ("test", "validation", "train"):
        patients = getattr(split, part)
        for number, patient in enumerate(patients if isinstance(patients, tuple) else ()):
            if patient in seen:
                message = f"patient {patient!r} is already in {seen[patient]}"
                yield Fault((*path, part, number), message, "a patient is in one part only")
            seen[patient] = part
    if split.rule == "shares" and float(split.test or 0) + float(split.validation or 0) >= 1:  # type: ignore[arg-type]
        yield Fault((*path, "test"), "test and validation leave nothing to train on")


def experiments(
    value: spec.Experiments, data: spec.Datasets | None, known: Names, base: Path
) -> Iterator[Fault]:
    """Yield what does not fit inside ``experiments.yaml``, or with ``data`` where that could be read."""
    infos: dict[str, BuildInfo] = {}
    for name, model in value.models.items():
        yield from _model(name, model, base, infos)
    for name, experiment in value.experiments.items():
        path = ("experiments", name)
        for key, noun in (("models", "model"), ("conditions", "condition")):
            for number, entry in enumerate(getattr(experiment, key)):
                yield from known.unknown(key, entry, (*path, key, number), noun)
        for key in ("models", "conditions", "seeds"):
            yield from _list(getattr(experiment, key), (*path, key))
    for name, profile in value.profiles.items():
        yield from _references(profile, ("profiles", name), known)
        yield from _profile(profile, ("profiles", name), value, infos)
        if data is not None:
            yield from fitting.data(profile, ("profiles", name), value, data)
    if value.published is not None:
        yield from _published(value.published, value, known)


def _list(entries: list[str] | list[int], path: KeyPath) -> Iterator[Fault]:
    if not entries:
        yield Fault(path, "is empty", "name at least one")
    for entry, count in Counter(entries).items():
        if count > 1:
            yield Fault((*path, len(entries) - 1 - entries[::-1].index(entry)), f"{entry} is listed twice")  # type: ignore[arg-type]


def _model(name: str, model: spec.Model, base: Path, infos: dict[str, BuildInfo]) -> Iterator[Fault]:
    path: KeyPath = ("models", name)
    try:
        infos[name] = info = build_info(model.build, base)
    except BenchError as error:
        place = f" ({error.file}:{error.line})" if error.file else ""
        yield Fault((*path, "build"), f"{error.message}{place}", error.remedy)
        return
    yield from _params(model.params, info, (*path, "params"))
    for missing in [key for key in info.required if key not in model.params]:
        yield Fault((*path, "params", missing), "is missing", f"{model.build} has no default for it")
    for recipe_name, recipe in model.recipes.items():
        at = (*path, "recipes", recipe_name)
        yield from _schedule(recipe.learning_rate, recipe.epochs, at)
        for number, key in enumerate(recipe.chosen):
            if key not in spec.Recipe.model_fields:
                remedy = suggestion(key, spec.Recipe.model_fields)
                yield Fault((*at, "chosen", number), f"unknown recipe key {key!r}", remedy)


def _params(params: dict[str, object], info: BuildInfo, path: KeyPath) -> Iterator[Fault]:
    for key in params:
        if key not in info.parameters and not info.open:
            yield Fault(
                (*path, key), f"{info.file.name} has no such parameter", suggestion(key, info.parameters)
            )


def _schedule(rate: spec.LearningRate, epochs: int, path: KeyPath) -> Iterator[Fault]:
    if isinstance(rate, spec.Steps) and sum(rate.epochs) != epochs:
        message = f"the steps are {sum(rate.epochs)} epochs long, the recipe {epochs}"
        yield Fault((*path, "learning_rate"), message)


def _references(profile: spec.Profile, path: KeyPath, known: Names) -> Iterator[Fault]:
    for key, section in (("experiment", "experiments"), ("source", "sources"), ("split", "splits")):
        yield from known.unknown(section, getattr(profile, key), (*path, key), key)
    for name in profile.training:
        models = known.sections.get("models")
        if models is not None and name != "all" and name not in models:
            remedy = suggestion(name, ["all", *sorted(models)])
            yield Fault((*path, "training", name), f"unknown model {name!r}", remedy)


def _profile(
    profile: spec.Profile, path: KeyPath, value: spec.Experiments, infos: dict[str, BuildInfo]
) -> Iterator[Fault]:
    experiment = value.experiments.get(profile.experiment)
    for name in experiment.models if experiment else ():
        model, info = value.models.get(name), infos.get(name)
        if model is None:
            continue
        if profile.recipe not in model.recipes:
            message = f"model {name} has no recipe {profile.recipe!r}"
            yield Fault((*path, "recipe"), message, suggestion(profile.recipe, model.recipes))
        if info is not None:
            for key in ("all", name):
                overrides = profile.training.get(key, spec.Overrides())
                yield from _params(overrides.params, info, (*path, "training", key, "params"))
        if profile.recipe in model.recipes:
            multiple = info.multiple if info else 1
            yield from _sizes(profile, name, model.recipes[profile.recipe], multiple, path)


def _sizes(
    profile: spec.Profile, model: str, recipe: spec.Recipe, multiple: int, path: KeyPath
) -> Iterator[Fault]:
    if profile.size % multiple:
        yield Fault((*path, "size"), f"{profile.size} is no multiple of {multiple}, which {model} needs")
    (patch, at), (loss, loss_at), (rate, rate_at) = (
        _effective(profile, model, recipe, key, path) for key in ("patch", "loss", "learning_rate")
    )
    if patch is not None and patch > profile.size:
        yield Fault(at, f"patches of {patch} pixels (model {model}) do not fit into size {profile.size}")
    elif patch is not None and patch % multiple:
        yield Fault(at, f"{patch} is no multiple of {multiple}, which {model} needs")
    if loss == "mse_ms_ssim" and min(patch or profile.size, profile.size) < MS_SSIM_MIN_SIDE:
        yield Fault(loss_at, f"mse_ms_ssim (model {model}) needs images of {MS_SSIM_MIN_SIDE} pixels or more")
    if rate is not recipe.learning_rate:
        yield from _schedule(rate, recipe.epochs, rate_at[:-1])


def _effective(profile: spec.Profile, model: str, recipe: spec.Recipe, key: str, path: KeyPath):  # type: ignore[no-untyped-def]
    """Return the value of a recipe's key under a profile and the key path that a person would change."""
    for name in (model, "all"):
        override = getattr(profile.training.get(name), key, None)
        if override is not None:
            return override, (*path, "training", name, key)
    return getattr(recipe, key), (*path, "size")


def _published(table: spec.Published, value: spec.Experiments, known: Names) -> Iterator[Fault]:
    for number, metric in enumerate(table.metrics):
        if metric not in spec.METRIC_IDS:
            remedy = suggestion(metric, spec.METRIC_IDS)
            yield Fault(("published", "metrics", number), f"unknown metric {metric!r}", remedy)
    for condition, row in table.values.items():
        path: KeyPath = ("published", "values", condition)
        yield from known.unknown("conditions", condition, path, "condition")
        for model, numbers in row.items():
            yield from known.unknown("models", model, (*path, model), "model")
            if len(numbers) != len(table.metrics):
                message = f"has {len(numbers)} values for {len(table.metrics)} metrics"
                yield Fault((*path, model), message, f"give {', '.join(table.metrics)}")
    used = {model for row in table.values.values() for model in row}
    for name in sorted(used & value.models.keys()):
        if table.recipe not in value.models[name].recipes:
            message = f"model {name} has no recipe {table.recipe!r}"
            yield Fault(
                ("published", "recipe"), message, suggestion(table.recipe, value.models[name].recipes)
            )
