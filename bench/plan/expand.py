"""From the files to the list of cells: everything is resolved here, and nothing is read or drawn.

``expand`` is a pure function of the configuration, the identity of the data, the hashes of the networks' code
and the versions of physics and training. Labels, titles and descriptions do not reach a cell's id.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench import classical
from bench.config import schema
from bench.config.load import Config
from bench.config.precedence import Effective, Setting, settings
from bench.errors import BenchError, BenchErrors
from bench.names import suggestion
from bench.plan import cells, deviations

Pair = tuple[str, str]  # model, condition


def expand(
    config: Config,
    profile_name: str,
    folds: Sequence[cells.DataIdentity],
    code: Mapping[str, str],
    versions: Mapping[str, int],
    *,
    leaky: str = "",
    budget: cells.TimeBudget | None = None,
) -> cells.Plan:
    """Return every cell of a profile: the untreated inputs first, then by model, condition, seed and fold.

    Classical methods come last; they have no seed.

    Args:
        config: Both files.
        profile_name: A key of ``profiles`` that ``config.load.profile`` has let through.
        folds: The slices that the profile chooses, for each fold; one where its split has none.
        code: Hash of the code of each model, by the model's name.
        versions: Integer versions of ``physics`` and ``training``.
        leaky: Why the split is leaky; empty where it is clean.
        budget: In place of all budgets of the profile: every cell sees as many slices, in as many checks as without it.
    """
    profile = config.experiments.profiles[profile_name]
    experiment = config.experiments.experiments[profile.experiment]
    conditions = config.datasets.conditions
    return cells.Plan(
        profile=profile_name,
        description=profile.description,
        models={name: config.experiments.models[name].label or name for name in experiment.models}
        | {name: classical.METHODS[name].label for name in experiment.classical},
        conditions={name: conditions[name].label or name for name in experiment.conditions},
        seeds=list(experiment.seeds),
        source=_source(config.datasets.sources[profile.source]),
        published=config.experiments.published,
        further=dict(config.further),
        leaky=leaky,
        budget=budget,
        configuration=config.files,
        cells=list(_cells(config, profile, folds, code, versions, budget)),
    )


def parse_only(
    texts: Iterable[str], experiment: schema.Experiment, further: Iterable[str] = ()
) -> list[Pair]:
    """Return ``MODEL:CONDITION`` texts as pairs, each once, in the order given.

    Raises ``BenchErrors`` with the nearest name for every bad one. ``input`` is a model here, and so are
    ``further`` ones that were submitted.
    """
    models = list(dict.fromkeys((*experiment.models, *experiment.classical, schema.INPUT, *further)))
    pairs: list[Pair] = []
    errors: list[BenchError] = []
    for text in texts:
        model, colon, condition = text.partition(":")
        if not colon:
            errors.append(
                BenchError(
                    f"--only {text}: must be MODEL:CONDITION", remedy="for example " + _example(experiment)
                )
            )
            continue
        for name, known, noun in ((model, models, "model"), (condition, experiment.conditions, "condition")):
            if name not in known:
                errors.append(
                    BenchError(f"--only {text}: unknown {noun} {name!r}", remedy=suggestion(name, known))
                )
        pairs.append((model, condition))
    if errors:
        raise BenchErrors(errors)
    return list(dict.fromkeys(pairs))


def select(plan: cells.Plan, only: Sequence[Pair] | None) -> list[cells.PlannedCell]:
    """Return the cells to run in the order of the plan: all, or those of the given pairs, every seed and fold."""
    return [cell for cell in plan.cells if only is None or (cell.spec.model, cell.condition) in only]


def resolved(config: Config, profile: schema.Profile, name: str) -> Effective:
    """Return what the model ``name`` trains with under a profile, each setting with where it comes from."""
    model = config.experiments.models[name]
    return settings(profile, name, model, model.recipes[profile.recipe], config.builds[name].parameters)


def training(
    recipe: schema.Recipe, profile: schema.Profile, effective: Effective, slices: int
) -> cells.Training:
    """Return the training of one model under a profile; ``slices`` is the number of training slices."""
    values: dict[str, Any] = {key: setting.value for key, setting in effective.recipe.items()}
    if (
        effective.budget is None or effective.budget.value.slices_seen is None
    ):  # of a time that is not resolved
        drawn = values["patches_per_slice"] if values["patch"] else 1
        epochs = recipe.epochs
        updates = math.ceil(recipe.passes * slices * drawn / values["batch"])
    else:
        epochs = effective.budget.value.checks
        area = cells.batch_area(values["batch"], values["patch"], profile.size)
        updates = round(effective.budget.value.slices_seen / epochs / area)
    return cells.Training(
        recipe=profile.recipe,
        optimizer=recipe.optimizer,
        schedule_epochs=recipe.epochs,
        epochs=epochs,
        updates_per_epoch=max(1, updates),
        **values,
    )


# --- parts of a plan ---


def _cells(
    config: Config,
    profile: schema.Profile,
    folds: Sequence[cells.DataIdentity],
    code: Mapping[str, str],
    versions: Mapping[str, int],
    budget: cells.TimeBudget | None,
) -> Iterator[cells.PlannedCell]:
    experiment = config.experiments.experiments[profile.experiment]
    datasets = [[_dataset(config, profile, name, data) for data in folds] for name in experiment.conditions]
    stored = folds[0].kind == "pairs"
    used = {name: value for name, value in versions.items() if name != "physics" or not stored}
    sliced = deviations.of_data(config, profile, folds)
    for dataset in itertools.chain(*datasets):
        cell = _input(dataset, {name: value for name, value in used.items() if name != "training"})
        yield cells.PlannedCell(id=cell.id, spec=cell, scaled=sliced)
    for name in experiment.models:
        model = config.experiments.models[name]
        recipe = model.recipes[profile.recipe]
        effective, words = resolved(config, profile, name), ""
        if budget is not None:
            usual = training(
                recipe, profile, replace(effective, budget=None), folds[0].slices.get("train", 0)
            )
            of_recipe = f"{usual.slices_seen(profile.size):,.0f}"
            words = f"budget {budget.words}: {budget.slices_seen:,} slices per cell instead of {of_recipe}"
            effective = _within(budget, effective, recipe)
        points = (*sliced, *deviations.of_training(config, profile, model, effective, words))
        ordered = itertools.product(datasets, experiment.seeds)
        for dataset, seed in ((dataset, seed) for every, seed in ordered for dataset in every):
            cell = cells.Cell(
                model=name,
                build=model.build,
                params={key: setting.value for key, setting in effective.params.items()},
                training=training(recipe, profile, effective, dataset.data.slices.get("train", 0)),
                dataset=dataset,
                seed=seed,
                code=code[name],
                versions=used,
            )
            yield cells.PlannedCell(
                id=cell.id, spec=cell, scaled=points, chosen=recipe.chosen, recipe_source=recipe.source
            )
    untrained = {name: value for name, value in used.items() if name != "training"}
    for name in experiment.classical:
        for dataset in itertools.chain(*datasets):
            cell = _classical(name, dataset, untrained | {"classical": classical.VERSION})
            yield cells.PlannedCell(id=cell.id, spec=cell, scaled=sliced)


def _within(budget: cells.TimeBudget, effective: Effective, recipe: schema.Recipe) -> Effective:
    """Return the settings with the slices of a time budget, in as many checks as without it."""
    checks = effective.budget.value.checks if effective.budget is not None else recipe.epochs
    value = schema.Budget(slices_seen=budget.slices_seen, checks=checks)
    return replace(effective, budget=Setting(value, "profile"))


def _dataset(config: Config, profile: schema.Profile, name: str, data: cells.DataIdentity) -> cells.Dataset:
    condition = config.datasets.conditions[name]
    return cells.Dataset(
        data=data,
        condition=name,
        dose=schema.Dose(**{key: getattr(condition, key) for key in schema.Dose.model_fields}),
        geometry=config.datasets.geometry,
        size=profile.size,
        noise_seed=profile.noise_seed,
    )


def _input(dataset: cells.Dataset, versions: dict[str, int]) -> cells.Cell:
    return _without_training(schema.INPUT, {}, dataset, versions)


def _classical(name: str, dataset: cells.Dataset, versions: dict[str, int]) -> cells.Cell:
    return _without_training(name, {"strengths": list(classical.STRENGTHS)}, dataset, versions)


def _without_training(
    model: str, params: dict[str, Any], dataset: cells.Dataset, versions: dict[str, int]
) -> cells.Cell:
    return cells.Cell(
        model=model,
        build=None,
        params=params,
        training=None,
        dataset=dataset,
        seed=0,
        code="",
        versions=versions,
    )


def _source(source: schema.AnySource) -> dict[str, Any]:
    keys = ("title", "licence", "citation", "restricted", "kind", "collection")
    return {key: getattr(source, key) for key in keys}


def _example(experiment: schema.Experiment) -> str:
    return f"{experiment.models[0]}:{experiment.conditions[0]}"
