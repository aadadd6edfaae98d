"""Whether the source, the split and the conditions that a profile names fit each other."""

from __future__ import annotations

from collections.abc import Iterator

from bench.config import schema
from bench.config.faults import Fault
from bench.config.yaml_lines import KeyPath


def data(
    profile: schema.Profile, path: KeyPath, value: schema.Experiments, data: schema.Datasets
) -> Iterator[Fault]:
    """Yield where source, split and conditions of a profile do not fit each other; ``path`` is the profile's."""
    source, split = data.sources.get(profile.source), data.splits.get(profile.split)
    experiment = value.experiments.get(profile.experiment)
    if source is None or split is None:
        return
    stored = source if isinstance(source, schema.PairsSource) else None
    study = stored is not None and stored.layout == "study"
    if study and source.patients is None and split.rule not in ("folders", "list"):
        message = f"source {profile.source} does not name its patients"
        yield Fault((*path, "split"), message, "take a split with rule: folders")
    if split.rule == "folders" and not study:
        message = (
            f"split {profile.split} keeps the folders of the study, which source {profile.source} has not"
        )
        yield Fault((*path, "split"), message, "take a split of patients or shares")
    for name in experiment.conditions if experiment else ():
        condition = data.conditions.get(name)
        if condition is None:
            continue
        if stored and not study and name not in stored.degraded:
            message = f"source {profile.source} has no folder for condition {name}"
            yield Fault((*path, "source"), message, f"add it to sources.{profile.source}.degraded")
        if condition.measured and not stored:
            message = f"condition {name} is measured, but the slices of source {profile.source} are projected"
            yield Fault((*path, "source"), message, "take a source of pairs that holds it")
