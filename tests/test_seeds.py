from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bench import seeds
from tests import tiny

NAMES = st.lists(st.integers(-(2**63), 2**63) | st.text(max_size=6), min_size=1, max_size=4)


def test_key_is_the_first_half_of_the_sha256_of_the_names_as_json() -> None:
    whole = hashlib.sha256(b'["order",1,"P\\u00e4"]').digest()
    assert seeds.derive("order", 1, "Pä") == int.from_bytes(whole[:16], "little")


def test_first_draws_are_those_of_philox_with_that_key() -> None:
    key = int.from_bytes(hashlib.sha256(b'["noise",7]').digest()[:16], "little")
    bits = np.random.Philox(key=[key % 2**64, key >> 64])  # the two words of the key by hand
    expected = np.random.Generator(bits).random(4)
    assert np.array_equal(seeds.generator("noise", 7).random(4), expected)


@given(NAMES, NAMES)
def test_different_names_have_different_keys(one: list[str | int], other: list[str | int]) -> None:
    assert (seeds.derive(*one) == seeds.derive(*other)) == (one == other)


def test_text_and_number_and_the_borders_between_names_are_told_apart() -> None:
    keys = [("1",), (1,), ("a", "b"), ("ab",), ("a,b",), ('a","b',)]
    assert len({seeds.derive(*names) for names in keys}) == len(keys)


def test_draws_do_not_depend_on_calls_before_or_on_the_process() -> None:
    seeds.generator("other").random(100)
    here = seeds.generator(1, "P001", "z003").normal(size=3).tolist()
    code = "from bench import seeds; print(seeds.generator(1, 'P001', 'z003').normal(size=3).tolist())"
    env = tiny.environment(PYTHONHASHSEED="5")
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env)
    assert there.stdout.strip() == str(here)
