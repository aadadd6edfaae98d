"""Whether the values under ``params`` fit the parameters of ``build``: by name, then by annotation or default."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from bench.config.faults import Fault, members, wrong_value
from bench.config.yaml_lines import KeyPath
from bench.names import suggestion
from bench.network_code.signature import BuildInfo


def faults(params: Mapping[str, Any], info: BuildInfo, path: KeyPath) -> Iterator[Fault]:
    """Yield what ``build`` would not take; ``path`` is that of ``params``."""
    for key, value in params.items():
        if key in info.parameters:
            yield from of_value(value, info.hints.get(key, Any), (*path, key))
        elif not info.open:
            yield Fault(
                (*path, key), f"{info.file.name} has no such parameter", suggestion(key, info.parameters)
            )


def of_value(value: Any, hint: Any, path: KeyPath) -> Iterator[Fault]:
    """Yield a fault where ``value`` is none of the type ``hint``; a list is held against it entry by entry."""
    try:
        TypeAdapter(hint).validate_json(json.dumps(value), strict=True)
    except ValidationError:
        yield _fault(value, members(hint), path)


def _fault(value: Any, hints: list[Any], path: KeyPath) -> Fault:
    """Return what is wrong with a value; ``hints`` are the types one of which it should have."""
    if isinstance(value, list):
        inside = [fault for hint in hints for fault in _in_list(value, hint, path)]
        if inside and all(get_origin(hint) in (list, tuple) for hint in hints if hint is not None):
            return inside[0]
    return wrong_value(path, value, hints)


def _in_list(value: list[Any], hint: Any, path: KeyPath) -> Iterator[Fault]:
    if get_origin(hint) is tuple:
        inner = get_args(hint)
        if len(value) != len(inner):
            yield Fault(path, f"must be a list of {len(inner)} values, not of {len(value)}")
    else:
        inner = get_args(hint)[:1] * len(value)
    for number, (entry, kind) in enumerate(zip(value, inner, strict=False)):
        yield from of_value(entry, kind, (*path, number))
