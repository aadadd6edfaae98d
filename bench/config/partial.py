"""The valid part of a faulty file, so that one mistake does not hide the next."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bench.config.faults import Fault, explain, locate
from bench.config.schema import SCHEMA
from bench.config.yaml_lines import Document, KeyPath

Model = TypeVar("Model", bound=BaseModel)


def validate(
    model: type[Model], document: Document, sections: Iterable[str]
) -> tuple[list[Fault], Model | None]:
    """Return the faults of a file and what is sound in it: without faulty keys, else without their entries.

    ``sections`` are the top-level keys that hold named entries. None where nothing sound is left.
    """
    value = _whole(document.value)
    try:
        return [], model.model_validate_json(json.dumps(value))
    except ValidationError as error:
        faults = explain(error, model, document)
        value = _without_keys(value, _places(error, model))
    try:
        return faults, model.model_validate_json(json.dumps(value))
    except ValidationError as error:
        value = _without_entries(value, _places(error, model), tuple(sections))
    try:
        return faults, model.model_validate_json(json.dumps(value))
    except ValidationError:
        return faults, None


def _places(error: ValidationError, model: type[BaseModel]) -> list[tuple[KeyPath, str]]:
    """Return the key path and the type of every complaint."""
    return [(locate(entry["loc"], model).path, entry["type"]) for entry in error.errors(include_url=False)]


def _without_keys(value: Any, places: Iterable[tuple[KeyPath, str]]) -> Any:
    """Return a copy without the keys that are wrong by themselves; a recipe stays, profiles ask for it."""
    value = copy.deepcopy(value)
    for path, kind in places:
        numbered = next((place for place, part in enumerate(path) if isinstance(part, int)), len(path))
        path = path[:numbered]
        inner = kind != "missing" and len(path) > 2 and path[-2] != "recipes"
        if inner or kind == "extra_forbidden":
            _remove(value, path)
    return value


def _without_entries(value: Any, places: Iterable[tuple[KeyPath, str]], sections: tuple[str, ...]) -> Any:
    """Return a copy without the named entries that hold a fault, and with empty sections for broken ones."""
    value = copy.deepcopy(value)
    for path, _ in places:
        top = path[0]
        if top == "schema":
            value[top] = SCHEMA
        elif top in sections and len(path) < 2:
            value[top] = {}
        else:
            _remove(value, path[:2] if top in sections else path[:1])
    return value


def _remove(value: Any, path: KeyPath) -> None:
    for part in path[:-1]:
        value = value.get(part, {}) if isinstance(value, dict) else {}
    if path and isinstance(value, dict):
        value.pop(path[-1], None)


def _whole(value: Any) -> Any:
    """Return ``value`` with whole numbers as integers, so that 2e5 may stand where a count is asked."""
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
