"""Whether a profile can run: its source, split and conditions fit each other, and its settings fit the networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bench.config import params, schema
from bench.config.faults import Fault
from bench.config.precedence import ALL, RECIPE_KEYS, Effective, settings
from bench.config.yaml_lines import KeyPath
from bench.ct.noise import Noiseless
from bench.names import suggestion
from bench.network_code.signature import BuildInfo


def source_and_split(
    profile: schema.Profile, path: KeyPath, experiments: schema.Experiments, datasets: schema.Datasets
) -> Iterator[Fault]:
    """Yield where source, split and conditions of a profile do not fit each other; ``path`` is the profile's."""
    source, split = datasets.sources.get(profile.source), datasets.splits.get(profile.split)
    experiment = experiments.experiments.get(profile.experiment)
    if source is None or split is None:
        return
    stored, study = isinstance(source, schema.PairsSource), isinstance(source, schema.StudyPairs)
    if study and source.patients is None and split.rule not in ("folders", "list"):
        message = f"source {profile.source} does not name its patients"
        yield Fault((*path, "split"), message, "take a split with rule: folders")
    if split.rule == "folders" and not study:
        message = (
            f"split {profile.split} keeps the folders of the study, which source {profile.source} has not"
        )
        yield Fault((*path, "split"), message, "take a split of patients or shares")
    for name in experiment.conditions if experiment else ():
        condition = datasets.conditions.get(name)
        if condition is None:
            continue
        if isinstance(source, schema.FolderPairs | schema.DicomPairs) and name not in source.degraded:
            message = f"source {profile.source} has no folder for condition {name}"
            yield Fault((*path, "source"), message, f"add it to sources.{profile.source}.degraded")
        if condition.measured and not stored:
            message = f"condition {name} is measured, but the slices of source {profile.source} are projected"
            yield Fault((*path, "source"), message, "take a source of pairs that holds it")


def second_draw(
    profile: schema.Profile, path: KeyPath, experiments: schema.Experiments, datasets: schema.Datasets
) -> Iterator[Fault]:
    """Yield where a network is to learn from a second draw of noise that there is not; ``path`` is the profile's."""
    source, experiment = datasets.sources.get(profile.source), experiments.experiments.get(profile.experiment)
    if source is None or experiment is None:
        return
    chosen = [(name, experiments.models[name]) for name in experiment.models if name in experiments.models]
    twice = [
        name
        for name, model in chosen
        if profile.recipe in model.recipes
        and settings(profile, name, model, model.recipes[profile.recipe], ()).recipe["target"].value
        == "second_draw"
    ]
    known = {name: datasets.conditions[name] for name in experiment.conditions if name in datasets.conditions}
    alike = [name for name, one in known.items() if one.views or isinstance(one.noise_model, Noiseless)]
    for name in twice:
        message = f"model {name} learns from a second draw of the noise, but "
        if not source.simulated:
            remedy = "take a source whose slices are projected here"
            yield Fault((*path, "source"), f"{message}source {profile.source} holds one", remedy)
        elif alike:
            message += f"{', '.join(alike)}: no noise, or streaks that are alike in every draw"
            yield Fault(
                (*path, "experiment"), message, "take an experiment of conditions with noise and all views"
            )


def reference(
    profile_name: str, experiments: schema.Experiments, datasets: schema.Datasets
) -> Iterator[Fault]:
    """Yield what ``datasets.geometry`` asks of the references that the profile ``profile_name`` cannot have.

    References of stored pairs lie on disk, and a lower dose keeps a part of the photons of the full one. Profiles
    share a geometry, so that is no fault of the file as long as nobody asks for this one.
    """
    profile, geometry = experiments.profiles[profile_name], datasets.geometry
    if isinstance(datasets.sources[profile.source], schema.PairsSource):
        for key in ("reference", "reference_photons"):
            if getattr(geometry, key) != getattr(schema.Geometry(), key):
                message = f"profile {profile_name} reads pairs whose references lie on disk"
                yield Fault(("geometry", key), message, "leave it out")
        return
    full = geometry.reference_photons
    if full is None:
        return
    for name in experiments.experiments[profile.experiment].conditions:
        condition = datasets.conditions[name]
        counted = condition.photons is not None
        try:
            condition.noise_model.check_part_of(full)
        except ValueError as error:
            remedy = "leave out geometry.reference_photons"
            if counted:
                remedy = f"take at most {full:g}, or raise geometry.reference_photons"
            yield Fault(("conditions", name, "photons" if counted else "noise"), str(error), remedy)


