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

from bench.config import params, profile_checks, schema
from bench.config.faults import Fault
from bench.config.precedence import ALL, RECIPE_KEYS, Settings, settings
from bench.config.yaml_lines import KeyPath
from bench.errors import BenchError
from bench.metrics import METRICS
from bench.names import suggestion
from bench.network_code.signature import BuildInfo, build_info

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
MS_SSIM_MIN_SIDE = (
    161  # pixels; five scales with a window of 11 (bench.training.losses needs Keras to be asked)
)
RESERVED = {"models": (schema.INPUT, ALL)}


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


def datasets(value: schema.Datasets, known: Names) -> Iterator[Fault]:
    """Yield what does not fit inside ``datasets.yaml``."""
    for name, condition in value.conditions.items():
        if condition.views and value.geometry.views % condition.views:
            below = max(n for n in range(1, condition.views + 1) if value.geometry.views % n == 0)
            message = f"{condition.views} views do not divide the {value.geometry.views} of the geometry"
            yield Fault(("conditions", name, "views"), message, f"take {below}, for example")
    for name, source in value.sources.items():
        if (
            isinstance(source, schema.FolderSource)
            and source.kind in ("npy", "flt")
            and source.pixel_mm is None
        ):
            yield Fault(("sources", name, "pixel_mm"), "is missing", f"{source.kind} files do not state it")
        if isinstance(source, schema.PairsSource):
            for condition_name in source.degraded:
                path = ("sources", name, "degraded", condition_name)
                yield from known.unknown("conditions", condition_name, path, "condition")
    for name, split in value.splits.items():
        yield from _split(split, ("splits", name))


def _split(split: schema.Split, path: KeyPath) -> Iterator[Fault]:
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


def networks(value: schema.Experiments, base: Path, infos: dict[str, BuildInfo]) -> Iterator[Fault]:
    """Yield what is wrong with the models, and put into ``infos`` what each ``build`` says about itself."""
    for name, model in value.models.items():
        yield from _model(name, model, base, infos)


def experiments(
    value: schema.Experiments, data: schema.Datasets | None, known: Names, infos: dict[str, BuildInfo]
) -> Iterator[Fault]:
    """Yield what does not fit inside ``experiments.yaml``, or with ``data`` where that could be read."""
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
            yield from profile_checks.data(profile, ("profiles", name), value, data)
    if value.published is not None:
        yield from _published(value.published, value, known)


def _list(entries: list[str] | list[int], path: KeyPath) -> Iterator[Fault]:
    if not entries:
        yield Fault(path, "is empty", "name at least one")
    for entry, count in Counter(entries).items():
        if count > 1:
            yield Fault((*path, len(entries) - 1 - entries[::-1].index(entry)), f"{entry} is listed twice")  # type: ignore[arg-type]


def _model(name: str, model: schema.Model, base: Path, infos: dict[str, BuildInfo]) -> Iterator[Fault]:
    path: KeyPath = ("models", name)
    try:
        infos[name] = info = build_info(model.build, base)
    except BenchError as error:
        place = f" ({error.file}:{error.line})" if error.file else ""
        yield Fault((*path, "build"), f"{error.message}{place}", error.remedy)
        return
    yield from params.faults(model.params, info, (*path, "params"))
    for missing in [key for key in info.required if key not in model.params]:
        yield Fault((*path, "params", missing), "is missing", f"{model.build} has no default for it")
    for recipe_name, recipe in model.recipes.items():
        at = (*path, "recipes", recipe_name)
        yield from _schedule(recipe.learning_rate, recipe.epochs, at)
        for number, key in enumerate(recipe.chosen):
            if key not in schema.Recipe.model_fields:
                remedy = suggestion(key, schema.Recipe.model_fields)
                yield Fault((*at, "chosen", number), f"unknown recipe key {key!r}", remedy)


def _schedule(rate: schema.LearningRate, epochs: int, path: KeyPath) -> Iterator[Fault]:
    if isinstance(rate, schema.Steps) and sum(rate.epochs) != epochs:
        message = f"the steps are {sum(rate.epochs)} epochs long, the recipe {epochs}"
        yield Fault((*path, "learning_rate"), message)


