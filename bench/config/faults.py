"""What is wrong with a file, in plain words: a ``ValidationError`` of pydantic into one fault per mistake.

Pydantic decides what is wrong and where. The words come from the type hints of ``spec``, and a union has
one fault, for the member that was meant, not one for each.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from bench.config.yaml_lines import Document, KeyPath
from bench.names import nearest, suggestion

_SCALARS = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Any: "a value"}
_BOUNDS = (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most"))


@dataclass(frozen=True)
class Fault:
    """One mistake at a key path."""

    path: KeyPath
    message: str
    remedy: str | None = None
    meant: KeyPath | None = None  # the path that an unknown key probably stands for


@dataclass(frozen=True)
class _Found:
    path: KeyPath
    type: str
    message: str
    union: int | None = None  # depth of a union on the way, and which of its members complains
    member: str = ""


def explain(error: ValidationError, model: type[BaseModel], document: Document) -> list[Fault]:
    """Return the faults of ``document.value`` against ``model``."""
    found = [_locate(entry, document.value) for entry in error.errors(include_url=False)]
    faults = [_word(entry, model, document) for entry in _one_per_union(found, document.value)]
    meant = {fault.meant for fault in faults if fault.meant}
    unique = {fault.path: fault for fault in reversed(faults) if fault.path not in meant}
    return list(reversed(unique.values()))


def _locate(error: Any, value: Any) -> _Found:
    """Return the error with its real key path: pydantic mixes the names of union members into it."""
    path: list[str | int] = []
    union, member = None, ""
    for part in error["loc"]:
        if (isinstance(value, dict) and part in value) or (isinstance(value, list) and isinstance(part, int)):
            path.append(part)
            value = value[part]
        elif error["type"] == "missing" and part is error["loc"][-1]:
            path.append(part)
        else:
            union, member = len(path), str(part)
    return _Found(tuple(path), error["type"], error["msg"], union, member)


def _one_per_union(found: Sequence[_Found], root: Any) -> list[_Found]:
    """Keep for each union the complaints of the member that was meant, or a single one for the union."""
    kept: list[_Found] = []
    groups: dict[KeyPath, dict[str, list[_Found]]] = {}
    for entry in found:
        if entry.union is None:
            kept.append(entry)
        else:
            groups.setdefault(entry.path[: entry.union], {}).setdefault(entry.member, []).append(entry)
    for path, members in groups.items():
        if len(members) == 1:
            kept += next(iter(members.values()))
            continue
        value = _at(root, path)
        fitting = [entries for entries in members.values() if _fits(entries, path, value)]
        fewest: list[_Found] = min(fitting, key=len, default=[_Found(path, "union", "")])
        kept += fewest
    return kept


def _fits(entries: Sequence[_Found], path: KeyPath, value: Any) -> bool:
    if any(entry.path == path and entry.type != "value_error" for entry in entries):
        return False  # not even the right kind of value
    unknown = sum(entry.type == "extra_forbidden" for entry in entries)
    return not isinstance(value, dict) or unknown < len(value)


def _at(value: Any, path: KeyPath) -> Any:
    for part in path:
        value = value[part]
    return value


def _word(found: _Found, model: type[BaseModel], document: Document) -> Fault:
    path = found.path
    if found.type == "missing":
        return Fault(path, "is missing", f"must be {describe(_hints(model, path, document.value))}")
    if found.type == "extra_forbidden":
        owners = _hints(model, path[:-1], document.value)
        known = [key for owner in owners if _is_model(owner) for key in _keys(owner)]
        close = nearest(path[-1], known)
        meant = (*path[:-1], close) if close else None
        return Fault(path, "unknown key", suggestion(path[-1], dict.fromkeys(known)), meant)
    if found.type == "value_error":
        return Fault(path, found.message.removeprefix("Value error, "))
    if found.type in ("union_tag_invalid", "union_tag_not_found"):
        kinds = [kind for owner in _hints(model, path, None) for kind in _kinds(owner)]
        if found.type == "union_tag_not_found":
            return Fault((*path, "kind"), "is missing", f"must be one of {', '.join(kinds)}")
        kind = document.value and _at(document.value, (*path, "kind"))
        return Fault((*path, "kind"), f"unknown kind {kind!r}", suggestion(kind, kinds))
    return _wrong_value(path, _hints(model, path, document.value), document)


def _wrong_value(path: KeyPath, hints: list[Any], document: Document) -> Fault:
    value = _at(document.value, path)
    choices = [str(choice) for hint in hints if get_origin(hint) is Literal for choice in get_args(hint)]
    remedy = None
    if isinstance(value, dict | list):
        shown = "keys and values" if isinstance(value, dict) else "a list"
    else:
        shown = "empty" if value is None else repr(value) if isinstance(value, str) else document.texts[path]
        if str in hints and value is not None:
            remedy = f"put it in quotes: '{shown}'"
        elif isinstance(value, str) and nearest(value, choices):
            remedy = f"did you mean {nearest(value, choices)}?"
    return Fault(path, f"must be {describe(hints)}, not {shown}", remedy)


# --- type hints in words ---


def describe(hints: Iterable[Any]) -> str:
    """Return what a value of one of these hints looks like."""
    hints = list(hints)
    *most, last = dict.fromkeys(_phrase(hint, len(hints) > 1) for hint in hints) or ["left out"]
    return f"{', '.join(most)} or {last}" if most else last


def _phrase(hint: Any, several: bool) -> str:
    if get_origin(hint) is Annotated:
        base, *extra = get_args(hint)
        limits = [
            limit for item in extra for limit in (item.metadata if isinstance(item, FieldInfo) else [item])
        ]
        words = [
            f"{word} {getattr(limit, name):g}"
            for name, word in _BOUNDS
            for limit in limits
            if hasattr(limit, name)
        ]
        return " ".join([_phrase(base, several), " and ".join(words)]).strip()
    if get_origin(hint) is Literal:
        names = [str(choice) for choice in get_args(hint)]
        return names[0] if len(names) == 1 else f"one of {', '.join(names)}"
    if _is_model(hint):
        return "{" + ", ".join(_keys(hint)) + "}" if several else "keys and values"
    if get_origin(hint) in (list, tuple):
        return "a list"
    return "keys and values" if get_origin(hint) is dict else _SCALARS.get(hint, "a value")


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)


def _keys(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _kinds(model: type[BaseModel]) -> tuple[str, ...]:
    return get_args(get_type_hints(model).get("kind"))


def members(hint: Any) -> list[Any]:
    """Return the members of a union without None; a bounded number stays with its bounds."""
    if get_origin(hint) is Annotated and get_origin(get_args(hint)[0]) in (Union, types.UnionType):
        return members(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return [member for part in get_args(hint) for member in members(part)]
    return [] if hint is type(None) else [hint]


def _hints(model: type[BaseModel], path: KeyPath, value: Any) -> list[Any]:
    """Return the type hints that may stand at ``path``, narrowed by the value where it tells which."""
    hints = _narrow([model], value)
    for part in path:
        known = (isinstance(value, dict) and part in value) or isinstance(value, list)
        value = value[part] if known else None
        inner = [below for hint in hints for below in _below(hint, part)]
        hints = _narrow([member for below in inner for member in members(below)], value)
    return hints


def _below(hint: Any, part: str | int) -> list[Any]:
    if _is_model(hint):
        names = {info.alias or name: name for name, info in hint.model_fields.items()}
        return [get_type_hints(hint, include_extras=True)[names[part]]] if part in names else []
    arguments = get_args(hint)
    if get_origin(hint) is dict:
        return [arguments[1]]
    return [arguments[0]] if get_origin(hint) in (list, tuple) else []


def _narrow(hints: list[Any], value: Any) -> list[Any]:
    if not isinstance(value, dict):
        return hints
    by_kind = [hint for hint in hints if _is_model(hint) and value.get("kind") in _kinds(hint)]
    shared = {id(hint): len(set(_keys(hint)) & set(value)) for hint in hints if _is_model(hint)}
    best = max(shared.values(), default=0)
    return by_kind or ([hint for hint in hints if shared.get(id(hint)) == best] if best else hints)