def training(
    profile: schema.Profile, path: KeyPath, experiments: schema.Experiments, infos: Mapping[str, BuildInfo]
) -> Iterator[Fault]:
    """Yield what is wrong with what each network of a profile trains with; ``infos`` say what they take."""
    experiment = experiments.experiments.get(profile.experiment)
    trained: dict[str, Effective] = {}
    models = [name for name in (experiment.models if experiment else ()) if name in experiments.models]
    for name in models:
        model, info = experiments.models[name], infos.get(name)
        recipe = model.recipes.get(profile.recipe)
        if recipe is None:
            message = f"model {name} has no recipe {profile.recipe!r}"
            yield Fault((*path, "recipe"), message, suggestion(profile.recipe, model.recipes))
        own_params = profile.training.get(name, schema.Overrides()).params
        if info is not None:
            yield from params.faults(own_params, info, (*path, "training", name, "params"))
        if recipe is not None:
            declared = info.parameters if info else ()
            trained[name] = settings(profile, name, model, recipe, declared)
            yield from _sizes(profile, name, recipe, trained[name], info.multiple if info else 1, path)
    if models and all(name in infos and name in trained for name in models):
        yield from _for_all(
            profile, (*path, "training", ALL), {name: infos[name] for name in models}, trained
        )


def _for_all(
    profile: schema.Profile, path: KeyPath, infos: dict[str, BuildInfo], trained: dict[str, Effective]
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
        key for one in trained.values() for key, setting in one.recipe.items() if setting.origin == "all"
    }
    for key in RECIPE_KEYS:
        if getattr(everyone, key) is not None and key not in reached:
            message = "reaches no network: the recipe of each states its own"
            yield Fault(
                (*path, key), message, f"write it under the models, {', '.join(infos)}, instead of {ALL}"
            )


def _sizes(
    profile: schema.Profile,
    model: str,
    recipe: schema.Recipe,
    effective: Effective,
    multiple: int,
    path: KeyPath,
) -> Iterator[Fault]:
    if profile.size % multiple:
        yield Fault((*path, "size"), f"{profile.size} is no multiple of {multiple}, which {model} needs")

    def at(key: str) -> KeyPath:
        """Return the key path that a person would change."""
        origin = effective.recipe[key].origin
        return (
            (*path, "size")
            if origin == "recipe"
            else (*path, "training", {"all": ALL}.get(origin, model), key)
        )

    patch, loss, rate = (effective.recipe[key].value for key in ("patch", "loss", "learning_rate"))
    if patch is not None and patch > profile.size:
        yield Fault(
            at("patch"), f"patches of {patch} pixels (model {model}) do not fit into size {profile.size}"
        )
    elif patch is not None and patch % multiple:
        yield Fault(at("patch"), f"{patch} is no multiple of {multiple}, which {model} needs")
    if loss == "mse_ms_ssim" and min(patch or profile.size, profile.size) < schema.MS_SSIM_MIN_SIDE:
        message = f"mse_ms_ssim (model {model}) needs images of {schema.MS_SSIM_MIN_SIDE} pixels or more"
        yield Fault(at("loss"), message)
    if rate is not recipe.learning_rate:
        yield from rate_length(rate, recipe.epochs, at("learning_rate")[:-1])


def rate_length(rate: schema.LearningRate, epochs: int, path: KeyPath) -> Iterator[Fault]:
    """Yield a fault where a learning rate is not as long as its recipe; ``path`` is that of the settings."""
    if isinstance(rate, schema.Steps) and sum(rate.epochs) != epochs:
        message = f"the steps are {sum(rate.epochs)} epochs long, the recipe {epochs}"
        yield Fault((*path, "learning_rate"), message)