def _references(profile: schema.Profile, path: KeyPath, known: Names) -> Iterator[Fault]:
    for key, section in (("experiment", "experiments"), ("source", "sources"), ("split", "splits")):
        yield from known.unknown(section, getattr(profile, key), (*path, key), key)
    for name in profile.training:
        models = known.sections.get("models")
        if models is not None and name != ALL and name not in models:
            remedy = suggestion(name, [ALL, *sorted(models)])
            yield Fault((*path, "training", name), f"unknown model {name!r}", remedy)


def _profile(
    profile: schema.Profile, path: KeyPath, value: schema.Experiments, infos: dict[str, BuildInfo]
) -> Iterator[Fault]:
    experiment = value.experiments.get(profile.experiment)
    found: dict[str, Settings] = {}
    models = [name for name in (experiment.models if experiment else ()) if name in value.models]
    for name in models:
        model, info = value.models[name], infos.get(name)
        recipe = model.recipes.get(profile.recipe)
        if recipe is None:
            message = f"model {name} has no recipe {profile.recipe!r}"
            yield Fault((*path, "recipe"), message, suggestion(profile.recipe, model.recipes))
        own = profile.training.get(name, schema.Overrides()).params
        if info is not None:
            yield from params.faults(own, info, (*path, "training", name, "params"))
        if recipe is not None:
            declared = info.parameters if info else ()
            found[name] = settings(profile, name, model, recipe, declared)
            yield from _sizes(profile, name, recipe, found[name], info.multiple if info else 1, path)
    if models and all(name in infos and name in found for name in models):
        yield from _for_all(profile, (*path, "training", ALL), {name: infos[name] for name in models}, found)


def _for_all(
    profile: schema.Profile, path: KeyPath, infos: dict[str, BuildInfo], found: dict[str, Settings]
) -> Iterator[Fault]:
    """Yield what ``training.all`` asks of no network, and values that a network it reaches would not take."""
    everyone = profile.training.get(ALL, schema.Overrides())
    for info in infos.values():
        declared = {key: value for key, value in everyone.params.items() if key in info.parameters}
        yield from params.faults(declared, info, (*path, "params"))
    known = sorted({key for info in infos.values() for key in info.parameters})
    for key in everyone.params:
        if key not in known:
            message = "no network of the profile has such a parameter"
            yield Fault((*path, "params", key), message, suggestion(key, known))
    if any(name in profile.training for name in infos):
        return
    reached = {
        key for one in found.values() for key, setting in one.recipe.items() if setting.origin == "all"
    }
    for key in RECIPE_KEYS:
        if getattr(everyone, key) is not None and key not in reached:
            message = "reaches no network: the recipe of each states its own"
            yield Fault(
                (*path, key), message, f"write it under the models, {', '.join(infos)}, instead of {ALL}"
            )


def _sizes(
    profile: schema.Profile, model: str, recipe: schema.Recipe, found: Settings, multiple: int, path: KeyPath
) -> Iterator[Fault]:
    if profile.size % multiple:
        yield Fault((*path, "size"), f"{profile.size} is no multiple of {multiple}, which {model} needs")

    def at(key: str) -> KeyPath:
        """Return the key path that a person would change."""
        origin = found.recipe[key].origin
        return (
            (*path, "size")
            if origin == "recipe"
            else (*path, "training", {"all": ALL}.get(origin, model), key)
        )

    patch, loss, rate = (found.recipe[key].value for key in ("patch", "loss", "learning_rate"))
    if patch is not None and patch > profile.size:
        yield Fault(
            at("patch"), f"patches of {patch} pixels (model {model}) do not fit into size {profile.size}"
        )
    elif patch is not None and patch % multiple:
        yield Fault(at("patch"), f"{patch} is no multiple of {multiple}, which {model} needs")
    if loss == "mse_ms_ssim" and min(patch or profile.size, profile.size) < MS_SSIM_MIN_SIDE:
        message = f"mse_ms_ssim (model {model}) needs images of {MS_SSIM_MIN_SIDE} pixels or more"
        yield Fault(at("loss"), message)
    if rate is not recipe.learning_rate:
        yield from _schedule(rate, recipe.epochs, at("learning_rate")[:-1])


def _published(table: schema.Published, value: schema.Experiments, known: Names) -> Iterator[Fault]:
    for number, metric in enumerate(table.metrics):
        if metric not in METRICS:
            remedy = suggestion(metric, METRICS)
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
