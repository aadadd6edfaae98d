"""The shape of ``experiments.yaml``: networks with recipes, experiments, profiles, a published table."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_type_hints

from pydantic import Field, SerializerFunctionWrapHandler, create_model, model_serializer, model_validator

from bench import words
from bench.config.schema.base import FULL_SIZE, Frozen, Positive, Rate
from bench.config.schema.unions import ByForm


class Decay(Frozen):
    """A learning rate falling geometrically from ``from`` to ``to`` over the whole training."""

    from_: Rate = Field(alias="from")
    to: Rate


class Halving(Frozen):
    """A learning rate ``start / 2^(epoch / halve_every)``."""

    start: Rate
    halve_every: Positive


class Steps(Frozen):
    """A piecewise constant learning rate: ``rates[i]`` for ``epochs[i]`` epochs."""

    rates: list[Rate]
    epochs: list[Positive]

    @model_validator(mode="after")
    def _same_length(self) -> Steps:
        if len(self.rates) != len(self.epochs) or not self.rates:
            raise ValueError("rates and epochs need the same number of entries")
        return self


class Guard(Frozen):
    """When a cell is given up: validation PSNR above the input ``above`` times, then that far below it.

    ``restart`` says what then: nothing, or at most twice another attempt, which goes on from the ``best`` check or
    starts anew with the ``next_seed``. Its default is in no dump, so the ids of cells that do not name it stay.
    """

    above: Positive = 3
    margin_db: Annotated[float, Field(ge=0)] = 0.0
    restart: Literal["none", "best", "next_seed"] = "none"

    @model_serializer(mode="wrap")
    def _without_default(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if (key, value) != ("restart", "none")}


LearningRate = Annotated[Rate | Decay | Halving | Steps, ByForm()]
Augmentation = Literal["flips_rotations", "none"]
Loss = Literal["mse", "half_sse", "mse_ms_ssim"]  # each the name of a function in bench.training.losses
MS_SSIM_MIN_SIDE = 161  # pixels: after four halvings, rounded up, one window of 11 still fits
Precision = Literal["float32", "bfloat16"]
Target = Literal["reference", "second_draw"]


class Settings(Frozen):
    """The training settings that a recipe states, a profile may change, and a cell trains with.

    ``patch`` is the side of square crops in pixels (absent: whole slices), ``patches_per_slice`` how many of
    them one pass takes from a slice.

    ``target`` is what the network learns to give: the reference slice, or (Noise2Noise, Lehtinen et al. 2018,
    arXiv:1803.04189) a second draw of the noise of the same slice and condition. Then the checks on validation slices,
    which choose the epoch, are against a second draw too: no clean slice has a part in the training, and only the
    scores on test slices are against the reference. Its default is in no dump, so ids that do not name it stay.
    """

    learning_rate: LearningRate
    batch: Positive
    patch: Positive | None = None
    patches_per_slice: Positive = 1
    augmentation: Augmentation = "flips_rotations"
    loss: Loss = "half_sse"
    precision: Precision = "float32"
    guard: Guard = Guard()
    target: Target = "reference"

    @model_serializer(mode="wrap")
    def _without_usual_target(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in handler(self).items() if (key, value) != ("target", "reference")}


class Recipe(Settings):
    """Training settings of one network with their source. One epoch is ``passes`` passes over the slices.

    ``chosen`` names the keys that the source does not state.
    """

    source: str = ""
    optimizer: Literal["adam"] = "adam"
    epochs: Positive
    passes: Positive = 8
    chosen: tuple[str, ...] = ()


class Model(Frozen):
    """A network: the function that builds it, its parameters and its recipes."""

    build: str  # module:function
    label: str = ""
    params: dict[str, Any] = {}
    recipes: dict[str, Recipe]


class Experiment(Frozen):
    """A cross product: models x conditions x seeds; ``classical`` methods of ``bench.classical`` have no seed."""

    models: list[str]
    conditions: list[str]
    seeds: list[int] = [1]
    classical: list[str] = []


class Budget(Frozen):
    """How long a cell trains: ``slices_seen`` (crops counted by area) in ``checks`` epochs of equal length.

    A profile may instead give the ``time`` of all its cells, 10h, 90m or 2d: it is turned into slices seen, the same
    for every network, by what a machine was measured to do (``bench.plan.budget``).
    """

    slices_seen: Positive | None = None
    time: str | None = None
    checks: Positive

    @model_validator(mode="after")
    def _one_of_both(self) -> Budget:
        if (self.slices_seen is None) == (self.time is None):
            raise ValueError("needs either slices_seen or time; null takes an inherited one away")
        if self.time is not None:
            words.span(self.time)
        return self


_optional: dict[str, Any] = {
    key: (hint | None, None)
    for key, hint in get_type_hints(Settings, include_extras=True).items()
    if key in Settings.model_fields
}
_Changes = create_model(
    "_Changes", __base__=Frozen, **_optional
)  # mypy sees a Frozen: its keys are read by name


class Overrides(_Changes):
    """What a profile changes in the recipes, for one model or under ``all``: any of the keys of ``Settings``.

    A model that the profile names takes its recipe, then ``all``, then its own entry. A model that it does not name
    takes ``all``, then what its recipe and its ``params`` state; so ``all`` fills in what they leave open.
    ``budget`` is the model's own, else that of ``all``, else the profile's, else the epochs of the recipe.
    ``params`` under ``all`` reach the networks whose ``build`` names them.
    """

    budget: Budget | None = None  # "all" or one model: instead of the profile's
    params: dict[str, Any] = {}  # merged into the build parameters, e.g. batch norm momentum

    @model_validator(mode="after")
    def _no_time(self) -> Overrides:
        if self.budget is not None and self.budget.time is not None:
            raise ValueError("budget: a time is that of all cells; write it as the budget of the profile")
        return self


class Counts(Frozen):
    """At most so many slices of each part, spread evenly over patients and along z; absent means all."""

    train: Positive | None = None
    validation: Positive | None = None
    test: Positive | None = None


class Profile(Frozen):
    """A source, a size, a number of slices, a budget and what they need changed in the recipes."""

    description: str = ""
    experiment: str = "default"
    source: str
    split: str
    recipe: str = "study"
    size: Positive = FULL_SIZE
    slices: Counts = Counts()
    budget: Budget | None = None
    training: dict[str, Overrides] = {}  # "all" or a model's name
    noise_seed: int = 1


class Published(Frozen):
    """A published table: ``values[condition][model] = [PSNR, SSIM]`` and which metrics of ours it is held against.

    ``decimals`` are the digits that it prints of each metric after the point; empty: as many as we do.
    """

    source: str
    collection: str
    recipe: str
    test_slices: int
    metrics: list[str]
    decimals: list[Annotated[int, Field(ge=0)]] = []
    values: dict[str, dict[str, list[float]]]


class PublishedFile(Published):
    """A file of the folder ``published``: a table of its own, ``standard`` where profiles are held against it."""

    schema_: Literal[1] = Field(alias="schema")
    standard: bool = False

    @property
    def table(self) -> Published:
        """The table alone, as a plan keeps it."""
        return Published(**{key: getattr(self, key) for key in Published.model_fields})


class Experiments(Frozen):
    """The whole of ``experiments.yaml``.

    ``extends: packaged`` adds to the file of this program: a model of a name that it has takes its place whole, and so
    does ``published``; an experiment or a profile of such a name is changed in the keys that are written, at any depth,
    where a list and a learning rate are one value.
    """

    schema_: Literal[1] = Field(alias="schema")
    extends: Literal["packaged"] | None = None
    models: dict[str, Model]
    experiments: dict[str, Experiment]
    profiles: dict[str, Profile]
    published: Published | None = None  # not stated: the standard one of the folder `published`
