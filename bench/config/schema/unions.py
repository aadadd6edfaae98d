"""Which class of a union an entry of a file is meant for, so that a wrong value has one fault, not one a class.

``Annotated[A | B, ByKey("rule")]`` reads the class from a key, ``Annotated[A | B, ByForm()]`` from what the value looks
like. The words for a fault (``bench.config.faults``) ask the same objects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

Members = Mapping[str, Any]  # tag -> member of a union


class Choice:
    """Tells the member of a union that a value is meant for."""

    def members(self, union: Any) -> Members:
        """Return the members of ``union`` by the tags that ``tag`` returns."""
        raise NotImplementedError

    def tag(self, value: Any, members: Members) -> str | None:
        """Return the tag of ``value``, which may be none of ``members``; None where it tells nothing."""
        raise NotImplementedError

    def __get_pydantic_core_schema__(self, union: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        members = self.members(union)

        def tag(value: Any) -> str | None:
            return self.tag(value, members)

        choices = {name: handler.generate_schema(member) for name, member in members.items()}
        return core_schema.tagged_union_schema(choices, tag)


@dataclass(frozen=True)
class ByKey(Choice):
    """The member is named by the value of one key; where the key is absent it is ``default``."""

    key: str
    default: str | None = None

    def members(self, union: Any) -> Members:
        """Return the members by the values that each allows for the key."""
        return {
            str(value): member
            for member in get_args(union)
            for value in get_args(_first_class(member).model_fields[self.key].annotation)
        }

    def tag(self, value: Any, members: Members) -> str | None:
        """Return the value of the key, of an entry or of an object that is already made."""
        if isinstance(value, dict):
            return str(value.get(self.key, self.default))
        return getattr(value, self.key, None)


class ByForm(Choice):
    """The member is told by the form of the value: a number, text, a list, or keys, of which most are the member's."""

    def members(self, union: Any) -> Members:
        """Return the members by their form; classes by their names."""
        return {_form(member): member for member in get_args(union)}

    def tag(self, value: Any, members: Members) -> str | None:
        """Return the form of the value; of several classes the one with most of its keys."""
        if not isinstance(value, dict):
            return _form(type(value))
        shared = {
            name: len(set(keys(member)) & set(value))
            for name, member in members.items()
            if isinstance(member, type) and issubclass(member, BaseModel)
        }
        best = max(shared, key=lambda name: shared[name], default=None)
        return best if best is not None and shared[best] else None


def choice_of(hint: Any) -> tuple[Choice, Members] | None:
    """Return how the member of a discriminated union is told, and its members; None where ``hint`` is no such union."""
    for note in getattr(hint, "__metadata__", ()):
        if isinstance(note, Choice):
            return note, note.members(get_args(hint)[0])
    return None


def keys(model: type[BaseModel]) -> list[str]:
    """Return the keys of a class as a user writes them."""
    return [info.alias or name for name, info in model.model_fields.items()]


def _first_class(member: Any) -> type[BaseModel]:
    """Return a member, or the first class of one that is a union again."""
    while not isinstance(member, type):
        member = get_args(member)[0]
    return member


def _form(hint: Any) -> str:
    if get_origin(hint) is Annotated:
        return _form(get_args(hint)[0])
    plain = get_origin(hint) or hint
    forms = {int: "number", float: "number", str: "text", tuple: "list", list: "list"}
    return forms.get(plain) or str(plain.__name__)
