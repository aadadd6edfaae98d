"""Which of a profile's changes reach a network, and which settings it keeps: decided here and nowhere else.

Of two settings the later one counts:

1. a model that the profile names under ``training``: its recipe, then ``training.all``, then its own entry;
2. a model that the profile does not name: ``training.all``, then what its recipe and its ``params`` state.

So a network that a profile was not written for keeps its own learning rate, and gets from ``all`` what its recipe
leaves open. The budget is the model's own, else that of ``all``, else the profile's, else the recipe's epochs.
``all.params`` reach the networks whose ``build`` names the parameter, and no other.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from bench.config import schema

ALL = "all"
RECIPE_KEYS = tuple(schema.Settings.model_fields)  # those that a profile may change

Origin = Literal["recipe", "all", "own", "profile"]


@dataclass(frozen=True)
class Setting:
    """A value and where it comes from: the model's recipe or params, ``training.all``, its own entry, the profile."""

    value: Any
    origin: Origin


@dataclass(frozen=True)
class Effective:
    """What a model trains with under a profile; ``undeclared`` are the ``all.params`` that it has no use for."""

    recipe: dict[str, Setting]  # by recipe key
    params: dict[str, Setting]  # by parameter of build
    budget: Setting | None  # None: as long as the recipe says
    undeclared: tuple[str, ...]


def settings(
    profile: schema.Profile, name: str, model: schema.Model, recipe: schema.Recipe, declared: Collection[str]
) -> Effective:
    """Return what the model ``name`` trains with; ``declared`` are the parameters that its ``build`` names."""
    everyone = profile.training.get(ALL, schema.Overrides())
    own = profile.training.get(name)
    stated = {key: Setting(getattr(recipe, key), "recipe") for key in RECIPE_KEYS}
    params = {key: Setting(value, "recipe") for key, value in model.params.items()}
    shared = {key: Setting(value, "all") for key, value in _keys(everyone).items()}
    shared_params = {key: Setting(v, "all") for key, v in everyone.params.items() if key in declared}
    if own is None:
        kept = {key: setting for key, setting in stated.items() if key in recipe.model_fields_set}
        stated, params = stated | shared | kept, shared_params | params
        own = schema.Overrides()
    else:
        stated, params = stated | shared, params | shared_params
    return Effective(
        recipe=stated | {key: Setting(value, "own") for key, value in _keys(own).items()},
        params=params | {key: Setting(value, "own") for key, value in own.params.items()},
        budget=_budget(profile, own, everyone),
        undeclared=tuple(key for key in everyone.params if key not in declared),
    )


def _keys(changes: schema.Overrides) -> dict[str, Any]:
    """Return the recipe keys that ``changes`` has."""
    return {key: value for key in RECIPE_KEYS if (value := getattr(changes, key)) is not None}


def _budget(profile: schema.Profile, own: schema.Overrides, everyone: schema.Overrides) -> Setting | None:
    budgets: list[tuple[schema.Budget | None, Origin]] = [
        (own.budget, "own"), (everyone.budget, "all"), (profile.budget, "profile"),
    ]  # fmt: skip
    return next((Setting(budget, origin) for budget, origin in budgets if budget is not None), None)


def kept(profile: schema.Profile, name: str, effective: Effective) -> list[str]:
    """Return the keys of ``training.all`` that a model does not take because its recipe states its own."""
    everyone = profile.training.get(ALL, schema.Overrides())
    if name in profile.training:
        return []
    changes = [(key, value, effective.recipe.get(key)) for key, value in _keys(everyone).items()]
    changes += [(f"params.{key}", value, effective.params.get(key)) for key, value in everyone.params.items()]
    return [
        key
        for key, value, setting in changes
        if setting is not None and setting.origin == "recipe" and setting.value != value
    ]
