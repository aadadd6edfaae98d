"""What the two files must agree on: names that refer to each other, the networks, the published table.

Each check yields faults and never stops at the first. An entry that is broken by itself is left out here, but
its name still counts as known.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.classical import METHODS
from bench.config import params, profile_checks, schema
from bench.config.faults import Fault
from bench.config.precedence import ALL
from bench.config.yaml_lines import KeyPath
from bench.errors import BenchError
from bench.metrics import METRICS
from bench.names import suggestion
from bench.network_code.signature import BuildInfo, build_info

NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
RESERVED = {"models": (schema.INPUT, ALL, *METHODS)}


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
        if isinstance(source, schema.FolderSource) and source.kind in ("npy", "flt") and not source.pixel_mm:
            yield Fault(("sources", name, "pixel_mm"), "is missing", f"{source.kind} files do not state it")
        if isinstance(source, schema.FolderPairs | schema.DicomPairs):
            for condition_name in source.degraded:
                path = ("sources", name, "degraded", condition_name)
                yield from known.unknown("conditions", condition_name, path, "condition")
    for name, split in value.splits.items():
        yield from _split(split, ("splits", name))


def _split(split: schema.AnySplit, path: KeyPath) -> Iterator[Fault]:
    if isinstance(split, schema.ShareSplit) and split.test + split.validation >= 1:
        yield Fault((*path, "test"), "test and validation leave nothing to train on")
    if not isinstance(split, schema.PatientSplit):
        return
    part_of: dict[str, str] = {}
    for part in ("test", "validation", "train"):
        for number, patient in enumerate(getattr(split, part) or ()):
            if patient in part_of:
                message = f"patient {patient!r} is already in {part_of[patient]}"
                yield Fault((*path, part, number), message, "a patient is in one part only")
            part_of[patient] = part


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
        for number, entry in enumerate(experiment.classical):
            if entry not in METHODS:
                at = (*path, "classical", number)
                yield Fault(at, f"unknown classical method {entry!r}", suggestion(entry, METHODS))
        if experiment.classical:
            yield from _list(experiment.classical, (*path, "classical"))
    for name, profile in value.profiles.items():
        path = ("profiles", name)
        yield from _references(profile, path, known)
        yield from profile_checks.training(profile, path, value, infos)
        if data is not None:
            yield from profile_checks.source_and_split(profile, path, value, data)
            yield from profile_checks.second_draw(profile, path, value, data)
    if value.published is not None:
        yield from published(value.published, value, known)


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
        yield from profile_checks.rate_length(recipe.learning_rate, recipe.epochs, at)
        for number, key in enumerate(recipe.chosen):
            if key not in schema.Recipe.model_fields:
                remedy = suggestion(key, schema.Recipe.model_fields)
                yield Fault((*at, "chosen", number), f"unknown recipe key {key!r}", remedy)


def _references(profile: schema.Profile, path: KeyPath, known: Names) -> Iterator[Fault]:
    for key, section in (("experiment", "experiments"), ("source", "sources"), ("split", "splits")):
        yield from known.unknown(section, getattr(profile, key), (*path, key), key)
    for name in profile.training:
        models = known.sections.get("models")
        if models is not None and name != ALL and name not in models:
            remedy = suggestion(name, [ALL, *sorted(models)])
            yield Fault((*path, "training", name), f"unknown model {name!r}", remedy)


def published(
    table: schema.Published, value: schema.Experiments, known: Names, at: KeyPath = ("published",)
) -> Iterator[Fault]:
    """Yield what does not fit in a published table that stands under the keys ``at``."""
    for number, metric in enumerate(table.metrics):
        if metric not in METRICS:
            remedy = suggestion(metric, METRICS)
            yield Fault((*at, "metrics", number), f"unknown metric {metric!r}", remedy)
    if table.decimals and len(table.decimals) != len(table.metrics):
        message = f"has {len(table.decimals)} values for {len(table.metrics)} metrics"
        yield Fault((*at, "decimals"), message, "give one for each, or leave it out")
    for condition, row in table.values.items():
        path: KeyPath = (*at, "values", condition)
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
            yield Fault((*at, "recipe"), message, suggestion(table.recipe, value.models[name].recipes))
