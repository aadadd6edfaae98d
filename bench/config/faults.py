"""One fault in plain words for each mistake in a file, from the ``ValidationError`` of pydantic.

Pydantic decides what is wrong and where, and every union of ``schema`` which member is meant
(``bench.config.schema.unions``). The words come from the type hints.
"""

from __future__ import annotations

import functools
import json
import types
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from bench.config.schema.unions import ByKey, Choice, Members, choice_of, keys
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


def explain(error: ValidationError, model: type[BaseModel], document: Document) -> list[Fault]:
    """Return the faults of ``document.value`` against ``model``, one for each key path."""
    faults = [
        _in_words(entry, locate(entry["loc"], model), document) for entry in error.errors(include_url=False)
    ]
    # a misspelt key is unknown, and the key that it stands for is missing: one mistake, told where it was made
    meant = {fault.meant for fault in faults if fault.meant}
    # reversed twice: of several complaints about one path the first one stays, in its place
    unique = {fault.path: fault for fault in reversed(faults) if fault.path not in meant}
    return list(reversed(unique.values()))


Chosen = tuple[tuple[Choice, Members, str], ...]


@dataclass(frozen=True)
class Place:
    """Where pydantic complains: the key path in the file, what may stand there, and what it stands in.

    ``chosen`` are the unions, outermost first, of which ``owner`` is the member that the file has chosen, each with
    the tag of that member.
    """

    path: KeyPath
    hint: Any
    owner: Any = None
    chosen: Chosen = ()


def locate(loc: Sequence[str | int], model: type[BaseModel]) -> Place:
    """Return the place of a complaint: in ``loc`` pydantic mixes the tags of union members with keys."""
    place, chosen = Place((), model), Chosen()
    for part in loc:
        hint = _stated(place.hint)
        union = choice_of(hint)
        if union is None:
            place, chosen = Place((*place.path, part), _below(hint, part), hint, chosen), Chosen()
        else:
            choice, of_tag = union
            chosen = (*chosen, (choice, of_tag, str(part)))
            place = replace(place, hint=of_tag[str(part)])
    return place


def _in_words(entry: Mapping[str, Any], place: Place, document: Document) -> Fault:
    path, kind = place.path, entry["type"]
    if kind == "missing":
        named = [(choice.key, tag) for choice, _, tag in place.chosen if isinstance(choice, ByKey)]
        needed_by = ", and {} {} needs it".format(*named[-1]) if named else ""
        return Fault(path, f"is missing{needed_by}", f"must be {describe(members(place.hint))}")
    if kind == "extra_forbidden":
        return _unknown_key(place)
    if kind == "value_error":
        return Fault(path, entry["msg"].removeprefix("Value error, "))
    if kind == "too_short":
        return Fault(path, "is empty", "name at least one")
    value = functools.reduce(lambda inner, part: inner[part], path, document.value)
    if kind.startswith("union_tag") and (fault := _no_member(place, value)):
        return fault
    return wrong_value(path, value, members(place.hint), document.texts.get(path))


def _unknown_key(place: Place) -> Fault:
    """Return the fault of a key that its owner does not have, but perhaps another member of the union does."""
    path, known = place.path, keys(place.owner)
    # the innermost union first: its key (``rule``, ``kind``) stands beside the unknown one
    for choice, of_tag, tag in reversed(place.chosen):
        having = [
            other
            for other, member in of_tag.items()
            if any(path[-1] in keys(model) for model in members(member) if _is_model(model))
        ]
        if having and isinstance(choice, ByKey):
            message = f"is for {choice.key} {_either(having)}, not for {tag}"
            return Fault(path, message, f"leave it out, or take another {choice.key}")
    close = nearest(path[-1], known)
    return Fault(path, "unknown key", suggestion(path[-1], known), (*path[:-1], close) if close else None)


def _no_member(place: Place, value: Any) -> Fault | None:
    """Return the fault of a value that does not name its member of a union, None where no key names members."""
    choice, of_tag = choice_of(_stated(place.hint)) or (None, {})
    if not isinstance(choice, ByKey):
        return None
    if not isinstance(value, dict):
        return wrong_value(place.path, value, [dict[str, Any]])
    path = (*place.path, choice.key)
    if choice.key not in value:
        return Fault(path, "is missing", f"must be one of {', '.join(of_tag)}")
    return Fault(path, f"unknown {choice.key} {value[choice.key]!r}", suggestion(value[choice.key], of_tag))


def wrong_value(path: KeyPath, value: Any, hints: list[Any], written: str | None = None) -> Fault:
    """Return the fault of a value that is of none of ``hints``; ``written`` is how it stands in the file."""
    if isinstance(value, dict | list):
        return Fault(
            path,
            f"must be {describe(hints)}, not {'a list' if isinstance(value, list) else 'keys and values'}",
        )
    text = (
        "empty" if value is None else repr(value) if isinstance(value, str) else written or json.dumps(value)
    )
    choices = [str(choice) for hint in hints if get_origin(hint) is Literal for choice in get_args(hint)]
    remedy = None
    if isinstance(value, str):
        close = nearest(value, choices)
        remedy = "write true or false" if bool in hints else f"did you mean {close}?" if close else None
    elif str in hints and value is not None:
        remedy = f"put it in quotes: '{text}'"
    return Fault(path, f"must be {describe(hints)}, not {text}", remedy)


# --- type hints in words ---


def describe(hints: Iterable[Any]) -> str:
    """Return what a value of one of these hints looks like."""
    hints = list(hints)
    return _either(list(dict.fromkeys(_phrase(hint, len(hints) > 1) for hint in hints)) or ["left out"])


def _either(words: Sequence[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last


def _phrase(hint: Any, among_others: bool) -> str:
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
        return " ".join([_phrase(base, among_others), " and ".join(words)]).strip()
    if get_origin(hint) is Literal:
        names = [str(choice) for choice in get_args(hint)]
        return names[0] if len(names) == 1 else f"one of {', '.join(names)}"
    if _is_model(hint):
        # beside a number or a text the keys tell which entry is meant; alone, ``keys and values`` is shorter
        return "{" + ", ".join(keys(hint)) + "}" if among_others else "keys and values"
    if get_origin(hint) in (list, tuple):
        return "a list"
    return "keys and values" if get_origin(hint) is dict else _SCALARS.get(hint, "a value")


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)


def members(hint: Any) -> list[Any]:
    """Return the members of a union without None; a bounded number stays with its bounds."""
    if get_origin(hint) is Annotated and get_origin(get_args(hint)[0]) in (Union, types.UnionType):
        return members(get_args(hint)[0])
    if get_origin(hint) in (Union, types.UnionType):
        return [member for part in get_args(hint) for member in members(part)]
    return [] if hint is type(None) else [hint]


def _stated(hint: Any) -> Any:
    """Return a hint without ``None`` beside it: pydantic says nothing of it."""
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else ()
    stated = [part for part in parts if part is not type(None)]
    return stated[0] if len(stated) == 1 else hint


def _below(hint: Any, part: str | int) -> Any:
    """Return what may stand at the key or number ``part`` of a value of ``hint``; None where nothing may."""
    if _is_model(hint):
        names = {info.alias or name: name for name, info in hint.model_fields.items()}
        return get_type_hints(hint, include_extras=True)[names[str(part)]] if part in names else None
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    arguments = get_args(plain)
    return arguments[1] if get_origin(plain) is dict else arguments[0]
