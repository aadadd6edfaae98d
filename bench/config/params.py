"""Whether the values under ``params`` fit the parameters of ``build``: by name, then by annotation or default."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from bench.config.faults import Fault, describe, members
from bench.config.yaml_lines import KeyPath
from bench.names import nearest, suggestion
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
    return Fault(path, f"must be {describe(hints)}, not {_shown(value)}", _remedy(value, hints))


def _in_list(value: list[Any], hint: Any, path: KeyPath) -> Iterator[Fault]:
    if get_origin(hint) is tuple:
        wanted = get_args(hint)
        if len(value) != len(wanted):
            yield Fault(path, f"must be a list of {len(wanted)} values, not of {len(value)}")
    else:
        wanted = get_args(hint)[:1] * len(value)
    for number, (entry, kind) in enumerate(zip(value, wanted, strict=False)):
        yield from of_value(entry, kind, (*path, number))


def _remedy(value: Any, hints: list[Any]) -> str | None:
    choices = [str(choice) for hint in hints if get_origin(hint) is Literal for choice in get_args(hint)]
    if isinstance(value, str) and bool in hints:
        return "write true or false"
    if isinstance(value, str) and (close := nearest(value, choices)):
        return f"did you mean {close}?"
    if str in hints and isinstance(value, bool | int | float):
        return f"put it in quotes: '{_shown(value)}'"
    return None


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "keys and values" if isinstance(value, dict) else "a list"
    return "empty" if value is None else json.dumps(value) if isinstance(value, bool) else repr(value)
