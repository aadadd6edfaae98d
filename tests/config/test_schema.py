"""What the classes of the two files promise: a union tells its member, and a training key stands in one place."""

from __future__ import annotations

import types
from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from bench.config import schema
from bench.config.precedence import RECIPE_KEYS
from bench.config.schema.unions import choice_of
from bench.plan.cells import Training


def unions(hint: Any, seen: set[type]) -> Iterator[Any]:
    """Yield every union of two or more members below a hint, with what is written beside it."""
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        if hint not in seen:
            seen.add(hint)
            for inner in get_type_hints(hint, include_extras=True).values():
                yield from unions(inner, seen)
        return
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    stated = [member for member in get_args(plain) if member is not type(None)]
    if get_origin(plain) in (Union, types.UnionType) and len(stated) > 1:
        yield hint
    for inner in get_args(plain):
        yield from unions(inner, seen)


@pytest.mark.parametrize("file", [schema.Datasets, schema.Experiments])
def test_every_union_tells_which_member_is_meant(file: type) -> None:
    """Else pydantic complains once for each member, and ``bench.config.faults`` cannot say which was meant."""
    found = list(unions(file, set()))
    assert found
    assert [hint for hint in found if choice_of(hint) is None] == []


def test_a_training_key_is_optional_in_a_profile_and_reaches_the_cell() -> None:
    assert schema.Overrides() == schema.Overrides.model_validate_json("{}")
    for key in RECIPE_KEYS:
        assert schema.Overrides.model_fields[key].default is None
        assert key in schema.Recipe.model_fields
        assert key in Training.model_fields
    with pytest.raises(ValidationError, match="greater than 0"):
        schema.Overrides.model_validate_json('{"batch": 0}')


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('{"test": ["a"], "validation": ["b"]}', schema.PatientSplit),
        ('{"rule": "kfold", "folds": 5, "validation": 0.1, "seed": 1}', schema.KFoldSplit),
        ('{"rule": "list", "file": "x.csv", "seed": 3, "leaky": "so"}', schema.ListSplit),
    ],
)
def test_a_split_is_read_into_the_class_of_its_rule_and_back(text: str, kind: type) -> None:
    adapter = TypeAdapter(schema.AnySplit)
    split = adapter.validate_json(text)
    assert type(split) is kind
    assert adapter.validate_json(adapter.dump_json(split)) == split
